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
        concurrent_calls: calls that are worked at at once, and writes whose callers left.
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
        self.limits = Limits()
        """What the policy of the moment allows."""

    def enter(self) -> None:
        """Count a call under way; raises QuotaExceeded where there are too many, else it must leave."""
        most = self.limits.concurrent_calls
        if most is not None and self._calls >= most:
            raise QuotaExceeded("concurrent_calls", most, retry_after=_NEXT_CALL)
        self._calls += 1

    def leave(self, left_behind: asyncio.Task[Any] | None = None) -> None:
        """Count a call no more.

        Args:
            left_behind: the call's write, where its caller left and it goes on: the call counts until
                that has ended, else whoever leaves early may have any number under way.
        """
        if left_behind is None or left_behind.done():
            self._calls -= 1
        else:
            left_behind.add_done_callback(lambda _: self.leave())

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
