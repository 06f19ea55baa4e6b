"""Conferences of native events: what Google and Microsoft put beside an event, then its texts.

Sources: Google Calendar API, Events resource (conferenceData); Microsoft Graph, event resource
(onlineMeeting). Foreign JSON is taken as it comes: whatever has an unexpected type is not there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conferencing_service.core.model import (
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    Provider,
    State,
)
from conferencing_service.core.reading.authority import host_and_rest
from conferencing_service.core.reading.links import JoinLink, join_link_from_url, skype_link
from conferencing_service.core.reading.phones import e164, e164_of_tel
from conferencing_service.core.reading.text import conferencing_from_text, details_beside

MAX_ITEMS = 100
"""How many entry points, locations and numbers of one event are read."""

_MAX_PIN = 128
"""A longer conference id is none. It is told with each number, and must not multiply by them."""

_GOOGLE_ENTRY_POINTS: Mapping[str, EntryPointType] = {
    "video": EntryPointType.VIDEO,
    "phone": EntryPointType.PHONE,
    "sip": EntryPointType.SIP,
    "more": EntryPointType.MORE,
}
_SAFE = ("https:", "http:", "tel:", "sip:", "sips:")


def conferencing_from_google(event: Mapping[str, Any]) -> Conferencing | None:
    """Return the conference of a Google Calendar event, or None."""
    data = _mapping(event.get("conferenceData"))
    points = [_mapping(point) for point in _list(data.get("entryPoints"))]
    label = _text(_mapping(data.get("conferenceSolution")).get("name"))
    texts = (
        ("conferenceData.notes", _text(data.get("notes"))),
        ("location", _text(event.get("location"))),
        ("description", _text(event.get("description"))),
    )
    for point in points:
        if point.get("entryPointType") == "video":
            link = join_link_from_url(_text(point.get("uri")))
            if link is not None:
                details = _google_details(link, point, points)
                return _native(link, completed(details, link, texts), label)
    hangout = join_link_from_url(_text(event.get("hangoutLink")))
    if hangout is not None:
        return _native(hangout, completed(_plain_details(hangout), hangout, texts), label)
    return first_in(texts)


def conferencing_from_microsoft(event: Mapping[str, Any]) -> Conferencing | None:
    """Return the conference of a Microsoft Graph event, or None."""
    meeting = _mapping(event.get("onlineMeeting"))
    label = _text(event.get("onlineMeetingProvider"))
    texts = tuple(_microsoft_texts(event))
    for url in (_text(meeting.get("joinUrl")), _text(event.get("onlineMeetingUrl"))):
        link = join_link_from_url(url)
        if link is None and label.lower() == "skypeforbusiness" and host_and_rest(url):
            link = skype_link(url)
        if link is not None:
            details = completed(_microsoft_details(link, meeting), link, texts)
            return _native(link, details, "" if label == "unknown" else label)
    return first_in(texts)


def _native(link: JoinLink, details: Details, label: str) -> Conferencing:
    return Conferencing(
        provider=link.provider,
        source=details,
        state=State.READY,
        label=label,
        origin=Origin.NATIVE,
    )


def _plain_details(link: JoinLink) -> Details:
    video = EntryPoint(EntryPointType.VIDEO, uri=link.url, meeting_code=link.meeting_code)
    return Details(url=link.url, meeting_code=link.meeting_code, entry_points=(video,))


def completed(details: Details, link: JoinLink, texts: Iterable[tuple[str, str]]) -> Details:
    """Add what the event's texts say of the very same meeting, where nothing is said so far."""
    for _, text in texts:
        beside = details_beside(text, link) if text else None
        if beside is not None:
            numbers = () if details.phone else beside.entry_points[1:]
            details = dataclasses.replace(
                details,
                meeting_code=details.meeting_code or beside.meeting_code,
                password=details.password or beside.password,
                pin=details.pin or beside.pin,
                phone=details.phone or beside.phone,
                entry_points=details.entry_points + numbers,
            )
    points = tuple(_with_codes(point, details) for point in details.entry_points)
    return dataclasses.replace(details, entry_points=points)


def _with_codes(point: EntryPoint, details: Details) -> EntryPoint:
    """Return an entry point; the one that is the link has what the details say of it."""
    if point.type is not EntryPointType.VIDEO or point.uri != details.url:
        return point
    return dataclasses.replace(
        point,
        meeting_code=point.meeting_code or details.meeting_code,
        password=point.password or details.password,
    )


