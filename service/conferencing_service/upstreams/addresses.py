"""Where requests may go: hosts by their exact names, and the addresses that names may stand for.

The first is asked once, of the URL that a setting names. The second is asked of every address
before it is connected to, since whoever answers for a name can name any machine: those that know
the secrets of a cloud's own, or those of the network that this service stands in.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import socket
from collections.abc import Collection, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

_log = logging.getLogger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address


class Kind(StrEnum):
    """What an address is to a service that holds secrets; log lines tell these names."""

    METADATA = "metadata"
    LINK_LOCAL = "link_local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"


_PORTS = {"https": 443, "http": 80}
_NEVER = frozenset({Kind.METADATA, Kind.LINK_LOCAL, Kind.MULTICAST, Kind.UNSPECIFIED})

# Where clouds answer with a machine's own credentials, beside the link-local addresses.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure, the host's own agent
            "192.0.0.192",  # Oracle Cloud, the older one
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)

# Where an IPv6 address holds an IPv4 address in its last 32 bits.
_EMBEDDING = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::/96",  # compatible, RFC 4291, 2.5.5.1
            "::ffff:0:0/96",  # mapped, RFC 4291, 2.5.5.2
            "::ffff:0:0:0/96",  # translated, RFC 2765
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
        ),
    )
)
_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, 2.4
_LAST_32_BITS = 2**32 - 1
_OWN_OF_IPV6 = frozenset({IPv6Address("::"), IPv6Address("::1")})


class AddressRefused(OSError):
    """A host stands for no address that may be connected to; nothing was sent."""


def check_host(base_url: str, allowed: Collection[str]) -> None:
    """Raise ValueError where a URL's host is no loopback one and not in the list.

    Names are compared as they are written, without regard to case: no name matches its
    subdomains, its dotted form or another spelling of its address. A name alone stands for the
    scheme's own port.
    """
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port
    if "@" in parts.netloc or _host_sent(base_url) != host:
        # Programs disagree on which host such a URL names.
        raise ValueError("must be a URL that names nothing but a host and a port")
    if is_loopback(host):
        return
    name = f"[{host}]" if ":" in host else host
    names = {name} if port in {None, _PORTS.get(parts.scheme)} else set()
    names.add(f"{name}:{port or _PORTS.get(parts.scheme)}")
    if names.isdisjoint(each.lower() for each in allowed):
        written = name if port is None else f"{name}:{port}"
        raise ValueError(f"{written} is not in CONFERENCING_UPSTREAM_HOSTS")
    address = _address(host)
    if address is not None and kind_of(address) in _NEVER:
        raise ValueError(f"{name} is an address that is never connected to ({kind_of(address)})")


def own_hosts(allowed: Collection[str], public: Collection[str]) -> frozenset[str]:
    """Return the hosts of a list that an operator added to the vendors' public ones, without ports."""
    return frozenset(map(_name, allowed)) - frozenset(map(_name, public))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def kind_of(address: Address) -> Kind:
    """Return what an address is; one that holds an IPv4 address is what that one is."""
    kinds = [_plain_kind(each) for each in _meant_by(address)]
    # The worst of what it may stand for, in the order in which they are written.
    return min(kinds, key=list(Kind).index)


class CheckedResolver(AbstractResolver):
    """Resolves names, and leaves out the addresses that they may not stand for.

    Args:
        resolver: what really resolves.
        own: the hosts of the operator's own, which may stand in a private network.
    """

    def __init__(self, resolver: AbstractResolver, own: Collection[str]) -> None:
        self._resolver = resolver
        self._own = frozenset(own)
        self._literal = functools.lru_cache(64)(self._checked_literal)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a name's addresses; raises AddressRefused where none of them will do."""
        found = await self._resolver.resolve(host, port, family)
        good = [each for each in found if self._allows(host, each["host"])]
        if not good:
            raise AddressRefused("the host stands for no address that may be connected to")
        return good

    def check_literal(self, host: str) -> None:
        """Raise AddressRefused where a host is itself an address that may not be connected to.

        No resolver is asked for those.
        """
        if not self._literal(host):
            raise AddressRefused("the host is an address that may not be connected to")

    async def close(self) -> None:
        """Close what really resolves."""
        await self._resolver.close()

    def _checked_literal(self, host: str) -> bool:
        return _address(host) is None or self._allows(host, host)

    def _allows(self, host: str, address: str) -> bool:
        parsed = _address(address)
        kind = Kind.UNSPECIFIED if parsed is None else kind_of(parsed)
        if kind is Kind.PUBLIC:
            return True
        if kind not in _NEVER and (
            host.lower() in self._own or (kind is Kind.LOOPBACK and is_loopback(host))
        ):
            return True
        _log.warning(
            "an address of the upstream's host may not be connected to",
            extra={"server.address": host, "address": address, "address_kind": kind.value},
        )
        return False


def _plain_kind(address: Address) -> Kind:
    if address in _METADATA:
        return Kind.METADATA
    for kind, is_one in (
        (Kind.LINK_LOCAL, address.is_link_local),
        (Kind.MULTICAST, address.is_multicast),
        # All of 0.0.0.0/8: systems take those for themselves.
        (Kind.UNSPECIFIED, address.is_unspecified or str(address).startswith("0.")),
        (Kind.LOOPBACK, address.is_loopback),
        (Kind.PUBLIC, _is_public(address)),
    ):
        if is_one:
            return kind
    return Kind.PRIVATE


def _is_public(address: Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in _UNICAST)


def _meant_by(address: Address) -> Iterator[Address]:
    """Yield the addresses that a packet to this one may reach."""
    if isinstance(address, IPv4Address) or address in _OWN_OF_IPV6:
        yield address
        return
    if any(address in network for network in _EMBEDDING):
        yield IPv4Address(int(address) & _LAST_32_BITS)
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def _address(host: str) -> Address | None:
    """Return the address that a host is, None where it is a name; its zone does not matter."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _host_sent(url: str) -> str:
    """Return the host that a request to a URL would name; raises ValueError."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ValueError("must be a URL") from error


def _name(host: str) -> str:
    """Return the name of HOST or HOST:PORT, without brackets."""
    return (urlsplit(f"//{host}").hostname or "").lower()
