"""Nothing that a caller says names a host, leaves its place in a path, or becomes a vendor's header."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded, StreamReset
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry import context as otel

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.upstreams.exchange import RestRequest
from conferencing_service.upstreams.nylas.places import Place, query_of
from conferencing_service.upstreams.outgoing import Outgoing
from support.service import Service, autocreate, creation, delete, get, serving, update
from upstreams.hostile_vendor import HostileVendor, Request, hostile_vendor

pytestmark = pytest.mark.security

METHOD = "/conferencing.v1.ConferencingService/GetEvent"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OURS = {"host", "authorization", "accept", "accept-encoding", "user-agent", "traceparent"}
OF_A_BODY = {"content-type", "content-length"}
SMUGGLED = "smuggled"


@pytest.fixture
async def vendor() -> AsyncIterator[HostileVendor]:
    async with hostile_vendor() as made:
        yield made


@pytest.fixture
async def service(vendor: HostileVendor) -> AsyncIterator[Service]:
    async with serving(vendor.url) as started:
        yield started


def check_is_ours(request: Request, vendor: HostileVendor, also: Iterable[str] = ()) -> None:
    """A request carries our headers, once each and with our values, and nothing of a caller's."""
    names = sorted(name.lower() for name, _ in request.headers)
    body = OF_A_BODY if request.body else set()
    assert names == sorted(OURS | body | set(also))
    assert request.header("host") == f"127.0.0.1:{vendor.port}"
    assert request.header("authorization") == "Bearer sandbox"
    assert request.header("accept-encoding") == "gzip"
    assert re.fullmatch(r"conferencing-service/[0-9.a-z]+", request.header("user-agent"))
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", request.header("traceparent"))
    assert SMUGGLED not in request.line
    assert all(SMUGGLED not in value for _, value in request.headers)


# ---- Metadata ------------------------------------------------------------------------------

METADATA = [
    ("x-forwarded-for", SMUGGLED),
    ("x-forwarded-host", f"{SMUGGLED}.test"),
    ("x-forwarded-proto", SMUGGLED),
    ("forwarded", f"host={SMUGGLED}.test"),
    ("x-original-url", f"/{SMUGGLED}"),
    ("x-http-method-override", SMUGGLED),
    ("x-request-id", SMUGGLED),
    ("idempotency-key", SMUGGLED),
    ("cookie", f"a={SMUGGLED}"),
    ("proxy-authorization", SMUGGLED),
    ("x-nylas-api-key", SMUGGLED),
    ("accept", SMUGGLED),
    ("range", SMUGGLED),
    ("expect", "100-continue"),
    ("upgrade", SMUGGLED),
    ("x-smuggled-bin", b"smuggled\r\nx: y\0\xff"),
    ("grpc-trace-bin", b"\0" * 29),
    ("grpc-tags-bin", b"\0smuggled"),
    ("baggage", f"user={SMUGGLED}"),
    ("baggage", f"a=b;c={SMUGGLED},d=%0D%0Ax:%20y"),
    ("b3", f"{TRACE}-00f067aa0ba902b7-1"),
    ("uber-trace-id", f"{TRACE}:1:0:1"),
    ("x-cloud-trace-context", f"{TRACE}/1;o=1"),
    ("traceparent", SMUGGLED),
    ("traceparent", f"{TRACEPARENT}-{SMUGGLED}"),
    ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01"),
    ("tracestate", SMUGGLED),
    ("tracestate", f"{SMUGGLED}=1"),
]


@pytest.mark.parametrize(
    "pair", METADATA, ids=[f"{name}-{n}" for n, (name, _) in enumerate(METADATA)]
)
async def test_a_callers_metadata_do_not_reach_the_vendor(
    service: Service, vendor: HostileVendor, pair: tuple[str, str | bytes]
) -> None:
    await service.call(get("grant-1", "event-1"), metadata=(pair,))
    await service.call(creation("grant-1"), metadata=(pair,))
    assert vendor.kinds() == ["grant", "event", "create"]
    for request in vendor.requests:
        check_is_ours(request, vendor)


