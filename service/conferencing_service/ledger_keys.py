"""The file of keys that what the ledger holds is encrypted with.

One key a line, 256 bits in base64 or hexadecimal; what follows a # is a comment. The first key
seals, all of them open: a new one is put first, and an old one is taken out when nothing is kept
any more that it sealed.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

from conferencing_service.settings import Settings, SettingsError
from conferencing_service.stores.sealed import KEY_BYTES, Seal

_VARIABLE = "CONFERENCING_LEDGER_KEYS_FILE"
_MOST_BYTES = 65_536
_HEX = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}")
_OTHERS = stat.S_IROTH | stat.S_IWOTH


def seal_of(settings: Settings) -> Seal:
    """Return what seals and opens by the keys that the settings name; without any, it seals nothing.

    Raises SettingsError, whose text never holds one of a key.
    """
    if settings.ledger_keys_file is None:
        return Seal()
    return Seal(_keys_of(_content_of(settings.ledger_keys_file)))


def _content_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{_VARIABLE}: the file cannot be read") from error
    # A group may read it: so is a secret that Kubernetes mounts for a process that is not root.
    if mode & _OTHERS:
        raise SettingsError(f"{_VARIABLE}: everybody can read or change the file; use chmod o=")
    if len(content) > _MOST_BYTES:
        raise SettingsError(f"{_VARIABLE}: the file is too long for one of keys")
    return content.decode("utf-8", "replace")


def _keys_of(content: str) -> list[bytes]:
    keys = []
    for number, line in enumerate(content.splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        key = _key_of(text)
        if key is None:
            raise SettingsError(
                f"{_VARIABLE}: line {number} is no key of 256 bits in base64 or hexadecimal"
            )
        keys.append(key)
    if not keys:
        raise SettingsError(f"{_VARIABLE}: there is no key in the file")
    return keys


def _key_of(text: str) -> bytes | None:
    """Return the key of a line, None where it is none; no error that quotes it is raised."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
