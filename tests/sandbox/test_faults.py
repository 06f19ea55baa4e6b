"""Faults: each kind, what the client sees of it, and what really happened."""

from __future__ import annotations

import gzip
import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

START = 1_900_000_000
MEETING = {"title": "Review", "when": {"start_time": START, "end_time": START + 3600}}
MEET = {"conferencing": {"provider": "Google Meet", "autocreate": {}}}
CREATED = ["event_created"]
KINDS = {
    *("latency", "rate_limit", "server_error", "timeout_after_commit"),
    *("server_error_after_commit", "reset_before_commit", "reset_after_commit", "late_commit"),
    *("insert_refused", "pending_conference", "malformed_body", "truncated_body"),
    *("oversized_body", "grant_401"),
}


@pytest.fixture(autouse=True)
def disarmed(sandbox):
    yield
    sandbox.http.delete("/_sandbox/faults")


def eventually(wanted, read, seconds=5.0):
    end = time.monotonic() + seconds
    while read() != wanted and time.monotonic() < end:
        time.sleep(0.01)
    assert read() == wanted


def raw(grant, body):
    """The bytes that a create is answered with, down to the end or the reset of the connection."""
    content = json.dumps(body).encode()
    address = urlsplit(str(grant.http.base_url))
    head = (
        f"POST /v3/grants/{grant.id}/events?calendar_id=primary HTTP/1.1\r\nhost: sandbox\r\n"
        "connection: close\r\n"
        "authorization: Bearer sandbox\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + content)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_latency(google):
    google.fault("latency", value=200)
    begun = time.monotonic()
    assert google.create().status_code == 200
    assert time.monotonic() - begun >= 0.2
    assert google.effects() == CREATED


@pytest.mark.parametrize(("value", "seconds"), [(None, "1"), (7, "7")])
def test_rate_limit(google, value, seconds):
    google.fault("rate_limit", value=value)
    answer = google.create()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == seconds
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.json()["error"]["provider_error"]
    assert google.effects() == []


@pytest.mark.parametrize(("value", "status"), [(None, 503), (500, 500), (504, 504)])
def test_server_error(google, value, status):
    google.fault("server_error", value=value)
    answer = google.create()
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "api.internal_error"
    assert google.effects() == []


def test_a_502_speaks_html(google):
    google.fault("server_error", value=502)
    answer = google.create()
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")
    assert answer.headers["x-request-id"]


def test_grant_401(google):
    google.fault("grant_401")
    assert google.create().status_code == 401
    assert google.effects() == []
    assert google.create().status_code == 200


def test_timeout_after_commit(google):
    google.fault("timeout_after_commit", value=100)
    begun = time.monotonic()
    answer = google.create()
    assert time.monotonic() - begun >= 0.1
    assert answer.status_code == 504
    error = answer.json()["error"]
    assert (error["type"], error["message"]) == (
        "api.provider_error",
        "Provider request timed out.",
    )
    assert google.effects() == CREATED


def test_timeout_after_commit_commits_before_it_waits(google):
    google.fault("timeout_after_commit", value=60_000)
    with pytest.raises(httpx.ReadTimeout):
        google.http.post(
            f"/v3/grants/{google.id}/events?calendar_id=primary", json=MEETING, timeout=0.3
        )
    assert google.effects() == CREATED


def test_server_error_after_commit(google):
    google.fault("server_error_after_commit")
    answer = google.create()
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api.internal_error")
    assert google.effects() == CREATED


@pytest.mark.parametrize(
    ("kind", "effects"), [("reset_before_commit", []), ("reset_after_commit", CREATED)]
)
def test_a_reset_is_one(google, kind, effects):
    google.fault(kind)
    with pytest.raises(ConnectionResetError):
        raw(google, MEETING)
    assert google.effects() == effects
    assert [request["status"] for request in google.requests()] == [None]


def test_late_commit(google):
    google.fault("late_commit", value=300)
    with pytest.raises(ConnectionResetError):
        raw(google, MEETING)
    assert google.effects() == []
    eventually(CREATED, google.effects)


def test_late_commit_of_a_delete(google):
    event_id = google.created()["id"]
    google.fault("late_commit", method="DELETE", value=50)
    with pytest.raises(httpx.ReadError):
        google.delete(event_id)
    eventually(["event_created", "event_deleted"], google.effects)


@pytest.mark.parametrize(
    ("value", "status", "kind"),
    [
        (None, 400, "api.invalid_request_error"),
        (403, 403, "provider_error"),
        (429, 429, "rate_limit_error"),
    ],
)
def test_insert_refused(google, value, status, kind):
    google.fault("insert_refused", value=value)
    google.created()
    answer = google.create(MEET)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert answer.json()["error"]["provider_error"]
    assert google.effects() == ["event_created", "conference_created"]
    [made] = google.conferences()
    assert (made["event_id"], made["deleted"]) == (None, False)


def test_insert_refused_on_an_update(google):
    created = google.created()
    google.fault("insert_refused")
    assert google.put(created["id"], MEET).status_code == 400
    assert google.effects() == ["event_created", "conference_created"]
    assert google.get(created["id"]).json()["data"] == created


@pytest.mark.parametrize("platform", ["google", "microsoft"])
def test_pending_conference(sandbox, platform):
    grant = sandbox.grant(platform)
    zoom = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": "zoom-demo"}}
    grant.fault("pending_conference", value=500)
    created = grant.created(conferencing=zoom)
    assert created["conferencing"] == {"provider": "Zoom Meeting", "autocreate": {}}
    assert created["description"] is None
    assert grant.get(created["id"]).json()["data"] == created

    def shown():
        return set(grant.get(created["id"]).json()["data"]["conferencing"])

    eventually({"provider", "details"}, shown)
    settled = grant.get(created["id"]).json()["data"]
    [made] = grant.conferences()
    assert settled["conferencing"]["details"] == made["details"]
    assert (settled["description"] is None) == (platform == "google")
    [listed] = grant.listed(start=START, end=START + 1).json()["data"]
    assert listed == settled
    updated = grant.put(created["id"], {"title": "x"}).json()["data"]
    assert updated["conferencing"] == settled["conferencing"]
    assert grant.effects() == ["conference_created", "event_created", "event_updated"]


@pytest.mark.parametrize("platform", ["google", "microsoft"])
def test_a_pending_conference_can_be_cleared_and_replaced(sandbox, platform):
    grant = sandbox.grant(platform)
    zoom = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": "zoom-demo"}}
    grant.fault("pending_conference", value=60_000, times=2)
    first, second = grant.created(conferencing=zoom), grant.created(conferencing=zoom)
    assert "conferencing" not in grant.put(first["id"], {"conferencing": {}}).json()["data"]
    replaced = grant.put(second["id"], {"conferencing": zoom}).json()["data"]
    assert "details" in replaced["conferencing"]
    assert [made["deleted"] for made in grant.conferences()] == [True, True, False]


def test_a_conference_can_stay_pending_for_ever(google):
    google.fault("pending_conference", value=None)
    created = google.created(**MEET)
    assert created["conferencing"] == {"provider": "Google Meet", "autocreate": {}}
    assert google.get(created["id"]).json()["data"] == created
    assert google.effects() == CREATED
    assert "conferencing" not in google.put(created["id"], {"conferencing": {}}).json()["data"]


def test_malformed_body(google):
    google.fault("malformed_body")
    answer = google.create()
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert google.effects() == CREATED


def test_truncated_body(google):
    google.fault("truncated_body")
    received = raw(google, MEETING)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
    )
    assert 0 < len(body) < length
    assert google.effects() == CREATED
    google.fault("truncated_body")
    with pytest.raises(httpx.RemoteProtocolError):
        google.create()


