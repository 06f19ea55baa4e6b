"""What a caller may use up: creations a minute, participants of an event, calls at once.

Counted in this process: where several take calls, each lets so much pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import QuotaExceeded

_WINDOW = 60.0
_NEXT_CALL = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a caller may use up; None is no limit.

    Attributes:
        creates_per_minute: events that are made, conferences that are made on events, and changes
            of participants.
        participants_per_event: participants that a request names.
        concurrent_calls: calls that are worked at at once; for a write, with the writes that have
            outlived their calls.
    """

    creates_per_minute: int | None = None
    participants_per_event: int | None = None
    concurrent_calls: int | None = None


class Quota:
    """What one caller has used up.

    Args:
        clock: a clock that never goes back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._creations: deque[float] = deque()
        self._calls = 0
        self._left_behind = 0
        self.limits = Limits()
        """What the policy of the moment allows."""

    def enter(self, *, is_write: bool) -> None:
        """Count a call; raises QuotaExceeded where there are too many, else it has to leave.

        Args:
            is_write: writes are held against the writes that go on without their calls as well, else
                whoever leaves early may have any number under way. Reads are not: they go on where
                the ledger cannot commit and writes are stuck.
        """
        most = self.limits.concurrent_calls
        under_way = self._calls + (self._left_behind if is_write else 0)
        if most is not None and under_way >= most:
            raise QuotaExceeded("concurrent_calls", most, retry_after=_NEXT_CALL)
        self._calls += 1

    def leave(self, write: asyncio.Task[Any] | None) -> None:
        """Count a call no more, and its write until that has ended.

        Args:
            write: the call's write, which may outlive it; None where it has none.
        """
        self._calls -= 1
        if write is not None and not write.done():
            self._left_behind += 1
            write.add_done_callback(self._write_ended)

    def _write_ended(self, _write: asyncio.Task[Any]) -> None:
        self._left_behind -= 1

    def check_participants(self, number: int) -> None:
        """Raise QuotaExceeded where an event has more participants than the caller may invite."""
        most = self.limits.participants_per_event
        if most is not None and number > most:
            raise QuotaExceeded("participants_per_event", most)

    def take_creation(self) -> None:
        """Count something that is about to be made; raises QuotaExceeded where it is too soon."""
        most = self.limits.creates_per_minute
        if most is None:
            self._creations.clear()
            return
        now = self._clock()
        while self._creations and now - self._creations[0] >= _WINDOW:
            self._creations.popleft()
        if len(self._creations) >= most:
            # The oldest of the last `most` has to be a minute old; a limit can have been lowered.
            oldest = self._creations[len(self._creations) - most] if most else now
            raise QuotaExceeded("creates_per_minute", most, retry_after=oldest + _WINDOW - now)
        self._creations.append(now)


class Quotas:
    """The quotas of all callers, by the policy's names; they outlive the policy that named them.

    Args:
        clock: a clock that never goes back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quotas: dict[str, Quota] = {}

    def of(self, principal: str, limits: Limits) -> Quota:
        """Return the quota of a caller, with the limits of the moment."""
        quota = self._quotas.get(principal)
        if quota is None:
            quota = self._quotas[principal] = Quota(self._clock)
        quota.limits = limits
        return quota
