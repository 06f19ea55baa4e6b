"""Join links in texts: one scan for "://", then the host decides."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from conferencing_service.core.model import Provider
from conferencing_service.core.reading.authority import MAX_URL, host_and_rest
from conferencing_service.core.reading.providers import PROVIDERS
from conferencing_service.core.reading.providers.skype_for_business import (
    ON_PREMISES,
    ON_PREMISES_PREFIXES,
    SKYPE_FOR_BUSINESS,
)
from conferencing_service.core.reading.rules import JoinPath, ProviderRules
from conferencing_service.core.reading.wrappers import (
    DEFENSE_HOSTS,
    SAFELINKS_SUFFIXES,
    unwrapped,
)

MAX_TEXT = 262_144
"""How many characters of a text are read."""

_MAX_CANDIDATES = 200
_NEAR = 160
# What a URL cannot hold, in text and in HTML: white space, quotes, brackets, CJK punctuation.
_URL_END = re.compile(
    "[\\s\x00-\x1f\x7f-\x9f<>\"'`{}|^\u00a0\u200b-\u200f\u2028\u2029\u3000\u201c-\u201f\u2018-\u201b\u00ab\u00bb\u2039\u203a"
    "\u3001\u3002\uff0c\uff0e\uff1a\uff1b\uff01\uff1f\uff08\uff09\u300c-\u3011\u300a\u300b\uff5e\u2026]"
)
_KEPT = "".join(map(chr, range(0x21, 0x7F)))
_PUNCTUATION = ".,:!?)]*_~"
_REFERENCE = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
# What may stand before a host that is written without a scheme; a full-width dot may not.
_BEFORE_BARE = re.compile(
    "[\\s<>\"'(\\[{,;|\u00a0\u201c-\u201f\u2018-\u201b\u00ab\u2039\u3001\u3002\uff0c\uff1a\uff1b\uff08\u300c\u300e\u3010\u300a]"
)
_TOKEN_END = re.compile("[\\s<>\"']")
# What finds a host that is written without a scheme: short, because a long needle costs more.
_NEEDLES = ("zoom", "meet.", "teams.", "webex.", "gotom", "app.g", "join.s")
_AUTHORITY = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
_HOSTS = frozenset(host for rules in PROVIDERS for host in rules.hosts) | DEFENSE_HOSTS
_SUFFIXES = (*(suffix for rules in PROVIDERS for suffix in rules.suffixes), *SAFELINKS_SUFFIXES)
_PREFIXES = ("google.", "www.google.", *ON_PREMISES_PREFIXES)
_ZOOM_SCHEMES = ("zoommtg", "zoomus")
_ZOOM_ID = re.compile(r"(?:^|[?&])confno=(\d{9,11})(?:[&#]|$)", re.ASCII)
_ZOOM_PWD = re.compile(r"[?&](pwd=[\w.-]{1,128})(?:[&#]|$)", re.ASCII)
_SKYPE_WORDS = re.compile(r"skype|lync", re.IGNORECASE)
_JOINING_WORDS = re.compile(
    r"join|teilnehm|beitreten|besprechung|rejoindre|participer|réunion|unirse|reunión|ingressar"
    r"|entrar|reunião|partecipa|riunione|deelnemen|vergadering|dołącz|spotkani|присоедин|собрани"
    r"|anslut|möte|deltag|møde|参加|會議|会议|会議|참가|모임",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class JoinLink:
    """A link that joins a meeting.

    Attributes:
        url: the link, unwrapped and decoded.
        provider: whose meeting it is.
        meeting_code: the code that the link shows, "" where it shows none.
        rules: the provider's rules.
        path: the form of the link.
        start: where it stands in its text.
        end: where what stands there ends.
    """

    url: str
    provider: Provider
    meeting_code: str
    rules: ProviderRules
    path: JoinPath
    start: int = 0
    end: int = 0

    @property
    def identity(self) -> str:
        """What two links to the same meeting have in common."""
        if self.meeting_code:
            return f"{self.provider.value} {self.meeting_code.lower()}"
        without_query = self.url.partition("?")[0].partition("#")[0].rstrip("/")
        query = self.url.partition("?")[2] if "mtid=" in self.url.lower() else ""
        return f"{self.provider.value} {without_query.lower()}?{query.lower()}"

    @property
    def rank(self) -> int:
        """How good a link is among those to the same meeting."""
        query = self.url.partition("?")[2]
        better = any(part in query for part in self.rules.ranked_queries)
        worse = any(part in query for part in self.rules.worse_queries)
        return 2 * self.path.rank + better - worse


def join_link_from_url(url: str, start: int = 0, end: int = 0) -> JoinLink | None:
    """Return the join link that a URL is, or wraps, or None for any other URL."""
    inner = unwrapped(url)
    if inner is None:
        return None
    if inner is not url:
        cut = _URL_END.search(inner)
        inner = inner[: cut.start()] if cut else inner
        inner = inner.partition(";")[0].rstrip(_PUNCTUATION)
    split = host_and_rest(inner)
    if split is None:
        return None
    host, rest = split
    if not inner.isascii():
        # Its host is plain; what a structure holds behind it is kept in the form that URLs have.
        inner = quote(inner, safe=_KEPT)
    if inner[:5].lower() == "http:":
        # Every provider answers by TLS; a link in the clear could be changed on its way.
        inner = "https:" + inner[5:]
    for rules in PROVIDERS:
        if rules.has_host(host):
            for path in rules.paths:
                match = path.pattern.match(rest)
                if match:
                    code = match.groupdict().get("code") or ""
                    return JoinLink(inner, rules.provider, code, rules, path, start, end)
            return None
    return None


def is_provider_host(provider: Provider, url: str) -> bool:
    """Tell whether a URL is on a host that is known as the provider's."""
    split = host_and_rest(url)
    return split is not None and any(
        rules.provider is provider and rules.has_host(split[0]) for rules in PROVIDERS
    )