async def test_authorization_of_a_caller_is_never_the_vendors(
    service: Service, vendor: HostileVendor
) -> None:
    await asyncio.gather(
        service.call(
            get("grant-1", "event-1"), metadata=(("authorization", f"Bearer {SMUGGLED}"),)
        ),
        return_exceptions=True,
    )
    await service.call(get("grant-1", "event-1"))
    assert vendor.requests
    for request in vendor.requests:
        check_is_ours(request, vendor)


@pytest.mark.parametrize(
    ("state", "handed_on"),
    [
        ("a=1", "a=1"),
        ("a=1,  b=2 ,c@d=3", "a=1,b=2,c@d=3"),
        ("a=1,not a member", None),
        ("A=1", None),
        ("a=" + "x" * 300, None),
        ("a=1=2", None),
    ],
)
async def test_of_a_trace_the_ids_and_the_parsed_state_are_handed_on_and_no_baggage(
    service: Service, vendor: HostileVendor, state: str, handed_on: str | None
) -> None:
    metadata = (
        ("traceparent", TRACEPARENT),
        ("tracestate", state),
        ("baggage", f"user={SMUGGLED},a=b"),
    )
    await service.call(get("grant-1", "event-1"), metadata=metadata)
    event = vendor.requests[-1]
    assert event.kind == "event"
    check_is_ours(event, vendor, set() if handed_on is None else {"tracestate"})
    assert event.header("traceparent").split("-")[1] == TRACE
    if handed_on is not None:
        assert event.header("tracestate") == handed_on


def test_baggage_is_not_handed_on_even_where_it_is_at_hand() -> None:
    """The server span's context drops it already; a context that kept it would not tell it either."""
    token = otel.attach(baggage.set_baggage("user", SMUGGLED))
    try:
        assert "baggage" in propagate.get_global_textmap().fields
        request = OUTGOING.request(RestRequest("GET", "/x", "/v3/x", grant_id="g"), 1.0)
    finally:
        otel.detach(token)
    assert "baggage" not in request.headers


# ---- A caller that breaks HTTP/2's own rules -----------------------------------------------


@dataclass(frozen=True)
class Sent:
    """How a stream ended."""

    events: tuple[Any, ...]


