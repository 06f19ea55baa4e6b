"""Whatever the vendor answers becomes an event that can be told, or an error that is documented.

What is fuzzed is the adapter as the server builds it: status, headers and body of an answer, through
JSON and the mapping to the domain, and on to the contract's messages.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from pydantic import SecretStr

from conferencing_service import codec
from conferencing_service.api_key import ApiKey
from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Event,
    Notify,
    Provider,
    Reason,
)
from conferencing_service.core.parsing import with_parsed_conference
from conferencing_service.core.upstream import Call
from conferencing_service.settings import Settings
from conferencing_service.status import MAX_BYTES, status_from_error
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.base import EventPage, EventQuery
from conferencing_service.upstreams.nylas import NylasUpstream
from conferencing_service.vendor import Vendor, nylas_upstream
from fuzz.rounds import CANARY, HANG, SECONDS, Memory, fuzz
from fuzz.trees import byte_edits, edited, replaced, unit
from support.sandbox import Sandbox
from upstreams.nylas_stub import new_event

pytestmark = [pytest.mark.security, pytest.mark.timeout(SECONDS + HANG)]

VENDOR, SETTINGS = Vendor("https://api.us.nylas.com", ApiKey(SecretStr("key"))), Settings()
CALL_SECONDS = 30.0

# ---- Values ---------------------------------------------------------------------------------

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        [CANARY, "", "\x00", "\r\n", "\u202e", "1" * 30, "-5", "\u0661\u0662", "%s{0}"]
    ),
    st.sampled_from(["https://zoom.us/j/85550100001", "http://x", "javascript:alert(1)", "//x"]),
    st.sampled_from(["confirmed", "google", "zoom", "2030-02-30", "2030-02-28", "Google Meet"]),
    st.integers(0, 3000).map(lambda size: CANARY * size),
)
leaves = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 2**31, 2**31 - 1, -(2**31), 2**53, 253_402_300_799, 253_402_300_800]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([1e300, 1e999, -0.0, 1.5]),
)
many = st.builds(
    lambda value, times: [value] * min(times, 100_000 // (1 + len(str(value)))),
    leaves,
    st.integers(0, 3000),
)
KEYS = (
    *("id", "grant_id", "calendar_id", "title", "description", "location", "when", "object"),
    *("participants", "email", "name", "status", "comment", "phone_number", "recurrence"),
    *("reminders", "use_default", "overrides", "reminder_minutes", "reminder_method", "busy"),
    *("visibility", "metadata", "key4", "resources", "capacity", "building", "floor_number"),
    *("conferencing", "provider", "details", "url", "meeting_code", "password", "pin", "phone"),
    *("autocreate", "organizer", "creator", "read_only", "html_link", "ical_uid", "created_at"),
    *("master_event_id", "original_start_time", "hide_participants", "text_description"),
    *("start_time", "end_time", "start_timezone", "time", "date", "start_date", "end_date"),
    *("data", "error", "type", "provider_error", "next_cursor", "scope", "grant_status"),
)
trees = st.recursive(
    leaves | many,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6),
    ),
    max_leaves=15,
)
details = st.fixed_dictionaries(
    {},
    optional={
        "url": texts | leaves,
        "meeting_code": texts | leaves,
        "password": texts | leaves,
        "pin": texts | leaves,
        "phone": st.lists(texts | leaves, max_size=3) | many | leaves,
    },
)
crowds = st.builds(
    lambda text, number, times: {"url": text, "pin": text, "phone": [number] * times},
    texts,
    st.sampled_from(["+16465550123", "1", ""]),
    st.integers(0, 3000),
)
meetings = st.fixed_dictionaries({"provider": texts, "details": details | crowds | trees})

# ---- Answers --------------------------------------------------------------------------------

ORDER = Conferencing(Provider.ZOOM_MEETING, Autocreate("z", {}))
OPERATIONS: dict[str, Callable[[NylasUpstream, Call], Awaitable[Any]]] = {
    "get_grant": lambda nylas, call: nylas.get_grant(call, "g"),
    "get_calendar": lambda nylas, call: nylas.get_calendar(call, "g", "c"),
    "get_event": lambda nylas, call: nylas.get_event(call, "g", "c", "e"),
    "list_events": lambda nylas, call: nylas.list_events(
        call, "g", "c", EventQuery(None, None, "", 50, "")
    ),
    "find_events": lambda nylas, call: nylas.find_events(call, "g", "c", CANARY),
    "create_event": lambda nylas, call: nylas.create_event(call, "g", "c", new_event(), Notify.ALL),
    "autocreate": lambda nylas, call: nylas.create_event(
        call, "g", "c", new_event(conferencing=ORDER), Notify.ALL
    ),
    "update_event": lambda nylas, call: nylas.update_event(
        call, "g", "c", new_event(id="e"), frozenset({"title"}), Notify.ALL
    ),
    "delete_event": lambda nylas, call: nylas.delete_event(call, "g", "c", "e", Notify.ALL),
}
WRITES = frozenset({"create_event", "autocreate", "update_event", "delete_event"})


@dataclass(frozen=True)
class Answered:
    """What is asked of the adapter, and what every request of it is answered."""

    operation: str
    status: int
    body: bytes
    headers: dict[str, str]


def _body(tree: Any, changes: list[tuple[float, int, bytes]] | None) -> bytes:
    body = json.dumps(tree).encode()
    return body if changes is None else edited(body, changes)


OTHER_STATUSES = (
    *(201, 202, 204, 206, 207, 301, 302, 304, 400, 401, 403, 404, 408, 409, 410, 413, 422),
    *(429, 499, 500, 502, 503, 504, 599),
)
statuses = st.sampled_from((200,) * len(OTHER_STATUSES) + OTHER_STATUSES)
header_values = st.one_of(
    st.sampled_from(["0", "-1", "1e9", "nan", "inf", "9" * 400, "", CANARY, "\xff", "a, b"]),
    st.sampled_from(["Wed, 21 Oct 2099 07:28:00 GMT", "gzip", "deflate", "br", "text/html"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)
headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "x-request-id", "content-type", "content-encoding", "location"]
    ),
    header_values,
    max_size=2,
)
nested = st.builds(
    lambda depth, what: {"[": b"[" * depth, "{": b'{"data":' * depth, "": b"<html>" * depth}[what],
    st.integers(1, 3000),
    st.sampled_from(["[", "{", ""]),
)


def answered(real: list[dict[str, Any]]) -> st.SearchStrategy[Answered]:
    """Answers with real events, some of whose values are others, and with anything else."""
    one = st.builds(
        replaced,
        st.sampled_from(real),
        st.lists(st.tuples(unit, trees | meetings), max_size=4),
    )
    told = st.builds(
        lambda event, meeting: event if meeting is None else {**event, "conferencing": meeting},
        one,
        st.none() | meetings,
    )
    page = st.fixed_dictionaries({"data": st.lists(told | trees, max_size=3), "next_cursor": texts})
    complaint = st.fixed_dictionaries(
        {},
        optional={"type": texts | leaves, "message": leaves, "provider_error": trees},
    )
    whole = st.fixed_dictionaries({"data": told, "request_id": leaves})
    envelopes = st.one_of(
        *(whole, whole, whole, page, page),
        st.fixed_dictionaries({"error": complaint | trees}),
        st.fixed_dictionaries({"data": trees}),
        trees,
    )
    bodies = st.one_of(
        *(st.builds(_body, envelopes, st.none()),) * 3,
        st.builds(_body, envelopes, byte_edits),
        st.binary(max_size=60) | nested,
    )
    return st.builds(Answered, st.sampled_from(sorted(OPERATIONS)), statuses, bodies, headers)


# ---- What holds of every result -------------------------------------------------------------


def events_of(result: Any) -> Iterator[Event]:
    """The events in what an operation returned."""
    match result:
        case Event():
            yield result
        case EventPage():
            yield from result.events
        case tuple():
            yield from result
        case _:
            pass


def assert_told(event: Event, asked: Answered) -> None:
    """The event goes onto the wire, and is not many times what the vendor sent."""
    message = codec.event_to_proto(with_parsed_conference(event))
    size = len(message.SerializeToString())
    # Texts come at most as details and as a way to join, and JSON may be shorter than what it says.
    assert size <= 4 * len(asked.body) + 100_000, f"{size} bytes out of {len(asked.body)}"
    codec.list_events_to_proto([event], "").SerializeToString()


def assert_documented(error: ConferencingError, asked: Answered) -> None:
    """The error has a status of the contract, which holds nothing of the vendor's answer."""
    status = status_from_error(error)
    assert status.ByteSize() <= MAX_BYTES
    assert CANARY.encode() not in status.SerializeToString()
    assert CANARY not in f"{error!r} {error} {error.metadata}"
    assert error.reason is not Reason.INTERNAL
    if error.retry_after is not None:
        assert 0 <= error.retry_after <= 86_400
    if asked.operation in WRITES and (asked.status < 400 or asked.status >= 500):
        # It was sent and nobody said no.
        assert error.reason is Reason.OUTCOME_UNRESOLVED, error.reason


