"""How a fuzz target runs: for FUZZ_SECONDS, from FUZZ_SEED on; what fails names its own seed.

`make test` and CI begin at the same seed every time, `make fuzz` at a new one.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS") or 3)
SEED = int(os.environ.get("FUZZ_SEED") or 20261124)
EXAMPLES = 25
"""Inputs per seed."""

HANG = 420.0
"""Seconds after the last input after which something hangs: a failure is made smaller for 300."""

CANARY = "Zq7 Canary"
"""Stands in texts that are sent, and is no id and no type; no status may hold it."""

MAX_GROWTH = 64 * 1024 * 1024
"""How many bytes a process may grow by while it is fuzzed, after its first quarter."""


@contextmanager
def named(number: int, what: str) -> Iterator[None]:
    """Let a failure say how to see it again."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"{what}: run again with FUZZ_SEED={number}")
        raise


def seeds(what: str, share: float = 1.0) -> Iterator[int]:
    """Yield one seed after the other for a share of FUZZ_SECONDS; one at least."""
    print(f"{what}: FUZZ_SEED={SEED}")  # noqa: T201 - shown with -s, and where the test fails
    ends = time.monotonic() + SECONDS * share
    number = SEED
    while number == SEED or time.monotonic() < ends:
        yield number
        number += 1


def fuzz(
    what: str,
    inputs: st.SearchStrategy[Any],
    check: Callable[[Any], None],
    *,
    share: float = 1.0,
    after_each: Callable[[], None] = lambda: None,
) -> int:
    """Check inputs for a share of FUZZ_SECONDS; return how many.

    Args:
        what: the target's name.
        inputs: what is tried.
        check: raises where something does not hold.
        share: of the time.
        after_each: what is done after the inputs of a seed.
    """
    tried = 0

    def counted(value: Any) -> None:
        nonlocal tried
        tried += 1
        check(value)

    for number in seeds(what, share):
        run = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )(given(inputs)(counted))
        with named(number, what):
            seed(number)(run)()
            after_each()
    return tried


class Memory:
    """Watches what a process holds; the first quarter of the run is its warm-up.

    Args:
        pid: the process; this one unless another is named.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._status = Path(f"/proc/{os.getpid() if pid is None else pid}/status")
        self._is_own = pid is None
        self._warm = time.monotonic() + SECONDS / 4
        self._base = self._resident()

    def look(self) -> None:
        """Fail where the process has grown by more than it may."""
        if time.monotonic() < self._warm:
            self._base = max(self._base, self._resident())
        elif self._resident() - self._base >= MAX_GROWTH:
            if self._is_own:
                gc.collect()
            grown = self._resident() - self._base
            assert grown < MAX_GROWTH, f"{grown} bytes more than the {self._base} at first"

    def _resident(self) -> int:
        for line in self._status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process is gone")
