"""The policy of the moment: its file, read anew when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from conferencing_service.access.policy import Policy, PolicyError, policy_from_toml
from conferencing_service.core.clock import Clock
from conferencing_service.settings import SettingsError
from conferencing_service.watched_file import WatchedFile

_log = logging.getLogger(__name__)


class PolicyFile:
    """A policy that is replaced while the server runs.

    Args:
        path: its file. Raises SettingsError where that holds no policy.
        rpcs: the names of the RPCs that there are.
        clock: a clock that never goes back.
    """

    def __init__(self, path: Path, rpcs: Iterable[str], clock: Clock = time.monotonic) -> None:
        self._file = WatchedFile(path, clock)
        self._rpcs = tuple(rpcs)
        try:
            self._policy = policy_from_toml(self._file.read(), self._rpcs)
        except OSError as error:
            raise SettingsError("CONFERENCING_POLICY_FILE: the file cannot be read") from error
        except PolicyError as error:
            raise SettingsError(f"CONFERENCING_POLICY_FILE: {error}") from error

    def current(self) -> Policy:
        """Return the policy; where the file is not valid any more, the last one that was."""
        if self._file.changed():
            try:
                self._policy = policy_from_toml(self._file.read(), self._rpcs)
                _log.info("the policy was read anew")
            except (OSError, PolicyError) as error:
                self._file.refuse()
                why = str(error) if isinstance(error, PolicyError) else "cannot be read"
                _log.error(
                    "the policy is not valid; the last one is still used",
                    extra={"alert": "policy", "why": why},
                )
        return self._policy
