"""Servers and the operator's command with a ledger that is encrypted, with its keys and without.

What was sent is counted in the sandbox; what is at rest is read off the files.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing_service.core.ledger.entry import Step
from conferencing_service.settings import SettingsError
from conferencing_service.stores import open_store
from support.service import autocreate, creation, serving, update
from support.waiting import until

pytestmark = pytest.mark.security

QUIET = {"settle_window": 2.0, "resume_interval": 3600.0}
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()
ALERT = "what an entry of the ledger holds cannot be opened"
VARIABLE = "CONFERENCING_LEDGER_KEYS_FILE"
NEVER = 600_000
"""Milliseconds: a commit that comes after every test."""

SERVE = ("serve", "--sandbox")
PASSCODE = "canary4711"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def url(path):
    return f"sqlite://{path}"


@pytest.fixture
def keys(tmp_path):
    """Write a file of keys; without one there is none."""

    def keys(*lines):
        if not lines:
            return None
        file = tmp_path / f"keys-{len(list(tmp_path.iterdir()))}"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines))
        return file

    return keys


@pytest.fixture
def server(sandbox, url):
    """Start a server of this ledger with a file of keys."""

    @asynccontextmanager
    async def server(file, **settings):
        more = {**QUIET, **settings}
        async with serving(sandbox.url, ledger_url=url, ledger_keys_file=file, **more) as service:
            yield service

    return server


@contextmanager
def changing(path):
    """A connection of somebody who can write to the file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def at_rest(path):
    """The bytes of the ledger's file and its write-ahead log."""
    log = Path(f"{path}-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


def secrets_of(answer):
    """What the upstream added to an answer, as it would stand in a file."""
    details = answer.event.conferencing.details
    added = (details.url.partition("?")[0], details.password, details.meeting_code)
    return [text.encode() for text in added if text]


def alerts(caplog):
    told = [record for record in caplog.records if record.message == ALERT]
    assert all((each.levelno, each.alert) == (logging.ERROR, "ledger") for each in told)
    return [each.operation_id for each in told]


async def stands_at(store, step):
    (entry,) = await store.listing(Step, limit=2)
    return entry.step is step


def writes(*grants):
    return sum(
        each["method"] in {"POST", "PUT", "DELETE"} for grant in grants for each in grant.requests()
    )


def zoomed(google, zoom):
    """A create whose link and numbers only the upstream knows."""
    settings = {"password": PASSCODE}
    return creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings))


async def said_again(service, request, answer, *grants):
    """Repeat a request: the same answer, and nothing written."""
    before = writes(*grants)
    again = await service.call(request)
    assert again.replayed
    assert again.event == answer.event
    assert writes(*grants) == before


# ---- Servers ---------------------------------------------------------------------------------


async def test_what_the_upstream_added_is_in_the_file_only_without_a_key(
    server, keys, path, google, zoom, tally
):
    for file, is_there in ((keys(), True), (keys(KEY), False)):
        async with server(file) as service:
            request = zoomed(google, zoom)
            answer = await service.call(request)
            secret = secrets_of(answer)[0]
            assert (secret in at_rest(path)) == is_there
            # What the caller said itself is never kept.
            assert PASSCODE.encode() not in at_rest(path)
            await said_again(service, request, answer, google, zoom)
        # The log is in the file now.
        assert (secret in at_rest(path)) == is_there
        tally["canaries planted in the ledger and not found at rest"] += not is_there


async def test_servers_with_the_same_file_answer_for_each_other(server, keys, google, zoom, caplog):
    file = keys(KEY)
    async with server(file) as first, server(file) as second:
        request = zoomed(google, zoom)
        answer = await first.call(request)
        before = len(google.requests())
        await said_again(second, request, answer, google, zoom)
        assert len(google.requests()) == before
    assert alerts(caplog) == []


