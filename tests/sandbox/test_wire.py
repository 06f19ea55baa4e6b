"""The envelope of every answer: authorization, media types, request ids, compression."""

from __future__ import annotations

import socket
import uuid

import pytest

from conferencing_service.sandbox.request_log import RequestLog


def test_every_answer_carries_its_request_id_and_says_who_made_it(sandbox, google):
    answers = [
        google.listed(),
        google.get("unknown"),
        sandbox.http.get("/v3/nothing"),
        sandbox.http.get("/_sandbox/effects"),
        sandbox.http.get("/_sandbox/nothing"),
        sandbox.http.get("/nothing"),
        sandbox.http.get(f"/v3/grants/{google.id}", headers={"authorization": "Bearer wrong"}),
    ]
    for answer in answers:
        request_id = answer.json()["request_id"]
        assert str(uuid.UUID(request_id, version=4)) == request_id
        assert answer.headers["x-request-id"] == request_id
        assert answer.headers["conferencing-sandbox"] == "1"
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic sandbox", "sandbox"])
def test_a_wrong_key_is_401_and_nothing_happens(google, authorization):
    google.http.headers["authorization"], kept = authorization, google.http.headers["authorization"]
    try:
        answer = google.create()
    finally:
        google.http.headers["authorization"] = kept
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "unauthorized"
    assert google.effects() == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "Application/JSON", None]
)
def test_any_media_type_but_plain_json_is_refused(google, content_type):
    google.json_headers = {} if content_type is None else {"content-type": content_type}
    answer = google.create()
    assert answer.status_code == 400
    assert "only JSON" in answer.json()["error"]["message"]
    assert google.effects() == []


@pytest.mark.parametrize(
    "content",
    [
        b'{"title": "\xed\xa0\x80"}',
        b"{",
        b"[]",
        b'"text"',
        b'{"title": NaN}',
        b'{"title": "\\ud800"}',
        b"\xff",
        b"[" * 10**5,
    ],
)
def test_a_body_that_is_no_json_object_is_400(google, content):
    answer = google.http.post(
        f"/v3/grants/{google.id}/events?calendar_id=primary",
        content=content,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "api.invalid_request_payload"


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(google):
    address = (google.http.base_url.host, google.http.base_url.port)
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox\r\n"
    with socket.create_connection(address) as connection:
        connection.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
    assert google.create().status_code == 200
    assert google.effects() == ["event_created"]


def test_a_huge_body_is_413(google):
    assert google.create(description="x" * 2**21).status_code == 413


def test_answers_are_compressed_when_asked_and_worth_it(google):
    path = f"/v3/grants/{google.id}"
    plain = google.http.get(path, headers={"accept-encoding": "identity"})
    packed = google.http.get(path, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json()["data"] == plain.json()["data"]
    short = google.http.get("/v3/nothing", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in short.headers


def test_an_escaped_slash_stays_within_its_id(sandbox):
    sandbox.http.post("/_sandbox/grants", json={"id": "a/b#c", "provider": "google"})
    answer = sandbox.http.get("/v3/grants/a%2Fb%23c/calendars/team")
    assert answer.json()["data"]["grant_id"] == "a/b#c"


def test_a_wrong_method_is_405(google):
    assert google.call("PATCH", "/events/x", {"title": "x"}).status_code == 405


def test_the_calls_are_logged_without_bodies_and_can_be_forgotten(start):
    with start() as sandbox:
        grant = sandbox.grant("google")
        grant.http.get(
            f"/v3/grants/{grant.id}/events?calendar_id=primary",
            headers={"traceparent": "00-1-2-01"},
        )
        grant.get("unknown")
        first, second = grant.requests()
        assert (first["method"], first["path"]) == ("GET", f"/v3/grants/{grant.id}/events")
        assert (first["query"], first["status"]) == ("calendar_id=primary", 200)
        assert first["traceparent"] == "00-1-2-01"
        assert second["status"] == 404
        assert second["seq"] > first["seq"]
        assert set(first) == {
            *(
                "seq",
                "method",
                "path",
                "query",
                "grant_id",
                "status",
                "traceparent",
                "request_id",
                "at",
            )
        }
        sandbox.http.delete("/_sandbox/requests")
        assert grant.requests() == []


def test_the_log_of_calls_is_bounded():
    log = RequestLog()
    for number in range(10_005):
        log.open(
            method="GET",
            path="/v3/grants",
            query="",
            grant_id=None,
            traceparent=None,
            request_id=str(number),
            at=0,
        )
    kept = log.document(None)
    assert len(kept) == 10_000
    assert (kept[0]["seq"], kept[-1]["seq"]) == (6, 10_005)
