"""The command: parse, build, serve."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from conferencing_service import __version__
from conferencing_service.demo import demo
from conferencing_service.server import serve
from conferencing_service.settings import SettingsError, settings_from_environment
from conferencing_service.telemetry import log_to

REFUSED_TO_START = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 when the start was refused (one line on stderr says why)."""
    parser = argparse.ArgumentParser(
        prog="conferencing-service",
        description="Puts conferences on calendar events and reads their join details, over gRPC.",
        epilog="Settings are environment variables; README.md has the table.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="serve until SIGTERM")
    command.add_argument("--sandbox", action="store_true", help="with the embedded sandbox")
    command = commands.add_parser("demo", help="walk through every RPC on free ports, then stop")
    command.add_argument(
        "--sandbox", action="store_true", required=True, help="the demo runs on the sandbox only"
    )
    arguments = parser.parse_args(argv)
    try:
        settings = settings_from_environment()
        log_to(sys.stderr, settings.log_level)
        if arguments.command == "demo":
            return _run(demo(settings, say=_say))
        return _run(_serve(settings, with_sandbox=arguments.sandbox))
    except SettingsError as error:
        sys.stderr.write(f"conferencing-service: {error}\n")
        return REFUSED_TO_START


async def _serve(settings: Any, *, with_sandbox: bool) -> int:
    await serve(settings, with_sandbox=with_sandbox, say=_say)
    return 0


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
