"""Finds what operations that were ever in doubt left behind, and removes what is nobody's.

An operation that was in doubt may have made its event later than anybody looked, or twice where an
operator had it sent again. Only what carries the operation's verified marker, on its own calendar,
and is not the event that it ended with is deleted; what belongs to an operation that nobody has
settled is reported and stays.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from conferencing_service.core.errors import ConferencingError, NotFound
from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.markers import Markers
from conferencing_service.core.ledger.settling import CREATE, LeaseLost, Settling, Times
from conferencing_service.core.ledger.store import Store
from conferencing_service.core.model import Notify
from conferencing_service.core.upstream import CalendarUpstream, Registry

_log = logging.getLogger(__name__)

_AT_ONCE = 50


class Fate(enum.StrEnum):
    """What the sweeper does with an event that it found."""

    DELETED = "deleted"
    WOULD_BE_DELETED = "would be deleted"
    NOT_DELETED = "not deleted: it could not be done"
    UNSETTLED = "left: an operator has to settle the operation first"


_TO_BE_SEEN_AGAIN = frozenset({Fate.NOT_DELETED, Fate.UNSETTLED})


@dataclass(frozen=True, slots=True)
class Finding:
    """An event that an operation left behind."""

    operation_id: str
    grant_id: str
    event_id: str = field(repr=False)
    fate: Fate


class Sweeper:
    """Sweeps behind operations that were in doubt.

    Args:
        store: the ledger's store.
        markers: verifies markers.
        registry: finds a grant's upstream.
        settling: lends its calls.
        times: the ledger's times; nothing younger than two settle windows is swept.
        on_deleted: is told of each event that was deleted.
    """

    def __init__(
        self,
        *,
        store: Store,
        markers: Markers,
        registry: Registry,
        settling: Settling,
        times: Times,
        on_deleted: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._markers = markers
        self._registry = registry
        self._settling = settling
        self._times = times
        self._on_deleted = on_deleted

    async def sweep(self, *, dry_run: bool) -> list[Finding]:
        """Look behind every operation that is old enough; return what was found.

        An upstream that cannot be asked leaves its operations for the next time. Raises
        StoreUnavailable.
        """
        findings: list[Finding] = []
        entries = await self._store.unswept(older_than=2 * self._times.settle, limit=_AT_ONCE)
        for entry in entries:
            try:
                found = await self.behind(entry, dry_run=dry_run)
            except ConferencingError as error:
                facts = {"operation_id": entry.operation_id, "reason": error.reason.value}
                _log.warning("an operation could not be swept", extra=facts)
                continue
            findings += found
        return findings

    async def behind(self, entry: Entry, *, dry_run: bool) -> list[Finding]:
        """Look behind one operation that is at an end; return what was found.

        A dry run deletes nothing and notes nothing. Raises what reads raise, and StoreUnavailable.
        """
        if entry.key.method != CREATE:
            # What an update left is on the event that it was meant for.
            if not dry_run:
                await self._store.mark_swept(entry.operation_id)
            return []
        if dry_run:
            return await self._left_behind(entry, dry_run=True)
        # While this lasts no repetition can begin that makes another event with this marker.
        if not await self._store.renew(entry.hold, lease=self._times.lease):
            return []
        try:
            findings = await self._left_behind(entry, dry_run=False)
            if not any(finding.fate in _TO_BE_SEEN_AGAIN for finding in findings):
                await self._store.mark_swept(entry.operation_id)
        finally:
            await self._store.renew(entry.hold, lease=0.0)
        return findings

    async def _left_behind(self, entry: Entry, *, dry_run: bool) -> list[Finding]:
        target = entry.target
        if not self._markers.verifies(
            entry.marker, entry.operation_id, target.grant_id, target.calendar_id
        ):
            _log.error("an operation's marker is not its own", extra={"alert": "marker"})
            return []
        upstream = self._registry.for_grant(target.grant_id)
        try:
            events = await upstream.find_events(
                self._settling.call(), target.grant_id, target.calendar_id, entry.marker
            )
        except NotFound:
            return []
        findings = []
        # An occurrence that somebody changed carries what its series carries.
        winners = {target.event_id}
        winners |= {each.master_event_id for each in events if each.id == target.event_id}
        for event in events:
            is_winner = entry.step is Step.DONE and event.id in winners
            if event.marker != entry.marker or is_winner or event.master_event_id:
                continue
            fate = Fate.WOULD_BE_DELETED
            if entry.step is Step.UNRESOLVED:
                fate = Fate.UNSETTLED
            elif not dry_run:
                fate = await self._deleted(upstream, entry, event.id)
            findings.append(Finding(entry.operation_id, target.grant_id, event.id, fate))
        return findings

    async def _deleted(self, upstream: CalendarUpstream, entry: Entry, event_id: str) -> Fate:
        """Delete an event while the operation is still ours; one that resists keeps no other."""
        facts = {"operation_id": entry.operation_id}
        try:
            await self._delete(upstream, entry, event_id)
        except (ConferencingError, LeaseLost) as error:
            if isinstance(error, ConferencingError):
                facts["reason"] = error.reason.value
            _log.warning("an event that a lost write left behind was not deleted", extra=facts)
            return Fate.NOT_DELETED
        _log.warning("an event that a lost write left behind was deleted", extra=facts)
        self._on_deleted()
        return Fate.DELETED

    async def _delete(self, upstream: CalendarUpstream, entry: Entry, event_id: str) -> None:
        """Delete an event that is nobody's, without telling anybody where that can be had."""
        target = entry.target
        grant = await upstream.get_grant(self._settling.call(), target.grant_id)
        capabilities = upstream.capabilities
        can = capabilities.notify.get(grant.platform, capabilities.default_notify)
        notify = Notify.NONE if Notify.NONE in can else Notify.ALL
        call = self._settling.call()

        async def still_ours() -> None:
            if not await self._store.renew(entry.hold, lease=self._times.lease):
                raise LeaseLost

        call.before_send = still_ours
        try:
            await upstream.delete_event(call, target.grant_id, target.calendar_id, event_id, notify)
        except NotFound:
            return
