"""Foreign programs that some tests need: found, or named when they are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def missing(what: str, how: str) -> NoReturn:
    """Skip the test and say what is missing and how to get it; on CI nothing may be missing."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def tool(name: str) -> str:
    """The path of an executable, the repository's own before any other."""
    folders = [
        str(_ROOT / ".tools" / "bin"),
        str(_ROOT / ".venv" / "bin"),
        os.environ.get("PATH", ""),
    ]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        missing(name, "run `make tools`")
    return found
