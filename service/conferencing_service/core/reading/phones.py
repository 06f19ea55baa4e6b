"""Telephone numbers in E.164: from tel URIs and from what is written in international form."""

from __future__ import annotations

import re
from urllib.parse import unquote

# Digits with the marks that people put between them, and what is dialled after the connection.
WRITTEN = re.compile(
    r"(?P<tel>tel:\s{0,2})?(?P<number>(?:\+|%2B)\d(?:[\s().\-/\u2010-\u2015]{0,3}\d){5,17})"
    r"(?P<dialled>(?:,{1,8}|;ext=|x)[\d*#,%]{2,64})?",
    re.IGNORECASE,
)
_TRUNK = re.compile(r"\(0\)")
_DIGITS = re.compile(r"\D+", re.ASCII)


def e164(number: str) -> str:
    """Return a number that begins with its country code as +digits, "" where it is none (E.164)."""
    number = unquote(number).strip()
    if not number.startswith("+"):
        return ""
    digits = _DIGITS.sub("", _TRUNK.sub("", number))
    return f"+{digits}" if 7 <= len(digits) <= 15 and digits[0] != "0" else ""


def e164_of_tel(uri: str) -> str:
    """Return the number of a tel URI, without what is dialled after it (RFC 3966)."""
    if uri[:4].lower() != "tel:":
        return ""
    number = unquote(uri[4:]).strip()
    for mark in (",", ";", "#", "*", "p", "w"):
        number = number.partition(mark)[0]
    return e164(number)
