"""The reasons that callers saw are looked at when every other RPC test has run."""

from __future__ import annotations

import pytest

LAST = "test_every_reason_was_seen_by_a_caller"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)
