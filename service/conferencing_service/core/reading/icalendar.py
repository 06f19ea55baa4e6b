"""Conferences of iCalendar text: the properties that name one, then the texts (RFC 5545, 7986)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conferencing_service.core.model import (
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    State,
)
from conferencing_service.core.reading.links import MAX_TEXT, JoinLink, join_link_from_url
from conferencing_service.core.reading.native import completed, details_with_phones, first_in
from conferencing_service.core.reading.phones import e164, e164_of_tel

_NAMING = (
    "X-GOOGLE-CONFERENCE",
    "CONFERENCE",
    "X-MICROSOFT-SKYPETEAMSMEETINGURL",
    "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK",
)
_TEXTS = ("URL", "LOCATION", "DESCRIPTION", "X-ALT-DESC")
_ESCAPES: Mapping[str, str] = {"n": "\n", "N": "\n", ",": ",", ";": ";", "\\": "\\"}
_MOST_PROPERTIES = 2000


@dataclass(frozen=True, slots=True)
class _Property:
    """A content line: its name, its parameters and its value as written."""

    name: str
    parameters: str
    value: str


def conferencing_from_icalendar(text: str) -> Conferencing | None:
    """Return the conference of the first VEVENT in an iCalendar text, or None."""
    properties = list(_event_properties(text[:MAX_TEXT]))
    texts = tuple(
        (name, _unescaped(each.value))
        for name in _TEXTS
        for each in properties
        if each.name == name
    )
    for name in _NAMING:
        for each in properties:
            link = join_link_from_url(_unescaped(each.value).strip()) if each.name == name else None
            if link is not None:
                details = completed(_details(link, properties), link, texts)
                return Conferencing(
                    provider=link.provider,
                    source=details,
                    state=State.READY,
                    origin=Origin.NATIVE,
                )
    found = first_in(texts)
    if found is None or not isinstance(found.source, Details) or found.source.phone:
        return found
    numbers = tuple(_phones(properties))
    details = dataclasses.replace(
        found.source,
        phone=tuple(point.uri.removeprefix("tel:") for point in numbers),
        entry_points=found.source.entry_points + numbers,
    )
    return dataclasses.replace(found, source=details)


def _details(link: JoinLink, properties: list[_Property]) -> Details:
    pin = ""
    for each in properties:
        if each.name == "X-MICROSOFT-ONLINEMEETINGCONFERENCEID":
            pin = "".join(c for c in each.value if c.isascii() and c.isdigit())
    return details_with_phones(link, pin, {point.uri: point for point in _phones(properties)})


def _phones(properties: list[_Property]) -> Iterator[EntryPoint]:
    """Yield the numbers that properties name, without those that are for moderators."""
    for each in properties:
        number = ""
        if each.name == "CONFERENCE":
            number = e164_of_tel(_unescaped(each.value).strip())
        elif each.name == "X-MICROSOFT-ONLINEMEETINGTOLLNUMBER":
            number = e164(_unescaped(each.value))
        if number:
            yield EntryPoint(EntryPointType.PHONE, uri=f"tel:{number}", label=number)


def _event_properties(text: str) -> Iterator[_Property]:
    """Yield the properties of the first VEVENT, not those of what is nested in it.

    A text without any BEGIN is taken as the inside of an event.
    """
    nesting: list[str] = []
    for number, each in enumerate(_properties(text)):
        if number > _MOST_PROPERTIES:
            return
        value = each.value.strip().upper()
        if each.name == "BEGIN":
            nesting.append(value)
        elif each.name == "END":
            if nesting and nesting[-1] == value:
                nesting.pop()
            if value == "VEVENT":
                return
        elif (not nesting or nesting[-1] == "VEVENT") and not (
            each.name == "CONFERENCE" and "MODERATOR" in each.parameters
        ):
            yield each


def _properties(text: str) -> Iterator[_Property]:
    """Yield each unfolded content line (RFC 5545, section 3.1)."""
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


def _property(line: str) -> _Property:
    """Split a content line at the first colon that is not in a quoted parameter."""
    position = line.find(":")
    quote = line.find('"')
    while 0 <= quote < position:
        closing = line.find('"', quote + 1)
        if closing < 0:
            break
        if closing > position:
            position = line.find(":", closing)
        quote = line.find('"', closing + 1)
    if position < 0:
        return _Property("", "", "")
    name, _, parameters = line[:position].partition(";")
    return _Property(name.upper(), parameters.upper(), line[position + 1 :])


def _unescaped(value: str) -> str:
    """Undo the escapes of a TEXT value (RFC 5545, section 3.3.11)."""
    if "\\" not in value:
        return value
    pieces: list[str] = []
    position = 0
    while True:
        found = value.find("\\", position)
        if found < 0 or found + 1 >= len(value):
            pieces.append(value[position:])
            return "".join(pieces)
        following = value[found + 1]
        pieces += [value[position:found], _ESCAPES.get(following, "\\" + following)]
        position = found + 2
