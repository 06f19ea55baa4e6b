"""`extract`: the conference of an invitation, read here, without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import click
from google.protobuf import json_format

from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service import codec
from conferencing_service.commands.documents import (
    Kind,
    UnreadableError,
    conferencing_in,
    kind_of,
)
from conferencing_service.commands.endings import DONE, NOT_DONE, Refused
from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.telling import clean, say
from conferencing_service.core.compatibility import PROVIDER_NAMES
from conferencing_service.core.model import Conferencing, Details, EntryPoint

MAX_INPUT = 32 * 1024 * 1024

_ABOUT = """
Read a conference out of FILE, or of standard input where no file or `-` is named. Nothing is
fetched and nothing leaves this machine.

The kind is found by looking at it, or said by --kind:

  mail       RFC 5322: its text/calendar part first, then text/html, then text/plain
  icalendar  a calendar file or one VEVENT
  html       a page
  text       anything else
  google     an event as the Google Calendar API returns it, JSON
  microsoft  an event as Microsoft Graph returns it, JSON
"""
_MORE = """
Examples:
  conferencing-service extract invitation.eml
  conferencing-service extract < invitation.eml
  conferencing-service extract --json event.ics
  pbpaste | conferencing-service extract --kind text

What is printed lets people into the meeting: take care where it goes. --json prints the contract's
ExtractConferencingResponse, {} where there is no conference.

Limits: 32 MiB; 256 KiB of a text; of a mail 500 parts, 20 levels and 1 MiB of texts.

Exit status:
  0  a conference was found
  1  there is none
  2  the input cannot be read; one line on stderr says why
"""


@click.command("extract", cls=Command, help=_ABOUT, epilog=_MORE)
@click.argument("file", metavar="[FILE]", default="-")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind], case_sensitive=False),
    metavar="KIND",
    help="What it is; else it is looked at.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(*, file: str, kind: str | None, as_json: bool) -> int:
    """Read, and show what was found."""
    name = "standard input" if file == "-" else clean(file)
    try:
        data = _data(file)
        found = conferencing_in(data, kind_of(data) if kind is None else Kind(kind))
    except UnreadableError as error:
        raise Refused(f"{name} {error}") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no such file"
        raise Refused(f"{name} cannot be read: {why}") from error
    if as_json:
        answer = service.ExtractConferencingResponse()
        if found is not None:
            answer.conferencing.CopyFrom(codec.conferencing_to_proto(found))
        say(json_format.MessageToJson(answer))
    elif found is None:
        click.echo(f"no conference in {name}", err=True)
    else:
        say("\n".join(_lines(found)))
    return NOT_DONE if found is None else DONE


def _data(file: str) -> bytes:
    if file != "-":
        with open(file, "rb") as stream:  # noqa: PTH123 - a name with a NUL is a ValueError
            return _read(stream)
    if sys.stdin.isatty():
        click.echo("reading from the terminal; Ctrl-D ends it", err=True)
    return _read(sys.stdin.buffer)


def _read(stream: BinaryIO) -> bytes:
    data = stream.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise UnreadableError(f"is larger than {MAX_INPUT // 2**20} MiB")
    return data


def _lines(found: Conferencing) -> Iterator[str]:
    """Yield a line for each thing that is known, and for each further value of it."""
    details = found.source if isinstance(found.source, Details) else Details()
    name = PROVIDER_NAMES.get(found.provider, "") if found.provider else ""
    rows = [
        ("provider", [name or found.label]),
        ("URL", [details.url]),
        ("code", [details.meeting_code]),
        ("passcode", [details.password]),
        ("PIN", [details.pin]),
        ("phones", list(details.phone)),
        ("entry points", [_line_of(point) for point in details.entry_points]),
        ("found in", [found.source_field or "the field that names the conference"]),
    ]
    for title, values in rows:
        for number, value in enumerate(values):
            if value:
                yield f"{title if number == 0 else '':14}{clean(value)}"


def _line_of(point: EntryPoint) -> str:
    facts = {
        "code": point.meeting_code,
        "passcode": point.password,
        "PIN": point.pin,
        "region": point.region_code,
        "toll free": "yes" if point.toll_free else "",
    }
    told = [f"{name} {value}" for name, value in facts.items() if value]
    return "  ".join([f"{point.type.name.lower():6}{point.uri}", *told])
