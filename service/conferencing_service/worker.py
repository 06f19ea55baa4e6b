"""One of several server processes, as `serve` starts them: `python -m conferencing_service.worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import uvloop

from conferencing_service.logs import log_to
from conferencing_service.memory import keep_what_is_there
from conferencing_service.processes import REFUSED, SERVING
from conferencing_service.server import listening
from conferencing_service.settings import Settings, SettingsError, settings_from_environment
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import vendor_of


def main() -> int:
    """Serve until SIGTERM, or until standard input closes; return 0, or 2 where it cannot start."""
    try:
        settings = settings_from_environment()
        log_to(sys.stderr, settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except SettingsError as error:
        _say(f"{REFUSED}{error}")
        return 2
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    async with listening(
        settings,
        vendor_of(settings),
        Telemetry.of(settings),
        reflection_on=bool(settings.reflection),
        shares_port=True,
    ):
        keep_what_is_there()
        _say(SERVING)
        await stop.wait()
        # It stays readable once it is closed.
        loop.remove_reader(sys.stdin.fileno())


def _say(line: str) -> None:
    # Whoever started this one may be gone; standard input tells.
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