def join_links_in(text: str) -> Iterator[JoinLink]:
    """Yield the join links of a plain or HTML text in their order.

    Reads at most 256 KiB, 200 URLs on hosts that could hold a meeting, and 4,096 characters of
    each; takes linear time. A URL on any other host costs a look at its host.
    """
    text = text[:MAX_TEXT]
    bare = _bare_links(text)
    next_bare = next(bare, None)
    position = candidates = 0
    other = -1
    while candidates < _MAX_CANDIDATES:
        found = text.find("://", position)
        if found < 0:
            break
        authority = _AUTHORITY.match(text, found + 3)
        position = authority.end() if authority else found + 3
        if authority is None or not _could_meet(authority[0].lower()):
            if other < 0 or found - other > MAX_URL or _URL_END.search(text, other, found):
                other = found
            continue
        if other >= 0 and not _URL_END.search(text, other, found):
            # It stands in another URL, as the query of a redirector that nobody knows.
            continue
        other = -1
        while next_bare is not None and next_bare.start < found:
            yield next_bare
            next_bare = next(bare, None)
        candidates += 1
        link, position = _link_at(text, found)
        if link is not None:
            yield link
    while next_bare is not None:
        yield next_bare
        next_bare = next(bare, None)


def _could_meet(host: str) -> bool:
    """Tell whether a lower-case host is one on which a join link, or a wrapped one, may be."""
    return host in _HOSTS or host.endswith(_SUFFIXES) or host.startswith(_PREFIXES)


def _link_at(text: str, found: int) -> tuple[JoinLink | None, int]:
    """Return the join link round a "://", if it is one, and where to go on."""
    scheme = _scheme_before(text, found)
    if scheme not in {"https", "http"}:
        if scheme in _ZOOM_SCHEMES:
            url, end = _url_from(text, found - len(scheme))
            return _zoom_client_link(url, found - len(scheme), end), end
        return None, found + 3
    start = found - len(scheme)
    url, end = _url_from(text, start)
    link = join_link_from_url(url, start, end)
    if link is None and _SKYPE_WORDS.search(text, max(0, start - _NEAR), end + _NEAR):
        link = _on_premises_link(text, url, start, end)
    return link, end


