"""Where requests may go: exact names, checked addresses, and nothing that the environment says."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.setting_checks import REGIONS, base_url_of_region
from conferencing_service.settings import Settings
from conferencing_service.upstreams.addresses import Kind, check_host, kind_of, own_hosts
from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from conferencing_service.upstreams.http import Lost, RestClient, Unsent
from support.service import creation, get, serving
from upstreams.hostile_answers import raw
from upstreams.hostile_vendor import HostileVendor, hostile_vendor
from upstreams.wire import KEY, READ, WRITE, Out

pytestmark = pytest.mark.security

DEFAULT = Settings().upstream_hosts
PUBLIC = "93.184.215.14"

KINDS = [
    ("8.8.8.8", Kind.PUBLIC),
    ("2606:4700:4700::1111", Kind.PUBLIC),
    ("127.0.0.1", Kind.LOOPBACK),
    ("127.255.255.254", Kind.LOOPBACK),
    ("::1", Kind.LOOPBACK),
    ("10.0.0.1", Kind.PRIVATE),
    ("172.16.0.1", Kind.PRIVATE),
    ("192.168.1.1", Kind.PRIVATE),
    ("100.64.0.1", Kind.PRIVATE),
    ("198.18.0.1", Kind.PRIVATE),
    ("192.0.2.1", Kind.PRIVATE),
    ("240.0.0.1", Kind.PRIVATE),
    ("255.255.255.255", Kind.PRIVATE),
    ("fd00::1", Kind.PRIVATE),
    ("fec0::1", Kind.PRIVATE),
    ("2001:db8::1", Kind.PRIVATE),
    ("100::1", Kind.PRIVATE),
    ("169.254.169.254", Kind.LINK_LOCAL),
    ("169.254.170.2", Kind.LINK_LOCAL),
    ("fe80::1", Kind.LINK_LOCAL),
    ("224.0.0.1", Kind.MULTICAST),
    ("239.255.255.250", Kind.MULTICAST),
    ("ff02::1", Kind.MULTICAST),
    ("0.0.0.0", Kind.UNSPECIFIED),
    ("0.1.2.3", Kind.UNSPECIFIED),
    ("::", Kind.UNSPECIFIED),
    ("100.100.100.200", Kind.METADATA),
    ("168.63.129.16", Kind.METADATA),
    ("192.0.0.192", Kind.METADATA),
    ("fd00:ec2::254", Kind.METADATA),
    ("fd20:ce::254", Kind.METADATA),
    # What they embed is what counts.
    ("::ffff:8.8.8.8", Kind.PUBLIC),
    ("64:ff9b::8.8.8.8", Kind.PUBLIC),
    ("::ffff:127.0.0.1", Kind.LOOPBACK),
    ("::ffff:169.254.169.254", Kind.LINK_LOCAL),
    ("::ffff:0:169.254.169.254", Kind.LINK_LOCAL),
    ("::ffff:10.0.0.1", Kind.PRIVATE),
    ("::169.254.169.254", Kind.LINK_LOCAL),
    ("64:ff9b::169.254.169.254", Kind.LINK_LOCAL),
    ("64:ff9b::10.0.0.1", Kind.PRIVATE),
    ("64:ff9b:1::169.254.169.254", Kind.LINK_LOCAL),
    ("64:ff9b::168.63.129.16", Kind.METADATA),
    ("2002:a9fe:a9fe::1", Kind.LINK_LOCAL),
    ("2002:7f00:1::", Kind.LOOPBACK),
    ("2001:0:a9fe:a9fe::", Kind.LINK_LOCAL),
    ("2001:0:808:808:0:0:5601:5601", Kind.LINK_LOCAL),
]


@pytest.mark.parametrize(("address", "kind"), KINDS)
def test_an_address_is_what_it_reaches(address: str, kind: Kind) -> None:
    assert kind_of(ipaddress.ip_address(address)) is kind


@given(
    st.ip_addresses(v=4, network="169.254.0.0/16"), st.sampled_from(["::ffff:", "64:ff9b::", "::"])
)
def test_no_spelling_of_a_link_local_address_is_another_kind(
    address: ipaddress.IPv4Address, prefix: str
) -> None:
    assert kind_of(address) is Kind.LINK_LOCAL
    assert kind_of(ipaddress.ip_address(f"{prefix}{address}")) is Kind.LINK_LOCAL


@given(st.ip_addresses())
def test_every_address_has_a_kind(address: Any) -> None:
    assert kind_of(address) in Kind


# ---- Hosts ---------------------------------------------------------------------------------

ALLOWED = [
    ("https://api.us.nylas.com", DEFAULT),
    ("https://API.EU.nylas.com:443/", DEFAULT),
    ("http://127.0.0.1:50080", DEFAULT),
    ("http://localhost:1", DEFAULT),
    ("http://[::1]:1", ()),
    ("https://gateway.example:8443", ("gateway.example:8443",)),
    ("https://gateway.example", ("Gateway.Example:443",)),
    ("https://10.0.0.5", ("10.0.0.5",)),
    ("https://[fd00::5]:8443", ("[fd00::5]:8443",)),
]
REFUSED = [
    ("https://evil.test", DEFAULT),
    ("https://api.us.nylas.com.evil.test", DEFAULT),
    ("https://xapi.us.nylas.com", DEFAULT),
    ("https://us.nylas.com", DEFAULT),
    ("https://nylas.com", DEFAULT),
    ("https://api.us.nylas.com.", DEFAULT),
    ("https://api.us.nylas.com:8443", DEFAULT),
    ("https://gateway.example", ("gateway.example:8443",)),
    ("https://gateway.example:8443", ("gateway.example",)),
    ("https://10.0.0.5", DEFAULT),
    ("https://2130706433", DEFAULT),
    ("https://0x7f000001", DEFAULT),
    ("https://127.1", DEFAULT),
    ("https://[::ffff:127.0.0.1]", DEFAULT),
    ("https://169.254.169.254", DEFAULT),
]


@pytest.mark.parametrize(("url", "allowed"), ALLOWED)
def test_a_host_of_the_list_and_loopback_are_allowed(url: str, allowed: tuple[str, ...]) -> None:
    check_host(url, allowed)


@pytest.mark.parametrize(("url", "allowed"), REFUSED)
def test_any_other_host_is_refused_in_one_line(url: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"is not in CONFERENCING_UPSTREAM_HOSTS\Z") as raised:
        check_host(url, allowed)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0", "168.63.129.16"]
)
def test_what_is_never_connected_to_is_refused_though_it_is_in_the_list(host: str) -> None:
    with pytest.raises(ValueError, match="never connected to"):
        check_host(f"https://{host}", (host,))


def test_a_url_with_user_information_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(ValueError, match="nothing but a host") as raised:
        check_host("https://user:hunter2@api.us.nylas.com", DEFAULT)
    assert "hunter2" not in str(raised.value)


def test_the_hosts_of_the_operators_own_are_those_that_are_no_vendors() -> None:
    vendors = [httpx.URL(url).host for url in REGIONS.values()]
    allowed = (*DEFAULT, "api.us.nylas.com:8443", "Gateway.example:8443", "[fd00::5]:1", "10.0.0.5")
    assert own_hosts(allowed, vendors) == {"gateway.example", "fd00::5", "10.0.0.5"}


# Programs read each of these in another way.
TRICKS = [
    "https://api.us.nylas.com\\@evil.test/",
    "https://api.us.nylas.com@evil.test",
    "https://user:pw@api.us.nylas.com",
    "https://api.us.nylas.com:443@evil.test",
    "https://evil.test#@api.us.nylas.com",
    "https://evil.test?@api.us.nylas.com",
    "https://evil.test/@api.us.nylas.com",
    "https://api.us.nylas.com/../evil",
    "https://api.us.nylas.com/v3",
    "https://api.us.nylas.com%2eevil.test",
    "https://api.us.nylas.com%00.evil.test",
    "https://api.us.nylas.com\n.evil.test",
    "https://api.us.nylas.com\r\nHost: evil.test",
    "https://api.us.nylas.com .evil.test",
    "https://api.us.nylas.com:99999",
    "https://api.us.nylas.com:x",
    "https:///api.us.nylas.com",
    "https:api.us.nylas.com",
    "//api.us.nylas.com",
    "HTTP://api.us.nylas.com",
    "http://api.us.nylas.com",
    "http://10.0.0.1",
    "http://169.254.169.254",
    "http://127.1",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://2130706433",
    "http://127.0.0.1.evil.test",
    "http://localhost.evil.test",
    "http://[::ffff:169.254.169.254]",
    "http://[::ffff:127.0.0.1]",
    "http://[fe80::1%25eth0]",
    "https://169.254.169.254",
    "https://2852039166",
    "https://0251.0376.0251.0376",
    "https://\u0430pi.us.nylas.com",
    "https://api.us.nylas\u3002com",
    "https://\uff41pi.us.nylas.com",
    "https://api.us.nyla\u017f.com",
    "ftp://api.us.nylas.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/x",
    "",
    "us\n",
    "US",
    "https://",
    "https://[",
    "https://[::1",
    "https://[::1]evil.test",
]


@pytest.mark.parametrize("region", TRICKS)
def test_no_trick_with_a_url_names_another_host(region: str) -> None:
    """Each is refused by the setting or by the list, or is the very host that it looks like."""
    try:
        url = base_url_of_region(region)
        check_host(url, DEFAULT)
    except ValueError:
        return
    assert url in REGIONS.values(), url


# ---- Addresses that names stand for --------------------------------------------------------


class Resolver(AbstractResolver):
    """Answers every name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


