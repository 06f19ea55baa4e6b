"""The vendor's key of the moment: a file that holds it can be replaced while the server runs."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from conferencing_service.core.clock import Clock
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.watched_file import WatchedFile

_log = logging.getLogger(__name__)


class ApiKey:
    """The key, and the secrets that are derived from it because every replica has it.

    Args:
        key: the key at the start.
        file: the file that it stands in; None where it stands in none.
        read: reads that file; raises SettingsError where no key stands in it.
    """

    def __init__(
        self,
        key: SecretStr,
        file: WatchedFile | None = None,
        read: Callable[[], SecretStr] | None = None,
    ) -> None:
        self._key = key
        self._file = file
        self._read = read
        self._page_keys: tuple[bytes, ...] = (_page_key_of(key),)

    @classmethod
    def of(cls, settings: Settings, clock: Clock = time.monotonic) -> ApiKey:
        """Return the key that the settings name; raises SettingsError where they name none."""
        if settings.nylas_api_key_file is None:
            return cls(settings.api_key())
        file = WatchedFile(settings.nylas_api_key_file, clock)
        file.note()
        return cls(settings.api_key(), file, settings.api_key)

    async def look(self) -> None:
        """Look whether the key is another one, though nobody calls."""
        self.current()

    def current(self) -> SecretStr:
        """Return the key; where its file does not do any more, the last one that did."""
        if self._file is not None and self._read is not None and self._file.changed():
            self._file.note()
            try:
                key = self._read()
            except SettingsError:
                self._file.refuse()
                _log.exception(
                    "the API key's file does not do; the last key is still used",
                    extra={"alert": "api_key"},
                )
            else:
                self._replace(key)
        return self._key

    def page_keys(self) -> Sequence[bytes]:
        """Return the secrets of page tokens: that of this key, and that of the one before."""
        self.current()
        return self._page_keys

    def _replace(self, key: SecretStr) -> None:
        if key.get_secret_value() != self._key.get_secret_value():
            self._key = key
            self._page_keys = (_page_key_of(key), self._page_keys[0])
            _log.info("the API key was read anew")


def _page_key_of(api_key: SecretStr) -> bytes:
    key = api_key.get_secret_value().encode()
    return hmac.new(key, b"conferencing.v1 page tokens", hashlib.sha256).digest()
