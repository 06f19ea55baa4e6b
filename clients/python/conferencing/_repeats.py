"""When a call is repeated: beyond gRPC's own retries, for as long as its deadline allows.

gRPC retries as service_config.json says, up to four attempts, all of them within seconds. What takes
longer is repeated here: a server that restarts, a write whose outcome is still being found out, the
same request under way elsewhere. UNAVAILABLE is (AIP-194), which in this contract always means that
the same request may be repeated; and CANCELLED without a reason, by which a server of gRPC's ends the
calls that reach it in the moment in which it stops.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import grpc

from conferencing.errors import ConferencingError, Unavailable

FIRST_PAUSE = 0.2
MOST_PAUSE = 5.0
SHORTEST_PAUSE = 0.05
"""Seconds."""

NO_CREDENTIALS = "the token function failed"
"""Stands in the message of a call that has no token to go with, which gRPC calls UNAVAILABLE."""


class Repeats:
    """One logical call: the time that it has left, and the pauses between its attempts.

    Args:
        seconds: the call's deadline, in seconds from now.
        clock: a clock that never goes back.
        jitter: returns a number between its two arguments.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._deadline = clock() + seconds
        self._pause = FIRST_PAUSE

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; 0 when it has passed."""
        return max(0.0, self._deadline - self._clock())

    def pause_after(self, error: ConferencingError) -> float | None:
        """Return the seconds until the call is repeated; None when it ends with this error.

        The service's own word is kept: where the pause that it asks for does not fit into the time
        left, the call ends at once, with an error that says why.
        """
        if not _may_be_repeated(error):
            return None
        told = error.retry_after if isinstance(error, Unavailable) else None
        if told is None:
            pause = self._jitter(self._pause / 2, self._pause)
            self._pause = min(self._pause * 2, MOST_PAUSE)
        else:
            # Those who were told the same do not all come back in the same moment.
            pause = self._jitter(told, told * 1.1)
        pause = max(pause, SHORTEST_PAUSE)
        return pause if pause < self.seconds_left() else None


def _may_be_repeated(error: ConferencingError) -> bool:
    if error.code is grpc.StatusCode.CANCELLED:
        return not error.reason
    return isinstance(error, Unavailable) and NO_CREDENTIALS not in error.message


def may_have_arrived(error: ConferencingError) -> bool:
    """Tell whether a write that ended like this may have been made.

    Where the service itself says UNAVAILABLE, nothing was written, but for two reasons.
    """
    if error.code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
        return False
    return error.reason in {"", "OUTCOME_UNKNOWN", "REQUEST_IN_PROGRESS"}


def failed_waiting(error: ConferencingError) -> bool:
    """Tell whether the deadline passed without a word from the service."""
    return error.code is grpc.StatusCode.DEADLINE_EXCEEDED and not error.reason
