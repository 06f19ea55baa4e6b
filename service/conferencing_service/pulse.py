"""What the server looks at by itself: whether its loop turns, its ledger commits, its upstream works."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.health import READINESS, Health, upstream_name
from conferencing_service.metrics import Metrics

_log = logging.getLogger(__name__)

_TURN = 0.25
_LOOK = 1.0
# A probe is a commit, which is not to be had for nothing.
_LOOKS_PER_PROBE = 5
# The store's own time-outs are longer; a probe of a container waits for a second or so.
_PROBE = 5.0


class Pulse:
    """Looks every few seconds, and tells health and metrics what it saw.

    Args:
        health: where names are told.
        store: the ledger's.
        watched: names of upstreams, and what tells whether requests to them are let through.
        files: have what stands in files read anew, where it changed.
        metrics: where lag and readiness are told; None where nobody reads that.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        health: Health,
        store: Store,
        watched: Mapping[str, Callable[[], bool]],
        files: Sequence[Callable[[], Awaitable[None]]],
        metrics: Metrics | None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._health = health
        self._store = store
        self._watched = watched
        self._files = files
        self._metrics = metrics
        self._sleep = sleep
        self._ledger_is_ready = True
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        if self._metrics is not None:
            self._metrics.watch_ledger(lambda: self._ledger_is_ready)
            self._tasks.append(asyncio.create_task(self._measure_lag(self._metrics)))
        self._tasks.append(asyncio.create_task(self._keep_looking()))
        # Each by itself: keys that have to be fetched keep nothing else waiting.
        self._tasks += [asyncio.create_task(self._keep_reading(look)) for look in self._files]

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Look once, at everything; before that, the names that depend on it are not there."""
        await self._look_at_upstreams()
        await self._look_at_ledger()

    async def _keep_looking(self) -> None:
        for number in itertools.count(1):
            await self._sleep(_LOOK)
            try:
                await self._look_at_upstreams()
                if number % _LOOKS_PER_PROBE == 0:
                    await self._look_at_ledger()
            except Exception:  # noqa: BLE001 - the next look has to come
                _log.exception("a look at the ledger or the upstream broke")

    async def _keep_reading(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._sleep(_LOOK)
            try:
                await look()
            except Exception:  # noqa: BLE001 - the next look has to come
                _log.exception("a look at a file broke")

    async def _look_at_upstreams(self) -> None:
        for upstream, is_let_through in self._watched.items():
            await self._health.tell(upstream_name(upstream), is_well=is_let_through())

    async def _look_at_ledger(self) -> None:
        is_ready = await self._commits()
        if is_ready is not self._ledger_is_ready:
            self._ledger_is_ready = is_ready
            if is_ready:
                _log.info("the ledger commits again")
            else:
                _log.error("the ledger does not commit", extra={"alert": "ledger"})
        await self._health.tell(READINESS, is_well=is_ready)

    async def _commits(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE):
                await self._store.probe()
        except (StoreUnavailable, TimeoutError):
            return False
        except Exception:  # noqa: BLE001 - whatever it was, nothing was committed
            _log.exception("the ledger's probe broke")
            return False
        return True

    async def _measure_lag(self, metrics: Metrics) -> None:
        loop = asyncio.get_running_loop()
        while True:
            planned = loop.time() + _TURN
            await asyncio.sleep(_TURN)
            metrics.loop_lag.record(max(0.0, loop.time() - planned))
