"""All commands by name; each one's module is imported when it runs, and no other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from conferencing_service import __version__
from conferencing_service.commands.help_texts import Group

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve until SIGTERM",
    "sandbox": "serve the embedded vendor alone, until Ctrl-C",
    "demo": "walk through every RPC on free ports, then stop",
    "healthcheck": "ask a server whether it serves; for container probes",
    "check": "what is possible with conferences on a grant or platform",
    "policy": "whether a policy holds, and what somebody may do by it",
    "extract": "read a conference out of a mail, calendar file, page or text",
    "ledger": "see and settle writes whose answer was lost",
}

_ABOUT = "Puts conferences on calendar events and reads their join details, over gRPC."
_MORE = """
Examples:
  conferencing-service serve --sandbox
  conferencing-service check --grant google-demo
  conferencing-service extract < invitation.eml

Settings are environment variables; README.md has the table. COMMAND --help tells more.

Exit status:
  0    it is done
  1    it is not: what was asked for is not there, or cannot be done
  2    refused to start: one line on stderr says which setting or input is wrong; wrong arguments
       show the usage
  130  Ctrl-C
"""


class _Program(Group):
    """The program. What it says of its commands it knows without them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        # Where rich is installed, httpx imports it for a command line of its own, which nobody
        # here calls and every start would pay for. httpx does without where it cannot.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        module: Any = importlib.import_module(f"conferencing_service.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


program = _Program(
    name="conferencing-service",
    help=_ABOUT,
    epilog=_MORE,
    subcommand_metavar="COMMAND ...",
)
click.version_option(__version__, message="%(version)s")(program)
