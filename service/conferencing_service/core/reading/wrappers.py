"""Links in other links: what mail gateways and calendars make of a URL, undone by parsing.

Outlook SafeLinks (`url=`), Google's redirector (`q=`), Proofpoint's URL Defense versions 2 (`-XX`
and `_` escapes) and 3 (`__URL__;` with the characters that it replaced). A wrapper is known by its
host, which is checked as strictly as any other.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Callable
from urllib.parse import unquote

from conferencing_service.core.reading.authority import host_and_rest

MAX_LAYERS = 4

_GOOGLE = re.compile(r"(?:www\.)?google\.[a-z]{2,3}(?:\.[a-z]{2})?")
SAFELINKS_SUFFIXES = (
    ".safelinks.protection.outlook.com",
    ".safelinks.protection.outlook.us",
    ".safelinks.protection.outlook.de",
    ".safelinks.protection.office365.us",
)
DEFENSE_HOSTS = frozenset({"urldefense.com", "urldefense.us", "urldefense.proofpoint.com"})
_ONE_SLASH = re.compile(r"(https?):/(?!/)", re.IGNORECASE)
_RUNS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def unwrapped(url: str) -> str | None:
    """Return the innermost URL, at most four layers down, or None where it does not come out."""
    for _ in range(MAX_LAYERS + 1):
        split = host_and_rest(url)
        if split is None:
            return None
        unwrap = _unwrapper_of(*split)
        if unwrap is None:
            return url
        inner = unwrap(split[1])
        if inner is None:
            return None
        url = inner
    return None


def _unwrapper_of(host: str, rest: str) -> Callable[[str], str | None] | None:
    """Return what takes the inner URL out of a wrapper's path and query, None for no wrapper."""
    if host.endswith(SAFELINKS_SUFFIXES):
        return lambda path: _parameter(path, ("url",))
    if rest.startswith("/url?") and _GOOGLE.fullmatch(host):
        return lambda path: _parameter(path, ("q", "url"))
    if host in DEFENSE_HOSTS:
        if rest.startswith("/v2/url?"):
            return _defended_2
        if rest.startswith("/v3/__"):
            return _defended_3
    return None


def _parameter(path: str, names: tuple[str, ...]) -> str | None:
    """Return a query parameter, decoded once."""
    query = path.partition("?")[2].partition("#")[0]
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and name.removeprefix("amp;") in names:
            return unquote(value)
    return None


def _defended_2(path: str) -> str | None:
    query = path.partition("?")[2]
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and name.removeprefix("amp;") == "u":
            return unquote(value.replace("-", "%").replace("_", "/"))
    return None


def _defended_3(path: str) -> str | None:
    """Put the replaced characters back: `*` is the next of them, `**X` a run of them."""
    inner, end, tail = path[len("/v3/__") :].partition("__;")
    if not end:
        return None
    replaced = _replaced_characters(tail.partition("!")[0])
    if replaced is None:
        return None
    pieces: list[str] = []
    position = used = 0
    while position < len(inner):
        if inner[position] != "*":
            pieces.append(inner[position])
            position += 1
            continue
        count, step = 1, 1
        if inner.startswith("**", position) and inner[position + 2 : position + 3] in _RUNS[:64]:
            run = inner[position + 2 : position + 3]
            if run:
                count, step = _RUNS.index(run) + 2, 3
        if used + count > len(replaced):
            return None
        pieces.append(replaced[used : used + count])
        used += count
        position += step
    return _ONE_SLASH.sub(r"\1://", "".join(pieces), count=1)


def _replaced_characters(encoded: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
