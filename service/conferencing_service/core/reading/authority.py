"""Whose host is it really? The one place that splits a URL into its host and what follows.

A host counts only when it is plain: no user information, no backslash, no port but 80 and 443, no
letter outside ASCII, no punycode, no escapes. Browsers and parsers disagree about those, which is
how a look-alike gets in.
"""

from __future__ import annotations

import re

MAX_URL = 4096

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_WHITE = re.compile(r"[\s\x00-\x1f\x7f]")
_SCHEMES = ("https://", "http://")


def host_and_rest(url: str) -> tuple[str, str] | None:
    """Split an http or https URL into its plain lower-case host and what follows, or None."""
    head = url[:8].lower()
    start = next((len(scheme) for scheme in _SCHEMES if head.startswith(scheme)), 0)
    if not start or len(url) > MAX_URL:
        return None
    authority_end = len(url)
    for mark in "/?#\\":
        found = url.find(mark, start)
        if 0 <= found < authority_end:
            authority_end = found
    authority, rest = url[start:authority_end].lower(), url[authority_end:]
    host, colon, port = authority.partition(":")
    if (
        "\\" in url
        or _WHITE.search(url)
        or not _HOST.fullmatch(host)
        or ".." in host
        or "xn--" in host
        or (colon and port not in {"443", "80"})
    ):
        return None
    return host, rest
