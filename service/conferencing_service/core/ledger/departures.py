"""The last moment before a write leaves: it is noted, and it is still ours and wanted."""

from __future__ import annotations

from collections.abc import Mapping

from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import LedgerUnavailable, NotStarted
from conferencing_service.core.ledger.attempts import Attempt, Phase
from conferencing_service.core.ledger.entry import Hold
from conferencing_service.core.ledger.settling import LeaseLost, Times
from conferencing_service.core.ledger.store import Store, StoreUnavailable

RESERVE = 0.3
"""Seconds before a caller's time is up in which nothing is begun for it any more."""

_MOMENT = 1.0
"""Seconds after which the store is asked about the lease again."""


class Departure:
    """A write that is about to leave.

    Args:
        store: the ledger's store.
        hold: the right to send it.
        attempt: whose write it is.
        times: the ledger's times.
        clock: a clock that never goes back, nor stands still while the machine sleeps.
        event_id: the event that it writes, "" where it makes one.
        expected: of an update, how it is recognised.
    """

    def __init__(
        self,
        *,
        store: Store,
        hold: Hold,
        attempt: Attempt,
        times: Times,
        clock: Clock,
        event_id: str,
        expected: Mapping[str, str],
    ) -> None:
        self._store = store
        self._hold = hold
        self._attempt = attempt
        self._times = times
        self._clock = clock
        self._event_id = event_id
        self._expected = expected
        self._began_at = 0.0
        self.is_noted = False
        """Whether the store says that it may have left."""

    async def leave(self) -> None:
        """Note that the write is about to be sent, and pass when it is still ours and wanted.

        The last thing before its first byte leaves, after every queue that it may have waited in:
        what is noted here and lost afterwards can only be found, or stay unresolved. The note is
        taken only from whoever has the fence and the lease, and gives a whole new lease; so nothing
        need be asked again before the first byte, unless more than a moment passed since the note
        was begun, or this write was kept waiting after it.
        """
        try:
            if not self.is_noted:
                await self._note()
            if self._clock() - self._began_at > self._moment():
                await self._check()
        except StoreUnavailable as error:
            raise LedgerUnavailable from error
        if not self._attempt.is_attended():
            raise NotStarted(0)
        self._attempt.enter(Phase.SENDING)

    async def _note(self) -> None:
        if self._attempt.is_late or not self._attempt.is_attended():
            raise NotStarted(RESERVE)
        self._attempt.enter(Phase.NOTING)
        # Read before the store reads its own: the lease is at least as long as this clock says.
        self._began_at = self._clock()
        self.is_noted = await self._store.intend(
            self._hold,
            event_id=self._event_id,
            expected=self._expected,
            lease=self._times.lease,
        )
        if not self.is_noted:
            raise LeaseLost

    async def _check(self) -> None:
        """Pass when the operation is still ours for as long as the write may take."""
        left = await self._store.lease_left(self._hold)
        if left is None or (left < self._times.write and not await self._renewed()):
            raise LeaseLost

    async def _renewed(self) -> bool:
        return await self._store.renew(self._hold, lease=self._times.lease)

    def _moment(self) -> float:
        # What a lease has beyond a write must not be used up, whatever the two clocks differ by.
        return min(_MOMENT, (self._times.lease - self._times.write) / 2)
