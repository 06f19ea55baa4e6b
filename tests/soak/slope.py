"""How memory goes with the number of calls: a line through samples that single ones cannot turn."""

from __future__ import annotations

import itertools
import statistics


def slope_of(samples):
    """The Theil-Sen slope of (calls, MiB) samples, in MiB for each 10,000 calls."""
    slopes = [
        (after - before) / (later - sooner)
        for (sooner, before), (later, after) in itertools.combinations(samples, 2)
        if later > sooner
    ]
    return statistics.median(slopes) * 10_000


def growth_of(samples):
    """The MiB between the medians of the first and the last third of samples."""
    third = max(1, len(samples) // 3)
    values = [value for _calls, value in samples]
    return statistics.median(values[-third:]) - statistics.median(values[:third])
