"""The calendars that an operator's actions look at, and what is seen there of an operation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from conferencing_service.commands.endings import NotDone
from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import ConferencingError, NotFound
from conferencing_service.core.ledger.entry import Entry
from conferencing_service.core.ledger.settling import UPDATE
from conferencing_service.core.upstream import CalendarUpstream
from conferencing_service.ledger_parts import LedgerParts, OpenStore, ledger_parts
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.registry import SingleUpstream
from conferencing_service.vendor import Vendor, nylas_upstream


@asynccontextmanager
async def calendars_of(
    settings: Settings, opened: OpenStore, vendor: Vendor
) -> AsyncIterator[Calendars]:
    """Open the calendars of a vendor.

    Args:
        settings: the settings.
        opened: the ledger's store.
        vendor: where the calendars are.
    """
    telemetry = Telemetry.off()
    upstream = nylas_upstream(vendor, settings, telemetry)
    try:
        yield Calendars(
            upstream,
            ledger_parts(
                opened,
                settings,
                registry=SingleUpstream(upstream),
                settle=upstream.capabilities.settle_seconds,
                effects=Effects(),
                clock=time.monotonic,
            ),
        )
    finally:
        await upstream.aclose()
        telemetry.shutdown()


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendars, and what looks at them."""

    upstream: CalendarUpstream
    parts: LedgerParts

    async def events_of(self, entry: Entry) -> tuple[str, ...]:
        """Return the events that show an operation's effect, oldest first.

        Raises NotDone where nobody can tell.
        """
        target, settling = entry.target, self.parts.settling
        try:
            if entry.key.method == UPDATE:
                event = await settling.look(entry)
                return () if event is None else (event.id,)
            found = await self.upstream.find_events(
                settling.call(), target.grant_id, target.calendar_id, entry.marker
            )
        except ConferencingError as error:
            raise _cannot_look(error) from error
        return tuple(
            event.id for event in sorted(found, key=lambda each: (each.created_at or 0, each.id))
        )

    async def confirmed(self, entry: Entry, event_id: str) -> str:
        """Return an event's id as the calendar has it, if that can be the operation's event.

        Raises NotDone where it is not there, or is another operation's.
        """
        target = entry.target
        try:
            event = await self.upstream.get_event(
                self.parts.settling.call(), target.grant_id, target.calendar_id, event_id
            )
        except NotFound as error:
            raise NotDone(
                f"there is no event {event_id} on the operation's calendar ({error.reason.value})"
            ) from error
        except ConferencingError as error:
            raise _cannot_look(error) from error
        if entry.key.method != UPDATE and event.marker not in {"", entry.marker}:
            raise NotDone(f"event {event_id} was made by another operation")
        return event.id


def _cannot_look(error: ConferencingError) -> NotDone:
    return NotDone(f"the calendar cannot be asked ({error.reason.value}), so nothing was changed")
