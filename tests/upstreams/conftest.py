"""What every test of the adapter starts from."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from upstreams.nylas_stub import Nylas, nylas_at

# Property tests take as long as they take: a slow machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
async def nylas() -> AsyncIterator[Nylas]:
    """The adapter in front of a table of answers."""
    async with nylas_at() as made:
        yield made
