"""Goes on where owners ended: takes over what they left, forgets what is old, sweeps on its way."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.settling import LeaseLost, Settling, Times
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.ledger.sweeper import Sweeper

_log = logging.getLogger(__name__)

_AT_ONCE = 32
_MOST_IN_LINE = 1024
_FORGOTTEN_AT_ONCE = 1000


class Resumer:
    """Works in the background for as long as the server runs.

    Args:
        store: the ledger's store.
        settling: finds out what became of lost writes.
        sweeper: removes what they left behind.
        times: the ledger's times.
        owner: names this process.
        interval: seconds between two looks at the store.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        settling: Settling,
        sweeper: Sweeper,
        times: Times,
        owner: str,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._settling = settling
        self._sweeper = sweeper
        self._times = times
        self._owner = owner
        self._interval = interval
        self._sleep = sleep
        self._under_way: dict[asyncio.Task[None], Entry] = {}
        self._last_of_grant: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        # Sweeping asks upstreams, which may not answer; taking over is not to wait for that.
        self._loops = [
            asyncio.create_task(self._again_and_again(step)) for step in (self.resume, self.tidy)
        ]

    async def stop(self) -> None:
        """End; what is not settled yet is left to whoever looks next, at once."""
        self._stopping = True
        left = dict(self._under_way)
        for task in [*left, *self._loops]:
            task.cancel()
        await asyncio.gather(*left, *self._loops, return_exceptions=True)
        await self._leave(entry for task, entry in left.items() if task.cancelled())

    async def _leave(self, entries: Iterable[Entry]) -> None:
        """End the leases of operations that nobody here works on any more."""
        with suppress(StoreUnavailable):
            for entry in entries:
                await self._store.renew(entry.hold, lease=0.0)

    async def _again_and_again(self, step: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            try:
                await step()
            except StoreUnavailable:
                _log.error("the ledger's store cannot be reached", extra={"alert": "ledger"})
            except Exception:  # noqa: BLE001 - the next time may do better, and has to come
                _log.exception("a step of the resumer broke")
            # Replicas that began together are not to ask together for good.
            await self._sleep(self._interval * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def resume(self) -> None:
        """Take over what was left, as much as there is room for."""
        # Those that wait for their grant's turn take no room: one grant is not to fill it.
        room = min(_AT_ONCE - len(self._last_of_grant), _MOST_IN_LINE - len(self._under_way))
        if room <= 0:
            return
        taking = asyncio.ensure_future(
            self._store.take_over(
                self._owner, lease=self._times.lease, settle=self._times.settle, limit=room
            )
        )
        try:
            entries = await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(StoreUnavailable):
                await self._leave(await taking)
            raise
        for entry in entries:
            self._resume(entry)

    async def tidy(self) -> None:
        """Forget what is old, and sweep."""
        # In steps, so that the store's other work comes between, but all of it: at a high rate one
        # step a round would never keep up.
        while await self._store.forget_expired(limit=_FORGOTTEN_AT_ONCE) == _FORGOTTEN_AT_ONCE:
            continue
        await self._sweeper.sweep(dry_run=False)

    def _resume(self, entry: Entry) -> None:
        """Go on with one operation; long looks of one grant come one after the other."""
        grant_id = entry.target.grant_id
        task = asyncio.create_task(self._go_on(entry, self._last_of_grant.get(grant_id)))
        self._under_way[task] = entry
        self._last_of_grant[grant_id] = task
        task.add_done_callback(lambda done: self._ended(entry, done))

    async def _go_on(self, entry: Entry, before: asyncio.Task[None] | None) -> None:
        # Somebody else may have it by now, and settles it.
        with suppress(LeaseLost):
            if entry.step is Step.CLAIMED:
                await self._store.release(entry.hold, error="")
            else:
                await self._settle(entry, before)

    async def _settle(self, entry: Entry, before: asyncio.Task[None] | None) -> None:
        facts = {"operation_id": entry.operation_id, "request_id": entry.key.request_id}
        _log.warning("an operation was taken over", extra=facts)
        event = None
        if before is not None:
            # What is to be seen already need not wait for what may never be.
            with suppress(ConferencingError):
                event = await self._settling.look(entry)
            if event is None:
                await self._turn(entry, before)
        if event is None:
            event = await self._settling.event_of(entry, lambda: self._stopping)
        if event is not None:
            await self._store.finish(
                entry.hold, event_id=event.id, reply="", retention=self._times.retention
            )
            _log.info("what a lost write did was found", extra=facts)
        else:
            await self._settling.give_up(entry)

    async def _turn(self, entry: Entry, before: asyncio.Task[None]) -> None:
        """Wait for the operation before, and stay the owner meanwhile."""
        while not before.done():
            await asyncio.wait({before}, timeout=self._times.lease / 3)
            if not await self._store.renew(entry.hold, lease=self._times.lease):
                raise LeaseLost

    def _ended(self, entry: Entry, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        if self._last_of_grant.get(entry.target.grant_id) is task:
            del self._last_of_grant[entry.target.grant_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease ends, and the next round takes it up again.
            facts = {"operation_id": entry.operation_id}
            _log.warning("resuming an operation failed", exc_info=error, extra=facts)
