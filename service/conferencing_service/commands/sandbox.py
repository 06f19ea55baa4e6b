"""`sandbox`: the embedded vendor alone, for tests and servers elsewhere on this machine."""

from __future__ import annotations

import click

from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.running import settings
from conferencing_service.sandbox.command import main

_ABOUT = """
Serve Nylas v3 on loopback, with the API key "sandbox", until Ctrl-C or SIGTERM.

`python -m conferencing_service.sandbox` is the same without the settings. A server of its own is
not needed for `serve --sandbox`, which starts one.
"""
_MORE = """
Examples:
  conferencing-service sandbox
  conferencing-service sandbox --listen 127.0.0.1:0 --database .data/sandbox.sqlite
  conferencing-service sandbox --faults '[{"kind": "server_error", "method": "POST"}]'

  CONFERENCING_NYLAS_REGION=http://127.0.0.1:50080 CONFERENCING_NYLAS_API_KEY=sandbox \\
    conferencing-service serve

Exit status:
  0  stopped by a signal
  2  refused to start; one line on stderr says why
"""


@click.command("sandbox", cls=Command, help=_ABOUT, epilog=_MORE)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="A loopback address; port 0 takes a free one. Else CONFERENCING_SANDBOX_LISTEN.",
)
@click.option(
    "--database",
    metavar="PATH",
    help="A SQLite file that outlives the process. Else CONFERENCING_SANDBOX_DATABASE.",
)
@click.option(
    "--faults",
    metavar="JSON",
    help="Faults that are armed at the start. Else CONFERENCING_SANDBOX_FAULTS.",
)
@click.option(
    "--events-per-second",
    metavar="N",
    help="Event and calendar calls per grant; 0 is unlimited.",
)
@click.option("--grants-per-second", metavar="N", help="Grant calls; 0 is unlimited.")
@click.option(
    "--until-stdin-closes", is_flag=True, help="End with standard input, and so with the parent."
)
def command(
    *,
    listen: str | None,
    database: str | None,
    faults: str | None,
    events_per_second: str | None,
    grants_per_second: str | None,
    until_stdin_closes: bool,
) -> int:
    """Serve the sandbox: it checks the values itself, and says which is wrong."""
    chosen = settings()
    values = {
        "--listen": listen if listen is not None else chosen.sandbox_listen,
        "--database": database if database is not None else chosen.sandbox_database,
        "--faults": faults if faults is not None else chosen.sandbox_faults or None,
        "--events-per-second": events_per_second,
        "--grants-per-second": grants_per_second,
    }
    arguments = [f"{name}={value}" for name, value in values.items() if value is not None]
    return main([*arguments, *(["--until-stdin-closes"] if until_stdin_closes else [])])
