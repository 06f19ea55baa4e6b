"""What one sandbox is started with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SandboxSettings:
    """Everything that a sandbox needs to know; it reads no environment variables."""

    host: str = "127.0.0.1"
    """A loopback address: the API key is public, so nobody else may reach it."""

    port: int = 50080
    """0 takes any free port."""

    database: str = ":memory:"
    """The path of a SQLite file, or ``:memory:``."""

    faults: Sequence[Mapping[str, Any]] = ()
    """Faults armed at the start, in the form that ``PUT /_sandbox/faults`` takes."""

    events_per_second: int = 200
    """Event and calendar calls per grant; 0 is unlimited."""

    grants_per_second: int = 50
    """Grant calls of the whole application; 0 is unlimited."""
