"""Nothing secret and nobody's address leaves by a span, a log line or a status.

Secrets are planted in every field that takes one, every kind of ending is forced, and everything
that the process told anybody is searched. The same search must find a leak made on purpose.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from conferencing_service.logs import JsonLines
from conferencing_service.settings import Settings
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

CANARIES = {
    "passcode": "canary-passcode",
    "pin": "424277771",
    "code": "98989898981",
    "hash": "canaryhash",
    "email": "canary.person@example.com",
    "name": "Canary Person",
    "title": "canary-title",
    "text": "canary-description",
    "setting": "canaryzoom",
    "phone": "+4930424242",
    "place": "canary-location",
    "metadata": "canary-metadata",
}
API_KEY_CANARY = "canary-api-key"
ZOOM_URL = f"https://us05web.zoom.us/j/{CANARIES['code']}?pwd={CANARIES['hash']}"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the process logs, every library's debug lines included, as it is written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def told_by(spans: Sequence[ReadableSpan], log: io.StringIO) -> str:
    return "\n".join([*(span.to_json() for span in spans), log.getvalue()])


def in_files_of(folder: Path) -> str:
    """Every byte of a folder's files, as text."""
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


def leaks(told: str) -> set[str]:
    found = {name for name, canary in CANARIES.items() if canary in told}
    return found | {"api key"} if API_KEY_CANARY in told else found


def event_full_of_secrets() -> dict[str, object]:
    return {
        "title": CANARIES["title"],
        "description": CANARIES["text"],
        "location": CANARIES["place"],
        "when": timespan(),
        "participants": [e.Participant(email=CANARIES["email"], name=CANARIES["name"])],
        "metadata": {"key1": CANARIES["metadata"]},
    }


def zoom_by_hand() -> c.Conferencing:
    return details(
        c.PROVIDER_ZOOM_MEETING,
        ZOOM_URL,
        meeting_code=CANARIES["code"],
        password=CANARIES["passcode"],
    )


async def force_every_ending(service: Service, google: Grant, zoom: Grant) -> list[str]:
    """Make calls that succeed, are refused, are lost, are cut off and break; return statuses."""
    full = event_full_of_secrets()
    event = (await service.call(creation(google.id, zoom_by_hand(), **full))).event
    settings = {"password": CANARIES["setting"], "agenda": CANARIES["title"]}
    by_zoom = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)
    await service.call(creation(google.id, by_zoom, **full))
    await service.call(update(google.id, event.id, "description", **full))
    await service.call(s.ExtractConferencingRequest(text=f"{CANARIES['text']} {ZOOM_URL}"))
    meet = details(
        c.PROVIDER_GOOGLE_MEET,
        "https://meet.google.com/abc-defg-hij",
        pin=CANARIES["pin"],
        phone=[CANARIES["phone"]],
    )
    await service.call(creation(google.id, meet, **full))
    refused = (
        creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS), **full),
        creation(google.id, zoom_by_hand(), calendar_id=CANARIES["email"], **full),
        creation("no-such-grant", zoom_by_hand(), **full),
        creation(
            google.id, details(c.PROVIDER_MICROSOFT_TEAMS, ZOOM_URL, pin=CANARIES["pin"]), **full
        ),
        update(google.id, event.id, conferencing=by_zoom),
        get(google.id, "no-such-event", calendar_id=CANARIES["email"]),
        s.ListEventsRequest(
            grant_id=google.id, calendar_id="primary", page_token=CANARIES["passcode"]
        ),
        delete(google.id, CANARIES["email"]),
    )
    statuses = [str(await service.failure(request)) for request in refused]
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
            failure = await service.failure(request)
            assert failure.reason == ending
            statuses.append(str(failure))
        if kind != "insert_refused":
            google.fault(kind, method="GET", times=3)
            statuses.append(str(await service.failure(get(google.id, event.id), timeout=2.5)))
    statuses += await force_the_ledgers_endings(service, google, by_zoom)
    google.fault("latency", method="GET", value=2000)
    await service.failure(get(google.id, event.id), timeout=0.2)
    return statuses


