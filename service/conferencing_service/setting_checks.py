"""What the text of a setting has to look like, where a type does not say it."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

_HOST = re.compile(r"[0-9a-z.:-]+")
_HOST_AND_PORT = re.compile(r"(?:[0-9a-z-]+(?:\.[0-9a-z-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

# What Kubernetes tells of a Service whose name begins like ours.
_OF_SERVICES = re.compile(r".*_(?:SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_[0-9]+_.*)")

# Above it a name is a known one, misspelt; a platform may set others that begin like ours.
_NEAR = 0.8

REGIONS = {"us": "https://api.us.nylas.com", "eu": "https://api.eu.nylas.com"}
"""Where the Nylas API is, by region."""

HOSTS = tuple(urlsplit(url).netloc for url in REGIONS.values())
"""The hosts of all regions."""

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures of tokens whose verifying key cannot sign: RFC 7518, section 3.1, and RFC 8037."""


def base_url_of_region(region: str) -> str:
    """Return the base URL of a region's name or URL; raises ValueError."""
    if region in REGIONS:
        return REGIONS[region]
    try:
        parts = urlsplit(region)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", None
    if (
        parts is None
        or not _HOST.fullmatch(host)
        or "@" in parts.netloc
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
    ):
        raise ValueError("must be us, eu, or an https URL without a path (http on loopback)")
    return f"{parts.scheme}://{parts.netloc}"


def check_ledger_url(url: str) -> None:
    """Raise ValueError where a URL names no store."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        parts = urlsplit("")
    names_file = parts.scheme == "sqlite" and not parts.netloc and parts.path.strip("/")
    names_server = parts.scheme in {"postgresql", "postgres"} and parts.path.strip("/")
    if not names_file and not names_server:
        raise ValueError("must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine and no other can reach it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_listen(listen: str) -> None:
    """Raise ValueError where a text names no host and port."""
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65_536):
        raise ValueError("must be HOST:PORT")


def words_of(text: str, *, allowed: frozenset[str] | None = None) -> tuple[str, ...]:
    """Return the words of a list with commas; raises ValueError where one is not allowed."""
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ValueError("must be words with commas between them")
    if allowed is not None and not set(words) <= allowed:
        raise ValueError(f"must be some of {', '.join(sorted(allowed))}")
    return words


def check_key_source(source: str) -> None:
    """Raise ValueError where a text names neither a file nor an https URL (http on loopback)."""
    if "://" not in source:
        return
    try:
        parts = urlsplit(source)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    is_plain = parts.scheme == "http" and is_loopback(host)
    if (
        not _HOST.fullmatch(host)
        or "@" in parts.netloc
        or not (parts.scheme == "https" or is_plain)
    ):
        raise ValueError("must be a path or an https URL (http on loopback)")


def check_hosts(hosts: Iterable[str]) -> None:
    """Raise ValueError where a text is no host, or host and port."""
    if not all(map(_HOST_AND_PORT.fullmatch, hosts)):
        raise ValueError("must be names of hosts, without https:// and without *")


def check_names(given: Iterable[str], known: Sequence[str], prefix: str) -> None:
    """Raise ValueError where a variable is none of ours, but nearly: it would be ignored.

    Args:
        given: the variables with our prefix.
        known: the names that there are, without it.
        prefix: what all of them begin with.
    """
    for name in sorted({each.removeprefix(prefix) for each in given} - set(known)):
        if _OF_SERVICES.fullmatch(name):
            continue
        if meant := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
            raise ValueError(f"{prefix}{name}: there is no such setting; {prefix}{meant[0]} is one")
