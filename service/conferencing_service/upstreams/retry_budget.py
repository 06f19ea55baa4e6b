"""A retry budget: whatever fails, repetitions stay a small share of the traffic.

A token bucket, as in the AWS SDKs and in gRPC's retry throttling (gRFC A6), but filled by requests
and not by successes: the bound then holds over any stretch of time, an outage of hours included.
"""

from __future__ import annotations

_MILLI = 1000


class RetryBudget:
    """What an upstream's requests may spend on being sent again.

    Args:
        share: how much of a repetition each request pays in.
        most: how many repetitions can be saved up; so many are there at the start.
    """

    def __init__(self, *, share: float = 0.1, most: int = 10) -> None:
        # Whole thousandths: ten tenths must be one.
        self._share = round(share * _MILLI)
        self._most = most * _MILLI
        self._saved = self._most

    def pay_in(self) -> None:
        """Note a request that is sent for the first time."""
        self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Take a repetition; False when there is none."""
        if self._saved < _MILLI:
            return False
        self._saved -= _MILLI
        return True
