"""Bad input: each way to break each rule gets the status of docs/bad-input.md, and does nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from rpc.bad_inputs import TABLE
from rpc.wrong_requests import CANARY, GOOD, Ground, Raw
from support.sandbox import data
from support.service import autocreate, creation, details, failure_of, timespan, update
from unit import contract

pytestmark = pytest.mark.security

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "bad-input.md"
ADDRESSES = [
    *(
        "ann@example.org",
        "ann+tag@example.org",
        "o'neil@sub.example.co.uk",
        "a.b_c-d@xn--bcher-kva.example",
    ),
    *(
        "ann@b\u00fccher.example",
        "\u7528\u6237@\u4f8b\u3048.jp",
        "ann@localhost",
        "ann%tag@example.org",
    ),
]
ROWS = [row for rows in TABLE.values() for row in rows]


@pytest.fixture
async def ground(service, sandbox, google, microsoft, zoom):
    busy = sandbox.grant("google")
    for _ in range(2):
        busy.created()
    listed = s.ListEventsRequest(grant_id=busy.id, calendar_id="primary", page_size=1)
    page = await service.call(listed)
    assert page.next_page_token
    used = creation(busy.id)
    await service.call(used)
    return Ground(google.id, microsoft.id, zoom.id, listed, page.next_page_token, used)


async def failure(service, attempt, ground):
    """How the server refuses an attempt; fails where it does not."""
    request = attempt.send(ground)
    if not isinstance(request, Raw):
        return await service.failure(request, timeout=attempt.seconds)
    method = service.channel.unary_unary(f"/{contract.SERVICE.full_name}/{request.method}")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await method(request.data, timeout=attempt.seconds, metadata=request.metadata)
    return failure_of(refused.value)


def faults_of(row, attempt, told):
    """What is not as the table says about one status."""
    details = told.trailers.get("grpc-status-details-bin", b"")
    expected = {
        "code": (told.code.name, row.code),
        "reason": (told.reason, row.reason),
        "domain": (told.domain, "conferencing.v1" if row.reason else ""),
        "fields": (frozenset(told.violations), attempt.fields),
        "no echo": (CANARY in repr(told), False),
        "a short message": (len(told.message.encode()) <= 512, True),
        "short details": (len(details) < 4096 and told.size < 4096, True),
        "at most 20 violations": (len(told.violations) <= 20, True),
    }
    return [
        f"{attempt.label}: {what}: {got!r}, not {wanted!r}"
        for what, (got, wanted) in expected.items()
        if got != wanted
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title[:60])
async def test_bad_input_gets_its_status_and_does_nothing(
    service, google, microsoft, zoom, ground, tally, row
):
    assert row.attempts
    wrong = []
    for attempt in row.attempts:
        wrong += faults_of(row, attempt, await failure(service, attempt, ground))
    assert wrong == []
    for grant in (google, microsoft, zoom):
        assert grant.effects() == []
        if not row.asks_vendor:
            assert grant.requests() == []
    tally["bad inputs refused"] += 1


def test_no_two_rows_say_the_same():
    titles = [row.title for row in ROWS]
    assert len(set(titles)) == len(titles)


def test_there_is_a_good_request_of_every_rpc():
    assert sorted(GOOD) == sorted(contract.request_names())


@pytest.mark.parametrize("name", sorted(GOOD))
async def test_what_the_table_makes_wrong_is_right_otherwise(service, sandbox, name):
    grant = sandbox.grant("google")
    event = grant.created()["id"]
    request = GOOD[name](Ground(grant.id, "", "", None, "", None))
    if hasattr(request, "event_id"):
        request.event_id = event
    if name == "UpdateEventRequest":
        request.event.id = event
    assert await service.call(request) is not None


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_may_be_any_that_mail_goes_to(service, google, address):
    people = {"participants": [e.Participant(email=address)]}
    asked = creation(google.id, validate_only=True, resources=[e.Resource(email=address)], **people)
    assert (await service.call(asked)).event.participants[0].email == address


async def test_limits_are_within_what_they_limit(service, google, zoom):
    """The largest event that is taken: each text, list and tree of it is as large as it may be."""
    deep = {}
    for _ in range(6):
        deep = {"deep": deep}
    tree = {**{f"key-{number}": number for number in range(62)}, "deep": deep}
    tree["agenda"] = "x" * 14_000
    asked = creation(
        google.id,
        autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, tree),
        validate_only=True,
        title="x" * 1024,
        description="x" * 8192,
        location="x" * 255,
        when=timespan(zone="Europe/Berlin"),
        participants=[e.Participant(email=f"{'x' * 300}@example{n:03}.org") for n in range(200)],
        recurrence=["RRULE:FREQ=DAILY", *["EXDATE:" + "20300110," * 55 + "20300110"] * 31],
        metadata={f"{number:040}": "x" * 500 for number in range(49)},
        reminders=e.Reminders(overrides=[e.Reminder(minutes=40_320)] * 20),
        capacity=1,
    )
    assert (await service.call(asked)).event.title == "x" * 1024
    assert google.effects() == []


# ---- Join links on other hosts --------------------------------------------------------------

CYRILLIC = "z\u043e\u043em.us"
FOREIGN = [
    (c.PROVIDER_ZOOM_MEETING, "https://zoom.us.evil.example/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "https://evilzoom.us/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, f"https://{CYRILLIC}/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, f"https://{CYRILLIC.encode('idna').decode()}/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "https://us05web.zoom.us:8443/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "https://evil.example/https://zoom.us/j/98765432101?zoom.us#zoom.us"),
    (c.PROVIDER_ZOOM_MEETING, "https://[2001:db8::1]/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "https://127.1/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "https://meet.google.com/abc-defg-hij"),
    (c.PROVIDER_GOOGLE_MEET, "https://meet.google.com.evil.example/abc-defg-hij"),
    (c.PROVIDER_GOOGLE_MEET, "https://meet-google.com/abc-defg-hij"),
    (c.PROVIDER_MICROSOFT_TEAMS, "https://teams.microsoft.com.evil.example/l/meetup-join/a"),
]
OWN = [
    (c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101"),
    (c.PROVIDER_ZOOM_MEETING, "HTTPS://US05web.Zoom.us/j/98765432101?pwd=a%20b"),
    (c.PROVIDER_GOOGLE_MEET, "https://meet.google.com/abc-defg-hij"),
    (c.PROVIDER_MICROSOFT_TEAMS, "https://teams.live.com/meet/9876543210123"),
]


@pytest.mark.parametrize("way", ["create", "update"])
@pytest.mark.parametrize(("provider", "url"), FOREIGN + OWN)
async def test_a_link_is_written_as_it_is_and_warned_of_where_the_host_is_not_the_providers(
    service, google, way, provider, url
):
    asked = details(provider, url)
    if way == "create":
        answer = await service.call(creation(google.id, asked))
    else:
        event = google.created()["id"]
        answer = await service.call(update(google.id, event, conferencing=asked))
    kept = data(google.get(answer.event.id))["conferencing"]["details"]["url"]
    assert kept == answer.event.conferencing.details.url == url
    warned = [(each.reason, each.field) for each in answer.warnings]
    told = (s.WARNING_REASON_FOREIGN_HOST, "event.conferencing.details.url")
    assert warned == ([told] if (provider, url) in FOREIGN else [])


# ---- docs/bad-input.md ----------------------------------------------------------------------

INTRODUCTION = """\
# Bad input

