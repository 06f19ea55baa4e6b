"""One caller's attempt at a request in this process: how far it is, and what its caller is told.

The work goes on for as long as it takes; the caller is told something true before its time is up.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Any

from conferencing_service.core.errors import (
    LedgerUnavailable,
    OutcomeUnknown,
    RequestInProgress,
)
from conferencing_service.core.ledger.orders import Answer

_MOST_RETRY_SECONDS = 10.0


class Phase(enum.Enum):
    """What an attempt does at the moment."""

    NOTING = enum.auto()  # waits for the store; nothing was sent
    WAITING = enum.auto()  # somebody else works on the request; nothing was sent by us
    PREPARING = enum.auto()  # checks; nothing was sent
    SENDING = enum.auto()  # the write is under way
    LOOKING = enum.auto()  # the answer was lost
    ANSWERING = enum.auto()  # the write is done and noted


class Attempt:
    """An attempt and its caller.

    Args:
        request_id: what the caller calls the request.
    """

    def __init__(self, request_id: str) -> None:
        self.waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._metadata = {"request_id": request_id}
        self._phase = Phase.NOTING
        self._leader: Attempt | None = None
        self._settle_left = 0.0
        self._is_late = False
        self._verdict: Exception | None = None
        self.answer: Answer | None = None
        """What it came to, once that is noted."""
        self.is_blocked = False
        """The store failed, its caller was told so, and what it noted is still to be undone."""

    @property
    def phase(self) -> Phase:
        """What the attempt, or the one that it waits for, does."""
        if self._leader is not None and self._leader.phase is Phase.LOOKING:
            return Phase.LOOKING
        return self._phase

    def is_attended(self) -> bool:
        """Tell whether somebody still waits for this attempt."""
        return not self.waiter.done()

    def enter(self, phase: Phase, *, settle_left: float = 0.0) -> None:
        """Note what the attempt does now; a caller without time is told at once."""
        self._phase, self._settle_left, self._leader = phase, settle_left, None
        if self._is_late:
            self.tell()

    def follow(self, leader: Attempt) -> None:
        """Note that another attempt of this process works on the same request."""
        self._phase, self._leader = Phase.WAITING, leader
        if self._is_late:
            self.tell()

    @property
    def is_late(self) -> bool:
        """Whether the caller's time is about to be up."""
        return self._is_late

    def conclude(self, error: Exception) -> None:
        """Note that nothing was done, and why; that is what the caller is told from now on."""
        self._verdict = error

    def out_of_time(self) -> None:
        """The caller's time is about to be up."""
        self._is_late = True
        self.tell()

    def block(self, error: Exception) -> None:
        """Tell the caller of an error; whoever repeats the request meanwhile is told at once."""
        self.is_blocked = True
        if self.is_attended():
            self.waiter.set_exception(error)

    def tell(self) -> None:
        """Tell the caller how things stand, unless the attempt ends by itself in its time."""
        error = self.state()
        if error is not None and self.is_attended():
            self.waiter.set_exception(error)

    def state(self) -> Exception | None:
        """Return how things stand for a caller that will not wait; None while something is sent."""
        if self._verdict is not None:
            return self._verdict
        match self.phase:
            case Phase.NOTING:
                return LedgerUnavailable()
            case Phase.WAITING:
                return RequestInProgress()
            case Phase.LOOKING:
                return self.unknown()
            case Phase.PREPARING | Phase.SENDING | Phase.ANSWERING:
                return None

    def last_words(self, broken_by: Exception | None) -> Exception:
        """Return what the caller is told when the attempt is cut off, or broke by a fault of ours."""
        if self.phase is Phase.PREPARING:
            # Nothing was sent: the request can be repeated, or there is a fault to be shown.
            return broken_by or RequestInProgress()
        if broken_by is not None and self.phase is Phase.NOTING:
            return broken_by
        return self.state() or self.unknown()

    def unknown(self) -> OutcomeUnknown:
        """Return the error of a request whose outcome is being found out."""
        left = self._settle_left if self._leader is None else self._leader._settle_left  # noqa: SLF001 - of its own class
        seconds = min(max(left, 1.0), _MOST_RETRY_SECONDS)
        return OutcomeUnknown(self._metadata, retry_after=seconds)
