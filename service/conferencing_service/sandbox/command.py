"""The command line of the sandbox."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from typing import NoReturn

from conferencing_service.sandbox.errors import VendorError
from conferencing_service.sandbox.server import StartError, serve
from conferencing_service.sandbox.settings import SandboxSettings

_REFUSED = 2


def main(argv: list[str]) -> int:
    """Serve in the foreground; 0 after a normal end, 2 and one line when it cannot start."""
    try:
        arguments = _parser().parse_args(argv)
        serve(_settings(arguments), until_stdin_closes=arguments.until_stdin_closes)
    except StartError as error:
        return _refused(str(error))
    except VendorError as error:
        return _refused(f"--faults: {error}")
    except sqlite3.Error as error:
        return _refused(f"--database: {error}")
    return 0


def _refused(why: str) -> int:
    sys.stderr.write(f"sandbox: {' '.join(why.split())}\n")
    return _REFUSED


class _Parser(argparse.ArgumentParser):
    """A parser whose refusal is one line, as every other refusal to start is."""

    def error(self, message: str) -> NoReturn:
        raise StartError(message)


def _parser() -> argparse.ArgumentParser:
    defaults = SandboxSettings()
    parser = _Parser(
        prog="conferencing_service.sandbox", description="The embedded vendor, on loopback."
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=f"{defaults.host}:{defaults.port}",
        help="a loopback address; port 0 takes any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        metavar="PATH",
        default=defaults.database,
        help="a SQLite file that outlives the process (default: %(default)s)",
    )
    parser.add_argument(
        "--faults", metavar="JSON", default="[]", help="faults that are armed at the start"
    )
    parser.add_argument(
        "--events-per-second",
        metavar="N",
        type=_rate,
        default=defaults.events_per_second,
        help="event and calendar calls per grant; 0 is unlimited (default: %(default)s)",
    )
    parser.add_argument(
        "--grants-per-second",
        metavar="N",
        type=_rate,
        default=defaults.grants_per_second,
        help="grant calls; 0 is unlimited (default: %(default)s)",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end with standard input, and so with the parent",
    )
    return parser


def _settings(arguments: argparse.Namespace) -> SandboxSettings:
    host, colon, port = str(arguments.listen).rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise StartError(f"--listen: must be HOST:PORT, not {arguments.listen!r}")
    try:
        faults = json.loads(arguments.faults)
    except ValueError as error:
        raise StartError(f"--faults: no JSON: {error}") from error
    listed = faults.get("faults") if isinstance(faults, dict) else faults
    if not isinstance(listed, list):
        raise StartError('--faults: must be a list of faults, or {"faults": [...]}')
    return SandboxSettings(
        host=host.removeprefix("[").removesuffix("]"),
        port=int(port),
        database=arguments.database,
        faults=tuple(listed),
        events_per_second=arguments.events_per_second,
        grants_per_second=arguments.grants_per_second,
    )


def _rate(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)
