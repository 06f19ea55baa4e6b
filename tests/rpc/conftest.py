"""The reasons that callers saw are looked at when every other RPC test has run."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

LAST = "test_every_reason_was_seen_by_a_caller"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


@pytest.fixture(autouse=True)
def _every_line_is_told() -> Iterator[None]:
    """Every library tells its debug lines, and the watch for secrets hears them."""
    # But for one of gRPC's: it names a server while that is freed, which ends the process.
    levels = {logging.getLogger(): logging.DEBUG, logging.getLogger("grpc"): logging.INFO}
    before = {logger: logger.level for logger in levels}
    for logger, level in levels.items():
        logger.setLevel(level)
    yield
    for logger, level in before.items():
        logger.setLevel(level)