def _scheme_before(text: str, found: int) -> str:
    """Return the scheme that ends at a "://", in lower case, "" where there is none."""
    tail = text[max(0, found - 7) : found].lower()
    for scheme in ("zoommtg", "zoomus", "https", "http"):
        if tail.endswith(scheme):
            return scheme
    return ""


def _url_from(text: str, start: int) -> tuple[str, int]:
    """Return the URL that starts somewhere, decoded, and where it ends in the text."""
    end = _URL_END.search(text, start, start + MAX_URL)
    stop = end.start() if end else min(len(text), start + MAX_URL)
    url = text[start:stop]
    if "&" in url:
        url = _REFERENCE.sub(lambda reference: html.unescape(reference[0]), url)
        cut = _URL_END.search(url)
        if cut:
            url = url[: cut.start()]
    if not url.isascii():
        # Letters of other scripts touch a link where no spaces are written.
        host = url.split("/", 3)[:3]
        if len(host) == 3 and "".join(host).isascii():
            url = url[: next(index for index, c in enumerate(url) if not c.isascii())]
    semicolon = url.find(";")
    if semicolon > 0 and "/v3/__" not in url and "safelinks" not in url and "/url?" not in url:
        url = url[:semicolon]
    return url.rstrip(_PUNCTUATION), stop


def _bare_links(text: str) -> Iterator[JoinLink]:
    """Yield the links that are written without a scheme, in their order."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text
    places: set[int] = set()
    for needle in _NEEDLES:
        places.update(_starts_of_hosts(needle, lower))
    for start in sorted(places)[:_MAX_CANDIDATES]:
        url, end = _url_from(text, start)
        link = join_link_from_url("https://" + url, start, end)
        if link is not None:
            yield link


def _starts_of_hosts(needle: str, lower: str) -> Iterator[int]:
    """Yield where a known host begins that is written without a scheme and goes on with a path."""
    found = lower.find(needle)
    while found >= 0:
        start = found
        while start > 0 and found - start < 64 and _AUTHORITY.match(lower, start - 1, start):
            start -= 1
        authority = _AUTHORITY.match(lower, start)
        end = authority.end() if authority else found + 1
        if lower[end : end + 1] == "/":
            before = lower[start - 1] if start else " "
            if _BEFORE_BARE.fullmatch(before) and _could_meet(lower[start:end]):
                scheme = lower.rfind("://", max(0, start - _NEAR), start)
                # In another URL it is the query of a redirector.
                if scheme < 0 or _TOKEN_END.search(lower, scheme, start):
                    yield start
        found = lower.find(needle, max(end, found + 1))


def _zoom_client_link(url: str, start: int, end: int) -> JoinLink | None:
    """Return the web form of a link that opens Zoom's client (zoommtg://HOST/join?confno=ID)."""
    rest = "https" + url[url.find("://") :]
    split = host_and_rest(rest)
    code = _ZOOM_ID.search(rest.partition("?")[2])
    if split is None or code is None or not split[1].startswith("/join?"):
        return None
    password = _ZOOM_PWD.search(rest)
    query = f"?{password[1]}" if password else ""
    return join_link_from_url(f"https://{split[0]}/j/{code[1]}{query}", start, end)


def _on_premises_link(text: str, url: str, start: int, end: int) -> JoinLink | None:
    """Return a Skype for Business link on a company's own host, which its wording alone tells."""
    inner = unwrapped(url)
    split = host_and_rest(inner) if inner else None
    if inner is None or split is None:
        return None
    host, rest = split
    if not host.startswith(ON_PREMISES_PREFIXES):
        return None
    if not ON_PREMISES.pattern.match(rest):
        return None
    if any(rules.has_host(host) for rules in PROVIDERS):
        return None
    around = text[max(0, start - _NEAR) : start] + " " + text[end : end + _NEAR]
    if not (_SKYPE_WORDS.search(around) and _JOINING_WORDS.search(around)):
        return None
    return skype_link(inner, start, end)


def skype_link(url: str, start: int = 0, end: int = 0) -> JoinLink:
    """Return a link that its source names as one of Skype for Business."""
    rules = SKYPE_FOR_BUSINESS
    return JoinLink(url, rules.provider, "", rules, rules.paths[0], start, end)