What the service says to requests that are not right. A test sends every line of these tables, in every way and by every RPC
that the rule applies to; the tables are written by that test.

- A status names every fault of the request at once, a `page_token` after all others, in `google.rpc.BadRequest`, at most 20;
  `ErrorInfo` has the reason, and under `violations` how many there are in all. What was sent is not repeated. `[]` in a field
  stands for an index.
- Nothing is asked of the upstream before the request is right; the last table's refusals are found by reading, and nothing is
  written.
- A status is smaller than 4 KiB, its message at most 512 bytes.
- Where no reason is given, gRPC itself refuses: such a status has a code and a text, and no details.
- Where a binary message holds two of a kind of which there can be one (details and autocreate, two kinds of `when`), the
  last counts.
- A join link on a host that is not one of the provider's is no fault: the link is written as it is, and the answer has a warning
  with `WARNING_REASON_FOREIGN_HOST`.

[errors.md](errors.md) tells what to do about each reason, and which others there are.
"""
HEADING = "| what comes in | code | reason | field |\n|---|---|---|---|"


def rendered():
    """The document, out of the table."""
    parts = [INTRODUCTION]
    for heading, rows in TABLE.items():
        parts.append(f"## {heading}\n\n{HEADING}\n" + "".join(map(line_of, rows)))
    return "\n".join(parts)


def line_of(row):
    fields = {re.sub(r"\[\d+\]", "[]", field) for each in row.attempts for field in each.fields}
    named = ", ".join(f"`{field}`" for field in sorted(fields))
    title = row.title.replace("|", "\\|")
    return f"| {title} | {row.code} | {row.reason} | {named} |\n"


def test_the_document_is_what_the_table_says():
    if os.environ.get("RENDER_DOCS") == "1":
        DOCUMENT.write_text(rendered())
    assert DOCUMENT.read_text() == rendered()
