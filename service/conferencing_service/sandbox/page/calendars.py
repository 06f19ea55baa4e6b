"""The grants with their calendars, the events in them, and how to join their conferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from conferencing_service.sandbox.conferences import Conference
from conferencing_service.sandbox.events import Event
from conferencing_service.sandbox.grants import Calendar, Grant
from conferencing_service.sandbox.page.markup import Html, Row, badge, element, join, link, table
from conferencing_service.sandbox.page.moments import stamp, when
from conferencing_service.sandbox.page.snapshot import (
    CalendarSnapshot,
    Excerpt,
    GrantSnapshot,
    Snapshot,
)

_HEADINGS = ("When", "Event", "Conference")
_JOIN_DETAILS = {
    "meeting_code": "Meeting code",
    "password": "Passcode",
    "pin": "PIN",
    "phone": "Phone",
}


def calendars(snapshot: Snapshot) -> Html:
    """The section of all grants that are shown."""
    return element(
        "section",
        element("h2", "Calendars", id="calendars-heading"),
        *(_grant(grant) for grant in snapshot.grants.items),
        None if snapshot.grants.items else _no_grant(snapshot.grant_id),
        more(snapshot.grants, "grants"),
        id="calendars",
        aria_labelledby="calendars-heading",
    )


def grant_link(grant_id: str, **attributes: str | None) -> Html:
    """A link to the page of one grant."""
    return element("a", grant_id, href=f"/?grant={quote(grant_id, safe='')}", **attributes)


def more(excerpt: Excerpt[Any], what: str) -> Html | None:
    """A line that says how many are not shown."""
    return _quiet(f"{excerpt.more} more {what}") if excerpt.more else None


def _quiet(*text: str) -> Html:
    return element("p", *text, class_="quiet")


def _no_grant(grant_id: str | None) -> Html:
    return _quiet(
        "There is no grant ",
        element("code", grant_id),
        ". It shows here once POST /_sandbox/grants has made it.",
    )


def _grant(shown: GrantSnapshot) -> Html:
    grant = shown.grant
    empty = [calendar for calendar in shown.calendars if not calendar.events.count]
    return element(
        "article",
        element(
            "h3",
            grant_link(grant.id),
            " ",
            badge(grant.provider),
            " ",
            badge(grant.grant_status, "good" if grant.grant_status == "valid" else "bad"),
            " ",
            element("span", grant.email, class_="aside") if grant.email != grant.id else None,
        ),
        *(_calendar(grant, each) for each in shown.calendars if each.events.count),
        _nothing_in(empty),
        None if shown.calendars else _quiet("No calendar on this platform."),
        _strays(shown),
        class_="grant",
    )


def _calendar(grant: Grant, shown: CalendarSnapshot) -> Html:
    calendar, events = shown.calendar, shown.events
    rows = [
        Row(
            f"event {grant.id} {event.id}",
            (when(event.fields["when"]), _event(event), _on(event, grant)),
        )
        for event in events.items
    ]
    return join(
        (
            element("h4", _name(calendar), " ", element("span", events.count, class_="count")),
            table("events", f"Events of {calendar.name}, {grant.id}", _HEADINGS, rows)
            if rows
            else None,
            more(events, "events"),
        )
    )


def _name(calendar: Calendar) -> Html:
    return join(
        (
            calendar.name,
            join((" ", element("code", calendar.id))) if calendar.id != calendar.name else None,
            join((" ", badge("primary"))) if calendar.is_primary else None,
            join((" ", badge("read-only"))) if calendar.read_only else None,
        )
    )


def _nothing_in(empty: list[CalendarSnapshot]) -> Html | None:
    if not empty:
        return None
    names = [_name(shown.calendar) for shown in empty]
    return _quiet(
        "No events in ", *(part for name in names[:-1] for part in (name, ", ")), names[-1]
    )


def _event(event: Event) -> Html:
    fields, title = event.fields, event.fields.get("title")
    guests = len(fields.get("participants", ()))
    return join(
        (
            element("span", title, class_="title", dir="auto")
            if title
            else element("span", "No title", class_="title quiet"),
            _line(f"{guests or 'no'} participant{'' if guests == 1 else 's'}"),
            _line(link(fields["location"])) if fields.get("location") else None,
            _line(", ".join(fields["recurrence"])) if fields.get("recurrence") else None,
            element("code", event.id, class_="line cut aside", title=event.id),
        )
    )


def _line(content: str) -> Html:
    return element("span", content, class_="line aside")


def _on(event: Event, grant: Grant) -> Html:
    conference = event.conference(grant)
    if conference is None:
        return element("span", "None", class_="quiet")
    made = conference.conference_id is not None or conference.pending
    return join(
        (
            element("span", conference.provider, class_="provider"),
            " ",
            badge("autocreate" if made else "details", "made" if made else None),
            _pending(conference) if conference.pending else _join_details(conference.details or {}),
        )
    )


def _pending(conference: Conference) -> Html:
    ready_at = conference.ready_at
    text = "stays pending" if ready_at is None else join(("pending until ", stamp(ready_at)))
    return element("span", text, class_="line warn")


def _join_details(details: Mapping[str, Any]) -> Html:
    given = [
        element("div", element("dt", label), element("dd", _value(details[name])))
        for name, label in _JOIN_DETAILS.items()
        if details.get(name)
    ]
    return join((link(details["url"]), element("dl", *given) if given else None))


def _value(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _strays(shown: GrantSnapshot) -> Html | None:
    if not shown.stray_conferences:
        return None
    rows = [
        Row(
            f"conference {stray['id']}",
            (
                element("span", stray["provider"], class_="provider"),
                _join_details(stray["details"]),
            ),
        )
        for stray in shown.stray_conferences
    ]
    return join(
        (
            element("h4", "Conferences without an event"),
            table(
                "strays",
                f"Conferences without an event, {shown.grant.id}",
                ("Provider", "Join details"),
                rows,
            ),
        )
    )
