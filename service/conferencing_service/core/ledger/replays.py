"""Answers that were given before: told again as they were, and completed where they were not final."""

from __future__ import annotations

import dataclasses
import logging

from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.ledger.entry import Entry
from conferencing_service.core.ledger.expectations import is_another
from conferencing_service.core.ledger.orders import Answer, Order
from conferencing_service.core.ledger.replies import event_from_reply, reply_from_event
from conferencing_service.core.ledger.settling import Settling
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.model import Conferencing, Event, State
from conferencing_service.core.parsing import with_parsed_conference

_log = logging.getLogger(__name__)


class Replays:
    """Tells again what requests did.

    Args:
        store: the ledger's store.
        settling: lends its calls.
    """

    def __init__(self, store: Store, settling: Settling) -> None:
        self._store = store
        self._settling = settling

    async def answer(self, order: Order, entry: Entry) -> Answer:
        """Return the answer that was given before; one that was not final is looked up again.

        Raises what reads raise where no answer was kept.
        """
        kept = _kept(order, entry)
        if kept is not None and not _is_pending(kept):
            return Answer(kept, replayed=True)
        target = entry.target
        try:
            event = await order.upstream.get_event(
                self._settling.call(), target.grant_id, target.calendar_id, target.event_id
            )
        except ConferencingError:
            if kept is None:
                raise
            return Answer(kept, replayed=True)
        if not is_another(entry.expected, with_parsed_conference(event)):
            return Answer(_pending(order, event) if kept is None else kept, replayed=True)
        event = without_marker(await order.complete(event))
        if kept is not None and _is_pending(event):
            return Answer(kept, replayed=True)
        await self.amend(entry.operation_id, order, event)
        return Answer(event, replayed=True)

    async def amend(self, operation_id: str, order: Order, answer: Event) -> None:
        """Keep another answer of an operation that is done."""
        try:
            await self._store.amend(operation_id, reply=reply_from_event(order.asked, answer))
        except StoreUnavailable:
            # The operation is done and noted as such; a repetition looks the rest up again.
            _log.warning("a reply could not be noted", extra={"operation_id": operation_id})


def _kept(order: Order, entry: Entry) -> Event | None:
    """Return the answer that is kept, None where there is none that this version can read."""
    if not entry.reply:
        return None
    try:
        return event_from_reply(order.asked, entry.reply)
    except ValueError:
        return None


def without_marker(event: Event) -> Event:
    """Return an event without what only the ledger needs to know of it."""
    return dataclasses.replace(event, marker="") if event.marker else event


def _pending(order: Order, event: Event) -> Event:
    """Return an event whose conference is still the one that is being replaced: not the answer."""
    asked = order.asked.conferencing
    provider = None if asked is None else asked.provider
    return without_marker(
        dataclasses.replace(
            event, conferencing=Conferencing(provider=provider, state=State.PENDING)
        )
    )


def _is_pending(event: Event) -> bool:
    return event.conferencing is not None and event.conferencing.state is State.PENDING
