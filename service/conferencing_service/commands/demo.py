"""`demo`: every RPC once or more, each with its answer and trace."""

from __future__ import annotations

import sys

import click

from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.running import run, settings
from conferencing_service.commands.telling import say
from conferencing_service.demo import demo
from conferencing_service.logs import log_to

_ABOUT = """
Start the server and the sandbox on free ports, walk through every RPC, and stop.

Each step prints its request, its answer or refusal, and the spans of the call as a tree.
"""
_MORE = """
Example:
  conferencing-service demo --sandbox

Exit status:
  0  every step answered as expected
  1  one did not; the last lines say which
  2  refused to start; one line on stderr names the setting
"""


@click.command("demo", cls=Command, help=_ABOUT, epilog=_MORE)
@click.option("--sandbox", is_flag=True, required=True, help="The demo runs on the sandbox only.")
def command(*, sandbox: bool) -> int:
    """Walk through the RPCs."""
    del sandbox
    chosen = settings()
    log_to(sys.stderr, chosen.log_level)
    return run(demo(chosen, say=say))
