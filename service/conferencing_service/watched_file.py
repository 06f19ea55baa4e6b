"""A file that others replace while the server runs: read anew when it changed, seldom looked at."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypeAlias

from conferencing_service.core.clock import Clock

_Identity: TypeAlias = tuple[int, int, int]

_LOOK_SECONDS = 1.0


class WatchedFile:
    """A file and what was last seen of it.

    Args:
        path: where it is.
        clock: a clock that never goes back.
    """

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen: _Identity | None = None
        self._looked_at = float("-inf")

    def note(self) -> None:
        """Note that the file is about to be read: what is written from now on is a change."""
        self._looked_at = self._clock()
        self._seen = self._identity()

    def read(self) -> bytes:
        """Return what stands in the file; raises OSError."""
        self.note()
        return self._path.read_bytes()

    def changed(self) -> bool:
        """Tell whether the file is another one than was noted; looked at once a second at most."""
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return self._identity() != self._seen

    def _identity(self) -> _Identity | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a tenth of the cost, on every call's way
        except OSError:
            return None
        # Of its times that which nobody can set, and which changes with who may read it as well.
        return found.st_ino, found.st_ctime_ns, found.st_size
