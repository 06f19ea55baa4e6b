"""The circuit breaker of an upstream: while it is down, nothing is sent and callers know at once.

Ours, because no kept library counts on a clock that is handed in, within asyncio, and can tell an
upstream that is down from one grant whose provider is. Times are those of the calls' own clock.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from conferencing_service.upstreams.exchange import Gate, Unsent

_SLICES = 10

_log = logging.getLogger(__name__)


class Sign(Enum):
    """What an attempt told of the upstream."""

    ALIVE = auto()
    """It answered, and not with its own failure: a 4xx is about the request."""
    FAILED = auto()
    """The answer was lost, or a 5xx."""
    UNREACHED = auto()
    """There was no connection."""
    NONE = auto()
    """Nothing: it ended by our own doing."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send an attempt, given by `CircuitBreaker.admit`."""

    generation: int
    is_probe: bool


@dataclass(slots=True)
class _Slice:
    """The attempts that ended within a tenth of the window."""

    number: int
    attempts: int = 0
    unreached: int = 0
    failed: int = 0
    grants: set[str] = field(default_factory=set)


class CircuitBreaker:
    """Closed while the upstream works, open while it does not, then half open for a probe.

    It opens when enough attempts ended within the window and enough of them failed, in a way that
    is the upstream's and not one grant's: for several grants, or for want of a connection alone.
    An attempt costs a constant: the window is counted in slices, and looked at when one fails.

    Args:
        upstream: what it is called in the log.
        window: how many seconds of attempts count.
        min_attempts: how many of them have to be there.
        failed_share: which share of them has to have failed.
        min_grants: of how many grants, unless no connection was made at all.
        open_seconds: how long it stays open before an attempt is let through to see.
    """

    def __init__(
        self,
        *,
        upstream: str = "",
        window: float = 10.0,
        min_attempts: int = 20,
        failed_share: float = 0.5,
        min_grants: int = 3,
        open_seconds: float = 5.0,
    ) -> None:
        self._upstream = upstream
        self._slice_seconds = window / _SLICES
        self._min_attempts = min_attempts
        self._failed_share = failed_share
        self._min_grants = min_grants
        self._open_seconds = open_seconds
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self._open_until: float | None = None
        # What was sent before it last opened or closed tells of another time, however late it ends.
        self._generation = 0

    def seconds_left(self, now: float) -> float:
        """Return how long nothing is sent; 0 when an attempt may go."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def check(self, now: float) -> None:
        """Raise Unsent while it is open."""
        left = self.seconds_left(now)
        if left > 0:
            raise Unsent(left, Gate.BREAKER_OPEN)

    def admit(self, now: float) -> Permit:
        """Let an attempt go, or raise Unsent; its end has to be told to `record`.

        Half open, one probe at a time decides. A probe that has not ended after the time for which
        the breaker opens is joined by another: a write may take minutes, and the upstream may be
        well again long before.
        """
        self.check(now)
        if self._open_until is None:
            return Permit(self._generation, is_probe=False)
        self._open_until = now + self._open_seconds
        return Permit(self._generation, is_probe=True)

    def record(self, now: float, permit: Permit, grant_id: str, sign: Sign) -> None:
        """Note what an attempt told when it ended."""
        if permit.generation != self._generation:
            return
        if permit.is_probe:
            self._decide(now, sign)
        elif sign is not Sign.NONE:
            self._count(now, grant_id, sign)

    def _decide(self, now: float, sign: Sign) -> None:
        if sign is Sign.ALIVE:
            self._open_until = None
            self._turn()
            _log.info("the circuit breaker closed", extra={"upstream": self._upstream})
        else:
            # A probe that told nothing makes room for the next one.
            self._open_until = now if sign is Sign.NONE else now + self._open_seconds

    def _count(self, now: float, grant_id: str, sign: Sign) -> None:
        number = int(now // self._slice_seconds)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(_Slice(number))
        current = self._slices[-1]
        current.attempts += 1
        if sign is Sign.ALIVE:
            return
        if sign is Sign.UNREACHED:
            current.unreached += 1
        else:
            current.failed += 1
        if len(current.grants) < self._min_grants:
            current.grants.add(grant_id)
        if self._is_down(number):
            self._open_until = now + self._open_seconds
            self._turn()
            _log.warning("the circuit breaker opened", extra={"upstream": self._upstream})

    def _is_down(self, number: int) -> bool:
        while self._slices[0].number <= number - _SLICES:
            self._slices.popleft()
        attempts = sum(each.attempts for each in self._slices)
        failed = sum(each.failed for each in self._slices)
        failures = failed + sum(each.unreached for each in self._slices)
        if attempts < self._min_attempts or failures < self._failed_share * attempts:
            return False
        # One grant's broken provider is not the upstream's failure. Where no connection is made,
        # no provider was asked.
        grants = set().union(*(each.grants for each in self._slices))
        return failed == 0 or len(grants) >= self._min_grants

    def _turn(self) -> None:
        self._generation += 1
        self._slices.clear()
