"""A file that others replace while the server runs: read anew when it changed, seldom looked at."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypeAlias

from conferencing_service.core.clock import Clock

_Identity: TypeAlias = tuple[int, int, int]

_LOOK_SECONDS = 1.0
# An operator who is told once of a file that does not do cannot tell what lasts from what is over.
_AGAIN_SECONDS = 60.0


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
        self._again_at = float("inf")

    def note(self) -> None:
        """Note that the file is about to be read: what is written from now on is a change."""
        self._looked_at = self._clock()
        self._again_at = float("inf")
        self._seen = self._identity()

    def read(self) -> bytes:
        """Return what stands in the file; raises OSError."""
        self.note()
        return self._path.read_bytes()

    def refuse(self) -> None:
        """Note that what was read does not do: in a minute it counts as changed once more.

        It is told as long as that lasts, and a read that failed by chance is made again.
        """
        self._again_at = self._clock() + _AGAIN_SECONDS

    def changed(self) -> bool:
        """Tell whether to read the file: it is another one, or the last one was refused a minute ago.

        Looked at once a second at most.
        """
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return now >= self._again_at or self._identity() != self._seen

    def _identity(self) -> _Identity | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a tenth of the cost, on every call's way
        except OSError:
            return None
        # Of its times that which nobody can set, and which changes with who may read it as well.
        return found.st_ino, found.st_ctime_ns, found.st_size
