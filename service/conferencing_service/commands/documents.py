"""What kind of document some bytes are, and the conference in it."""

from __future__ import annotations

import codecs
import dataclasses
import enum
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from conferencing_service.commands.mail import Mail, PartKind, text_of
from conferencing_service.core import reading
from conferencing_service.core.model import Conferencing, Details
from conferencing_service.core.reading.native import completed

_START = 64 * 1024
_TAG = re.compile(r"<(?:!doctype|!--|\?xml|/?[a-z][a-z0-9]{0,15}[\s/>])", re.IGNORECASE)
_CALENDAR = re.compile(r"BEGIN:(?:VCALENDAR|VEVENT)\s", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,256}?charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_MBOX = re.compile(rb"From [^\r\n]{1,998}\r?\n")
_HEADER = re.compile(r"([!-9;-~]{1,76}):[^\n]*\n(?:[ \t][^\n]*\n)*")
_OF_MAIL = frozenset(
    {
        "authentication-results",
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "delivered-to",
        "dkim-signature",
        "from",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)
_OF_GOOGLE = frozenset(
    {"conferenceData", "description", "hangoutLink", "htmlLink", "iCalUID", "summary"}
)
_OF_MICROSOFT = frozenset(
    {
        "body",
        "bodyPreview",
        "iCalUId",
        "isOnlineMeeting",
        "locations",
        "onlineMeeting",
        "onlineMeetingProvider",
        "onlineMeetingUrl",
        "subject",
        "webLink",
    }
)


class Kind(enum.StrEnum):
    """What can be read."""

    MAIL = "mail"
    ICALENDAR = "icalendar"
    HTML = "html"
    TEXT = "text"
    GOOGLE = "google"
    MICROSOFT = "microsoft"


class UnreadableError(Exception):
    """The bytes are not what they should be; the text says why."""


def kind_of(data: bytes) -> Kind:
    """Return what bytes look like; raises UnreadableError where they are no text at all."""
    start = text_of(data[:_START]).lstrip("\ufeff \t\r\n")
    if "\0" in start:
        raise UnreadableError("is neither a mail nor a text")
    if start.startswith("{"):
        return _kind_of_json(data)
    if _CALENDAR.match(start):
        return Kind.ICALENDAR
    if _TAG.match(start):
        return Kind.HTML
    if _looks_like_mail(start):
        return Kind.MAIL
    return Kind.TEXT


def _kind_of_json(data: bytes) -> Kind:
    """Return whose event an object is; a text where it is nobody's."""
    try:
        event = _event(data)
    except UnreadableError:
        return Kind.TEXT
    place = event.get("location")
    google = len(event.keys() & _OF_GOOGLE) + isinstance(place, str)
    microsoft = len(event.keys() & _OF_MICROSOFT) + isinstance(place, dict)
    if google == microsoft:
        return Kind.TEXT
    return Kind.GOOGLE if google > microsoft else Kind.MICROSOFT


def _looks_like_mail(start: str) -> bool:
    """Tell whether a text begins with at least two headers that mails have."""
    text = start.replace("\r\n", "\n")
    if text.startswith("From "):
        text = text.partition("\n")[2]
    names, position = set(), 0
    while header := _HEADER.match(text, position):
        names.add(header[1].lower())
        position = header.end()
    return len(names & _OF_MAIL) >= 2


def conferencing_in(data: bytes, kind: Kind) -> Conferencing | None:
    """Return the conference of a document, or None; raises UnreadableError."""
    match kind:
        case Kind.MAIL:
            return _conferencing_of_mail(data)
        case Kind.ICALENDAR:
            return reading.conferencing_from_icalendar(text_of(data).lstrip("\ufeff \t\r\n"))
        case Kind.HTML:
            charset = _CHARSET.search(data, 0, 2048)
            return reading.conferencing_from_text(
                text_of(data, charset[1].decode() if charset else "")
            )
        case Kind.TEXT:
            return reading.conferencing_from_text(text_of(data))
        case Kind.GOOGLE:
            return reading.conferencing_from_google(_event(data))
        case Kind.MICROSOFT:
            return reading.conferencing_from_microsoft(_event(data))
        case _:
            assert_never(kind)


def _event(data: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(text_of(data))
    except ValueError as error:
        raise UnreadableError("is no JSON") from error
    except RecursionError as error:
        raise UnreadableError("is JSON that is nested too deeply") from error
    if not isinstance(event, dict):
        raise UnreadableError("is no JSON object")
    return event


def _conferencing_of_mail(data: bytes) -> Conferencing | None:
    """Return the conference of the first part that has one, completed by those after it."""
    data = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    line = _MBOX.match(data)
    mail = Mail(data[line.end() :] if line else data)
    for number, part in enumerate(mail.texts):
        if part.kind is PartKind.CALENDAR:
            found = reading.conferencing_from_icalendar(part.text)
        else:
            found = reading.conferencing_from_text(part.text)
        if found is not None:
            others = (("", each.text) for each in mail.texts[number + 1 :])
            return _completed(found, others)
    if mail.is_cut:
        raise UnreadableError("has more parts, or more deeply nested ones, than are read")
    return None


def _completed(found: Conferencing, texts: Iterable[tuple[str, str]]) -> Conferencing:
    """Add what other parts say of the very same meeting, where nothing is said so far."""
    if not isinstance(found.source, Details):
        return found
    link = reading.join_link_from_url(found.source.url)
    if link is None:
        return found
    return dataclasses.replace(found, source=completed(found.source, link, texts))
