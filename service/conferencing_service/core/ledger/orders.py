"""What the ledger is asked to have done at most once, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

from conferencing_service.core.ledger.entry import Key, Target
from conferencing_service.core.model import Event
from conferencing_service.core.upstream import CalendarUpstream
from conferencing_service.core.value import value


@value
class Effect:
    """A write that passed every check and is about to be sent.

    Attributes:
        send: sends it, once, and returns the event; raises OutcomeUnresolved where it may have
            arrived and no answer came, and any other error of the core where it surely did nothing.
        complete: makes the answer out of the event that `send` returned.
        event_id: the event that it writes, "" where it makes one.
        expected: of an update, how it is recognised.
    """

    send: Callable[[], Awaitable[Event]]
    complete: Callable[[Event], Awaitable[Event]]
    event_id: str = ""
    expected: Mapping[str, str] = field(default_factory=dict)


@value
class Order:
    """What a caller wants done at most once.

    Attributes:
        key: names the request.
        fingerprint: of the validated request.
        target: what is written to.
        asked: the event as asked for; answers are kept as what they say beyond it.
        upstream: where the event is.
        prepare: runs every check and returns the write; told the marker that it has to carry.
        complete: makes the answer out of an event that was found instead of answered.
    """

    key: Key
    fingerprint: str
    target: Target
    asked: Event
    upstream: CalendarUpstream
    prepare: Callable[[str], Awaitable[Effect]]
    complete: Callable[[Event], Awaitable[Event]]


@value
class Answer:
    """What a request did, and whether it had been answered before."""

    event: Event
    replayed: bool = False
