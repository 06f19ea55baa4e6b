"""What the sandbox's own tests ask for beside the fixtures that every test has."""

from __future__ import annotations

import pytest

from support.sandbox import running


@pytest.fixture
def start():
    """Start another sandbox, with other arguments."""
    return running
