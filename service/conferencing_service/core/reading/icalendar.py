"""Conferences of iCalendar text: the properties that name one, then the texts (RFC 5545, 7986)."""

from __future__ import annotations

from collections.abc import Iterator

from conferencing_service.core.model import Conferencing, Details, Origin, State
from conferencing_service.core.reading.links import (
    MAX_TEXT,
    conferencing_from_text,
    join_link_from_url,
)

_NAMING = ("X-GOOGLE-CONFERENCE", "CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")
_TEXTS = ("URL", "LOCATION", "DESCRIPTION", "X-ALT-DESC")
_ESCAPES = {"n": "\n", "N": "\n", ",": ",", ";": ";", "\\": "\\"}


def conferencing_from_icalendar(text: str) -> Conferencing | None:
    """Return the conference of the first VEVENT in an iCalendar text, or None."""
    properties: dict[str, list[str]] = {}
    for name, parameters, value in _properties(text[:MAX_TEXT]):
        if name == "END" and value.upper() == "VEVENT":
            break
        if not (name == "CONFERENCE" and "MODERATOR" in parameters):
            properties.setdefault(name, []).append(value)
    for name in _NAMING:
        for value in properties.get(name, ()):
            link = join_link_from_url(value.strip())
            if link is not None:
                return Conferencing(
                    provider=link.provider,
                    source=Details(url=link.url, meeting_code=link.meeting_code),
                    state=State.READY,
                    origin=Origin.NATIVE,
                )
    for name in _TEXTS:
        for value in properties.get(name, ()):
            found = conferencing_from_text(_unescaped(value), name)
            if found is not None:
                return found
    return None


def _properties(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, parameters and value of each unfolded content line (RFC 5545, section 3.1)."""
    unfolded: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line[:1] in {" ", "\t"} and unfolded:
            unfolded.append(line[1:])
            continue
        if unfolded:
            yield _property("".join(unfolded))
        unfolded = [line]
    if unfolded:
        yield _property("".join(unfolded))


def _property(line: str) -> tuple[str, str, str]:
    """Split a content line at the first colon that is not in a quoted parameter."""
    quoted = False
    for index, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == ":" and not quoted:
            name, _, parameters = line[:index].partition(";")
            return name.upper(), parameters.upper(), line[index + 1 :]
    return "", "", ""


def _unescaped(value: str) -> str:
    """Undo the escapes of a TEXT value (RFC 5545, section 3.3.11)."""
    pieces: list[str] = []
    characters = iter(value)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            pieces.append(_ESCAPES.get(following, "\\" + following))
        else:
            pieces.append(character)
    return "".join(pieces)
