"""What an entry of the ledger says of an event, encrypted before it reaches the store.

Two columns can hold something that a caller or a vendor wrote, and both are sealed:

- `reply` holds links, passcodes and join details that the upstream added.
- `expected` holds a digest of each field that an update asks for. Whoever has the file could try
  likely titles, addresses and passcodes one by one, since each field has a digest of its own.

The others stay as they are. `principal`, `method`, `request_id`, `operation_id` and the ids of the
target are what the store finds rows by, or what an operator and a server that takes over must have
even without a key. `fingerprint` is compared by the store, and must stay equal when keys change; it
is one digest of the whole request, which nobody guesses who does not know all of it. `marker` is
random and a MAC, and stands in the event itself. `error` is the name of a reason. `owner` names a
process. The rest are numbers.

Each text has a random nonce of 96 bits. Two of a thousand million texts under one key have the same
with a chance below one in ten to the eleven.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeGuard, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conferencing_service.core.ledger.entry import Claim, Entry, Hold, Key, Step
from conferencing_service.core.ledger.store import Store

_log = logging.getLogger(__name__)

KEY_BYTES = 32
_NONCE_BYTES = 12
_LABEL = b"conferencing ledger key\0"

_WORD = "sealed"
_VERSION = "1"
_PREFIX = f"{_WORD}:"

_MOST_NOTED = 10_000


class CannotBeOpened(Exception):
    """A text is not what was sealed in this place, or its key is missing."""


class KeyMissing(CannotBeOpened):
    """A text was sealed with a key that is not among those of this process."""


class Seal:
    """Encrypts texts, each bound to its place: an operation, and a column of its entry.

    A sealed text is `sealed:1:KEY:BASE64`: the id of its key, then nonce, ciphertext and tag of
    AES-256-GCM. A key's id is made from the key, so a file of keys needs nothing but keys.

    Args:
        keys: the first seals, all of them open; none leaves texts as they are.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {id_of_key(key): AESGCM(key) for key in reversed(keys)}
        self._first = id_of_key(keys[0]) if keys else None

    def sealed(self, text: str, operation_id: str, column: str) -> str:
        """Return a text as it is to be kept in its place; "" says nothing, and stays."""
        if self._first is None or not text:
            return text
        nonce = os.urandom(_NONCE_BYTES)
        # A text that came from JSON may hold half of a surrogate pair.
        plain = text.encode("utf-8", "surrogatepass")
        place = _place(self._first, operation_id, column)
        kept = nonce + self._ciphers[self._first].encrypt(nonce, plain, place)
        return f"{_PREFIX}{_VERSION}:{self._first}:{base64.b64encode(kept).decode('ascii')}"

    def opened(self, text: str, operation_id: str, column: str) -> str:
        """Return the text that was sealed, or one that never was; raises CannotBeOpened."""
        if not is_sealed(text):
            return text
        match text.split(":"):
            case [_, version, key_id, kept] if version == _VERSION:
                cipher = self._ciphers.get(key_id)
            case _:
                raise CannotBeOpened("it has no form that this version knows")
        if cipher is None:
            raise KeyMissing("its key is not among those of this process")
        try:
            raw = base64.b64decode(kept, validate=True)
            nonce, secret = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            plain = cipher.decrypt(nonce, secret, _place(key_id, operation_id, column))
            return plain.decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError) as error:
            raise CannotBeOpened("it was changed, or moved from another entry") from error


def id_of_key(key: bytes) -> str:
    """Return what a key is called: it tells nothing of the key."""
    return hashlib.sha256(_LABEL + key).hexdigest()[:8]


def is_sealed(kept: object) -> TypeGuard[str]:
    """Tell whether what is kept is a sealed text; JSON never begins like one."""
    return isinstance(kept, str) and kept.startswith(_PREFIX)


def _place(key_id: str, operation_id: str, column: str) -> bytes:
    return f"{_WORD}:{_VERSION}:{key_id}:{column}:{operation_id}".encode()


def sealed(store: Store, seal: Seal) -> Store:
    """Return the same store, whose entries are sealed on their way in and opened on their way out.

    What cannot be opened is told to the operator and counts as not kept. Then the ledger does what
    it does where it never knew: a repetition is answered with the event as the calendar has it, and
    an update in doubt is left to an operator. Nothing is sent on the strength of it. An answer whose
    key is missing is not replaced.
    """
    return cast("Store", _SealedStore(store, seal))


