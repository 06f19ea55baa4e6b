"""The keys that callers' tokens are signed with: a JWK set (RFC 7517), from a file or an https URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import Unavailable
from conferencing_service.settings import SettingsError
from conferencing_service.watched_file import WatchedFile

_log = logging.getLogger(__name__)

_FRESH_SECONDS = 300.0
_STALE_SECONDS = 86_400.0
_PAUSE_SECONDS = 30.0
_LEAST_RSA_BITS = 2048

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches a document; raises OSError where that fails."""


class KeySet:
    """Public keys by their id."""

    def __init__(self, data: bytes) -> None:
        """Read a JWK set; raises ValueError where it is none, or holds no key that can be used."""
        try:
            keys = jwt.PyJWKSet.from_json(data.decode()).keys
        except Exception as error:
            # What a library makes of hostile JSON, deep nesting included.
            raise ValueError("is no JWK set") from error
        self._keys = [key for key in keys if _may_verify(key)]
        if not self._keys:
            raise ValueError("holds no key that signatures can be verified with")

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key of an id; without one, the only key that there is for an algorithm."""
        if key_id is not None:
            found = [key for key in self._keys if key.key_id == key_id]
        else:
            found = [key for key in self._keys if _fits(key, algorithm)]
        return found[0] if len(found) == 1 and _fits(found[0], algorithm) else None


class SigningKeys(Protocol):
    """Where keys come from."""

    async def look(self) -> int:
        """Look whether the keys are other ones; return another number whenever they are.

        Raises Unavailable where nobody can tell which they are.
        """

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return a key of those that were seen last, None where there is none."""


class FileKeys:
    """Keys in a file, read anew when it changes.

    Args:
        path: the file. Raises SettingsError where it holds no keys.
        clock: a clock that never goes back.
    """

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        self._file = WatchedFile(path, clock)
        self._generation = 0
        try:
            self._keys = KeySet(self._file.read())
        except OSError as error:
            raise SettingsError("CONFERENCING_JWT_JWKS: the file cannot be read") from error
        except ValueError as error:
            raise SettingsError(f"CONFERENCING_JWT_JWKS: the file {error}") from error

    async def look(self) -> int:
        """Read the file anew where it changed; return another number whenever the keys did."""
        if self._file.changed():
            try:
                self._keys = KeySet(self._file.read())
                self._generation += 1
            except (OSError, ValueError) as error:
                self._file.refuse()
                _tell("the file of the tokens' keys is not valid; the last keys are used", error)
        return self._generation

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return a key, None where there is none."""
        return self._keys.find(key_id, algorithm)


class UrlKeys:
    """Keys behind a URL: kept for five minutes, then fetched anew beside the calls.

    While they cannot be fetched, the last ones are used for a day. An id that nobody knows has them
    fetched at once, but not more often than every half minute: anybody can make up ids.

    Args:
        url: where they are.
        fetch: fetches them.
        clock: a clock that never goes back.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Clock = time.monotonic) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: KeySet | None = None
        self._document = b""
        self._fetched_at = self._tried_at = float("-inf")
        self._under_way: asyncio.Task[None] | None = None
        self._generation = 0

    async def look(self) -> int:
        """Have the keys fetched where they are old; return another number whenever they changed.

        Raises Unavailable where there are none, or none that are younger than a day.
        """
        if self._keys is None or self._age() > _STALE_SECONDS:
            await self._refreshed()
        elif self._age() > _FRESH_SECONDS:
            self._refresh()
        if self._keys is None or self._age() > _STALE_SECONDS:
            raise Unavailable(retry_after=_PAUSE_SECONDS)
        return self._generation

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return a key, None where there is none, not even when they are fetched anew."""
        found = None if self._keys is None else self._keys.find(key_id, algorithm)
        if found is None:
            await self._refreshed()
            found = None if self._keys is None else self._keys.find(key_id, algorithm)
        return found

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _refreshed(self) -> None:
        """Wait until the keys were fetched, where they may be by now."""
        task = self._refresh()
        if task is not None:
            await asyncio.shield(task)

    def _refresh(self) -> asyncio.Task[None] | None:
        if self._under_way is None and self._clock() - self._tried_at >= _PAUSE_SECONDS:
            self._tried_at = self._clock()
            self._under_way = asyncio.create_task(self._fetch_now())
        return self._under_way

    async def _fetch_now(self) -> None:
        try:
            document = await self._fetch(self._url)
            if document != self._document:
                self._keys = KeySet(document)
                self._document = document
                self._generation += 1
            self._fetched_at = self._clock()
        except (OSError, ValueError) as error:
            _tell(
                "the tokens' keys cannot be fetched; what was fetched last is used for a day", error
            )
        finally:
            self._under_way = None


_KINDS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS", "PS"),
    "EC": ("ES",),
    "OKP": ("Ed",),
}
"""What signatures each kind of key verifies, by the beginning of the algorithm's name."""


def _may_verify(key: jwt.PyJWK) -> bool:
    told = _members(key)
    uses = told.get("key_ops", ["verify"])
    if (
        key.key_type not in _KINDS
        or key.public_key_use not in {None, "sig"}
        or "verify" not in uses
    ):
        return False
    # "d" is the private half: it belongs to nobody but the issuer.
    return "d" not in told and (
        not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _LEAST_RSA_BITS
    )


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """Tell whether a key may verify signatures of an algorithm."""
    said = _members(key).get("alg")
    return algorithm.startswith(_KINDS[key.key_type or ""]) and said in {None, algorithm}


def _members(key: jwt.PyJWK) -> dict[str, Any]:
    members: dict[str, Any] = key._jwk_data  # noqa: SLF001 - what it was made from has no other name
    return members


def _tell(message: str, error: Exception) -> None:
    _log.error(message, extra={"alert": "tokens"}, exc_info=error)
