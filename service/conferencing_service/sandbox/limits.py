"""The vendor's own rate limits: so many calls per second and key."""

from __future__ import annotations

from collections.abc import Callable

from conferencing_service.sandbox.errors import rate_limited


class Limiter:
    """Counts the calls of each key within the running second."""

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._counts: dict[str, int] = {}

    def admit(self, key: str) -> None:
        """Count one call; the one above the limit is refused with 429."""
        if self._per_second == 0:
            return
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._counts.clear()
        count = self._counts.get(key, 0)
        if count >= self._per_second:
            raise rate_limited()
        self._counts[key] = count + 1