async def force_the_ledgers_endings(
    service: Service, google: Grant, conference: c.Conferencing
) -> list[str]:
    """Make calls that are looked for, repeated, and repeated with another payload."""
    request = creation(google.id, conference, **event_full_of_secrets())
    google.fault("late_commit", method="POST", value=1300)
    looking = await service.failure(request, timeout=1.25)
    assert looking.reason == "OUTCOME_UNKNOWN"
    found = await service.call(request)
    replayed = await service.call(request)
    assert replayed == s.CreateEventResponse(event=found.event, replayed=True)
    request.event.title = f"{CANARIES['title']} again"
    reused = await service.failure(request)
    assert reused.reason == "REQUEST_ID_REUSED"
    return [str(looking), str(reused)]


async def test_no_secret_and_nobodys_address_is_told_to_anybody(
    sandbox: Sandbox, google: Grant, zoom: Grant, log: io.StringIO, seen_reasons: set[str]
) -> None:
    # No sweep meanwhile: it would meet the faults that are meant for the calls.
    async with serving(
        sandbox.url, settle_window=2.0, resume_interval=600.0, reasons=seen_reasons
    ) as service:
        statuses = await force_every_ending(service, google, zoom)
        told = told_by(service.spans(), log) + "\n".join(statuses)
    for reason in ("OUTCOME_UNRESOLVED", "OUTCOME_UNKNOWN", "REQUEST_ID_REUSED"):
        assert reason in told, "the endings were forced and the log was kept"
    assert leaks(told) == set()


async def test_the_ledger_keeps_nothing_that_its_callers_wrote(
    sandbox: Sandbox, google: Grant, zoom: Grant, tmp_path: Path
) -> None:
    """What answers added, links above all, has to be kept; what a caller repeats anyway has not."""
    full = event_full_of_secrets()
    settings = {"agenda": CANARIES["setting"]}
    async with serving(sandbox.url, ledger_url=f"sqlite://{tmp_path}/ledger.sqlite") as service:
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
        lost.event.participants[0].comment = CANARIES["text"]
        assert (await service.failure(lost)).reason == "OUTCOME_UNRESOLVED"
        kept = in_files_of(tmp_path)
    assert made.conferencing.details.url in kept, "the right files were read"
    assert leaks(kept) == set()


async def test_the_key_is_told_to_nobody_but_the_vendor(
    sandbox: Sandbox, google: Grant, log: io.StringIO
) -> None:
    async with serving(sandbox.url, api_key=API_KEY_CANARY) as service:
        failure = await service.failure(creation(google.id))
        assert failure.reason == "UPSTREAM_CREDENTIALS"
        told = told_by(service.spans(), log) + str(failure)
    assert leaks(told) == set()
    settings = Settings(nylas_region="us", nylas_api_key=API_KEY_CANARY)
    assert API_KEY_CANARY not in f"{settings!r} {settings} {settings.api_key()!r}"


async def test_the_search_finds_a_leak_that_is_made_on_purpose(
    service: Service, google: Grant, log: io.StringIO
) -> None:
    tracer = trace.get_tracer("leak", tracer_provider=service.tracer_provider)
    for name, canary in CANARIES.items():
        with tracer.start_as_current_span("leak") as span:
            span.set_attribute("url.full", f"https://x.example/?v={canary}")
        assert leaks(told_by(service.spans(), log)) == {name}
        service.exporter.clear()
    logging.getLogger("leak").debug("key %s", API_KEY_CANARY)
    assert leaks(told_by(service.spans(), log)) == {"api key"}


async def test_an_exceptions_text_is_not_logged(log: io.StringIO) -> None:
    try:
        int(CANARIES["passcode"])
    except ValueError:
        logging.getLogger("x").exception("it broke")
    assert "ValueError" in log.getvalue()
    assert "test_secrets" in log.getvalue()
    assert leaks(log.getvalue()) == set()