async def send(port: int, headers: Sequence[tuple[bytes, bytes]], message: bytes) -> Sent:
    """Make a call with these headers as they are, and return once it has ended somehow."""
    connection = H2Connection(
        H2Configuration(
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            header_encoding=None,
        )
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        connection.initiate_connection()
        connection.send_headers(1, list(headers))
        connection.send_data(1, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        writer.write(connection.data_to_send())
        seen: list[Any] = []
        while data := await reader.read(65_536):
            seen += connection.receive_data(data)
            writer.write(connection.data_to_send())
            if any(isinstance(e, (StreamEnded, StreamReset, ConnectionTerminated)) for e in seen):
                break
        return Sent(tuple(seen))
    finally:
        writer.close()


def pseudo(
    authority: bytes = b"localhost", path: bytes = METHOD.encode()
) -> list[tuple[bytes, bytes]]:
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", authority),
    ]


GRPC = [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
LINES = b"x\r\nX-Smuggled: smuggled\r\nHost: smuggled.test"
RAW: dict[str, list[tuple[bytes, bytes]]] = {
    "CR and LF in a value": [*pseudo(), *GRPC, (b"x-a", LINES)],
    "CR and LF in traceparent": [
        *pseudo(),
        *GRPC,
        (b"traceparent", TRACEPARENT.encode() + b"\r\n" + LINES),
    ],
    "CR and LF in tracestate": [
        *pseudo(),
        *GRPC,
        (b"traceparent", TRACEPARENT.encode()),
        (b"tracestate", b"a=" + LINES),
    ],
    "NUL in tracestate": [
        *pseudo(),
        *GRPC,
        (b"traceparent", TRACEPARENT.encode()),
        (b"tracestate", b"a=\0smuggled"),
    ],
    "no ASCII in tracestate": [
        *pseudo(),
        *GRPC,
        (b"traceparent", TRACEPARENT.encode()),
        (b"tracestate", b"a=\xff\xfesmuggled"),
    ],
    "CR and LF in baggage": [*pseudo(), *GRPC, (b"baggage", b"a=" + LINES)],
    "a name with CR and LF": [*pseudo(), *GRPC, (b"x-a\r\nx-smuggled: smuggled\r\nb", b"1")],
    "a name in upper case": [*pseudo(), *GRPC, (b"X-Smuggled", b"smuggled")],
    "host": [*pseudo(), *GRPC, (b"host", b"smuggled.test")],
    "another authority": [*pseudo(b"smuggled.test:1"), *GRPC],
    "an authority with CR and LF": [*pseudo(LINES), *GRPC],
    "two authorities": [*pseudo(), (b":authority", b"smuggled.test"), *GRPC],
    "a whole URL as the path": [*pseudo(path=b"http://smuggled.test" + METHOD.encode()), *GRPC],
    "a pseudo-header of another kind": [*pseudo(), (b":smuggled", b"smuggled"), *GRPC],
    "transfer-encoding": [*pseudo(), *GRPC, (b"transfer-encoding", b"chunked")],
    "connection": [*pseudo(), *GRPC, (b"connection", b"x-smuggled")],
    "content-length": [*pseudo(), *GRPC, (b"content-length", b"0")],
    "traceparent twice": [
        *pseudo(),
        *GRPC,
        (b"traceparent", TRACEPARENT.encode()),
        (b"traceparent", b"smuggled"),
    ],
    "a value that is no base64": [*pseudo(), *GRPC, (b"x-smuggled-bin", b"\r\n!!")],
}


@pytest.mark.parametrize("name", RAW)
async def test_headers_that_no_client_sends_do_not_reach_the_vendor(
    service: Service, vendor: HostileVendor, name: str
) -> None:
    message = get("grant-1", "event-1").SerializeToString()
    async with asyncio.timeout(20):
        assert (await send(service.port, RAW[name], message)).events
    # The server goes on, whatever it made of that.
    await service.call(get("grant-1", "event-1"))
    assert vendor.requests
    for request in vendor.requests:
        named = {key.lower() for key, _ in request.headers} & {"tracestate"}
        check_is_ours(request, vendor, named)


async def test_what_is_sent_so_does_reach_the_server(
    service: Service, vendor: HostileVendor
) -> None:
    """The sender above is one that is understood, where it says nothing odd."""
    await send(service.port, [*pseudo(), *GRPC], get("grant-1", "event-1").SerializeToString())
    assert vendor.kinds() == ["grant", "event"]


# ---- Ids -----------------------------------------------------------------------------------

IDS = [
    ".",
    "..",
    "...",
    "../..",
    "../../v1/x",
    "a/b",
    "a/../b",
    "/",
    "//evil.test",
    "//evil.test/x",
    "http://evil.test/",
    "https://evil.test:1/x?y#z",
    "@evil.test",
    "user:pw@evil.test",
    ":1@evil.test",
    "\\..\\x",
    "\\\\evil.test",
    "a?x=1",
    "a#f",
    "a&calendar_id=evil",
    "a;b=c",
    "a%2e",
    "%2e%2e",
    "%2E%2e%2f",
    "%252e%252e%252f",
    "%00",
    "%0d%0aHost:%20evil.test",
    "a\r\nHost: evil.test",
    "a\nX: y",
    "a HTTP/1.1",
    " a",
    "a\t",
    "a\0b",
    "\u2025",
    "\uff0e\uff0e",
    "\u2215x",
    "\u2044x",
    "\uff0fx",
    "\u3002\u3002",
    "\u202ea",
    "ann@example.org",
    "ann+x@group.calendar.google.com",
    "#contacts@group.v.calendar.google.com",
    "de.german#holiday@group.v.calendar.google.com",
    "AAMkAGI1=",
    "a~b_c-d.e",
    "{grant_id}",
    "$(id)",
    "a" * 256,
]
SEGMENT = r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+"
LINE = re.compile(
    rf"(?:GET|POST|PUT|DELETE) /v3/grants/(?P<grant>{SEGMENT})"
    rf"(?:/events(?:/(?P<event>{SEGMENT}))?|/calendars/(?P<calendar>{SEGMENT}))?"
    rf"(?:\?(?P<query>{SEGMENT}=(?:{SEGMENT})?(?:&{SEGMENT}=(?:{SEGMENT})?)*))? HTTP/1\.1"
)


def check_line(line: str, ids: set[str]) -> None:
    """A request line has the segments that it should have, and each of them is one whole id."""
    match = LINE.fullmatch(line)
    assert match, line
    for name in ("grant", "event", "calendar"):
        segment = match[name]
        if segment is not None:
            assert segment not in {".", ".."}
            assert unquote(segment) in ids
    for pair in (match["query"] or "").split("&"):
        key, _, value = pair.partition("=")
        if key == "calendar_id":
            assert unquote(value) in ids


def requests_with(grant_id: str, calendar_id: str, event_id: str) -> list[Any]:
    """A request of every RPC that names ids."""
    return [
        get(grant_id, event_id, calendar_id),
        s.ListEventsRequest(grant_id=grant_id, calendar_id=calendar_id, ical_uid=event_id),
        s.CheckCompatibilityRequest(grant_id=grant_id, calendar_id=calendar_id),
        creation(grant_id, autocreate(c.PROVIDER_ZOOM_MEETING, event_id), calendar_id=calendar_id),
        update(grant_id, event_id, calendar_id=calendar_id, title="New"),
        delete(grant_id, event_id, calendar_id=calendar_id),
    ]


async def check_ids(service: Service, vendor: HostileVendor, ids: tuple[str, str, str]) -> int:
    """Ask every RPC with these ids; return how many requests left."""
    vendor.requests.clear()
    for request in requests_with(*ids):
        method = getattr(service.stub, type(request).__name__.removesuffix("Request"))
        # Not by `Service.call`: texts of chance would be found by chance where it watches for them.
        await asyncio.gather(method(request, timeout=20), return_exceptions=True)
    for request in vendor.requests:
        check_line(request.line, {*ids, "grant-1", "primary", "event-1"})
        assert request.header("host") == f"127.0.0.1:{vendor.port}"
    return len(vendor.requests)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["grant_id", "calendar_id", "event_id"])
async def test_an_id_is_one_segment_and_no_more_whatever_it_looks_like(
    service: Service, vendor: HostileVendor, place: int
) -> None:
    left = 0
    for odd in IDS:
        ids = ["grant-1", "primary", "event-1"]
        ids[place] = odd
        left += await check_ids(service, vendor, (ids[0], ids[1], ids[2]))
    # Some of them are ids; those went out, and so did what does not name the others.
    assert left > 50


TRICKY = st.text(
    st.sampled_from("/\\?#%.:@ \r\n\t\0&=;~ab2eEfF\uff0e\u2215"), min_size=1, max_size=12
)


# Hypothesis draws in a thread of its own: what the server's thread draws meanwhile, for its retries, it
# takes for the strategy's.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_no_id_leaves_its_segment_on_the_wire(
    service: Service, vendor: HostileVendor
) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None)
    @given(TRICKY, TRICKY, TRICKY)
    def sent(grant_id: str, calendar_id: str, event_id: str) -> None:
        asked = check_ids(service, vendor, (grant_id, calendar_id, event_id))
        asyncio.run_coroutine_threadsafe(asked, loop).result(30)

    await asyncio.to_thread(sent)


OUTGOING = Outgoing("https://api.us.nylas.com", lambda: {"authorization": "Bearer x"})


@settings(max_examples=1000, deadline=None)
@given(TRICKY | st.sampled_from(IDS), TRICKY | st.sampled_from(IDS), TRICKY | st.sampled_from(IDS))
def test_no_id_leaves_its_segment_even_where_nobody_validated_it(
    grant_id: str, calendar_id: str, event_id: str
) -> None:
    place = Place(grant_id, calendar_id, event_id)
    for path, segments in (
        (place.grant_path(), 4),
        (place.calendar_path(), 6),
        (place.events_path(), 5),
        (place.event_path(), 6),
    ):
        target = path + query_of(calendar_id=calendar_id)
        try:
            request = OUTGOING.request(RestRequest("GET", "/x", target, grant_id=grant_id), 1.0)
        except ValueError:
            assert {".", ".."} & {grant_id, calendar_id, event_id}
            continue
        assert (request.url.scheme, request.url.host) == ("https", "api.us.nylas.com")
        raw = request.url.raw_path.decode()
        check_line(f"GET {raw} HTTP/1.1", {grant_id, calendar_id, event_id})
        assert raw.partition("?")[0].count("/") == segments - 1
