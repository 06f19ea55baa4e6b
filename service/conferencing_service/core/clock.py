"""The clock that everything which lasts is measured by."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Seconds on a clock that never goes back."""

    def __call__(self) -> float:
        """Return the seconds now."""
