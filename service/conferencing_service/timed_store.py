"""The ledger's store, each of its steps measured."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from opentelemetry.metrics import Histogram

from conferencing_service.core.ledger.store import Store

STEP = "conferencing.ledger.step"


def timed(store: Store, durations: Histogram) -> Store:
    """Return the same store, whose steps are measured by their names, failed ones as well."""
    return cast("Store", _TimedStore(store, durations))


class _TimedStore:
    """Hands every step on; by name, so that no new step can be forgotten."""

    def __init__(self, store: Store, durations: Histogram) -> None:
        self._store = store
        self._durations = durations

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        step: Callable[..., Awaitable[Any]] = getattr(self._store, name)
        attributes = {STEP: name}

        async def measured(*values: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return await step(*values, **named)
            finally:
                self._durations.record(time.perf_counter() - started, attributes)

        # Found without this method from now on.
        setattr(self, name, measured)
        return measured
