"""The server on a loop that notes how long each of its callbacks held it: a program of its own.

Runs until its standard input closes, then writes the slowest callbacks as JSON: what they were, and
the CPU milliseconds that the loop's thread spent in them. Seconds would tell of the machine's other
work; the loop is asyncio's own, since uvloop's callbacks cannot be looked into.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
import time
from asyncio import events
from typing import Any

from conferencing_service.logs import log_to
from conferencing_service.memory import keep_what_is_there
from conferencing_service.server import listening
from conferencing_service.settings import settings_from_environment
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import vendor_of

_KEPT = 20
_slowest: list[tuple[float, str]] = []
_run = events.Handle._run


def _watched(handle: Any) -> None:
    name = repr(handle)
    started = time.thread_time()
    _run(handle)
    spent = (time.thread_time() - started) * 1000
    heapq.heappush(_slowest, (spent, name))
    if len(_slowest) > _KEPT:
        heapq.heappop(_slowest)


async def _serve() -> None:
    settings = settings_from_environment()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    telemetry = Telemetry.of(settings)
    async with listening(settings, vendor_of(settings), telemetry, reflection_on=False) as port:
        keep_what_is_there()
        # What is done once at the start is no caller's concern.
        events.Handle._run = _watched  # type: ignore[method-assign, assignment]
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await ended.wait()
        events.Handle._run = _run  # type: ignore[method-assign]
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    log_to(sys.stderr, "INFO")
    asyncio.run(_serve())
    sys.stdout.write(json.dumps(sorted(_slowest, reverse=True)) + "\n")
