"""Bare aiohttp with uvloop: the vendor's POST, its answer read in full, no JSON, no gRPC.

No server: it keeps as many calls in flight as a line on stdin says, and tells what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import answers
import driven
import messages

_HEADERS = {
    "authorization": "Bearer bench",
    "accept": "application/json",
    "content-type": "application/json",
}


async def _serve() -> None:
    body = json.dumps(messages.vendor_event()).encode()
    url = f"{sys.argv[1]}/v3/grants/{messages.GRANT_ID}/events?calendar_id=primary"
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def call() -> bool:
            async with session.post(url, data=body, headers=_HEADERS) as answer:
                return answer.status == 200 and await answer.read() == answers.EVENT_ANSWER

        await driven.by_tasks(call)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
