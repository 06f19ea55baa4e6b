"""Nothing secret and nobody's address leaves by a span, a log line, a status, a metric or a file.

The watch of `support.canaries` searches after every test what its servers told. Here secrets are
planted in every field that takes one, and every kind of ending is forced.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from conferencing_service.core import model
from conferencing_service.core.upstream import Call
from conferencing_service.settings import Settings
from support import canaries
from support.canaries import PLANTED, WATCH
from support.sandbox import Grant, Sandbox
from support.service import (
    Service,
    autocreate,
    creation,
    delete,
    details,
    get,
    serving,
    timespan,
    update,
)

pytestmark = pytest.mark.security

API_KEY_CANARY = "canary-api-key"


def event_full_of_secrets() -> dict[str, object]:
    guest = e.Participant(
        email=canaries.EMAIL,
        name=canaries.NAME,
        comment=canaries.COMMENT,
        phone_number=canaries.PHONE,
    )
    return {
        "title": canaries.TITLE,
        "description": canaries.DESCRIPTION,
        "location": canaries.LOCATION,
        "when": timespan(),
        "participants": [guest],
        "metadata": {"key1": canaries.METADATA},
    }


def zoom_by_hand() -> c.Conferencing:
    return details(
        c.PROVIDER_ZOOM_MEETING,
        canaries.ZOOM_URL,
        meeting_code=canaries.CODE,
        password=canaries.PASSCODE,
    )


def zoom_made(zoom: Grant) -> c.Conferencing:
    settings = {"password": canaries.SETTING, "agenda": canaries.TITLE}
    return autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)


async def made_with_everything(service: Service, google: Grant, zoom: Grant) -> str:
    """Make calls that succeed; return the id of an event of theirs."""
    full = event_full_of_secrets()
    event = (await service.call(creation(google.id, zoom_by_hand(), **full))).event
    await service.call(creation(google.id, zoom_made(zoom), **full))
    await service.call(update(google.id, event.id, "description", **full))
    meet = details(
        c.PROVIDER_GOOGLE_MEET,
        "https://meet.google.com/abc-defg-hij",
        pin=canaries.PIN,
        phone=[canaries.PHONE],
    )
    await service.call(creation(google.id, meet, **full))
    text = f"{canaries.DESCRIPTION} {canaries.ZOOM_URL}"
    calendar = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDESCRIPTION:{text}\nEND:VEVENT\nEND:VCALENDAR\n"
    google_event, microsoft_event = s.ExtractConferencingRequest(), s.ExtractConferencingRequest()
    google_event.google_event.update({"description": text, "location": canaries.LOCATION})
    microsoft_event.microsoft_event.update({"body": {"content": text}})
    for request in (
        s.ExtractConferencingRequest(text=text),
        s.ExtractConferencingRequest(icalendar=calendar),
        google_event,
        microsoft_event,
        s.ListEventsRequest(grant_id=google.id, calendar_id="primary"),
        get(google.id, event.id),
    ):
        await service.call(request)
    return event.id


async def force_every_ending(service: Service, google: Grant, zoom: Grant) -> None:
    """Make calls that succeed, are refused, are lost, are cut off and break."""
    event_id = await made_with_everything(service, google, zoom)
    full, by_zoom = event_full_of_secrets(), zoom_made(zoom)
    teams_with_pin = details(c.PROVIDER_MICROSOFT_TEAMS, canaries.ZOOM_URL, pin=canaries.PIN)
    for request in (
        creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS), **full),
        creation(google.id, zoom_by_hand(), calendar_id=canaries.EMAIL, **full),
        creation("no-such-grant", zoom_by_hand(), **full),
        creation(google.id, teams_with_pin, **full),
        creation("no/grant", zoom_by_hand(), request_id="none", **full),
        update(google.id, event_id, conferencing=by_zoom),
        update(google.id, event_id, "nonsense", **full),
        get(google.id, "no-such-event", calendar_id=canaries.EMAIL),
        s.ListEventsRequest(
            grant_id=google.id, calendar_id="primary", page_token=canaries.PASSCODE
        ),
        s.CheckCompatibilityRequest(grant_id=google.id, calendar_id=canaries.EMAIL),
        s.ExtractConferencingRequest(text=canaries.DESCRIPTION * 20_000),
        delete(google.id, "no-such-event", calendar_id=canaries.EMAIL),
    ):
        assert (await service.failure(request)).reason
    for kind, ending in (
        *(("reset_after_commit", "found"), ("malformed_body", "found")),
        *(("truncated_body", "found"), ("server_error", "OUTCOME_UNRESOLVED")),
        *(("insert_refused", "OUTCOME_UNRESOLVED"), ("rate_limit", "OUTCOME_UNRESOLVED")),
        ("grant_401", "UPSTREAM_REJECTED"),
    ):
        google.fault(kind, method="POST")
        request = creation(google.id, by_zoom, **full)
        if ending == "found":
            assert (await service.call(request)).event.id
        else:
            assert (await service.failure(request)).reason == ending
        if kind != "insert_refused":
            google.fault(kind, method="GET", times=3)
            await service.failure(get(google.id, event_id), timeout=2.5)
    await force_the_ledgers_endings(service, google, by_zoom)
    google.fault("latency", method="GET", value=2000)
    await service.failure(get(google.id, event_id), timeout=0.2)


async def force_the_ledgers_endings(
    service: Service, google: Grant, conference: c.Conferencing
) -> None:
    """Make calls that are looked for, repeated, and repeated with another payload."""
    request = creation(google.id, conference, **event_full_of_secrets())
    google.fault("late_commit", method="POST", value=1300)
    looking = await service.failure(request, timeout=1.25)
    assert looking.reason == "OUTCOME_UNKNOWN"
    found = await service.call(request)
    replayed = await service.call(request)
    assert replayed == s.CreateEventResponse(event=found.event, replayed=True)
    request.event.title = f"{canaries.TITLE} again"
    assert (await service.failure(request)).reason == "REQUEST_ID_REUSED"


async def test_no_secret_and_nobodys_address_is_told_to_anybody(
    sandbox: Sandbox, google: Grant, zoom: Grant, seen_reasons: set[str]
) -> None:
    # No sweep meanwhile: it would meet the faults that are meant for the calls.
    async with serving(
        sandbox.url,
        settle_window=2.0,
        resume_interval=600.0,
        prometheus_listen="127.0.0.1:0",
        reasons=seen_reasons,
    ) as service:
        await force_every_ending(service, google, zoom)
    for channel, told in {
        "log line": '"method": "conferencing.v1.ConferencingService/CreateEvent"',
        "span name": "conferencing.v1.ConferencingService/CreateEvent",
        "span attribute": "REQUEST_ID_REUSED",
        "trailer": "OUTCOME_UNKNOWN",
        "metric": 'conferencing_reason="OUTCOME_UNRESOLVED"',
        "repr": "CreateEvent(",
        "ledger file": "SQLite format 3",
    }.items():
        assert told in WATCH.all_told_by(channel), "the watch heard all that was told"
    assert set(PLANTED.values()) - WATCH.private == {
        canaries.TOKEN.removeprefix("Bearer "),
        "canary-signature",
    }, "every canary but the token, which stands in no message, was sent"
    assert WATCH.leaks() == []


async def test_the_ledger_keeps_nothing_that_its_callers_wrote(
    sandbox: Sandbox, google: Grant, zoom: Grant, tmp_path: Path
) -> None:
    """What answers added, links above all, has to be kept; what a caller repeats anyway has not."""
    full = event_full_of_secrets()
    settings = {"agenda": canaries.SETTING}
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    async with serving(sandbox.url, ledger_url=url) as service:
        event = (await service.call(creation(google.id, zoom_by_hand(), **full))).event
        by_zoom = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)
        made = (await service.call(creation(google.id, by_zoom, **full))).event
        whole = {**full, "conferencing": zoom_by_hand(), "replace": True}
        paths = (*full, "conferencing")
        await service.call(update(google.id, event.id, *paths, **whole))
        await service.failure(creation(google.id, autocreate(c.PROVIDER_WEBEX), **full))
        for kind, method, request in (
            ("reset_after_commit", "POST", creation(google.id, by_zoom, **full)),
            ("reset_after_commit", "PUT", update(google.id, event.id, *paths, **whole)),
        ):
            google.fault(kind, method=method)
            await service.call(request)
        google.fault("reset_before_commit", method="PUT")
        lost = update(google.id, event.id, "title", "participants", **full)
        lost.event.participants[0].comment = canaries.DESCRIPTION
        assert (await service.failure(lost)).reason == "OUTCOME_UNRESOLVED"
    kept = WATCH.all_told_by("ledger file")
    assert made.conferencing.details.url in kept, "the right files were read"
    # Each of them, and not only what every request of this test holds.
    assert {name for name, canary in PLANTED.items() if canary in kept} == set()


async def test_the_key_is_told_to_nobody_but_the_vendor(sandbox: Sandbox, google: Grant) -> None:
    WATCH.keep("API key", API_KEY_CANARY)
    async with serving(sandbox.url, api_key=API_KEY_CANARY) as service:
        failure = await service.failure(creation(google.id))
        assert failure.reason == "UPSTREAM_CREDENTIALS"
    settings = Settings(nylas_region="us", nylas_api_key=API_KEY_CANARY)
    WATCH.told("repr", f"{settings!r} {settings} {settings.api_key()!r}")


def test_values_with_secrets_show_none_of_them() -> None:
    entry_point = model.EntryPoint(
        model.EntryPointType.VIDEO,
        uri=canaries.ZOOM_URL,
        label=canaries.PHONE,
        pin=canaries.PIN,
        password=canaries.PASSCODE,
        meeting_code=canaries.CODE,
    )
    source = model.Details(
        url=canaries.ZOOM_URL,
        meeting_code=canaries.CODE,
        password=canaries.PASSCODE,
        pin=canaries.PIN,
        phone=(canaries.PHONE,),
        entry_points=(entry_point,),
    )
    person = model.Person(canaries.EMAIL, canaries.NAME)
    event = model.Event(
        calendar_id=canaries.EMAIL,
        title=canaries.TITLE,
        description=canaries.DESCRIPTION,
        text_description=canaries.DESCRIPTION,
        location=canaries.LOCATION,
        participants=(model.Participant(canaries.EMAIL, canaries.NAME),),
        metadata={"key1": canaries.METADATA},
        resources=(model.Resource(canaries.EMAIL, "Room 1"),),
        conferencing=model.Conferencing(source=source),
        organizer=person,
        creator=person,
        html_link=canaries.ZOOM_URL,
    )
    ordered = model.Autocreate("zoom-grant", {"password": canaries.SETTING})
    call = Call(clock=lambda: 0.0, started=0.0, deadline=None, read_deadline=0.0)
    for value in (event, source, entry_point, person, ordered, call, event.participants):
        WATCH.told("repr", repr(value))
    assert "Participant(" in WATCH.all_told_by("repr")
    WATCH.told("repr", repr(event.resources))


async def test_an_exceptions_text_is_not_logged() -> None:
    try:
        int(canaries.PASSCODE)
    except ValueError:
        logging.getLogger("x").exception("it broke")
    told = WATCH.all_told_by("log line")
    assert "ValueError" in told
    assert "test_secrets" in told
    assert WATCH.leaks() == []
