"""Conferences of native events: what Google and Microsoft put beside an event, then its texts.

Sources: Google Calendar API, Events resource (conferenceData); Microsoft Graph, event resource
(onlineMeeting). Foreign JSON is taken as it comes: whatever has an unexpected type is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conferencing_service.core.model import (
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    State,
)
from conferencing_service.core.reading.links import (
    JoinLink,
    conferencing_from_text,
    join_link_from_url,
)

_GOOGLE_ENTRY_POINTS: Mapping[str, EntryPointType] = {
    "video": EntryPointType.VIDEO,
    "phone": EntryPointType.PHONE,
    "sip": EntryPointType.SIP,
    "more": EntryPointType.MORE,
}


def conferencing_from_google(event: Mapping[str, Any]) -> Conferencing | None:
    """Return the conference of a Google Calendar event, or None."""
    data = _mapping(event.get("conferenceData"))
    points = [_mapping(point) for point in _list(data.get("entryPoints"))]
    label = _text(_mapping(data.get("conferenceSolution")).get("name"))
    for point in points:
        link = join_link_from_url(_text(point.get("uri")))
        if point.get("entryPointType") == "video" and link is not None:
            return Conferencing(
                provider=link.provider,
                source=_google_details(link, point, points),
                state=State.READY,
                label=label,
                origin=Origin.NATIVE,
            )
    hangout = join_link_from_url(_text(event.get("hangoutLink")))
    if hangout is not None:
        return Conferencing(
            provider=hangout.provider,
            source=Details(url=hangout.url, meeting_code=hangout.meeting_code),
            state=State.READY,
            label=label,
            origin=Origin.NATIVE,
        )
    texts = (
        ("conferenceData.notes", data.get("notes")),
        ("location", event.get("location")),
        ("description", event.get("description")),
    )
    return _first_in(texts)


def _google_details(
    link: JoinLink, video: Mapping[str, Any], points: list[Mapping[str, Any]]
) -> Details:
    phones = [point for point in points if point.get("entryPointType") == "phone"]
    numbers = dict.fromkeys(
        number for point in phones if (number := _dialled(_text(point.get("uri"))))
    )
    return Details(
        url=link.url,
        meeting_code=link.meeting_code or _text(video.get("meetingCode")),
        password=_text(video.get("passcode")) or _text(video.get("password")),
        pin=next((_text(point.get("pin")) for point in phones if point.get("pin")), ""),
        phone=tuple(numbers),
        entry_points=tuple(_google_entry_points(points)),
    )


def _google_entry_points(points: list[Mapping[str, Any]]) -> Iterator[EntryPoint]:
    for point in points:
        kind = _GOOGLE_ENTRY_POINTS.get(_text(point.get("entryPointType")))
        if kind is not None:
            yield EntryPoint(
                type=kind,
                uri=_text(point.get("uri")),
                label=_text(point.get("label")),
                region_code=_text(point.get("regionCode")),
                pin=_text(point.get("pin")),
                password=_text(point.get("passcode")) or _text(point.get("password")),
                meeting_code=_text(point.get("meetingCode")),
            )


def _dialled(uri: str) -> str:
    """Return the number of a tel URI in international form, or "" (RFC 3966)."""
    if not uri.startswith("tel:+"):
        return ""
    number = uri[5:].partition(",")[0].partition(";")[0]
    digits = "".join(c for c in number if c.isdigit() and c.isascii())
    return f"+{digits}" if digits else ""


def conferencing_from_microsoft(event: Mapping[str, Any]) -> Conferencing | None:
    """Return the conference of a Microsoft Graph event, or None."""
    meeting = _mapping(event.get("onlineMeeting"))
    for url in (_text(meeting.get("joinUrl")), _text(event.get("onlineMeetingUrl"))):
        link = join_link_from_url(url)
        if link is not None:
            numbers = [_text(meeting.get("tollNumber")), *_list(meeting.get("tollFreeNumbers"))]
            phone = (number for number in map(_text, numbers) if number.startswith("+"))
            pin = "".join(c for c in _text(meeting.get("conferenceId")) if c.isdigit())
            return Conferencing(
                provider=link.provider,
                source=Details(
                    url=link.url,
                    meeting_code=link.meeting_code,
                    pin=pin,
                    phone=tuple(dict.fromkeys(phone)),
                ),
                state=State.READY,
                label=_text(event.get("onlineMeetingProvider")),
                origin=Origin.NATIVE,
            )
    places = [_mapping(event.get("location")), *map(_mapping, _list(event.get("locations")))]
    texts = [
        (f"location.{key}", place.get(key))
        for place in places
        for key in ("displayName", "locationUri")
    ]
    texts.append(("body.content", _mapping(event.get("body")).get("content")))
    texts.append(("bodyPreview", event.get("bodyPreview")))
    return _first_in(texts)


def _first_in(texts: list[tuple[str, Any]] | tuple[tuple[str, Any], ...]) -> Conferencing | None:
    for source_field, text in texts:
        found = conferencing_from_text(_text(text), source_field)
        if found is not None:
            return found
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