async def ask(asked: Answered) -> None:
    """Ask the adapter, and look at what it says."""
    now = 1000.0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal now
        now += 0.25
        content = httpx.ByteStream(asked.body)
        return httpx.Response(asked.status, headers=wire_headers(asked), stream=content)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    transport = httpx.MockTransport(answer)
    nylas = nylas_upstream(VENDOR, SETTINGS, Telemetry.off(), transport=transport, sleep=sleep)
    call = Call(lambda: now, now, now + CALL_SECONDS, now + CALL_SECONDS)
    try:
        result = await OPERATIONS[asked.operation](nylas, call)
    except ConferencingError as error:
        failure = error
    else:
        for event in events_of(result):
            assert_told(event, asked)
        return
    finally:
        await nylas.aclose()
    assert_documented(failure, asked)


def wire_headers(asked: Answered) -> list[tuple[bytes, bytes]]:
    """Headers as bytes: a peer sends what it likes."""
    return [(name.encode(), value.encode("latin-1")) for name, value in asked.headers.items()]


def test_whatever_the_vendor_answers_is_told_or_documented(
    sandbox: Sandbox, tally: Counter[str]
) -> None:
    google, zoom = sandbox.grant("google"), sandbox.grant("zoom")
    meet = {"provider": "Google Meet", "autocreate": {}}
    order = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": zoom.id}}
    real = [
        google.created(),
        google.created(conferencing=meet, metadata={"key1": "a", "key4": "marker"}),
        google.created(conferencing=order, participants=[{"email": "ann@example.org"}]),
        google.created(description="Join: https://zoom.us/j/85550100001", capacity=3),
    ]
    memory = Memory()
    with asyncio.Runner() as runner:

        def check(asked: Answered) -> None:
            runner.run(ask(asked))

        tried = fuzz("vendor JSON", answered(real), check, after_each=memory.look)
    tally["fuzz inputs"] += tried


