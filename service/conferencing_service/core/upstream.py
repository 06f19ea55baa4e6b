"""What the operations ask of an upstream: the interface that every vendor's module fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from conferencing_service.core.clock import Clock
from conferencing_service.core.compatibility import Capabilities
from conferencing_service.core.errors import NotFound
from conferencing_service.core.model import Calendar, Event, Grant, Notify, Reason
from conferencing_service.core.quotas import Quota


class Span(Protocol):
    """As much of a trace span as the core writes to."""

    def set_attribute(self, key: str, value: str) -> None:
        """Note a fact about the work under way; no secrets and no people."""


class Tracer(Protocol):
    """As much of a tracer as the core uses; OpenTelemetry's fits."""

    def start_as_current_span(self, name: str) -> AbstractContextManager[Span]:
        """Open a span for the block."""


@dataclass(slots=True)
class Call:
    """One RPC under way: what it may spend, and what is learned about it.

    Attributes:
        clock: the clock that all times here are read on.
        started: when the RPC came in.
        deadline: when the caller stops waiting; None when it said nothing.
        read_deadline: when reads must have ended: the caller's deadline, or a default, capped.
        attributes: what the call's own span and log line say; no secrets and no people.
        upstream_request_id: the id of the last REST request, "" before the first.
        sandbox: an answer of the embedded sandbox was used.
        principal: who calls, by the policy's name; "" where there is no policy.
        quota: what the caller may use up; None without a limit.
        forbidden_grant: the path of a request field that names a grant which the caller may not
            use, "" where there is none.
        effect: the task of its write, which outlives a caller that leaves; None before there is one.
        before_send: what has to hold immediately before a write leaves; it raises what does not.
    """

    clock: Clock
    started: float
    deadline: float | None
    read_deadline: float
    attributes: dict[str, str] = field(default_factory=dict)
    upstream_request_id: str = ""
    sandbox: bool = False
    principal: str = ""
    quota: Quota | None = None
    forbidden_grant: str = ""
    effect: asyncio.Task[Any] | None = None
    before_send: Callable[[], Awaitable[None]] | None = None

    def check_grants(self) -> None:
        """Raise NotFound where the request names a grant that the caller may not use.

        Asked where a grant that does not exist would show, so that the two look alike.
        """
        if self.forbidden_grant:
            raise NotFound(Reason.GRANT_NOT_FOUND, {"grant_field": self.forbidden_grant})

    def read_seconds(self) -> float:
        """Return the seconds left for reads; negative when there are none."""
        return self.read_deadline - self.clock()

    def write_seconds(self) -> float | None:
        """Return the seconds that the caller will wait for a write; None without a deadline."""
        return None if self.deadline is None else self.deadline - self.clock()


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events of a calendar a page is to hold.

    Times are Unix seconds; a range means overlap, and None is no bound.
    """

    start_time: int | None
    end_time: int | None
    ical_uid: str
    limit: int
    page_token: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, and the upstream's token of the next one, "" after the last."""

    events: tuple[Event, ...]
    next_page_token: str


class CalendarUpstream(Protocol):
    """A REST API that keeps calendars.

    Every method raises an error of `core.errors`: NotFound, FailedPrecondition, RateLimited,
    Unavailable, UpstreamCredentials; reads also UpstreamMalformed, writes OutcomeUnresolved when
    the request may have arrived and no usable answer came back. A write is sent at most once, and
    `call.before_send` is awaited immediately before it leaves.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this upstream can do."""

    async def get_grant(self, call: Call, grant_id: str) -> Grant:
        """Read what kind of account a grant connects, and whether it still does."""

    async def get_calendar(self, call: Call, grant_id: str, calendar_id: str) -> Calendar:
        """Read a calendar."""

    async def get_event(self, call: Call, grant_id: str, calendar_id: str, event_id: str) -> Event:
        """Read an event."""

    async def list_events(
        self, call: Call, grant_id: str, calendar_id: str, query: EventQuery
    ) -> EventPage:
        """Read a page of events."""

    async def find_events(
        self, call: Call, grant_id: str, calendar_id: str, marker: str
    ) -> tuple[Event, ...]:
        """Read every event of a calendar that was made with this marker."""

    async def create_event(
        self, call: Call, grant_id: str, calendar_id: str, event: Event, notify: Notify
    ) -> Event:
        """Make an event, with its marker, and return it as kept."""

    async def update_event(
        self,
        call: Call,
        grant_id: str,
        calendar_id: str,
        event: Event,
        fields: frozenset[str],
        notify: Notify,
    ) -> Event:
        """Write the named fields of `event` on the event with its id; return it as kept.

        A named field that is empty is cleared; `conferencing` None takes the conference off, but
        leaves the description to the caller. `metadata` is written with the event's marker.
        """

    async def delete_event(
        self, call: Call, grant_id: str, calendar_id: str, event_id: str, notify: Notify
    ) -> None:
        """Delete an event."""


class Registry(Protocol):
    """Knows which upstream a grant belongs to."""

    def for_grant(self, grant_id: str) -> CalendarUpstream:
        """Return the upstream of a grant."""
