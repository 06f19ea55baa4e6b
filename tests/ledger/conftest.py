"""What the tests of the ledger share: seeds that are told, ledgers, and who looks into them."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conferencing_service.core.ledger.store import Store
from conferencing_service.stores import open_store


@pytest.fixture
def seed() -> int:
    """What a run is drawn from: LEDGER_SEED, or any; told when the test fails, and with -s."""
    drawn = int(os.environ.get("LEDGER_SEED") or random.randrange(2**32))
    sys.stdout.write(f"LEDGER_SEED={drawn}\n")
    return drawn


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """A ledger in a file that nobody opened yet."""
    return f"sqlite://{tmp_path}/ledger/ledger.sqlite"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Store]:
    """The same ledger as an operator sees it."""
    store = await open_store(ledger_url)
    yield store
    await store.aclose()