async def test_keys_are_changed_without_an_answer_lost(server, keys, google, zoom, caplog):
    old, new = zoomed(google, zoom), zoomed(google, zoom)
    async with server(keys()) as service:
        plain = zoomed(google, zoom)
        plain_answer = await service.call(plain)
    async with server(keys(KEY)) as service:
        old_answer = await service.call(old)
    async with server(keys(f"{OTHER} # new", KEY)) as service:
        new_answer = await service.call(new)
        before = len(google.requests())
        await said_again(service, plain, plain_answer, google)
        await said_again(service, old, old_answer, google)
    async with server(keys(OTHER)) as service:
        await said_again(service, new, new_answer, google)
        assert len(google.requests()) == before
    assert alerts(caplog) == []


@pytest.mark.parametrize("lines", [(), (OTHER,)])
async def test_without_its_key_an_answer_is_looked_up_and_nothing_is_sent_again(
    server, keys, google, zoom, caplog, lines
):
    async with server(keys(KEY)) as service:
        request = zoomed(google, zoom)
        answer = await service.call(request)
    async with server(keys(*lines)) as service:
        await said_again(service, request, answer, google, zoom)
        assert len(alerts(caplog)) == 1
        assert (await service.failure(altered(request))).reason == "REQUEST_ID_REUSED"
        # The rest goes on.
        assert not (await service.call(creation(google.id))).replayed
    assert google.effects().count("event_created") == 2
    async with server(keys(KEY)) as service:
        before = len(google.requests())
        await said_again(service, request, answer, google, zoom)
        assert len(google.requests()) == before


def altered(request):
    copied = type(request)()
    copied.CopyFrom(request)
    copied.event.title = "Another"
    return copied


async def test_without_its_key_and_its_event_a_request_is_not_said_to_be_open(
    server, keys, google, caplog
):
    async with server(keys(KEY)) as service:
        request = creation(google.id, autocreate())
        answer = await service.call(request)
    google.http.delete(
        f"/v3/grants/{google.id}/events/{answer.event.id}",
        params={"calendar_id": "primary"},
        headers={"Authorization": "Bearer sandbox"},
    )
    before = writes(google)
    async with server(keys()) as service:
        for _ in range(2):
            assert (await service.failure(request)).reason == "EVENT_NOT_FOUND"
    assert writes(google) == before
    assert len(alerts(caplog)) == 1


async def test_a_reply_that_was_tampered_with_or_swapped_misleads_nobody(
    server, keys, path, google, zoom, caplog, tally
):
    async with server(keys(KEY)) as service:
        requests = [zoomed(google, zoom) for _ in range(3)]
        answers = [await service.call(request) for request in requests]
        with changing(path) as thief:
            rows = thief.execute("SELECT operation_id, reply FROM operation ORDER BY created_at")
            (first, one), (second, two), (third, three) = rows.fetchall()
            middle = len(three) // 2
            other = three[:middle] + ("A" if three[middle] != "A" else "B") + three[middle + 1 :]
            for operation_id, reply in ((first, two), (second, one), (third, other)):
                thief.execute(
                    "UPDATE operation SET reply = ? WHERE operation_id = ?", (reply, operation_id)
                )
        for request, answer in zip(requests, answers, strict=True):
            await said_again(service, request, answer, google, zoom)
        assert alerts(caplog) == [first, second, third]
        # They are whole again.
        before = len(google.requests())
        for request, answer in zip(requests, answers, strict=True):
            await said_again(service, request, answer, google, zoom)
        assert len(google.requests()) == before
    tally["sealed replies tampered with and refused"] += 3