_connected: list[Any] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        _connected.append(arguments[1])


@pytest.fixture(scope="module", autouse=True)
def connections_are_audited() -> None:
    sys.addaudithook(_hook)


@pytest.fixture
def connected() -> Iterator[list[Any]]:
    """The addresses that this process connects to."""
    _connected.clear()
    yield _connected
    _connected.clear()


@pytest.fixture
async def vendor() -> AsyncIterator[HostileVendor]:
    async with hostile_vendor() as made:
        yield made


async def ask(transport: AiohttpTransport, url: str) -> int:
    response = await transport.handle_async_request(
        httpx.Request("GET", url, headers={"authorization": f"Bearer {KEY}"})
    )
    await response.aclose()
    return response.status_code


OF_A_PUBLIC_NAME = [address for address, kind in KINDS if kind is not Kind.PUBLIC]
OF_AN_OWN_NAME = [
    address
    for address, kind in KINDS
    if kind in {Kind.LINK_LOCAL, Kind.MULTICAST, Kind.UNSPECIFIED, Kind.METADATA}
]


@pytest.mark.parametrize("address", OF_A_PUBLIC_NAME)
async def test_a_name_that_is_not_public_is_not_connected_to(
    connected: list[Any], address: str
) -> None:
    async with AiohttpTransport(resolver=Resolver(address)) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, "http://api.us.nylas.com/v3")
    assert connected == []


