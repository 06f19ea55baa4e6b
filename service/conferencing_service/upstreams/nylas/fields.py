"""Foreign JSON, read tolerantly: whatever has an unexpected type or size is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from conferencing_service.core.model import FIRST_SECOND, LAST_SECOND

_LINK = re.compile(r"https?://[^/?#\\@\s]", re.IGNORECASE)
_INT32 = 2**31 - 1
_MAX_CODE = 256


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a string; numbers in their decimal form, as vendors mix both; else ""."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def code(value: Any) -> str:
    """Return a text that people type or dial, or "" where it is longer than any that is."""
    found = text(value)
    return found if len(found) <= _MAX_CODE else ""


def link(value: Any) -> str:
    """Return a link that is safe to open: http or https without control characters; else ""."""
    url = text(value)
    return url if url.isprintable() and _LINK.match(url) else ""


def flag(value: Any) -> bool | None:
    """Return a boolean, or None."""
    return value if isinstance(value, bool) else None


def integer(value: Any) -> int | None:
    """Return an integer of 32 bits, or None; integral floats and digit strings count."""
    number = _whole(value)
    return number if number is not None and abs(number) <= _INT32 else None


def moment(value: Any) -> int | None:
    """Return Unix seconds between the years 1 and 9999, or None."""
    number = _whole(value)
    return number if number is not None and FIRST_SECOND <= number <= LAST_SECOND else None


def day(value: Any) -> str:
    """Return a day as YYYY-MM-DD, or ""."""
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            return ""
    return ""


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 20 and value.lstrip("-").isdecimal():
        return int(value) if value.count("-") <= 1 else None
    return None
