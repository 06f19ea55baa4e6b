"""What the ledger remembers of one request: who asked what, how far it came, who works on it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from conferencing_service.core.value import value


class Step(enum.StrEnum):
    """How far a request has come.

    CLAIMED   somebody works on it; nothing was sent.
    SENDING   it may have been sent: written before the first byte leaves.
    IN_DOUBT  it was sent, its answer was lost, and somebody looks for what it did.
    DONE      it did what was asked; `event_id` is the event.
    UNRESOLVED  the settle window is over and nothing was found; an operator settles it.
    RELEASED  it surely did nothing; the next repetition may send it.
    """

    CLAIMED = "CLAIMED"
    SENDING = "SENDING"
    IN_DOUBT = "IN_DOUBT"
    DONE = "DONE"
    UNRESOLVED = "UNRESOLVED"
    RELEASED = "RELEASED"


@value
class Key:
    """Names a request: the same id of another caller, or of another method, is another request."""

    principal: str
    method: str
    request_id: str


@value
class Target:
    """What a request writes to. `event_id` is "" until the event is known."""

    grant_id: str
    calendar_id: str = field(repr=False)
    event_id: str = ""


@value
class Entry:
    """One row of the ledger.

    Attributes:
        key: names the request.
        operation_id: names the row; another request under the same key has another.
        fingerprint: of the validated request.
        step: how far it came.
        fence: grows with every owner; what an earlier owner writes is refused.
        owner: who works on it, or did.
        lease_left: seconds until somebody else may take over, by the store's clock.
        settle_left: seconds until the settle window ends, by the store's clock.
        target: what it writes to.
        marker: what the event carries so that it can be found.
        expected: of an update, a digest of every field that was asked for.
        reply: what the answer said beyond the request, as JSON; "" when nobody could tell.
        doubted: it was in doubt at some time.
        swept: what it left behind was looked for after that.
        error: the reason of the last failure, for the operator.
        created_at: Unix seconds, by the store's clock.
        updated_at: the same.
        expires_at: when it may be forgotten, the same.
    """

    key: Key
    operation_id: str
    fingerprint: str
    step: Step
    fence: int
    owner: str
    lease_left: float
    settle_left: float
    target: Target
    marker: str = field(repr=False)
    expected: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    reply: str = field(default="", repr=False)
    doubted: bool = False
    swept: bool = False
    error: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    expires_at: float = 0.0

    @property
    def hold(self) -> Hold:
        """What its owner shows with everything it writes."""
        return Hold(self.operation_id, self.fence)


@value
class Hold:
    """The right to work on an operation: good as long as nobody has a higher fence."""

    operation_id: str
    fence: int


@value
class Claim:
    """A wish to work on a request. Times are seconds."""

    key: Key
    operation_id: str
    fingerprint: str
    owner: str
    target: Target
    marker: str = field(repr=False)
    lease: float
    settle: float
    retention: float
