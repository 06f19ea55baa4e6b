"""The program: a command runs, and its ending becomes the exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from conferencing_service.commands.endings import DONE, INTERRUPTED
from conferencing_service.commands.program import program

# gRPC would write a line of its own, which is no JSON, for each handshake that fails. It looks when
# it is imported, which commands do late; processes that are started inherit it.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status, 2 when the start was refused (one line says why)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A foreign name that the terminal's encoding lacks is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        with program.make_context("conferencing-service", arguments) as context:
            return int(program.invoke(context))
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


if __name__ == "__main__":
    sys.exit(main())
