"""What is known about grants: read once for each caller, shared by all its calls of the moment.

Each principal has its own: what is remembered for one tells another nothing, not even by its speed.

What kind of account a grant connects never changes, so that is kept for good; scopes and validity
do, so whoever is about to refuse because of them asks with a small `max_age` first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import FailedPrecondition, NotFound
from conferencing_service.core.model import Grant, Reason
from conferencing_service.core.upstream import CalendarUpstream, Call

FACTS_SECONDS = 300.0
"""How long scopes and validity are believed."""

_Place: TypeAlias = tuple[str, str]
"""A principal and a grant."""

_READ_SECONDS = 20.0
_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class _Known:
    grant: Grant
    read_at: float
    sandbox: bool
    upstream_request_id: str


class GrantDirectory:
    """Finds grants, from memory where it may.

    Args:
        clock: a clock that never goes back.
        read_seconds: how long one read may take; it is shared, so no caller's deadline bounds it.
    """

    def __init__(self, clock: Clock, read_seconds: float = _READ_SECONDS) -> None:
        self._clock = clock
        self._read_seconds = read_seconds
        self._known: OrderedDict[_Place, _Known] = OrderedDict()
        self._under_way: dict[_Place, asyncio.Task[_Known]] = {}

    async def find(
        self,
        call: Call,
        upstream: CalendarUpstream,
        grant_id: str,
        *,
        field: str = "grant_id",
        max_age: float | None = None,
    ) -> Grant:
        """Return a grant, read at most `max_age` seconds ago (None: whenever).

        A grant that was last seen invalid is read again before anybody is told so. Raises
        NotFound, FailedPrecondition (GRANT_EXPIRED), each with `field` as its grant_field, and
        whatever else a read raises.
        """
        try:
            known = await self._find(call, upstream, grant_id, max_age)
            if not known.grant.valid:
                known = await self._find(call, upstream, grant_id, self._age_of(call))
        except NotFound as error:
            raise NotFound(error.reason, {**error.metadata, "grant_field": field}) from error
        if not known.grant.valid:
            raise FailedPrecondition(Reason.GRANT_EXPIRED, {"grant_field": field})
        return known.grant

    def _age_of(self, call: Call) -> float:
        """Return the age at which something was read during this very call."""
        return self._clock() - call.started

    async def find_fresh(
        self, call: Call, upstream: CalendarUpstream, grant_id: str, *, field: str = "grant_id"
    ) -> Grant:
        """Return a grant that was read while this call was under way."""
        return await self.find(call, upstream, grant_id, field=field, max_age=self._age_of(call))

    async def find_with_calendar(
        self, call: Call, upstream: CalendarUpstream, grant_id: str, *, fresh: bool = False
    ) -> Grant:
        """Return an event's grant; raises FailedPrecondition when it has no calendar.

        A call that goes on to the upstream learns there whether the grant still holds, so that
        only its platform matters here; one that does not wants `fresh` facts.
        """
        max_age = FACTS_SECONDS if fresh else None
        grant = await self.find(call, upstream, grant_id, max_age=max_age)
        call.attributes["conferencing.platform"] = grant.platform.value
        if grant.platform in upstream.capabilities.without_calendar:
            raise FailedPrecondition(
                Reason.GRANT_HAS_NO_CALENDAR, {"platform": grant.platform.value}
            )
        return grant

    async def _find(
        self, call: Call, upstream: CalendarUpstream, grant_id: str, max_age: float | None
    ) -> _Known:
        place = call.principal, grant_id
        known = self._known.get(place)
        if known is None or (max_age is not None and self._clock() - known.read_at > max_age):
            known = await self._read(upstream, place)
            call.upstream_request_id = known.upstream_request_id
        call.sandbox = call.sandbox or known.sandbox
        return known

    async def _read(self, upstream: CalendarUpstream, place: _Place) -> _Known:
        task = self._under_way.get(place)
        if task is None:
            task = asyncio.create_task(self._read_alone(upstream, place))
            self._under_way[place] = task
            task.add_done_callback(lambda done: self._finished(place, done))
        return await asyncio.shield(task)

    async def _read_alone(self, upstream: CalendarUpstream, place: _Place) -> _Known:
        now = self._clock()
        call = Call(self._clock, now, None, now + self._read_seconds)
        grant = await upstream.get_grant(call, place[1])
        known = _Known(grant, now, call.sandbox, call.upstream_request_id)
        self._known[place] = known
        self._known.move_to_end(place)
        if len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return known

    def _finished(self, place: _Place, task: asyncio.Task[_Known]) -> None:
        del self._under_way[place]
        if not task.cancelled():
            # Whoever waited has it; asking marks it as seen when everybody has left.
            task.exception()
