"""At most one effect per request, whatever fails: the protocol (README, "At most once").

Claim the request; note, durably, that it is about to be sent; check that it is still ours; send
once; note how it ended. Where the answer was lost, look for what it did until the settle window is
over. Nothing is ever sent again that may have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from conferencing_service.core.clock import Clock
from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import (
    ConferencingError,
    LedgerUnavailable,
    NotStarted,
    OutcomeUnresolved,
    RequestIdReused,
)
from conferencing_service.core.ledger.attempts import Attempt, Phase
from conferencing_service.core.ledger.departures import RESERVE, Departure
from conferencing_service.core.ledger.entry import Claim, Entry, Hold, Key, Step
from conferencing_service.core.ledger.markers import Markers
from conferencing_service.core.ledger.orders import Answer, Effect, Order
from conferencing_service.core.ledger.replays import Replays, without_marker
from conferencing_service.core.ledger.replies import reply_from_event
from conferencing_service.core.ledger.settling import LeaseLost, Settling, Times
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.model import Event
from conferencing_service.core.upstream import Call

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FIRST_FENCE = 1
_FIRST_DELAY = 0.05
_MOST_DELAY = 0.5


class Ledger:
    """Performs orders at most once.

    Args:
        store: where the entries are.
        markers: what events carry.
        settling: finds out what became of lost writes.
        effects: owns the writes.
        times: leases, windows and retention.
        owner: names this process among those that share the store.
        clock: a clock that never goes back, nor stands still while the machine sleeps.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        markers: Markers,
        settling: Settling,
        effects: Effects,
        times: Times,
        owner: str,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._markers = markers
        self._settling = settling
        self._replays = Replays(store, settling)
        self._effects = effects
        self._times = times
        self._owner = owner
        self._clock = clock
        self._sleep = sleep
        self._leaders: dict[Key, tuple[Attempt, str]] = {}

    async def perform(self, call: Call, order: Order) -> Answer:
        """Do what an order says, or tell what it did when it was done before.

        Cancelling ends the wait and nothing else once something may have been sent. Raises what
        the order's checks and its sending raise, OutcomeUnknown, OutcomeUnresolved,
        RequestIdReused, RequestInProgress and LedgerUnavailable.
        """
        attempt = Attempt(order.key.request_id)
        # A caller with a deadline waits until then; one without, for as long as reads would take.
        left = call.write_seconds()
        seconds = call.read_seconds() if left is None else left
        timer = asyncio.get_running_loop().call_later(
            max(0.0, seconds - RESERVE), attempt.out_of_time
        )
        facts = {"rpc": order.key.method, "request_id": order.key.request_id}
        try:
            return await self._effects.run(
                self._work(call, order, attempt),
                facts,
                call=call,
                waiter=attempt.waiter,
                last_words=attempt.last_words,
            )
        finally:
            timer.cancel()

    async def _work(self, call: Call, order: Order, attempt: Attempt) -> Answer:
        """Work on an order, after whoever works on it in this process already."""
        while True:
            leading = self._leaders.get(order.key)
            if leading is None:
                break
            leader, fingerprint = leading
            if fingerprint != order.fingerprint:
                raise RequestIdReused
            if leader.is_blocked:
                raise LedgerUnavailable
            attempt.follow(leader)
            await _either(leader.ended, attempt.waiter)
            if not attempt.is_attended():
                raise NotStarted(0)
            if leader.answer is not None:
                return dataclasses.replace(leader.answer, replayed=True)
        self._leaders[order.key] = attempt, order.fingerprint
        try:
            attempt.answer = await self._lead(call, order, attempt)
            return attempt.answer
        except StoreUnavailable as error:
            _log.error("the ledger's store cannot commit", extra={"alert": "ledger"})
            raise attempt.state() or LedgerUnavailable() from error
        except LeaseLost as error:
            # Another owner has it, and whoever asks again is told by that one.
            raise attempt.state() or attempt.unknown() from error
        finally:
            del self._leaders[order.key]
            attempt.ended.set()

    async def _lead(self, call: Call, order: Order, attempt: Attempt) -> Answer:
        entry = await self._claimed(order, attempt)
        try:
            match entry.step:
                case Step.DONE:
                    attempt.enter(Phase.ANSWERING)
                    return await self._replays.answer(order, entry)
                case Step.UNRESOLVED:
                    raise OutcomeUnresolved({"request_id": order.key.request_id})
                case Step.IN_DOUBT:
                    return await self._settled(order, entry, attempt, order.complete)
                case _:
                    return await self._sent(call, order, entry, attempt)
        except asyncio.CancelledError:
            # This process ends first: another one is to go on at once.
            with contextlib.suppress(StoreUnavailable):
                await self._store.renew(entry.hold, lease=0.0)
            raise

    async def _claimed(self, order: Order, attempt: Attempt) -> Entry:
        """Return the order's entry, as soon as it is ours or nobody's any more."""
        operation_id = secrets.token_hex(16)
        target = order.target
        claim = Claim(
            key=order.key,
            operation_id=operation_id,
            fingerprint=order.fingerprint,
            owner=self._owner,
            target=target,
            marker=self._markers.mint(operation_id, target.grant_id, target.calendar_id),
            lease=self._times.lease,
            settle=self._times.settle,
            retention=self._times.retention,
        )
        delay = _FIRST_DELAY
        while True:
            attempt.enter(Phase.NOTING)
            try:
                entry, is_ours = await self._claim(claim)
            except StoreUnavailable as error:
                # It may have been claimed all the same, and would stay so until the lease ends.
                attempt.block(LedgerUnavailable())
                await self._release(Hold(operation_id, _FIRST_FENCE), error, attempt)
                raise
            if entry.fingerprint != order.fingerprint:
                raise RequestIdReused
            if is_ours and not attempt.is_attended() and entry.step is Step.CLAIMED:
                await self._store.release(entry.hold, error="")
                raise NotStarted(0)
            if is_ours or entry.step in {Step.DONE, Step.UNRESOLVED}:
                return entry
            looking = entry.step is Step.IN_DOUBT
            attempt.enter(
                Phase.LOOKING if looking else Phase.WAITING, settle_left=entry.settle_left
            )
            if not attempt.is_attended() or self._effects.draining:
                raise attempt.state() or attempt.unknown()
            await self._sleep(delay)
            delay = min(delay * 2, _MOST_DELAY)

    async def _claim(self, claim: Claim) -> tuple[Entry, bool]:
        """Claim; what is claimed while this process ends is left to whoever comes next, at once."""
        try:
            return await self._store.claim(claim)
        except asyncio.CancelledError:
            # Nobody says any more whether it was claimed.
            with contextlib.suppress(StoreUnavailable):
                entry = await self._store.get(claim.key)
                if entry is not None and entry.owner == claim.owner and entry.lease_left > 0:
                    await self._store.renew(entry.hold, lease=0.0)
            raise

    async def _sent(self, call: Call, order: Order, entry: Entry, attempt: Attempt) -> Answer:
        """Check, send, and note how it ended; its departure stands between the two."""
        hold = entry.hold
        attempt.enter(Phase.PREPARING)
        try:
            effect = await _unless_cancelled(order.prepare(entry.marker))
        except Exception as error:
            attempt.conclude(error)
            await self._release(hold, error, attempt)
            raise
        departure = Departure(
            store=self._store,
            hold=hold,
            attempt=attempt,
            times=self._times,
            clock=self._clock,
            event_id=effect.event_id,
            expected=effect.expected,
        )
        call.before_send = departure.leave
        try:
            event = await _unless_cancelled(effect.send())
        except OutcomeUnresolved as error:
            return await self._doubted(order, entry, attempt, effect, error)
        except LeaseLost:
            # Refused by the check: nothing was sent, and the entry is another owner's.
            attempt.enter(Phase.WAITING)
            raise
        except ConferencingError as error:
            attempt.conclude(error)
            if isinstance(error, LedgerUnavailable):
                attempt.block(error)
            await self._release(hold, error, attempt)
            raise
        except Exception as error:
            if not departure.is_noted:
                attempt.conclude(error)
                await self._release(hold, error, attempt)
                raise
            _log.error("a write broke", exc_info=error, extra={"operation_id": entry.operation_id})
            return await self._doubted(order, entry, attempt, effect, error)
        finally:
            call.before_send = None
        return await self._done(order, hold, event, attempt, effect.complete)

    async def _doubted(
        self, order: Order, entry: Entry, attempt: Attempt, effect: Effect, error: Exception
    ) -> Answer:
        """Note the doubt, then look for what was done."""
        reason = error.reason.value if isinstance(error, ConferencingError) else "INTERNAL"
        facts = {"operation_id": entry.operation_id, "request_id": order.key.request_id}
        _log.warning("a write is in doubt", extra={**facts, **_metadata_of(error)})
        attempt.enter(Phase.LOOKING, settle_left=self._times.settle)
        is_ours = await self._insist(
            lambda: self._store.doubt(
                entry.hold, error=reason, settle=self._times.settle, lease=self._times.lease
            )
        )
        if not is_ours:
            raise LeaseLost
        target = dataclasses.replace(entry.target, event_id=effect.event_id)
        entry = dataclasses.replace(
            entry,
            step=Step.IN_DOUBT,
            settle_left=self._times.settle,
            target=target,
            expected=effect.expected,
        )
        return await self._settled(order, entry, attempt, effect.complete, error)

    async def _settled(
        self,
        order: Order,
        entry: Entry,
        attempt: Attempt,
        complete: Callable[[Event], Awaitable[Event]],
        cause: Exception | None = None,
    ) -> Answer:
        """Return what an operation in doubt did; raises OutcomeUnresolved where nothing shows."""
        attempt.enter(Phase.LOOKING, settle_left=entry.settle_left)
        try:
            event = await self._settling.event_of(entry, lambda: self._effects.draining)
        except LeaseLost:
            # At the end of this process another one is to go on at once.
            await self._store.renew(entry.hold, lease=0.0)
            raise
        if event is not None:
            return await self._done(order, entry.hold, event, attempt, complete)
        if not await self._insist(lambda: self._settling.give_up(entry)):
            # Whoever has it now may still find what we did not.
            raise LeaseLost
        metadata = _metadata_of(cause)
        raise OutcomeUnresolved({**metadata, "request_id": order.key.request_id}) from cause

    async def _done(
        self,
        order: Order,
        hold: Hold,
        event: Event,
        attempt: Attempt,
        complete: Callable[[Event], Awaitable[Event]],
    ) -> Answer:
        """Note that it is done, durably, before anybody is told so."""
        event = without_marker(event)
        reply = reply_from_event(order.asked, event)

        async def finish() -> bool:
            try:
                return await self._store.finish(
                    hold, event_id=event.id, reply=reply, retention=self._times.retention
                )
            except StoreUnavailable:
                attempt.enter(Phase.LOOKING, settle_left=self._times.settle)
                raise

        if not await self._insist(finish):
            attempt.enter(Phase.LOOKING, settle_left=self._times.settle)
            raise LeaseLost
        attempt.enter(Phase.ANSWERING)
        answer = without_marker(await complete(event))
        if answer is not event and answer != event:
            await self._replays.amend(hold.operation_id, order, answer)
        return Answer(answer)

    async def _insist(self, step: Callable[[], Awaitable[bool]]) -> bool:
        return await self._settling.insist(step, lambda: self._effects.draining)

    async def _release(self, hold: Hold, error: Exception, attempt: Attempt) -> None:
        """Note that nothing was sent; where that cannot be noted, the lease's end will tell.

        The caller is told at once: why nothing was sent does not hang on the note.
        """
        reason = error.reason.value if isinstance(error, ConferencingError) else ""
        try:
            await self._store.release(hold, error=reason)
        except StoreUnavailable:
            attempt.block(error)
            await self._insist(lambda: self._store.release(hold, error=reason))


async def _either(event: asyncio.Event, waiter: asyncio.Future[Any]) -> None:
    """Wait until something happened, or nobody waits for it any more."""
    happening = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({happening, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happening.cancel()


async def _unless_cancelled(work: Awaitable[T]) -> T:
    """Await work; a cancellation that came from within it is a fault like any other."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("cancelled from within") from error


def _metadata_of(error: Exception | None) -> Mapping[str, str]:
    return error.metadata if isinstance(error, ConferencingError) else {}