LONG = CANARY * 5000


@pytest.mark.parametrize(
    "details",
    [
        {"pin": LONG, "phone": ["+16465550123"] * 3000},
        {"pin": "1" * 900, "phone": [f"+1646555{number:04}" for number in range(9000)]},
        {"password": LONG, "meeting_code": LONG, "phone": [LONG, LONG]},
        {"url": "https://zoom.us/" + "x" * 50_000, "phone": ["1"] * 9000},
    ],
    ids=["a long pin", "many numbers", "long codes", "a long link"],
)
async def test_what_is_told_of_many_numbers_does_not_multiply(details: dict[str, Any]) -> None:
    event = {"id": "e", "conferencing": {"provider": "WebEx", "details": details}}
    await ask(Answered("get_event", 200, json.dumps({"data": event}).encode(), {}))


# ---- That faults are seen -------------------------------------------------------------------


def test_an_event_that_grows_is_seen() -> None:
    asked = Answered("get_event", 200, b"{}", {})
    with pytest.raises(AssertionError, match="bytes out of"):
        assert_told(Event(title="x" * 200_000), asked)


def test_an_error_that_holds_the_answer_is_seen() -> None:
    asked = Answered("get_event", 400, b"{}", {})
    with pytest.raises(AssertionError):
        assert_documented(ConferencingError(Reason.UPSTREAM_REJECTED, {"type": CANARY}), asked)
    with pytest.raises(AssertionError):
        assert_documented(ConferencingError(Reason.INTERNAL), asked)
