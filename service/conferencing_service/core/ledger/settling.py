"""Finds out what became of an operation whose answer was lost, by looking; never by sending again."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import (
    ConferencingError,
    NotFound,
    RateLimited,
    Unavailable,
    UpstreamCredentials,
)
from conferencing_service.core.ledger.entry import Entry
from conferencing_service.core.ledger.expectations import is_met
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.model import Event
from conferencing_service.core.parsing import with_parsed_conference
from conferencing_service.core.upstream import Call, Registry

_log = logging.getLogger(__name__)

CREATE = "CreateEvent"
UPDATE = "UpdateEvent"

_FIRST_DELAY = 0.1
_MOST_DELAY = 2.0
_LOOK_SECONDS = 20.0
_PATIENCE_SECONDS = 3600.0
_IS_TEMPORARY = (Unavailable, RateLimited, UpstreamCredentials)


@dataclass(frozen=True, slots=True)
class Times:
    """The ledger's times, in seconds.

    Attributes:
        write: how long a write may take, from the check before it to its last byte.
        lease: how long an owner may work without a sign of life; longer than a write.
        settle: how long after a lost answer its effect may still appear.
        retention: how long an answer is kept.
    """

    write: float
    lease: float
    settle: float
    retention: float


class LeaseLost(Exception):
    """Somebody else owns the operation now."""


class Settling:
    """Settles operations that are in doubt.

    Args:
        store: the ledger's store.
        registry: finds a grant's upstream.
        times: the ledger's times.
        clock: a clock that never goes back.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        times: Times,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._registry = registry
        self._times = times
        self._clock = clock
        self._sleep = sleep

    async def event_of(self, entry: Entry, stop: Callable[[], bool]) -> Event | None:
        """Look for what an operation did until its window is over; None where nothing was found.

        The last look begins after the window's end. A look that failed tells nothing, so there is
        another one, until an hour later. Keeps the lease alive; raises LeaseLost when that is gone, or
        when `stop` says so. Raises StoreUnavailable.
        """
        ends_at = self._clock() + entry.settle_left
        delay = _FIRST_DELAY
        while True:
            if stop() or not await self._store.renew(entry.hold, lease=self._times.lease):
                raise LeaseLost
            is_last = self._clock() >= ends_at
            try:
                event = await self.look(entry)
            except ConferencingError as error:
                _log.warning(
                    "looking for a write's effect failed",
                    extra={"operation_id": entry.operation_id, "reason": error.reason.value},
                )
                late = self._clock() - ends_at
                is_last = is_last and (
                    not isinstance(error, _IS_TEMPORARY) or late >= _PATIENCE_SECONDS
                )
            else:
                if event is not None:
                    return event
            if is_last:
                return None
            left = ends_at - self._clock()
            await self._sleep(min(delay, left) if left > 0 else delay)
            delay = min(delay * 2, _MOST_DELAY)

    async def look(self, entry: Entry) -> Event | None:
        """Look once for what an operation did; None where there is nothing to be seen.

        Of several events with its marker the first one counts. Raises what reads raise.
        """
        target = entry.target
        upstream = self._registry.for_grant(target.grant_id)
        if entry.key.method == UPDATE:
            try:
                event = await upstream.get_event(
                    self.call(), target.grant_id, target.calendar_id, target.event_id
                )
            except NotFound:
                return None
            return event if is_met(entry.expected, with_parsed_conference(event)) else None
        found = await upstream.find_events(
            self.call(), target.grant_id, target.calendar_id, entry.marker
        )
        # An occurrence that somebody changed carries what its series carries.
        whole = [event for event in found if not event.master_event_id]
        return min(whole, key=lambda event: (event.created_at or math.inf, event.id), default=None)

    async def give_up(self, entry: Entry) -> bool:
        """Note that nothing can be found out, and tell the operator; False where it is not ours."""
        is_noted = await self._store.give_up(entry.hold, retention=self._times.retention)
        if is_noted:
            _log.error(
                "a write's outcome could not be found out",
                extra={
                    "alert": "unresolved",
                    "operation_id": entry.operation_id,
                    "request_id": entry.key.request_id,
                },
            )
        return is_noted

    async def insist(self, step: Callable[[], Awaitable[bool]], stop: Callable[[], bool]) -> bool:
        """Take a step of the store's, again while the store cannot; as long as a lease lasts.

        Returns what the step returns; raises StoreUnavailable when the time is up, or when `stop`
        says so.
        """
        ends_at = self._clock() + self._times.lease
        delay = _FIRST_DELAY
        while True:
            try:
                return await step()
            except StoreUnavailable:
                if stop() or self._clock() >= ends_at:
                    raise
            await self._sleep(delay)
            delay = min(delay * 2, _MOST_DELAY)

    def call(self) -> Call:
        """Return a call for reads that nobody's deadline bounds."""
        now = self._clock()
        return Call(self._clock, now, None, now + _LOOK_SECONDS)
