"""`ledger`: an operator sees what is in doubt, and settles it; nothing else is touched.

A server in this process fills a ledger while the sandbox loses its answers; the command then runs
beside it, as a process of its own. No line of it may hold a planted secret.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from conferencing_service.core.ledger.entry import Step
from conferencing_service.stores import open_store
from support.sandbox import data
from support.service import autocreate, creation, details, serving, update

GUARD = 60.0
NEVER = 600_000
"""Milliseconds: a commit that comes after every test."""

LATE = 2500
"""Milliseconds: a commit that comes after the settle window of these tests."""

WINDOW = 0.5
"""Seconds: the settle window."""
NOWHERE = "http://127.0.0.1:9"
SECRETS = (
    "canary-title",
    "canary-description",
    "canary-location",
    "canary.person@example.com",
    "Canary Person",
    "canary-passcode",
    "canary-metadata",
    "canary-key",
    "98989898981",
)


def full_event():
    """What a caller asks for, with something secret in every field that takes it."""
    return {
        "title": "canary-title",
        "description": "canary-description",
        "location": "canary-location",
        "participants": [e.Participant(email="canary.person@example.com", name="Canary Person")],
        "metadata": {"key1": "canary-metadata"},
    }


def zoom_by_hand():
    return details(
        c.PROVIDER_ZOOM_MEETING,
        "https://us05web.zoom.us/j/98989898981",
        meeting_code="98989898981",
        password="canary-passcode",
    )


@dataclass
class Ledger:
    """The command, run against one ledger and one sandbox."""

    start: object
    settings: dict
    secrets: set = field(default_factory=lambda: set(SECRETS))

    async def __call__(self, *arguments, status=0, **changes):
        """Run it; return its lines on stdout, or where it fails its one line on stderr."""
        command = await self.start("ledger", *arguments, **self.settings, **changes)
        ended = await command.end()
        told = command.stdout + command.stderr
        assert ended == status, told
        assert not [secret for secret in self.secrets if secret in told]
        if status == 0:
            assert command.stderr == ""
            return command.stdout.splitlines()
        (line,) = command.stderr.splitlines()
        assert line.startswith("conferencing-service: ")
        return [*command.stdout.splitlines(), line]

    async def entries(self):
        """What the ledger holds."""
        store = await open_store(self.settings["CONFERENCING_LEDGER_URL"])
        try:
            return await store.listing(Step, limit=100)
        finally:
            await store.aclose()

    async def seen(self, *steps):
        """The ids of the operations that the ledger holds; they must be in these steps."""
        entries = await self.entries()
        assert [entry.step for entry in entries] == [*steps]
        return [entry.operation_id for entry in entries]

    async def only(self, step):
        """The id of the only operation."""
        (operation_id,) = await self.seen(step)
        return operation_id


@pytest.fixture
def url(tmp_path):
    return f"sqlite://{tmp_path}/of%20the%20server/ledger.sqlite"


@pytest.fixture
def ledger(start, sandbox, url):
    return Ledger(
        start,
        {
            "CONFERENCING_LEDGER_URL": url,
            "CONFERENCING_SETTLE_WINDOW": str(WINDOW),
            "CONFERENCING_NYLAS_REGION": sandbox.url,
            "CONFERENCING_NYLAS_API_KEY": "sandbox",
        },
    )


@pytest.fixture
async def service(sandbox, url):
    """A server whose own sweeper keeps out of the way."""
    quiet = {"settle_window": WINDOW, "resume_interval": 3600.0}
    async with serving(sandbox.url, ledger_url=url, **quiet) as started:
        yield started


async def left_unresolved(service, request):
    failure = await service.failure(request)
    assert failure.reason == "OUTCOME_UNRESOLVED"
    return request


async def effects_of(grant, kind, count=1):
    """Wait until so many effects of a kind are there; return their events, oldest first."""
    async with asyncio.timeout(GUARD):
        while True:
            answer = grant.http.get("/_sandbox/effects", params={"grant_id": grant.id})
            effects = [each for each in answer.json()["effects"] if each["kind"] == kind]
            if len(effects) >= count:
                return [effect["event_id"] for effect in effects]
            await asyncio.sleep(0.05)


async def appeared(grant, count=1):
    return await effects_of(grant, "event_created", count)


def marker_of(grant, event_id):
    return data(grant.get(event_id))["metadata"]["key4"]


def created(grant):
    return grant.effects().count("event_created")


# ---- list and show -----------------------------------------------------------------------------


async def test_what_is_unresolved_is_listed_and_shown_without_a_secret(service, ledger, google):
    await service.call(creation(google.id, zoom_by_hand(), **full_event()))
    ledger.secrets.add(marker_of(google, *await appeared(google)).partition(".")[2])
    google.fault("late_commit", method="POST", value=NEVER)
    request = creation(google.id, zoom_by_hand(), **full_event())
    await left_unresolved(service, request)

    head, line, count = await ledger("list")
    operation_id = line.split()[0]
    assert head.split()[:2] == ["OPERATION", "STEP"]
    assert line.split()[1:5] == ["UNRESOLVED", "CreateEvent", request.request_id, google.id]
    assert line.endswith("waits for an operator")
    assert count == "1 operation, 1 UNRESOLVED"
    (line,) = await ledger("list", "--all", "--json")
    listed = json.loads(line)
    assert [each["step"] for each in listed["operations"]] == ["DONE", "UNRESOLVED"]
    assert listed["operations"][1]["operation_id"] == operation_id
    assert not listed["more"]

    page = {
        line[:21].strip(): line[21:].strip()
        for line in await ledger("show", operation_id, "--look")
    }
    assert page["step"] == "UNRESOLVED"
    assert page["request id"] == request.request_id
    assert (page["calendar id"], page["marker key"]) == ("primary", "key4")
    assert page["error"] == "OUTCOME_UNRESOLVED"
    assert (page["was in doubt"], page["keeps reply"]) == ("yes", "no")
    assert page["events found"] == "-"
    (line,) = await ledger("show", operation_id, "--json")
    facts = json.loads(line)
    assert (facts["operation_id"], facts["fence"]) == (operation_id, 1)
    assert not facts.keys() & {"marker", "reply", "events_found"}


async def test_the_list_is_bounded_and_says_that_there_are_more(service, ledger, google):
    for _ in range(3):
        await service.call(creation(google.id))
    assert (await ledger("list"))[-1] == "no operation"
    *_lines, last = await ledger("list", "--all", "--limit", "2")
    assert last == "2 operations; there are more, see --limit"
    (line,) = await ledger("list", "--all", "--json", "--limit", "2")
    assert len(json.loads(line)["operations"]) == 2
    assert json.loads(line)["more"]
    *lines, last = await ledger("list", "--all", "--limit", "3")
    assert (len(lines), last) == (4, "3 operations")


# ---- resolve -------------------------------------------------------------------------------------


async def test_an_event_that_appeared_is_named_and_taken_as_the_answer(service, ledger, google):
    google.fault("late_commit", method="POST", value=LATE)
    request = await left_unresolved(service, creation(google.id, **full_event()))
    operation_id = await ledger.only("UNRESOLVED")
    (event_id,) = await appeared(google)
    ledger.secrets.add(marker_of(google, event_id).partition(".")[2])

    assert event_id in (await ledger("resolve", operation_id, "--not-done", status=1))[0]
    assert any(event_id in line for line in await ledger("show", operation_id, "--look"))
    await ledger.only("UNRESOLVED")
    assert "DONE" in (await ledger("resolve", operation_id, "--done", event_id))[0]

    answer = await service.call(request)
    assert answer.replayed
    assert (answer.event.id, answer.event.title) == (event_id, "canary-title")
    assert "key4" not in answer.event.metadata
    assert created(google) == 1
    again = await ledger("resolve", operation_id, "--not-done", "--without-looking", status=1)
    assert "DONE already" in again[0]


@pytest.mark.parametrize("fault", ["late_commit", "insert_refused"])
async def test_what_was_not_done_is_sent_anew_by_the_repetition(service, ledger, google, fault):
    more = {"value": NEVER} if fault == "late_commit" else {}
    google.fault(fault, method="POST", **more)
    meet = autocreate(c.PROVIDER_GOOGLE_MEET)
    request = await left_unresolved(service, creation(google.id, meet, **full_event()))
    assert (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"
    assert created(google) == 0

    operation_id = await ledger.only("UNRESOLVED")
    assert "RELEASED" in (await ledger("resolve", operation_id, "--not-done"))[0]
    await ledger.only("RELEASED")
    assert created(google) == 0

    answer = await service.call(request)
    assert not answer.replayed
    assert [answer.event.id] == await appeared(google)
    replay = await service.call(request)
    assert (replay.replayed, replay.event.id) == (True, answer.event.id)
    assert created(google) == 1


async def test_what_is_in_doubt_is_left_to_the_servers(sandbox, ledger, url, google):
    google.fault("late_commit", method="POST", value=NEVER)
    async with serving(sandbox.url, ledger_url=url, settle_window=300.0) as service:
        failure = await service.failure(creation(google.id), timeout=3)
        assert failure.reason == "OUTCOME_UNKNOWN"
        operation_id = await ledger.only("IN_DOUBT")
        _head, line, count = await ledger("list")
        assert "settles by itself in " in line
        assert count == "1 operation"
        for outcome in (("--not-done",), ("--done", "event", "--without-looking")):
            (line,) = await ledger("resolve", operation_id, *outcome, status=1)
            assert "is IN_DOUBT and settles by itself until 2" in line
        await ledger.only("IN_DOUBT")


async def test_what_settled_by_itself_is_not_an_operators(service, ledger, google):
    google.fault("timeout_after_commit", method="POST")
    answer = await service.call(creation(google.id))
    operation_id = await ledger.only("DONE")
    (line,) = await ledger("resolve", operation_id, "--not-done", status=1)
    assert f"DONE already, with event {answer.event.id}" in line
    assert (await service.call(creation(google.id))).event.id != answer.event.id
    assert (await ledger("list"))[-1] == "no operation"


async def test_an_update_is_settled_by_the_event_that_it_was_meant_for(service, ledger, google):
    event_id = google.created(title="Before")["id"]
    other_id = google.created(title="Other")["id"]
    google.fault("late_commit", method="PUT", value=LATE)
    request = await left_unresolved(service, update(google.id, event_id, title="canary-title"))
    operation_id = await ledger.only("UNRESOLVED")
    await effects_of(google, "event_updated")

    assert event_id in (await ledger("resolve", operation_id, "--not-done", status=1))[0]
    (line,) = await ledger("resolve", operation_id, "--done", other_id, status=1)
    assert event_id in line
    await ledger("resolve", operation_id, "--done", event_id)
    answer = await service.call(request)
    assert (answer.replayed, answer.event.title) == (True, "canary-title")
    assert google.effects().count("event_updated") == 1


async def test_an_event_that_cannot_be_the_operations_is_refused(service, ledger, google):
    others = (await service.call(creation(google.id))).event.id
    google.fault("late_commit", method="POST", value=NEVER)
    await left_unresolved(service, creation(google.id))
    _done, operation_id = await ledger.seen("DONE", "UNRESOLVED")
    (line,) = await ledger("resolve", operation_id, "--done", others, status=1)
    assert "another operation" in line
    (line,) = await ledger("resolve", operation_id, "--done", uuid.uuid4().hex, status=1)
    assert "there is no event" in line
    by_hand = google.created()["id"]
    await ledger("resolve", operation_id, "--done", by_hand)
    await ledger.seen("DONE", "DONE")


async def test_an_upstream_that_cannot_be_asked_settles_nothing(service, ledger, google):
    google.fault("late_commit", method="POST", value=NEVER)
    request = await left_unresolved(service, creation(google.id))
    operation_id = await ledger.only("UNRESOLVED")
    ledger.settings["CONFERENCING_NYLAS_REGION"] = NOWHERE
    ledger.settings["CONFERENCING_NYLAS_API_KEY"] = "canary-key"
    for outcome in (("--not-done",), ("--done", "event")):
        (line,) = await ledger("resolve", operation_id, *outcome, status=1)
        assert "cannot be asked (UPSTREAM_UNAVAILABLE)" in line
    *page, line = await ledger("show", operation_id, "--look", status=1)
    assert "cannot be asked" in line
    assert len(page) > 10
    await ledger.only("UNRESOLVED")
    await ledger("resolve", operation_id, "--not-done", "--without-looking")
    await service.call(request)
    assert created(google) == 1


# ---- sweep ---------------------------------------------------------------------------------------


async def swept(ledger, *arguments, until, status=0):
    """Run sweeps until one says so; return its lines."""
    async with asyncio.timeout(GUARD):
        while True:
            lines = await ledger("sweep", *arguments, status=status)
            if any(until in line for line in lines):
                return lines


async def test_a_sweep_deletes_the_loser_and_nothing_else(service, ledger, google):
    google.fault("late_commit", method="POST", value=LATE)
    request = await left_unresolved(service, creation(google.id, **full_event()))
    operation_id = await ledger.only("UNRESOLVED")
    await ledger("resolve", operation_id, "--not-done", "--without-looking")
    winner = (await service.call(request)).event.id
    (loser,) = {*await appeared(google, 2)} - {winner}
    marker = marker_of(google, loser)
    assert marker == marker_of(google, winner)
    ledger.secrets.add(marker.partition(".")[2])
    changed = marker[:-1] + ("0" if marker[-1] != "0" else "1")
    elsewhere = google.created(metadata={"key4": marker}, query={"calendar_id": "team"})["id"]
    forged = google.created(metadata={"key4": changed})["id"]
    before, (entry,) = google.effects(), await ledger.entries()

    lines = await swept(ledger, "--dry-run", until="would be deleted")
    assert len(lines) == 2
    assert operation_id in lines[0]
    assert loser in lines[0]
    assert lines[1] == "1 operation looked behind; 1 event would be deleted"
    assert google.effects() == before

    # The dry run left no trace, so the sweep finds the same at once.
    assert await ledger.entries() == [entry]
    lines = await ledger("sweep")
    assert f"event {loser}  deleted" in lines[0]
    assert lines[1] == "1 operation looked behind; 1 event deleted"
    assert google.effects() == [*before, "event_deleted"]
    assert google.get(loser).status_code == 404
    for event_id in (winner, forged):
        data(google.get(event_id))
    data(google.get(elsewhere, calendar_id="team"))

    assert await ledger("sweep") == ["0 operations looked behind"]
    replay = await service.call(request)
    assert (replay.replayed, replay.event.id) == (True, winner)


async def test_an_event_of_an_unresolved_operation_is_reported_and_stays(service, ledger, google):
    google.fault("late_commit", method="POST", value=LATE)
    await left_unresolved(service, creation(google.id, **full_event()))
    operation_id = await ledger.only("UNRESOLVED")
    (event_id,) = await appeared(google)
    before = google.effects()
    # Whatever its age.
    for arguments in (("--dry-run",), ()):
        line, summary = await ledger("sweep", *arguments)
        assert operation_id in line
        assert f"event {event_id}  left: an operator has to settle" in line
        assert summary == "1 operation looked behind; 1 event unsettled"
    assert google.effects() == before
    await ledger("resolve", operation_id, "--done", event_id)
    assert await swept(ledger, until="1 operation") == ["1 operation looked behind"]
    assert google.effects() == before


async def test_what_was_released_and_appears_before_its_repetition_is_deleted(
    service, ledger, google
):
    google.fault("late_commit", method="POST", value=LATE)
    request = await left_unresolved(service, creation(google.id))
    await ledger("resolve", await ledger.only("UNRESOLVED"), "--not-done", "--without-looking")
    (loser,) = await appeared(google)
    lines = await swept(ledger, until="1 operation")
    assert f"event {loser}  deleted" in lines[0]
    answer = await service.call(request)
    assert not answer.replayed
    assert google.get(loser).status_code == 404
    data(google.get(answer.event.id))


async def test_an_event_that_resists_is_told_and_tried_again(service, ledger, google):
    google.fault("late_commit", method="POST", value=LATE)
    await left_unresolved(service, creation(google.id))
    await ledger("resolve", await ledger.only("UNRESOLVED"), "--not-done", "--without-looking")
    (loser,) = await appeared(google)
    await swept(ledger, "--dry-run", until="would be deleted")
    google.fault("server_error", method="DELETE")
    command = await ledger.start("ledger", "sweep", **ledger.settings)
    assert await command.end() == 1
    assert f"event {loser}  not deleted" in command.stdout
    data(google.get(loser))
    lines = await swept(ledger, until="1 operation")
    assert f"event {loser}  deleted" in lines[0]


async def test_a_sweep_says_which_operations_it_could_not_look_behind(service, ledger, google):
    google.fault("late_commit", method="POST", value=NEVER)
    await left_unresolved(service, creation(google.id))
    operation_id = await ledger.only("UNRESOLVED")
    ledger.settings["CONFERENCING_NYLAS_REGION"] = NOWHERE
    command = await ledger.start("ledger", "sweep", **ledger.settings)
    assert await command.end() == 1
    line, summary = command.stdout.splitlines()
    assert line == f"operation {operation_id}  not looked behind (UPSTREAM_UNAVAILABLE)"
    assert summary == "0 operations looked behind; 1 operation not looked behind"


# ---- What it needs -------------------------------------------------------------------------------


async def test_without_an_upstream_nothing_is_looked_at(service, ledger):
    kept = dict(ledger.settings)
    for missing in ("CONFERENCING_NYLAS_REGION", "CONFERENCING_NYLAS_API_KEY"):
        ledger.settings = {name: value for name, value in kept.items() if name != missing}
        commands = [
            await ledger.start("ledger", *arguments, **ledger.settings)
            for arguments in (
                ("sweep", "--dry-run"),
                ("resolve", "x", "--not-done"),
                ("show", "x", "--look"),
            )
        ]
        for command in commands:
            assert await command.end() == 2
            assert command.stderr.startswith("conferencing-service: ")
            assert missing in command.stderr
            assert command.stderr.count("\n") == 1


async def test_a_ledger_that_is_not_there_is_not_made(ledger, tmp_path):
    (line,) = await ledger("list", status=2)
    assert "CONFERENCING_LEDGER_URL" in line
    assert "of the server/ledger.sqlite" in line
    assert not (tmp_path / "of the server").exists()
    ledger.settings["CONFERENCING_LEDGER_URL"] = "postgresql://operator:canary-key@127.0.0.1:9/x"
    (line,) = await ledger("list", status=2)
    assert "CONFERENCING_LEDGER_URL" in line


async def test_an_operation_that_is_not_there_is_told(service, ledger):
    for arguments in (("show", "x"), ("resolve", "x", "--not-done")):
        (line,) = await ledger(*arguments, status=1)
        assert "no such operation" in line


async def test_arguments_that_leave_a_question_are_refused(start):
    commands = [
        await start("ledger", *arguments)
        for arguments in (
            (),
            ("resolve", "x"),
            ("resolve", "x", "--done", ""),
            ("resolve", "x", "--done", "a/b"),
            ("resolve", "x", "--done", "event", "--not-done"),
            ("resolve", "x", "--not"),
            ("list", "--limit", "0"),
        )
    ]
    for command in commands:
        assert await command.end() == 2
        assert command.stdout == ""
        assert "Usage: conferencing-service ledger" in command.stderr


async def test_whoever_reads_no_further_is_no_fault(service, ledger, google):
    await service.call(creation(google.id))
    command = await ledger.start("ledger", "list", "--all", **ledger.settings)
    command.process.stdout._transport.close()
    assert await command.process.wait() == 0
    assert command.stderr == ""
