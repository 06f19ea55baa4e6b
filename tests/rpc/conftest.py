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
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)
