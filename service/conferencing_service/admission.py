"""Which calls are taken: so many at once, so many waiting, and at the end no more writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from conferencing_service.core.errors import Overloaded, ShuttingDown

WRITES = frozenset({"CreateEvent", "UpdateEvent", "DeleteEvent"})
"""The names of the RPCs that may write at an upstream."""


class Admission:
    """Gives calls a place, in the order in which they came.

    gRPC's own limits end a call as CANCELLED, or with a status without a reason; these are told.

    Args:
        most_calls: how many are worked at at once.
        most_pending: how many may wait for a place.
    """

    def __init__(self, most_calls: int, most_pending: int) -> None:
        self._most_calls = most_calls
        self._most_pending = most_pending
        self._pending: dict[asyncio.Future[None], bool] = {}
        self._no_writes = False
        self._active = 0
        self._arriving = 0
        self.calls: Counter[str] = Counter()
        """How many calls of each method have a place."""

    @property
    def is_idle(self) -> bool:
        """Whether no call has a place or waits for one."""
        return not self._active and not self._pending

    @property
    def pending(self) -> int:
        """How many calls wait for a place."""
        return len(self._pending)

    @contextmanager
    def arriving(self) -> Iterator[bool]:
        """Count a call whose message is still to come, for the block; tell whether it has to hurry.

        It has where as many are on their way as may be worked at and wait: whoever never sends one
        takes up memory, and must not keep out those who do.
        """
        hurries = self._arriving >= self._most_calls + self._most_pending
        self._arriving += 1
        try:
            yield hurries
        finally:
            self._arriving -= 1

    async def enter(self, method: str, *, is_write: bool) -> None:
        """Take a place, as soon as there is one; whoever got it must leave.

        Raises Overloaded where too many wait already, and ShuttingDown for writes at the end.
        """
        if is_write and self._no_writes:
            raise ShuttingDown
        if self._active < self._most_calls:
            self._active += 1
        else:
            await self._place(is_write=is_write)
            if is_write and self._no_writes:
                # It was handed its place in the very turn in which writes came to an end.
                self._pass_on()
                raise ShuttingDown
        self.calls[method] += 1

    def leave(self, method: str) -> None:
        """Give a place back, to whoever waits longest."""
        self.calls[method] -= 1
        self._pass_on()

    def refuse_writes(self) -> None:
        """From now on, take no more writes; those that wait for a place are told as well."""
        self._no_writes = True
        for place in [place for place, is_write in self._pending.items() if is_write]:
            del self._pending[place]
            if not place.done():
                place.set_exception(ShuttingDown())

    async def _place(self, *, is_write: bool) -> None:
        if len(self._pending) >= self._most_pending:
            raise Overloaded
        place = asyncio.get_running_loop().create_future()
        self._pending[place] = is_write
        try:
            await place
        except asyncio.CancelledError:
            self._pending.pop(place, None)
            if place.done() and not place.cancelled() and place.exception() is None:
                # It was handed over just when its call ended.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._pending:
            place = next(iter(self._pending))
            del self._pending[place]
            # One that was cancelled in this very turn of the loop is still in line.
            if not place.done():
                place.set_result(None)
                return
        self._active -= 1
