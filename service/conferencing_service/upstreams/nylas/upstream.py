"""Nylas v3 as a calendar upstream: which requests an operation is, and what their answers mean."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from conferencing_service.core.errors import (
    ConferencingError,
    FailedPrecondition,
    InvalidField,
    NotFound,
    OutcomeUnresolved,
    RateLimited,
    Unavailable,
    UpstreamCredentials,
    UpstreamMalformed,
    Violation,
)
from conferencing_service.core.model import (
    Autocreate,
    Calendar,
    Event,
    Grant,
    Notify,
    Platform,
    Reason,
)
from conferencing_service.upstreams.base import Call, Capabilities, EventPage, EventQuery
from conferencing_service.upstreams.http import (
    Answer,
    Limited,
    Lost,
    RestClient,
    RestRequest,
    Unsent,
)
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from conferencing_service.upstreams.nylas.errors import (
    GONE,
    error_of_read,
    error_of_write,
    json_of,
    metadata_of,
)
from conferencing_service.upstreams.nylas.events import (
    changes_to_nylas,
    event_from_nylas,
    event_to_nylas,
)
from conferencing_service.upstreams.nylas.fields import flag, items, mapping, text
from conferencing_service.upstreams.nylas.places import (
    CALENDAR,
    EVENT,
    EVENTS,
    GRANT,
    Place,
    query_of,
    written_where,
)

_DIAGNOSIS_SECONDS = 10.0
_MARKED_AT_ONCE = 20

_PLATFORMS: Mapping[str, Platform] = {
    "google": Platform.GOOGLE,
    "microsoft": Platform.MICROSOFT,
    "icloud": Platform.ICLOUD,
    "ews": Platform.EWS,
    "imap": Platform.IMAP,
    "virtual-calendar": Platform.VIRTUAL_CALENDAR,
    "zoom": Platform.ZOOM,
}

# Longer than any page token of the vendor's; it is handed on to callers, within their own.
_MOST_CURSOR = 4096

# How many events of a page are read in one turn of the loop.
_READ_AT_ONCE = 50

# The vendor lists from now to a month hence unless told otherwise. These bounds are all of its
# time: Unix seconds from 1970 to the end of the year 9999.
_BEGINNING = 0
_END = 253_402_300_799


class NylasUpstream:
    """The calendars that Nylas reaches.

    Args:
        client: the way out to one of the vendor's regions.
        write_seconds: how long a write may take; the vendor itself gives up after 90 seconds.
        marker_key: the metadata key that holds what the ledger finds events by.
    """

    def __init__(self, client: RestClient, write_seconds: float, marker_key: str) -> None:
        self._client = client
        self._write_seconds = write_seconds
        self._marker_key = marker_key
        self._capabilities = dataclasses.replace(NYLAS, reserved_metadata=frozenset({marker_key}))

    @property
    def capabilities(self) -> Capabilities:
        """What Nylas can do."""
        return self._capabilities

    def is_let_through(self) -> bool:
        """Tell whether requests are let through: not while the vendor is known to be down."""
        return self._client.is_let_through()

    async def get_grant(self, call: Call, grant_id: str) -> Grant:
        """Read a grant; a 401 here is about our own key, which opens every grant."""
        request = RestRequest("GET", GRANT, Place(grant_id).grant_path(), grant_id=grant_id)
        answer = await self._read(call, request)
        if answer.status == 401:
            raise UpstreamCredentials
        if answer.status in GONE:
            raise NotFound(Reason.GRANT_NOT_FOUND)
        if answer.status != 200:
            raise error_of_read(answer)
        data = _data(answer)
        provider = text(data.get("provider"))
        if not provider:
            # What kind of account it is would be remembered for good.
            raise UpstreamMalformed(metadata_of(answer))
        scopes = data.get("scope")
        return Grant(
            id=grant_id,
            platform=_PLATFORMS.get(provider, Platform.OTHER),
            valid=text(data.get("grant_status")) != "invalid",
            scopes=frozenset(map(text, scopes)) if isinstance(scopes, list) else None,
        )

    async def get_calendar(self, call: Call, grant_id: str, calendar_id: str) -> Calendar:
        """Read a calendar."""
        place = Place(grant_id, calendar_id)
        request = RestRequest("GET", CALENDAR, place.calendar_path(), grant_id=grant_id)
        answer = await self._read(call, request)
        data = _data(await self._good(call, place, answer))
        return Calendar(text(data.get("id")), flag(data.get("read_only")) or False)

    async def get_event(self, call: Call, grant_id: str, calendar_id: str, event_id: str) -> Event:
        """Read an event."""
        place = Place(grant_id, calendar_id, event_id)
        target = place.event_path() + query_of(calendar_id=calendar_id)
        answer = await self._read(call, RestRequest("GET", EVENT, target, grant_id=grant_id))
        data = _data(await self._good(call, place, answer))
        if not text(data.get("id")):
            raise UpstreamMalformed(metadata_of(answer))
        return self._event(data)

    async def list_events(
        self, call: Call, grant_id: str, calendar_id: str, query: EventQuery
    ) -> EventPage:
        """Read a page of events."""
        selection: dict[str, str] = {"calendar_id": calendar_id, "limit": str(query.limit)}
        if query.ical_uid:
            # The vendor takes no other filter beside it.
            selection["ical_uid"] = query.ical_uid
        else:
            start, end = query.start_time, query.end_time
            if end is not None and end <= _BEGINNING:
                return EventPage((), "")
            selection["start"] = str(max(_BEGINNING, start or _BEGINNING))
            selection["end"] = str(_END if end is None else end)
        if query.page_token:
            selection["page_token"] = query.page_token
        return await self._page(call, Place(grant_id, calendar_id), selection)

    async def find_events(
        self, call: Call, grant_id: str, calendar_id: str, marker: str
    ) -> tuple[Event, ...]:
        """Read the events that carry a marker; the vendor takes no range beside it."""
        found: list[Event] = []
        selection = {
            "calendar_id": calendar_id,
            "metadata_pair": f"{self._marker_key}:{marker}",
            "limit": str(_MARKED_AT_ONCE),
        }
        while True:
            page = await self._page(call, Place(grant_id, calendar_id), selection)
            # A vendor that did not understand the filter would answer with anybody's events.
            found += [event for event in page.events if event.marker == marker]
            if not page.next_page_token:
                return tuple(found)
            selection["page_token"] = page.next_page_token

    async def create_event(
        self, call: Call, grant_id: str, calendar_id: str, event: Event, notify: Notify
    ) -> Event:
        """Make an event."""
        place = Place(grant_id, calendar_id, conf_grant_id=_conf_grant_of(event))
        target = place.events_path() + written_where(calendar_id, notify)
        body = orjson.dumps(event_to_nylas(event, self._marker_key))
        request = RestRequest("POST", EVENTS, target, body, grant_id=grant_id)
        answer = await self._write(call, request)
        return self._written(await self._done(call, place, answer, autocreate=event.autocreates))

    async def update_event(
        self,
        call: Call,
        grant_id: str,
        calendar_id: str,
        event: Event,
        fields: frozenset[str],
        notify: Notify,
    ) -> Event:
        """Write the named fields of an event."""
        autocreate = "conferencing" in fields and event.autocreates
        host = _conf_grant_of(event) if autocreate else ""
        place = Place(grant_id, calendar_id, event.id, host)
        target = place.event_path() + written_where(calendar_id, notify)
        body = orjson.dumps(changes_to_nylas(event, fields, self._marker_key))
        request = RestRequest("PUT", EVENT, target, body, grant_id=grant_id)
        answer = await self._write(call, request)
        return self._written(await self._done(call, place, answer, autocreate=autocreate))

    async def delete_event(
        self, call: Call, grant_id: str, calendar_id: str, event_id: str, notify: Notify
    ) -> None:
        """Delete an event."""
        place = Place(grant_id, calendar_id, event_id)
        target = place.event_path() + written_where(calendar_id, notify)
        answer = await self._write(call, RestRequest("DELETE", EVENT, target, grant_id=grant_id))
        await self._done(call, place, answer, autocreate=False)

    async def aclose(self) -> None:
        """Close the way out."""
        await self._client.aclose()

    # ---- Events --------------------------------------------------------------------------

    def _event(self, data: Mapping[str, Any]) -> Event:
        return event_from_nylas(data, self._marker_key)

    def _written(self, answer: Answer) -> Event:
        """Return the event that a write answered; without one nobody knows what was written."""
        data = mapping(json_of(answer).get("data"))
        if not text(data.get("id")):
            raise OutcomeUnresolved(metadata_of(answer))
        return self._event(data)

    # ---- The wire ------------------------------------------------------------------------

    async def _read(self, call: Call, request: RestRequest) -> Answer:
        try:
            return await self._client.read(call, request)
        except Limited as error:
            raise RateLimited(error.seconds) from error
        except Unsent as error:
            raise Unavailable(retry_after=error.retry_after) from error
        except Lost as error:
            raise Unavailable from error

    async def _write(self, call: Call, request: RestRequest) -> Answer:
        try:
            return await self._client.write(call, request, self._write_seconds)
        except Limited as error:
            raise RateLimited(error.seconds) from error
        except Unsent as error:
            raise Unavailable(retry_after=error.retry_after) from error
        except Lost as error:
            metadata = {"upstream_request_id": error.request_id} if error.request_id else {}
            raise OutcomeUnresolved(metadata) from error

    async def _page(self, call: Call, place: Place, selection: Mapping[str, str]) -> EventPage:
        """Read one page of events."""
        target = place.events_path() + query_of(**selection)
        request = RestRequest("GET", EVENTS, target, grant_id=place.grant_id)
        answer = await self._good(call, place, await self._read(call, request))
        if answer.body is None and int(selection["limit"]) > 1:
            raise InvalidField(
                [Violation("page_size", "the page is too large to be read; ask for fewer")]
            )
        body = json_of(answer)
        cursor = body.get("next_cursor")
        if not isinstance(body.get("data"), list) or not _is_cursor(cursor):
            raise UpstreamMalformed(metadata_of(answer))
        events = []
        for number, item in enumerate(map(mapping, items(body["data"])), 1):
            if text(item.get("id")):
                events.append(self._event(item))
            if number % _READ_AT_ONCE == 0:
                # Other calls get their turn.
                await asyncio.sleep(0)
        return EventPage(tuple(events), text(cursor))

    async def _good(self, call: Call, place: Place, answer: Answer) -> Answer:
        """Return a read's answer if it is a good one, or raise what it means."""
        if answer.status == 200:
            return answer
        error = error_of_read(answer)
        if error.reason is Reason.UPSTREAM_REJECTED and answer.status in {401, *GONE}:
            error = await self._located(call, place, answer, error)
        raise error

    async def _done(self, call: Call, place: Place, answer: Answer, *, autocreate: bool) -> Answer:
        """Return a write's answer if it was done, or raise what the answer means."""
        if 200 <= answer.status < 300:
            return answer
        error = error_of_write(answer, autocreate=autocreate)
        if error.reason is Reason.UPSTREAM_REJECTED:
            if answer.status in {401, *GONE}:
                error = await self._located(call, place, answer, error)
            else:
                error = await self._explained(call, place, error)
        raise error

    # ---- Diagnosis -----------------------------------------------------------------------

    async def _located(
        self, call: Call, place: Place, answer: Answer, error: ConferencingError
    ) -> ConferencingError:
        """Say what a 401, 404 or 410 is about, by reading what the request named.

        The vendor answers 401 for a bad key, a wrong region and an expired grant alike, and 404
        for a missing grant, calendar and event alike. What cannot be found out leaves the refusal
        as it is.
        """
        try:
            return await self._missing(self._diagnosis(call), place, answer) or error
        except UpstreamCredentials as ours:
            return ours
        except ConferencingError:
            return error

    async def _missing(self, call: Call, place: Place, answer: Answer) -> ConferencingError | None:
        for field, grant_id in (
            ("grant_id", place.grant_id),
            ("event.conferencing.autocreate.conf_grant_id", place.conf_grant_id),
        ):
            if grant_id:
                try:
                    grant = await self.get_grant(call, grant_id)
                except NotFound:
                    return NotFound(Reason.GRANT_NOT_FOUND, {"grant_field": field})
                if not grant.valid:
                    return FailedPrecondition(Reason.GRANT_EXPIRED, {"grant_field": field})
        if answer.status == 401:
            return None
        grant_id = place.grant_id
        request = RestRequest("GET", CALENDAR, place.calendar_path(), grant_id=grant_id)
        if not await self._is_there(call, request):
            return NotFound(Reason.CALENDAR_NOT_FOUND)
        if place.event_id:
            target = place.event_path() + query_of(calendar_id=place.calendar_id)
            request = RestRequest("GET", EVENT, target, grant_id=grant_id)
            if not await self._is_there(call, request):
                return NotFound(Reason.EVENT_NOT_FOUND)
        return None

    async def _is_there(self, call: Call, request: RestRequest) -> bool:
        answer = await self._read(call, request)
        if answer.status in GONE:
            return False
        if answer.status != 200:
            raise error_of_read(answer)
        return True

    async def _explained(
        self, call: Call, place: Place, error: ConferencingError
    ) -> ConferencingError:
        """Say whether a refused write met something read-only, by reading it."""
        call = self._diagnosis(call)
        try:
            if place.event_id:
                event = await self.get_event(
                    call, place.grant_id, place.calendar_id, place.event_id
                )
                if event.read_only:
                    return FailedPrecondition(Reason.EVENT_READ_ONLY)
            calendar = await self.get_calendar(call, place.grant_id, place.calendar_id)
        except ConferencingError:
            # The refusal stands, whether or not it can be explained.
            return error
        return FailedPrecondition(Reason.CALENDAR_READ_ONLY) if calendar.read_only else error

    @staticmethod
    def _diagnosis(call: Call) -> Call:
        """Return a call for reads that explain a failure: with time and a request id of its own.

        The failed write may have used up the call's time, and the id that callers are told is that
        of the request that failed.
        """
        now = call.clock()
        return Call(call.clock, now, None, now + _DIAGNOSIS_SECONDS)


def _is_cursor(value: Any) -> bool:
    """Tell whether a value names the next page, or says that there is none."""
    return value is None or value == "" or 0 < len(text(value)) <= _MOST_CURSOR


def _conf_grant_of(event: Event) -> str:
    source = event.conferencing.source if event.conferencing else None
    return source.conf_grant_id if isinstance(source, Autocreate) else ""


def _data(answer: Answer) -> Mapping[str, Any]:
    """Return the object that a read answered; raises UpstreamMalformed where there is none."""
    data = mapping(json_of(answer).get("data"))
    if not data:
        raise UpstreamMalformed(metadata_of(answer))
    return data
