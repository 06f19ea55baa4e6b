"""Join links in texts: one scan for "://", then the host decides.

A host counts only when it is plain: no user information, no backslash, no port but 80 and 443, no
letter outside ASCII, no punycode. Browsers and parsers disagree about those, which is how a
look-alike gets in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from conferencing_service.core.model import (
    Conferencing,
    Details,
    Origin,
    Provider,
    State,
)
from conferencing_service.core.reading.hosts import JOIN_PATHS

MAX_TEXT = 262_144
"""How many characters of a text are read."""

_MAX_URL = 4096
_MAX_CANDIDATES = 200
_ENDS = frozenset(" \t\r\n\f\v<>\"'`{}|^\u00a0\u200b\u2028\u2029\u3000")
_PUNCTUATION = ".,;:!?)]*_"
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9.-]+")
_WHITE = re.compile(r"[\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class JoinLink:
    """A link that joins a meeting."""

    url: str
    provider: Provider
    meeting_code: str = ""


def join_link_from_url(url: str) -> JoinLink | None:
    """Return the join link that a URL is, or None for any other URL."""
    split = _host_and_rest(url)
    if split is None:
        return None
    host, rest = split
    for paths in JOIN_PATHS:
        if paths.has_host(host):
            for pattern in paths.paths:
                match = pattern.match(rest)
                if match:
                    return JoinLink(url, paths.provider, match.groupdict().get("code") or "")
            return None
    return None


def is_provider_host(provider: Provider, url: str) -> bool:
    """Tell whether a URL is on a host that is known as the provider's."""
    split = _host_and_rest(url)
    return split is not None and any(
        paths.provider is provider and paths.has_host(split[0]) for paths in JOIN_PATHS
    )


def join_links_in(text: str) -> Iterator[JoinLink]:
    """Yield the join links of a plain or HTML text in their order.

    Reads at most 256 KiB, 200 URLs and 4,096 characters of each; takes linear time.
    """
    text = text[:MAX_TEXT]
    position = 0
    for _ in range(_MAX_CANDIDATES):
        found = text.find("://", position)
        if found < 0:
            return
        position = found + 3
        if text[max(0, found - 5) : found].lower() != "https":
            continue
        end = position
        limit = min(len(text), found + _MAX_URL)
        while end < limit and text[end] not in _ENDS:
            end += 1
        url = _decoded(text[found - 5 : end]).rstrip(_PUNCTUATION)
        position = end
        link = join_link_from_url(url)
        if link is not None:
            yield link


def _decoded(url: str) -> str:
    """Undo HTML's references, and end where one stands for a character that ends a URL.

    Only references that a semicolon ends: `&region=us` is a parameter and no registered sign.
    """
    decoded = _REFERENCE.sub(lambda reference: html.unescape(reference[0]), url)
    return decoded[: next((i for i, c in enumerate(decoded) if c in _ENDS), len(decoded))]


def conferencing_from_text(text: str, source_field: str = "text") -> Conferencing | None:
    """Return the conference whose join link comes first in a text, or None."""
    link = next(join_links_in(text), None)
    return None if link is None else parsed(link, source_field)


def parsed(link: JoinLink, source_field: str) -> Conferencing:
    """Return a conference that was read out of a field."""
    return Conferencing(
        provider=link.provider,
        source=Details(url=link.url, meeting_code=link.meeting_code),
        state=State.READY,
        origin=Origin.PARSED,
        source_field=source_field,
    )


def _host_and_rest(url: str) -> tuple[str, str] | None:
    """Split an https URL into its plain host and what follows, or return None."""
    if url[:8].lower() != "https://" or len(url) > _MAX_URL:
        return None
    authority_end = len(url)
    for mark in "/?#\\":
        found = url.find(mark, 8)
        if 0 <= found < authority_end:
            authority_end = found
    authority, rest = url[8:authority_end].lower(), url[authority_end:]
    host, colon, port = authority.partition(":")
    if (
        "\\" in url
        or _WHITE.search(url)
        or not _HOST.fullmatch(host)
        or "xn--" in host
        or (colon and port not in {"443", "80"})
    ):
        return None
    return host, rest
