"""Every step of the ledger meets every fault: at most one event, one invitation, one conference."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from support.ledger_scenario import Outcome, Scenario, armed, drawn, every_pair, played, staged
from support.sandbox import Sandbox

SEED = int(os.environ.get("LEDGER_SEED") or random.randrange(2**32))
SEEDS = int(os.environ.get("LEDGER_SEEDS", "48"))
AT_ONCE = 24


async def outcomes_of(sandbox: Sandbox, scenarios: list[Scenario], folder: Path) -> list[Outcome]:
    """Play scenarios, many at once."""
    turn = asyncio.Semaphore(AT_ONCE)
    stages = [staged(sandbox, scenario) for scenario in scenarios]
    armed(sandbox, stages)

    async def one(stage) -> Outcome:
        async with turn:
            try:
                return await played(sandbox, stage, folder)
            except Exception as error:
                error.add_note(str(stage.scenario))
                raise

    return await asyncio.gather(*map(one, stages))


def check(outcomes: list[Outcome]) -> None:
    endings = Counter(outcome.ending.reason for outcome in outcomes)
    print(f"seed {SEED}: {dict(endings)}")  # noqa: T201 - a run is repeated by its seed
    unresolved = Counter(
        outcome.scenario.vendor_fault or f"{outcome.scenario.trouble} {outcome.scenario.step}"
        for outcome in outcomes
        if outcome.ending.reason == "OUTCOME_UNRESOLVED"
    )
    print(f"unresolved by fault: {dict(unresolved)}")  # noqa: T201 - what a reader asks next
    bad = [str(outcome) for outcome in outcomes if outcome.problems()]
    assert not bad, f"LEDGER_SEED={SEED}\n" + "\n".join(bad)
    assert endings["OK"] > endings.total() / 2, endings


@pytest.mark.timeout(600)
async def test_every_step_meets_every_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    check(await outcomes_of(sandbox, every_pair(SEED), tmp_path))


@pytest.mark.timeout(0)
async def test_whatever_is_drawn(sandbox: Sandbox, tmp_path: Path) -> None:
    for first in range(SEED, SEED + SEEDS, 200):
        scenarios = [drawn(seed) for seed in range(first, min(first + 200, SEED + SEEDS))]
        check(await outcomes_of(sandbox, scenarios, tmp_path))