@pytest.mark.parametrize("address", OF_AN_OWN_NAME)
async def test_an_operators_own_name_is_never_link_local(
    connected: list[Any], address: str
) -> None:
    resolver = Resolver(address)
    async with AiohttpTransport(own_hosts={"gateway.example"}, resolver=resolver) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, "http://gateway.example/v3")
    assert connected == []


async def test_an_operators_own_name_may_be_private(
    vendor: HostileVendor, connected: list[Any]
) -> None:
    resolver = Resolver("127.0.0.1")
    async with AiohttpTransport(own_hosts={"gateway.example"}, resolver=resolver) as transport:
        assert await ask(transport, f"http://gateway.example:{vendor.port}/v3/grants/g") == 200
    assert connected == [("127.0.0.1", vendor.port)]
    assert resolver.asked == ["gateway.example"]


async def test_localhost_is_loopback_and_nothing_else(
    vendor: HostileVendor, connected: list[Any]
) -> None:
    async with AiohttpTransport(resolver=Resolver("127.0.0.1")) as transport:
        assert await ask(transport, f"http://localhost:{vendor.port}/v3/grants/g") == 200
    connected.clear()
    async with AiohttpTransport(resolver=Resolver("10.0.0.1", "169.254.1.1")) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://localhost:{vendor.port}/v3/grants/g")
    assert connected == []


