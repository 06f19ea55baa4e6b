"""The list of events: its parameters, its pages and what they leave out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from conferencing_service.sandbox.errors import invalid
from conferencing_service.sandbox.events import Event, render_event
from conferencing_service.sandbox.grants import Calendar, Grant
from conferencing_service.sandbox.query import Query
from conferencing_service.sandbox.store import Search, Store
from conferencing_service.sandbox.validation import INDEXED_KEYS

_PAGE = 50
_LONGEST_PAGE = 200
_MONTH = 31 * 24 * 3600
_TEXT_FILTERS = ("title", "description", "location")
_FILTERS = {
    *_TEXT_FILTERS,
    "ical_uid",
    "start",
    "end",
    "master_event_id",
    "metadata_pair",
    "busy",
    "updated_before",
    "updated_after",
    "attendees",
    "event_type",
}
# Nylas v3 API description: these two go with no other filter than the calendar.
_LONELY_FILTERS = ("ical_uid", "metadata_pair")


def read_select(query: Query) -> set[str] | None:
    """The only fields that an answer is to hold; None for all."""
    select = query.text("select")
    return None if select is None else {name.strip() for name in select.split(",")}


def list_events(
    store: Store, grant: Grant, calendar: Calendar, query: Query, now: float
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of events, and the token of the next one."""
    limit = query.integer("limit", 1, _LONGEST_PAGE) or _PAGE
    wanted, select = _predicate(query), read_select(query)
    page: list[dict[str, Any]] = []
    last: tuple[int, str] | None = None
    for place, event in store.events(_search(grant, calendar, query, now)):
        settled = event.settled(grant, now)
        if not wanted(settled):
            continue
        if len(page) == limit:
            return page, _token(last)
        page.append(render_event(settled, grant, select))
        last = place
    return page, None


def _search(grant: Grant, calendar: Calendar, query: Query, now: float) -> Search:
    given = query.names() & _FILTERS
    lonely = [name for name in _LONELY_FILTERS if query.text(name) is not None]
    if lonely and given - {lonely[0]}:
        raise invalid(f"'{lonely[0]}' cannot be combined with other filters")
    starts_before, ends_after = query.integer("end"), query.integer("start")
    if not lonely:
        # Without a range the vendor answers one month from now, whatever else is asked for. A
        # search for one very event has no range: it could never find one that lies further away.
        starts_before = int(now) + _MONTH if starts_before is None else starts_before
        ends_after = int(now) if ends_after is None else ends_after
    return Search(
        grant_id=grant.id,
        calendar_id=calendar.id,
        starts_before=starts_before,
        ends_after=ends_after,
        updated_after=query.integer("updated_after"),
        updated_before=query.integer("updated_before"),
        ical_uid=query.text("ical_uid"),
        metadata_pair=_metadata_pair(query),
        with_deleted=query.boolean("show_cancelled") or False,
        beyond=_place(query.text("page_token")),
    )


def _metadata_pair(query: Query) -> tuple[str, str] | None:
    pair = query.text("metadata_pair")
    if pair is None:
        return None
    key, colon, value = pair.partition(":")
    if not colon or key not in INDEXED_KEYS:
        raise invalid(f"'metadata_pair' must be key:value with a key of {list(INDEXED_KEYS)}")
    return key, value


def _predicate(query: Query) -> Callable[[Event], bool]:
    texts = {name: text.lower() for name in _TEXT_FILTERS if (text := query.text(name)) is not None}
    attendees = {
        email.strip().lower()
        for email in (query.text("attendees") or "").split(",")
        if email.strip()
    }
    busy = query.boolean("busy")
    # The sandbox makes ordinary events and masters only.
    nothing = (
        query.text("master_event_id") is not None
        or (query.text("event_type") or "default") != "default"
    )

    def wanted(event: Event) -> bool:
        if nothing:
            return False
        if any(text not in (event.fields.get(name) or "").lower() for name, text in texts.items()):
            return False
        if busy is not None and event.fields.get("busy", True) is not busy:
            return False
        return not attendees or any(email.lower() in attendees for email in event.emails)

    return wanted


def _token(place: tuple[int, str] | None) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str | None) -> tuple[int, str] | None:
    if token is None:
        return None
    try:
        starts_at, event_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("'page_token' is not valid") from error
    if type(starts_at) is not int or not isinstance(event_id, str):
        raise invalid("'page_token' is not valid")
    return starts_at, event_id