@pytest.mark.parametrize(("value", "size"), [(None, 16 * 2**20), (5000, 5000)])
def test_oversized_body(google, value, size):
    google.fault("oversized_body", value=value, times=2)
    plain = raw(google, MEETING) if value else None
    answer = google.create()
    assert len(answer.content) == size
    assert answer.json()["data"]["title"] == "Review"
    assert int(answer.headers["content-length"]) < size / 5
    if plain is not None:
        assert len(plain.partition(b"\r\n\r\n")[2]) == size
    assert set(google.effects()) == set(CREATED)


def test_a_gzipped_bomb_is_small_on_the_wire(google):
    google.fault("oversized_body")
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    with google.http.stream("GET", path) as answer:
        packed = b"".join(answer.iter_raw())
    assert len(packed) < 200_000
    assert len(gzip.decompress(packed)) == 16 * 2**20


def test_only_what_a_fault_names_is_befallen(sandbox, google, microsoft):
    google.fault("server_error", method="POST")
    assert google.listed().status_code == 200
    assert microsoft.create().status_code == 200
    assert google.create().status_code == 503
    assert google.create().status_code == 200


def test_a_write_fault_lets_reads_pass(google):
    event_id = google.created()["id"]
    for kind in ("reset_before_commit", "late_commit", "timeout_after_commit"):
        google.fault(kind, value=0 if kind != "reset_before_commit" else None)
        assert google.get(event_id).status_code == 200