async def test_of_several_addresses_only_the_good_ones_are_connected_to(
    vendor: HostileVendor, connected: list[Any]
) -> None:
    resolver = Resolver("169.254.169.254", "::ffff:169.254.169.254", "127.0.0.1", "0.0.0.0")
    async with AiohttpTransport(own_hosts={"gateway.example"}, resolver=resolver) as transport:
        assert await ask(transport, f"http://gateway.example:{vendor.port}/v3/grants/g") == 200
    assert connected == [("127.0.0.1", vendor.port)]


async def test_a_name_that_moves_is_checked_each_time_it_is_looked_up(
    vendor: HostileVendor, connected: list[Any]
) -> None:
    resolver = Resolver("127.0.0.1")
    async with AiohttpTransport(own_hosts={"gateway.example"}, resolver=resolver) as transport:
        vendor.behave = raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        url = f"http://gateway.example:{vendor.port}/"
        assert await ask(transport, url) == 200
        resolver.addresses = ("169.254.169.254",)
        connector: Any = transport._session.connector
        connector.clear_dns_cache()
        with pytest.raises(httpx.ConnectError):
            await ask(transport, url)
    assert connected == [("127.0.0.1", vendor.port)]


# Of each no resolver is asked.
LITERALS = [
    *(f"[{address}]" if ":" in address else address for address in OF_AN_OWN_NAME),
    "10.0.0.1",
    "[fd00::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[fe80::1%25lo]",
]


@pytest.mark.parametrize("host", LITERALS)
async def test_an_address_in_a_url_is_checked_as_well(connected: list[Any], host: str) -> None:
    async with AiohttpTransport(resolver=Resolver(PUBLIC)) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://{host}/v3")
    assert connected == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0x7f.1"])
async def test_an_address_in_another_spelling_is_no_way_in(
    vendor: HostileVendor, connected: list[Any], host: str
) -> None:
    """The real resolver is asked, which takes them all for loopback."""
    async with AiohttpTransport() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://{host}:{vendor.port}/v3")
    assert connected == []
    assert vendor.connections == 0


@pytest.mark.parametrize("is_write", [False, True])
async def test_a_refused_address_is_told_as_unsent_in_a_line_without_secrets(
    caplog: pytest.LogCaptureFixture, is_write: bool, connected: list[Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    out = Out()
    async with AiohttpTransport(resolver=Resolver("169.254.169.254")) as transport:
        client = RestClient(
            transport=transport,
            base_url="http://api.us.nylas.com",
            headers=lambda: {"authorization": f"Bearer {KEY}"},
            tracer=out.provider.get_tracer("test"),
            request_id_header="x-request-id",
            sandbox_header="conferencing-sandbox",
            sleep=out.sleep,
        )
        with pytest.raises(Unsent) as raised:
            await (
                client.write(out.call(), WRITE, 5.0) if is_write else client.read(out.call(), READ)
            )
    assert not isinstance(raised.value, Lost)
    assert connected == []
    lines = [record for record in caplog.records if record.name.endswith("upstreams.addresses")]
    assert lines
    told = vars(lines[0])
    assert told["levelname"] == "WARNING"
    assert (told["address"], told["address_kind"]) == ("169.254.169.254", "link_local")
    assert all(secret not in caplog.text for secret in (KEY, "planted", "/v3/"))


# ---- The environment -----------------------------------------------------------------------


async def test_proxies_and_netrc_of_the_environment_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tally: Counter[str]
) -> None:
    async with hostile_vendor() as proxy, hostile_vendor() as vendor:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "nothing.example")
        # The test's own channel is not to take the proxy.
        monkeypatch.setenv("no_grpc_proxy", "127.0.0.1")
        netrc = tmp_path / ".netrc"
        netrc.write_text(
            "machine 127.0.0.1 login planted password planted\ndefault login a password b\n"
        )
        netrc.chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        async with serving(vendor.url) as service:
            await service.call(get("grant-1", "event-1"))
            await service.call(creation("grant-1"))
        assert proxy.connections == 0
        assert vendor.kinds() == ["grant", "event", "create"]
        for request in vendor.requests:
            assert request.header("authorization") == "Bearer sandbox"
            assert request.target.startswith("/v3/")
            assert not any(name.lower().startswith("proxy") for name, _ in request.headers)
    tally["vendor faults survived"] += 1
