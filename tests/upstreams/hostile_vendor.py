"""A vendor on a raw socket: it answers for the grant as it should, and then as badly as it is told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

START = 1_893_492_000
GRANT = "grant-1"
EVENT: dict[str, Any] = {
    "id": "event-1",
    "object": "event",
    "grant_id": GRANT,
    "calendar_id": "primary",
    "title": "Review",
    "busy": True,
    "participants": [],
    "when": {"start_time": START, "end_time": START + 3600, "object": "timespan"},
}
_GRANT = {"id": GRANT, "provider": "google", "grant_status": "valid"}
_CALENDAR = {"id": "primary", "read_only": False}
_WELL = {"grant": _GRANT, "calendar": _CALENDAR, "lookup": []}

# What a request is about, by its first line.
_KINDS = (
    ("create", re.compile(r"POST /v3/grants/[^/?]+/events\?")),
    ("lookup", re.compile(r"GET /v3/grants/[^/?]+/events\?.*metadata_pair=")),
    ("list", re.compile(r"GET /v3/grants/[^/?]+/events\?")),
    ("event", re.compile(r"GET /v3/grants/[^/?]+/events/[^/?]+\?")),
    ("calendar", re.compile(r"GET /v3/grants/[^/?]+/calendars/[^/?]+ ")),
    ("grant", re.compile(r"GET /v3/grants/[^/?]+ ")),
)


@dataclass(frozen=True)
class Request:
    """A request, as it came."""

    kind: str
    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def header(self, name: str) -> str:
        """The one header of that name."""
        (value,) = [value for key, value in self.headers if key.lower() == name]
        return value


@dataclass(frozen=True)
class Exchange:
    """A request, and the socket that its answer goes to."""

    vendor: HostileVendor
    request: Request
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self, body: bytes, *headers: bytes, status: bytes = b"200 OK") -> None:
        """Answer as HTTP wants it."""
        length = b"Content-Length: %d" % len(body)
        head = b"\r\n".join([b"HTTP/1.1 " + status, length, *headers])
        await self.send(head + b"\r\n\r\n", body)

    def told(self, **changes: Any) -> Any:
        """The data of a good answer, but for what is changed of the event."""
        event = {**EVENT, **changes}
        return [event] if self.request.kind == "list" else event


Behave = Callable[[Exchange], Awaitable[None]]


async def well(exchange: Exchange) -> None:
    """Answer as the vendor should."""
    data = _WELL.get(exchange.request.kind)
    data = exchange.told() if data is None else data
    await exchange.answer(json.dumps({"request_id": "r", "data": data}).encode())


@dataclass
class HostileVendor:
    """A server on a free port, what it was sent, and how it answers for events.

    It answers well for grants, calendars and looks for a marker, unless it is hostile to the end.
    """

    behave: Behave = well
    to_the_end: bool = False
    elsewhere: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kinds(self) -> list[str]:
        return [request.kind for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                is_good = request.kind in _WELL and not (
                    self.to_the_end and request.kind == "lookup"
                )
                await (well if is_good else self.behave)(Exchange(self, request, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = tuple((key, value) for key, _, value in (each.partition(": ") for each in fields))
    length = max(
        (int(value) for key, value in headers if key.lower() == "content-length"), default=0
    )
    kind = next((kind for kind, pattern in _KINDS if pattern.match(line)), "unknown")
    return Request(kind, line, headers, await reader.readexactly(length))


@asynccontextmanager
async def hostile_vendor(behave: Behave = well, **more: Any) -> AsyncIterator[HostileVendor]:
    """Run a vendor for the block."""
    vendor = HostileVendor(behave, **more)
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await vendor.serve(reader, writer)
        except asyncio.CancelledError:
            # The end of the block, while it still drips.
            writer.transport.abort()
        finally:
            serving.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**21)
    vendor.port = listener.sockets[0].getsockname()[1]
    try:
        yield vendor
    finally:
        listener.close()
        under_way = set(serving)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
