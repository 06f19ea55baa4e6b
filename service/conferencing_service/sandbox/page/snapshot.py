"""What the page shows at one moment, and no more of it than a page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from conferencing_service.sandbox.events import Event
from conferencing_service.sandbox.faults import Fault, Faults
from conferencing_service.sandbox.grants import Calendar, Grant
from conferencing_service.sandbox.request_log import LoggedRequest, RequestLog
from conferencing_service.sandbox.store import Store

GRANTS = 50
EVENTS_OF_A_CALENDAR = 100
EVENTS = 300
EFFECTS = 200
CALLS = 200
FAULTS = 50
STRAY_CONFERENCES = 20

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Excerpt(Generic[_Item]):
    """The part of many that is shown."""

    items: Sequence[_Item]
    count: int
    """How many there are."""

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.items)


@dataclass(frozen=True)
class CalendarSnapshot:
    """A calendar with its events, whatever was pending until now settled."""

    calendar: Calendar
    events: Excerpt[Event]


@dataclass(frozen=True)
class GrantSnapshot:
    """A grant with its calendars."""

    grant: Grant
    calendars: Sequence[CalendarSnapshot]
    stray_conferences: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Snapshot:
    """All that is shown; ``grant_id`` narrows it to one grant."""

    grant_id: str | None
    grant_ids: Excerpt[str]
    grants: Excerpt[GrantSnapshot]
    effects: Excerpt[dict[str, Any]]
    calls: Excerpt[LoggedRequest]
    faults: Excerpt[Fault]

    @property
    def changes_by_itself(self) -> bool:
        """Whether time alone will change it: a conference is about to show its details."""
        return any(
            conference.ready_at is not None
            for grant in self.grants.items
            for calendar in grant.calendars
            for event in calendar.events.items
            for conference in event.conferences
        )


class Camera:
    """Takes snapshots of a sandbox's memory."""

    def __init__(self, store: Store, faults: Faults, requests: RequestLog) -> None:
        self._store = store
        self._faults = faults
        self._requests = requests

    @property
    def changes(self) -> tuple[int, ...]:
        """Differs from what it was as soon as there is something else to be seen."""
        return self._store.changes, self._faults.changes, self._requests.changes

    def take(self, grant_id: str | None, now: float) -> Snapshot:
        """What is there now, of all grants or of one."""
        grants = self._store.active_grants()
        wanted = [grant for grant in grants if grant_id in (None, grant.id)]
        armed = [
            fault
            for fault in self._faults.armed
            if grant_id is None or fault.grant_id in (None, grant_id)
        ]
        return Snapshot(
            grant_id=grant_id,
            grant_ids=Excerpt(sorted(grant.id for grant in grants[:GRANTS]), len(grants)),
            grants=Excerpt(self._grants(wanted[:GRANTS], now), len(wanted)),
            effects=Excerpt(*self._store.latest_effects(grant_id, EFFECTS)),
            calls=Excerpt(*self._requests.latest(grant_id, CALLS)),
            faults=Excerpt(armed[:FAULTS], len(armed)),
        )

    def _grants(self, grants: Sequence[Grant], now: float) -> list[GrantSnapshot]:
        left, shown = EVENTS, []
        for grant in grants:
            calendars = []
            for calendar in grant.calendars():
                limit = min(left, EVENTS_OF_A_CALENDAR)
                found, count = self._store.latest_events(grant.id, calendar.id, limit)
                left -= len(found)
                events = [event.settled(grant, now) for event in found]
                calendars.append(CalendarSnapshot(calendar, Excerpt(events, count)))
            strays = self._store.stray_conferences(grant.id, STRAY_CONFERENCES)
            shown.append(GrantSnapshot(grant, calendars, strays))
        return shown
