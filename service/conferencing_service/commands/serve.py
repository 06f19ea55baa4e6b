"""`serve`: the gRPC server, in the foreground."""

from __future__ import annotations

import sys

import click

from conferencing_service.commands.endings import DONE
from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.running import run, settings
from conferencing_service.commands.telling import say
from conferencing_service.logs import log_to
from conferencing_service.serving import serve
from conferencing_service.settings import Settings

_ABOUT = """
Serve conferencing.v1 on CONFERENCING_LISTEN until SIGTERM or Ctrl-C, then let calls under way end.

Where it listens is said on stdout, once it does. Each call is one JSON line on stderr.
"""
_MORE = """
Examples:
  conferencing-service serve --sandbox
  CONFERENCING_NYLAS_REGION=us CONFERENCING_NYLAS_API_KEY_FILE=/run/secrets/nylas-api-key \\
    conferencing-service serve

Settings are environment variables; README.md has the table.

Exit status:
  0  stopped by a signal
  2  refused to start; one line on stderr names the setting
"""


@click.command("serve", cls=Command, help=_ABOUT, epilog=_MORE)
@click.option(
    "--sandbox", is_flag=True, help="With the embedded sandbox as the upstream; no account needed."
)
def command(*, sandbox: bool) -> int:
    """Serve."""
    chosen = settings()
    log_to(sys.stderr, chosen.log_level)
    return run(_serve(chosen, with_sandbox=sandbox))


async def _serve(chosen: Settings, *, with_sandbox: bool) -> int:
    await serve(chosen, with_sandbox=with_sandbox, say=say)
    return DONE
