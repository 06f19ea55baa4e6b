"""Vendors at their worst: the mapped status, in time, in little memory, and never a second write."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.upstreams.bodies import MAX_VALUES
from support.service import Service, creation, failure_of, get, serving
from upstreams.hostile_answers import (
    MALFORMED,
    OK,
    UNAVAILABLE,
    UNKNOWN,
    Row,
    body,
    endless,
    silent,
)
from upstreams.hostile_replies import ROWS, document
from upstreams.hostile_vendor import EVENT, Behave, HostileVendor, hostile_vendor, well

pytestmark = pytest.mark.security

DOCUMENT = Path(__file__).parents[2] / "docs/hostile-vendors.md"
MOST_GROWTH = 16 * 2**20
# What calls get from the server itself, since their callers set no shorter deadline.
TIMES: dict[str, Any] = {
    "default_deadline": 2.0,
    "max_deadline": 2.0,
    "write_timeout": 2.0,
    "settle_window": 0.3,
}
HANG = 8.0
CALLS = {
    "get": get("grant-get", "event-1"),
    "listed": s.ListEventsRequest(grant_id="grant-list", calendar_id="primary"),
    "create": creation("grant-create"),
}
AGAIN = get("grant-again", "event-1")
IDS = [row.vendor for row in ROWS]


# ---- Measuring -----------------------------------------------------------------------------


def resident(name: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if name in line]
    return int(line.split()[1]) * 1024


class Growth:
    """By how much the resident memory grew at most."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = resident("VmRSS")

    def most(self) -> int:
        return resident("VmHWM") - self._before


_watched: list[set[Any]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for addresses in _watched:
            addresses.add(arguments[1])


@pytest.fixture(scope="module", autouse=True)
def connections_are_audited() -> None:
    sys.addaudithook(_hook)


@contextmanager
def connected() -> Iterator[set[Any]]:
    """The addresses that this process connects to."""
    addresses: set[Any] = set()
    _watched.append(addresses)
    try:
        yield addresses
    finally:
        _watched.remove(addresses)


# ---- Asking --------------------------------------------------------------------------------


async def ending(service: Service, request: Any, timeout: float | None = HANG) -> str:
    """How a call ends: OK, or its code and reason; the status is one that travels."""
    try:
        answer = await service.call(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        failure = failure_of(error)
        assert failure.size < 4096
        for key, value in failure.trailers.items():
            assert key.endswith("-bin") or re.fullmatch(r"[ -~]{0,1024}", str(value)), key
        assert failure.retry_after is None or 0 <= failure.retry_after < 100_000
        return f"{failure.code.name} {failure.reason}".strip()
    assert "SMUGGLED" not in str(answer)
    return OK


@asynccontextmanager
async def in_front_of(behave: Behave, **more: Any) -> AsyncIterator[tuple[Service, HostileVendor]]:
    """The real server in front of a vendor that is good until everything is warm."""
    async with (
        hostile_vendor() as other,
        hostile_vendor(elsewhere=other.url, **more) as vendor,
        serving(vendor.url, **TIMES) as service,
    ):
        for request in (*CALLS.values(), AGAIN):
            if not isinstance(request, s.CreateEventRequest):
                assert await ending(service, request) == OK
        vendor.behave = behave
        vendor.requests.clear()
        with connected() as addresses:
            yield service, vendor
        assert other.connections == 0
        assert {address[1] for address in addresses} <= {vendor.port}


async def check(row: Row, rpc: str, service: Service) -> None:
    """A call ends as the row says, in time and in little memory."""
    grown = Growth()
    async with asyncio.timeout(HANG * 2):
        assert await ending(service, CALLS[rpc]) == (getattr(row, rpc) or row.get), rpc
    assert grown.most() < MOST_GROWTH, rpc


@pytest.mark.parametrize("row", ROWS, ids=IDS)
async def test_what_a_vendor_answers_ends_as_the_table_says(row: Row, tally: Counter[str]) -> None:
    async with in_front_of(row.behave) as (service, vendor):
        if row.is_slow:
            await asyncio.gather(*(check(row, rpc, service) for rpc in CALLS))
        else:
            for rpc in CALLS:
                await check(row, rpc, service)
        assert vendor.kinds().count("create") == 1
        assert not any(
            name.lower() == "cookie" for each in vendor.requests for name, _ in each.headers
        )
        # Whatever it was, the next answer is the next one's, and read as it should be.
        vendor.behave = well
        assert await ending(service, AGAIN) == OK
    tally["vendor faults survived"] += len(CALLS)


def test_there_are_as_many_hostile_answers_as_were_promised() -> None:
    assert len(set(IDS)) == len(IDS) >= 60


async def test_a_vendor_that_stays_hostile_is_looked_at_until_the_caller_leaves(
    tally: Counter[str],
) -> None:
    hostile = endless(b"HTTP/1.1 200 OK\r\n\r\n", b" ", pause=0.3)
    async with in_front_of(hostile, to_the_end=True) as (service, vendor):
        assert await ending(service, CALLS["create"], timeout=4.0) == UNKNOWN
        assert vendor.kinds().count("create") == 1
    tally["vendor faults survived"] += 1


@pytest.mark.parametrize("behave", [silent, endless(b"HTTP/1.1 200 OK\r\n\r\n", b" ", pause=0.3)])
async def test_a_callers_own_deadline_ends_a_call_whatever_the_vendor_does(
    behave: Behave, tally: Counter[str]
) -> None:
    async with in_front_of(behave) as (service, _vendor), asyncio.timeout(HANG):
        ended = await ending(service, CALLS["get"], timeout=0.5)
        assert ended in {"DEADLINE_EXCEEDED", UNAVAILABLE}
    tally["vendor faults survived"] += 1


# ---- Whatever JSON there is ----------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = (*EVENT, "conferencing", "metadata", "reminders", "recurrence", "resources", "organizer")
EVENTS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=8)


# Hypothesis draws in a thread of its own: what the server's thread draws meanwhile, for its retries, it
# takes for the strategy's.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_whatever_json_a_vendor_answers_a_read_ends_well_or_as_malformed(
    tally: Counter[str],
) -> None:
    async with in_front_of(well) as (service, vendor):
        loop = asyncio.get_running_loop()

        @settings(max_examples=150, deadline=None)
        @given(ANYTHING | st.builds(lambda event: {"data": {"id": "event-1", **event}}, EVENTS))
        def answered(value: Any) -> None:
            vendor.behave = body(json.dumps(value).encode())
            ended = asyncio.run_coroutine_threadsafe(ending(service, CALLS["get"]), loop).result(
                HANG
            )
            assert ended in {OK, MALFORMED}
            tally["vendor faults survived"] += 1

        await asyncio.to_thread(answered)


# ---- The document --------------------------------------------------------------------------


def test_the_document_is_what_the_table_renders() -> None:
    rendered = document(MAX_VALUES)
    if os.environ.get("RENDER_DOCS") == "1":
        DOCUMENT.write_text(rendered)
    assert DOCUMENT.read_text() == rendered
