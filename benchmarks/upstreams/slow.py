"""The vendor 50 ms away: answers like nginx does, after a while. `slow.py MILLISECONDS`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import answers
from driven import tell

_PAGES = {name: answers.page_answer(name) for name in ("primary", answers.TEXTS_CALENDAR)}
_served = 0


def _answer_to(line: bytes) -> bytes:
    method, target, _version = line.decode().split(" ", 2)
    path = target.partition("?")[0]
    if path == "/status":
        return f"requests {_served}".encode()
    segments = path.strip("/").split("/")
    if len(segments) == 3:
        return answers.GRANT_ANSWER
    if segments[3] == "calendars":
        return answers.CALENDAR_ANSWER
    if method == "GET" and segments[-1] == "events":
        named = target.partition("calendar_id=")[2].partition("&")[0]
        return _PAGES.get(named, _PAGES["primary"])
    return answers.EVENT_ANSWER


class Vendor(asyncio.Protocol):
    """One connection; requests come whole or in pieces, one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is there whole, in a while."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._take(head.partition(b"\r\n")[0])

    def _take(self, line: bytes) -> None:
        global _served  # noqa: PLW0603 - one number for all connections
        counts = b" /status " not in line
        _served += counts
        body = _answer_to(line)
        answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        )
        asyncio.get_running_loop().call_later(
            self._seconds if counts else 0, self._transport.write, answer % (len(body), body)
        )


async def _serve() -> None:
    seconds = float(sys.argv[1]) / 1000
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Vendor(seconds), "127.0.0.1", 0, backlog=1024)
    tell(f"ready 127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