class _SealedStore:
    """Hands every step on; those that carry or return what is sealed have methods of their own."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._unopened: dict[str, bool] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        step: Callable[..., Any] = getattr(self._store, name)
        # Found without this method from now on.
        setattr(self, name, step)
        return step

    # ---- In ----------------------------------------------------------------------------------

    async def intend(
        self, hold: Hold, *, event_id: str, expected: Mapping[str, str], lease: float
    ) -> bool:
        if expected:
            text = json.dumps(dict(expected))
            kept = self._seal.sealed(text, hold.operation_id, "expected")
            # No field of an event is called so: a server that knows no seals sees nothing met.
            expected = {_WORD: kept} if is_sealed(kept) else expected
        return await self._store.intend(hold, event_id=event_id, expected=expected, lease=lease)

    async def finish(self, hold: Hold, *, event_id: str, reply: str, retention: float) -> bool:
        reply = self._seal.sealed(reply, hold.operation_id, "reply")
        return await self._store.finish(hold, event_id=event_id, reply=reply, retention=retention)

    async def amend(self, operation_id: str, *, reply: str) -> None:
        if self._unopened.get(operation_id):
            # Whoever has the key still opens what was answered first.
            return
        reply = self._seal.sealed(reply, operation_id, "reply")
        await self._store.amend(operation_id, reply=reply)

    # ---- Out ---------------------------------------------------------------------------------

    async def claim(self, claim: Claim) -> tuple[Entry, bool]:
        entry, is_ours = await self._store.claim(claim)
        return self._opened(entry), is_ours

    async def get(self, key: Key) -> Entry | None:
        entry = await self._store.get(key)
        return None if entry is None else self._opened(entry)

    async def find(self, operation_id: str) -> Entry | None:
        entry = await self._store.find(operation_id)
        return None if entry is None else self._opened(entry)

    async def take_over(
        self, owner: str, *, lease: float, settle: float, limit: int
    ) -> list[Entry]:
        entries = await self._store.take_over(owner, lease=lease, settle=settle, limit=limit)
        return [self._opened(entry) for entry in entries]

    async def unswept(self, *, older_than: float, limit: int) -> list[Entry]:
        entries = await self._store.unswept(older_than=older_than, limit=limit)
        return [self._opened(entry, is_used=False) for entry in entries]

    async def listing(self, steps: Collection[Step], *, limit: int) -> Sequence[Entry]:
        entries = await self._store.listing(steps, limit=limit)
        return [self._opened(entry, is_used=False) for entry in entries]

    def _opened(self, entry: Entry, *, is_used: bool = True) -> Entry:
        """Return an entry as it was given; `is_used` says that it matters what was sealed in it."""
        kept = entry.expected.get(_WORD)
        if not is_sealed(entry.reply) and not is_sealed(kept):
            return entry
        reply = self._text(entry.reply, entry.operation_id, "reply", is_used=is_used)
        expected = entry.expected
        if is_sealed(kept):
            text = self._text(kept, entry.operation_id, "expected", is_used=is_used)
            expected = MappingProxyType(json.loads(text) if text else {})
        return dataclasses.replace(entry, reply=reply, expected=expected)

    def _text(self, kept: str, operation_id: str, column: str, *, is_used: bool) -> str:
        try:
            return self._seal.opened(kept, operation_id, column)
        except CannotBeOpened as error:
            if is_used:
                self._note(operation_id, column, error)
            return ""

    def _note(self, operation_id: str, column: str, error: CannotBeOpened) -> None:
        """Tell the operator, once for each operation: whoever waits for one asks again and again."""
        if operation_id in self._unopened:
            return
        if len(self._unopened) >= _MOST_NOTED:
            self._unopened.clear()
        self._unopened[operation_id] = column == "reply" and isinstance(error, KeyMissing)
        _log.error(
            "what an entry of the ledger holds cannot be opened",
            extra={
                "alert": "ledger",
                "operation_id": operation_id,
                "column": column,
                "problem": str(error),
            },
        )
