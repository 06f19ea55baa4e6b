"""What a run of the tests counted: printed at its end, so that a count is shown and not claimed."""

from __future__ import annotations

from collections import Counter

import pytest

HEADING = "hostile wire"
_COUNTS = pytest.StashKey[Counter[str]]()


def counts_of(config: pytest.Config) -> Counter[str]:
    """Return the counts of a run."""
    return config.stash.setdefault(_COUNTS, Counter())


def lines(counts: Counter[str]) -> list[str]:
    """Return one line a count, in the order of their names."""
    return [f"{name}: {count:,}" for name, count in sorted(counts.items())]