def test_a_read_is_reset_when_the_fault_says_so(google):
    google.fault("reset_before_commit", method="GET")
    assert google.create().status_code == 200
    with pytest.raises(httpx.ReadError):
        google.listed()


def test_the_grant_itself_is_befallen_when_the_fault_says_so(google):
    google.fault("server_error")
    assert google.call("GET", "").status_code == 200
    google.fault("server_error", resource="grant")
    assert google.listed().status_code == 200
    assert google.call("GET", "").status_code == 503


def test_times(sandbox, google):
    google.fault("server_error", times=2)
    statuses = [google.listed().status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert sandbox.http.get("/_sandbox/faults").json()["faults"] == []
    google.fault("server_error", times=None)
    assert {google.listed().status_code for _ in range(5)} == {503}
    assert sandbox.http.delete("/_sandbox/faults").json()["faults"] == []
    assert google.listed().status_code == 200


def test_the_first_that_matches_is_taken_and_the_rest_wait(sandbox, google):
    faults = [
        {"grant_id": google.id, "kind": "server_error", "method": "GET", "value": 500},
        {"grant_id": "*", "kind": "server_error"},
    ]
    sandbox.http.put("/_sandbox/faults", json={"faults": faults})
    assert google.listed().status_code == 500
    [left] = sandbox.http.get("/_sandbox/faults").json()["faults"]
    assert (left["grant_id"], left["kind"], left["times"], left["value"]) == (
        "*",
        "server_error",
        1,
        503,
    )
    assert google.listed().status_code == 503


def test_a_wrong_key_uses_no_fault_up(google):
    google.fault("server_error")
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    assert google.http.get(path, headers={"authorization": "Bearer x"}).status_code == 401
    assert google.listed().status_code == 503


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "meteor"},
        {},
        {"kind": "latency", "method": "FETCH"},
        {"kind": "latency", "value": -1},
        {"kind": "latency", "value": "1"},
        {"kind": "server_error", "value": 404},
        {"kind": "insert_refused", "value": 500},
        {"kind": "rate_limit", "value": 1.5},
        {"kind": "oversized_body", "value": 0},
        {"kind": "grant_401", "value": 1},
        {"kind": "late_commit", "method": "GET"},
        {"kind": "latency", "times": 0},
        {"kind": "latency", "times": True},
        {"kind": "latency", "grant_id": 1},
        {"kind": "latency", "resource": "contacts"},
        {"kind": "latency", "grant": "x"},
        "latency",
    ],
)
def test_one_bad_fault_refuses_them_all(sandbox, google, bad):
    google.fault("server_error")
    armed = sandbox.http.get("/_sandbox/faults").json()["faults"]
    answer = sandbox.http.put("/_sandbox/faults", json={"faults": [{"kind": "latency"}, bad]})
    assert answer.status_code == 400
    assert sandbox.http.get("/_sandbox/faults").json()["faults"] == armed


@pytest.mark.parametrize("bad", [{"kind": "meteor"}, {"kind": "latency", "value": -1}])
def test_a_refusal_names_the_known_kinds(sandbox, bad):
    answer = sandbox.http.put("/_sandbox/faults", json={"faults": [bad]})
    message = answer.json()["error"]["message"]
    assert all(kind in message for kind in KINDS)


@pytest.mark.parametrize("body", [{}, {"faults": {}}, {"faults": None}])
def test_faults_are_a_list(sandbox, body):
    assert sandbox.http.put("/_sandbox/faults", json=body).status_code == 400