def details_with_phones(link: JoinLink, pin: str, phones: Mapping[str, EntryPoint]) -> Details:
    """Return details whose ways in are the link and, by their tel URIs, telephone numbers."""
    return Details(
        url=link.url,
        meeting_code=link.meeting_code,
        pin=pin,
        phone=tuple(uri.removeprefix("tel:") for uri in phones),
        entry_points=(
            EntryPoint(EntryPointType.VIDEO, uri=link.url, meeting_code=link.meeting_code),
            *phones.values(),
        ),
    )


# ---- Google --------------------------------------------------------------------------------


def _google_details(
    link: JoinLink, video: Mapping[str, Any], points: list[Mapping[str, Any]]
) -> Details:
    phones = [point for point in points if point.get("entryPointType") == "phone"]
    numbers = dict.fromkeys(
        number for point in phones if (number := e164_of_tel(_text(point.get("uri"))))
    )
    return Details(
        url=link.url,
        meeting_code=link.meeting_code or _code_of(link, video),
        password=_text(video.get("passcode")) or _text(video.get("password")),
        pin=next((_text(point.get("pin")) for point in phones if _text(point.get("pin"))), ""),
        phone=tuple(numbers),
        entry_points=tuple(_google_entry_points(points)),
    )


def _code_of(link: JoinLink, point: Mapping[str, Any]) -> str:
    """Return the meeting code that an entry point names, in the form of its provider's codes."""
    code = _text(point.get("meetingCode")) or _text(point.get("accessCode"))
    if link.provider is Provider.GOOGLE_MEET or not link.path.takes_code:
        return ""
    digits = "".join(c for c in code if c.isascii() and c.isdigit())
    least, most = link.rules.code_digits
    return digits if least <= len(digits) <= most else ""


def _google_entry_points(points: list[Mapping[str, Any]]) -> Iterator[EntryPoint]:
    for point in points:
        kind = _GOOGLE_ENTRY_POINTS.get(_text(point.get("entryPointType")))
        uri = _text(point.get("uri"))
        if kind is EntryPointType.VIDEO:
            own = join_link_from_url(uri)
            uri = own.url if own else uri
        if kind is not None and uri.lower().startswith(_SAFE):
            yield EntryPoint(
                type=kind,
                uri=uri,
                label=_text(point.get("label")),
                region_code=_text(point.get("regionCode")),
                pin=_text(point.get("pin")),
                password=_text(point.get("passcode")) or _text(point.get("password")),
                meeting_code=_text(point.get("meetingCode")) or _text(point.get("accessCode")),
            )


# ---- Microsoft -----------------------------------------------------------------------------


def _microsoft_details(link: JoinLink, meeting: Mapping[str, Any]) -> Details:
    named = _text(meeting.get("conferenceId"))
    pin = "".join(c for c in named if c.isascii() and c.isdigit()) if len(named) <= _MAX_PIN else ""
    points: dict[str, EntryPoint] = {}
    for point in _microsoft_phones(meeting, pin):
        if point.uri != "tel:":
            points.setdefault(point.uri, point)
    return details_with_phones(link, pin, points)


def _microsoft_phones(meeting: Mapping[str, Any], pin: str) -> Iterator[EntryPoint]:
    """Yield the numbers of an online meeting: toll, toll free, then all others."""
    free = [(number, True) for number in _list(meeting.get("tollFreeNumbers"))]
    listed = [(_mapping(phone).get("number"), False) for phone in _list(meeting.get("phones"))]
    for number, toll_free in [(meeting.get("tollNumber"), False), *free, *listed]:
        written = _text(number)
        yield EntryPoint(
            EntryPointType.PHONE,
            uri=f"tel:{e164(written.partition(',')[0])}",
            label=written,
            pin=pin,
            toll_free=toll_free,
        )


def _microsoft_texts(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    places = [("location", _mapping(event.get("location")))]
    places += [
        (f"locations[{index}]", _mapping(place))
        for index, place in enumerate(_list(event.get("locations")))
    ]
    for name, place in places:
        for key in ("displayName", "locationUri"):
            yield f"{name}.{key}", _text(place.get(key))
    yield "body.content", _text(_mapping(event.get("body")).get("content"))
    yield "bodyPreview", _text(event.get("bodyPreview"))


def first_in(texts: Iterable[tuple[str, str]]) -> Conferencing | None:
    """Return the conference of the first field that holds one, completed by later fields."""
    texts = tuple(texts)
    for index, (source_field, text) in enumerate(texts):
        found = conferencing_from_text(text, source_field) if text else None
        if found is not None and isinstance(found.source, Details):
            link = join_link_from_url(found.source.url)
            if link is None:
                return found
            details = completed(found.source, link, texts[index + 1 :])
            return dataclasses.replace(found, source=details)
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value[:MAX_ITEMS]) if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
