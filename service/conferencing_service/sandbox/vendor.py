"""The vendor's endpoints: what each one does to the store, and what it answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from conferencing_service.sandbox.autocreate import check_host, make_details
from conferencing_service.sandbox.conferences import Conference, put_on, stands_in
from conferencing_service.sandbox.errors import (
    VendorError,
    invalid,
    not_found,
    provider_rate_limited,
)
from conferencing_service.sandbox.events import Event, new_event_id, new_ical_uid, render_event
from conferencing_service.sandbox.grants import (
    Calendar,
    Grant,
    read_grant,
    render_calendar,
    render_grant,
    seeds,
)
from conferencing_service.sandbox.listing import list_events, read_select
from conferencing_service.sandbox.query import Query
from conferencing_service.sandbox.store import Effect, Store
from conferencing_service.sandbox.validation import read_fields, read_rsvp
from conferencing_service.sandbox.wishes import Autocreate, Clear, Details, Keep, Wish, read_wish


@dataclass(frozen=True)
class Delay:
    """How long a new conference keeps its details to itself; None: for ever."""

    milliseconds: float | None


@dataclass(frozen=True)
class Twist:
    """What goes otherwise than asked inside one write, because a fault says so."""

    refuse_event_with: int | None = None
    conference_delay: Delay | None = None


@dataclass(frozen=True)
class Call:
    """One request to an endpoint."""

    grant: Grant
    query: Query
    now: float
    item_id: str = ""
    body: Mapping[str, Any] | None = None
    twist: Twist = field(default=Twist())


class Vendor:
    """What the endpoints do. Each method answers the payload of a 200, or raises a VendorError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def seed(self, now: float) -> None:
        """Make the grants that every sandbox has, unless they are there."""
        for grant in seeds(now):
            if self._store.grant(grant.id) is None:
                self._add_grant(grant, now)

    def post_grant(self, body: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Make a grant, or replace one and keep its events."""
        existing = self._store.grant(str(body.get("id")))
        grant = read_grant(body, existing, now)
        if existing is None:
            self._add_grant(grant, now)
        else:
            self._store.put_grant(grant)
        return render_grant(grant)

    def list_grants(self, query: Query) -> dict[str, Any]:
        """``GET /v3/grants``: paged by offset, unlike everything else."""
        limit = query.integer("limit", 1, 200) or 10
        offset = query.integer("offset") or 0
        chosen = [
            grant
            for grant in self._store.grants()
            if query.text("provider") in (None, grant.provider)
            and query.text("email") in (None, grant.email)
            and query.text("grant_status") in (None, grant.grant_status)
        ]
        page = [render_grant(grant) for grant in chosen[offset : offset + limit]]
        return {"data": page, "limit": limit, "offset": offset}

    def get_grant(self, call: Call) -> dict[str, Any]:
        """Answer ``GET /v3/grants/{grant_id}``."""
        return {"data": render_grant(call.grant)}

    def list_calendars(self, call: Call) -> dict[str, Any]:
        """Answer ``GET /v3/grants/{grant_id}/calendars``."""
        calendars = [render_calendar(call.grant, calendar) for calendar in call.grant.calendars()]
        return {"data": calendars, "next_cursor": None}

    def get_calendar(self, call: Call) -> dict[str, Any]:
        """Answer ``GET /v3/grants/{grant_id}/calendars/{calendar_id}``."""
        return {"data": render_calendar(call.grant, call.grant.calendar(call.item_id))}

    def list_events(self, call: Call) -> dict[str, Any]:
        """Answer ``GET /v3/grants/{grant_id}/events``."""
        calendar = call.grant.calendar(call.query.required("calendar_id"))
        page, next_cursor = list_events(self._store, call.grant, calendar, call.query, call.now)
        return {"data": page, "next_cursor": next_cursor}

    def get_event(self, call: Call) -> dict[str, Any]:
        """Answer ``GET /v3/grants/{grant_id}/events/{event_id}``."""
        return self._answer(call, self._find(call))

    def create_event(self, call: Call) -> dict[str, Any]:
        """Answer ``POST /v3/grants/{grant_id}/events``."""
        grant, body = call.grant, call.body or {}
        calendar = grant.calendar(call.query.required("calendar_id"))
        notify = _notifies(call)
        if "when" not in body:
            raise invalid("'when' is required")
        fields, wish = read_fields(body, grant.provider), self._wish(call, body)
        _check_writable(calendar)
        event_id = new_event_id(grant.provider)
        event = Event(
            id=event_id,
            grant_id=grant.id,
            calendar_id=calendar.id,
            ical_uid=new_ical_uid(event_id, grant.provider),
            created_at=int(call.now),
            updated_at=int(call.now),
            fields=fields,
        )
        with self._store.transaction():
            placed = self._place(call, event, wish)
            if placed is not None:
                self._store.put_event(placed)
                self._log(call, placed, "event_created", told=notify and bool(placed.emails))
        if placed is None:
            raise _refusal(call.twist.refuse_event_with or 400)
        return self._answer(call, placed)

    def update_event(self, call: Call) -> dict[str, Any]:
        """``PUT /v3/grants/{grant_id}/events/{event_id}``: what is not sent stays as it is."""
        before, body, notify = self._find(call), call.body or {}, _notifies(call)
        if not body:
            raise invalid("the body must not be empty")
        fields, wish = read_fields(body, call.grant.provider), self._wish(call, body)
        self._check_event_writable(call, before)
        event = replace(before, fields={**before.fields, **fields}, updated_at=int(call.now))
        with self._store.transaction():
            placed = self._place(call, event, wish)
            if placed is not None:
                self._drop_conferences(call, before, placed, wish)
                self._store.put_event(placed)
                told = notify and bool(before.emails or placed.emails)
                self._log(call, placed, "event_updated", told=told)
        if placed is None:
            raise _refusal(call.twist.refuse_event_with or 400)
        return self._answer(call, placed)

    def delete_event(self, call: Call) -> dict[str, Any]:
        """``DELETE /v3/grants/{grant_id}/events/{event_id}``: answers the request id alone."""
        event, notify = self._find(call), _notifies(call)
        self._check_event_writable(call, event)
        with self._store.transaction():
            self._store.put_event(replace(event, deleted=True, updated_at=int(call.now)))
            self._log_deleted(call, event, self._store.delete_conferences(event.grant_id, event.id))
            self._log(call, event, "event_deleted", told=notify and bool(event.emails))
        return {}

    def send_rsvp(self, call: Call) -> dict[str, Any]:
        """``POST /v3/grants/{grant_id}/events/{event_id}/send-rsvp``: the grant's own reply."""
        event, status = self._find(call), read_rsvp(call.body or {})
        email = call.grant.email.lower()
        participants = [
            {**participant, "status": status}
            if participant["email"].lower() == email
            else participant
            for participant in event.fields.get("participants", ())
        ]
        answered = replace(
            event, fields={**event.fields, "participants": participants}, updated_at=int(call.now)
        )
        with self._store.transaction():
            self._store.put_event(answered)
            self._log(call, answered, "event_updated", told=False)
        return {"data": {}}

    def _add_grant(self, grant: Grant, now: float) -> None:
        with self._store.transaction():
            self._store.put_grant(grant)
            for calendar in grant.calendars():
                if calendar.read_only:
                    self._store.put_event(_holiday(grant, calendar, now))

    def _wish(self, call: Call, body: Mapping[str, Any]) -> Wish:
        wish = read_wish(body)
        if isinstance(wish, Autocreate):
            check_host(wish, call.grant, self._store.grant)
        return wish

    def _find(self, call: Call) -> Event:
        grant = call.grant
        calendar_id = call.query.required("calendar_id")
        event = self._store.event(grant.id, call.item_id)
        # Nylas v3 API description: on Microsoft the calendar id is not compared with the event's.
        checked = grant.platform.checks_calendar_of_event
        calendar = grant.calendar(calendar_id) if checked else None
        if (
            event is None
            or event.deleted
            or (calendar is not None and calendar.id != event.calendar_id)
        ):
            raise not_found("Event")
        return event.settled(grant, call.now)

    def _check_event_writable(self, call: Call, event: Event) -> None:
        if event.read_only:
            raise invalid("the event is read-only")
        _check_writable(call.grant.calendar(event.calendar_id))

    def _answer(self, call: Call, event: Event) -> dict[str, Any]:
        return {"data": render_event(event, call.grant, read_select(call.query))}

    def _place(self, call: Call, event: Event, wish: Wish) -> Event | None:
        """The event with the conference that was wished for; None when the event is refused."""
        structured = call.grant.platform.structured_conference
        match wish:
            case Keep():
                return event
            case Clear():
                # Nylas v3 API description: the conference goes only when its text goes from the
                # description too.
                left = () if structured else event.conferences
                kept = tuple(one for one in left if stands_in(event.description, one))
                return event.with_conferences(event.description, kept)
            case Details(provider, details):
                conference = Conference(provider, details)
            case Autocreate():
                conference = self._make(call, event, wish)
        if call.twist.refuse_event_with is not None:
            return None
        return event.with_conferences(
            *put_on(event.description, event.conferences, conference, structured)
        )

    def _make(self, call: Call, event: Event, wish: Autocreate) -> Conference:
        delay = call.twist.conference_delay
        if delay is not None and delay.milliseconds is None:
            # One that never comes about: there is no meeting, so there is no effect.
            return Conference(wish.provider, None, pending=True)
        ready_at = None if delay is None else call.now + (delay.milliseconds or 0) / 1000
        conference = Conference(
            wish.provider, make_details(wish), uuid.uuid4().hex, delay is not None, ready_at
        )
        event_id = None if call.twist.refuse_event_with is not None else event.id
        self._store.add_conference(
            conference, call.grant.id, event_id, wish.conf_grant_id, wish.conf_settings
        )
        self._store.add_effects(
            [
                Effect(
                    "conference_created",
                    *(
                        call.grant.id,
                        event.calendar_id,
                        event_id,
                        conference.conference_id,
                        call.now,
                    ),
                )
            ]
        )
        return conference

    def _drop_conferences(self, call: Call, before: Event, after: Event, wish: Wish) -> None:
        """Delete the meetings that a request replaced or cleared.

        One whose text was lost only because another description was written stays: the vendor was
        not told that it is no longer wanted.
        """
        if isinstance(wish, Keep) or not before.conferences:
            return
        kept = after.conferences if isinstance(wish, Clear) else after.conferences[-1:]
        urls = {conference.details["url"] for conference in kept if conference.details is not None}
        spared = [
            conference.conference_id
            for conference in (*before.conferences, *kept)
            if conference.conference_id is not None
            and conference.details is not None
            and conference.details["url"] in urls
        ]
        self._log_deleted(
            call, before, self._store.delete_conferences(before.grant_id, before.id, spared)
        )

    def _log_deleted(self, call: Call, event: Event, conference_ids: list[str]) -> None:
        self._store.add_effects(
            [
                Effect(
                    "conference_deleted",
                    event.grant_id,
                    event.calendar_id,
                    event.id,
                    conference_id,
                    call.now,
                )
                for conference_id in conference_ids
            ]
        )

    def _log(self, call: Call, event: Event, kind: str, *, told: bool) -> None:
        conference = event.conference(call.grant)
        conference_id = None if conference is None else conference.conference_id
        kinds = [kind, "invitation_sent"] if told else [kind]
        self._store.add_effects(
            [
                Effect(each, event.grant_id, event.calendar_id, event.id, conference_id, call.now)
                for each in kinds
            ]
        )


def _notifies(call: Call) -> bool:
    # Nylas v3 API description: Microsoft and iCloud notify whatever was asked for.
    asked = call.query.boolean("notify_participants")
    return asked is not False or call.grant.platform.always_notifies


def _check_writable(calendar: Calendar) -> None:
    if calendar.read_only:
        raise invalid("the calendar is read-only")


def _refusal(status: int) -> VendorError:
    """The platform's refusal of an event whose conference exists already."""
    if status == 429:
        return provider_rate_limited(1)
    return VendorError(
        status,
        {403: "provider_error"}.get(status, "api.invalid_request_error"),
        "The provider refused the event.",
        provider_error={"error": {"code": status, "message": "The event was refused."}},
    )


def _holiday(grant: Grant, calendar: Calendar, now: float) -> Event:
    """The one event of the read-only calendar: something to read, and to be refused a write of."""
    event_id = new_event_id(grant.provider)
    day = f"{datetime.fromtimestamp(now, UTC).year + 1}-01-01"
    return Event(
        id=event_id,
        grant_id=grant.id,
        calendar_id=calendar.id,
        ical_uid=new_ical_uid(event_id, grant.provider),
        created_at=int(now),
        updated_at=int(now),
        fields={"title": "New Year's Day", "when": {"date": day, "object": "date"}, "busy": False},
        read_only=True,
    )