@pytest.mark.parametrize(
    ("lines", "step", "told"), [((KEY,), Step.DONE, 0), ((), Step.UNRESOLVED, 1)]
)
async def test_an_update_in_doubt_is_settled_by_whoever_has_the_key(
    server, keys, path, google, caplog, lines, step, told
):
    event_id = google.created(title="Before")["id"]
    google.fault("late_commit", method="PUT", value=NEVER)
    async with server(keys(KEY), settle_window=300.0) as service:
        request = update(google.id, event_id, title="After")
        assert (await service.failure(request, timeout=3)).reason == "OUTCOME_UNKNOWN"
    # It arrives when that server is gone; and whoever takes over need not wait for long.
    assert google.put(event_id, {"title": "After"}).status_code == 200
    with changing(path) as clock:
        clock.execute("UPDATE operation SET settle_until = updated_at + 1.5")
    puts = writes(google)
    async with server(keys(*lines), resume_interval=0.2) as service:
        store = await open_store(f"sqlite://{path}")
        await until(lambda: stands_at(store, step))
        await store.aclose()
        if step is Step.DONE:
            answer = await service.call(request)
            assert (answer.replayed, answer.event.title) == (True, "After")
        else:
            assert (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"
    assert writes(google) == puts
    assert len(alerts(caplog)) == told


async def test_expired_answers_are_gone_from_the_file(server, keys, path, google, zoom):
    """Also where nothing is encrypted."""
    async with server(keys(), ledger_retention=0.5, resume_interval=0.2) as service:
        answer = await service.call(zoomed(google, zoom))
        secret = secrets_of(answer)[0]
        await until(lambda: secret not in at_rest(path))
        assert not (await service.call(zoomed(google, zoom))).replayed


async def test_a_server_without_a_usable_file_makes_no_ledger(server, keys, path):
    with pytest.raises(SettingsError, match=f"^{VARIABLE}: line 1 is no key"):
        async with server(keys("nonsense")):
            pass
    assert not path.exists()


# ---- The operator's command ------------------------------------------------------------------


async def test_without_the_key_an_operator_still_sees_what_there_is(
    server, keys, url, google, zoom, run
):
    file = keys(KEY)
    async with server(file) as service:
        secrets = secrets_of(await service.call(zoomed(google, zoom)))
        google.fault("late_commit", method="POST", value=NEVER)
        await service.failure(creation(google.id))
    settings = {"CONFERENCING_LEDGER_URL": url}
    listed = await run("ledger", "list", "--all", "--json", **settings)
    assert (listed.status, listed.stderr) == (0, "")
    done, open_ = json.loads(listed.stdout)["operations"]
    assert (done["step"], open_["step"]) == ("DONE", "UNRESOLVED")

    for file_setting, keeps_reply in (({VARIABLE: str(file)}, True), ({}, False)):
        shown = await run(
            "ledger", "show", done["operation_id"], "--json", **settings, **file_setting
        )
        assert shown.status == 0
        assert json.loads(shown.stdout)["keeps_reply"] == keeps_reply
        assert not [each for each in secrets if each.decode() in shown.stdout + shown.stderr]
        lines = [json.loads(line) for line in shown.stderr.splitlines()]
        assert [each["message"] for each in lines] == ([] if keeps_reply else [ALERT])
    resolved = await run(
        "ledger", "resolve", open_["operation_id"], "--not-done", "--without-looking", **settings
    )
    assert (resolved.status, resolved.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "content", "mode", "said"),
    [
        (SERVE, None, 0, "the file cannot be read"),
        (SERVE, KEY, 0o644, "everybody can read or change the file; use chmod o="),
        (SERVE, "", 0o600, "there is no key in the file"),
        (SERVE, f"{KEY}\ncanary-key-half", 0o600, "line 2 is no key of 256 bits"),
        (("ledger", "list"), KEY[:-4], 0o600, "line 1 is no key of 256 bits"),
    ],
)
async def test_a_wrong_file_stops_the_start_with_one_line(
    run, server, url, tmp_path, arguments, content, mode, said, tally
):
    async with server(None):
        pass
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    ran = await run(*arguments, CONFERENCING_LEDGER_URL=url, **{VARIABLE: str(file)})
    assert ran.status == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"conferencing-service: {VARIABLE}: ")
    assert said in line
    assert KEY[:-4] not in line
    assert "canary-key-half" not in line
    tally["key files refused"] += 1
