"""The page while it is open: when it is sent again, to whom, and what the list of calls says."""

from __future__ import annotations

import json
import socket
import time

import httpx
import pytest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PATHS = ["/", "/_sandbox/page", "/_sandbox/page.css", "/_sandbox/page.js", "/_sandbox/page.svg"]
MEET = {"provider": "Google Meet", "autocreate": {}}
LATE = {"provider": "Microsoft Teams", "autocreate": {}}


@pytest.fixture
def alone(start):
    """A sandbox in which nothing happens but what the test does."""
    with start() as sandbox:
        yield sandbox


def wait_until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def contents(sandbox, grant, tag=None):
    headers = {} if tag is None else {"if-none-match": tag}
    return sandbox.http.get("/_sandbox/page", params={"grant": grant.id}, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_forbids_whatever_is_not_its_own(sandbox, path):
    answer = sandbox.http.get(path)
    assert answer.status_code == 200
    policy = dict(
        part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["conferencing-sandbox"] == "1"
    assert sandbox.http.head(path).status_code == 200
    assert sandbox.http.post(path).status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "example.com:50080", "127.0.0.1.example.com", "localhost.example.com"),
        *("192.0.2.1", "0.0.0.0", "[::]", "", "[", "127.0.0.1@example.com", "2130706433"),
    ],
)
def test_another_host_name_is_refused(sandbox, path, host):
    answer = sandbox.http.get(path, headers={"host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (
        421,
        "text/plain; charset=utf-8",
    )
    assert "localhost" in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:50080"]
)
def test_every_name_of_loopback_is_served(sandbox, host):
    assert sandbox.http.get("/", headers={"host": host}).status_code == 200


def test_the_contents_are_sent_again_only_when_something_changed(alone):
    google = alone.demo("google-demo")
    tag = contents(alone, google).headers["etag"]
    changes = [
        google.create,
        google.listed,
        lambda: google.fault("latency", value=0),
        google.listed,
        lambda: alone.grant("imap"),
        lambda: alone.http.delete("/_sandbox/requests"),
        lambda: alone.http.delete("/_sandbox/faults"),
    ]
    for change in changes:
        unchanged = contents(alone, google, tag)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        change()
        changed = contents(alone, google, tag)
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag
        tag = changed.headers["etag"]
    assert contents(alone, google, tag).status_code == 304
    # The reading itself is no change, nor a call.
    assert google.requests() == []


def test_a_fault_shows_on_its_call_while_the_call_is_still_under_way(alone):
    google = alone.demo("google-demo")
    google.fault("latency", value=5_000, times=None)
    url = google.http.base_url
    head = f"POST /v3/grants/{google.id}/events?calendar_id=primary HTTP/1.1\r\nhost: x\r\n"
    head += "authorization: Bearer sandbox\r\ncontent-length: 2\r\ncontent-type: application/json"
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(f"{head}\r\n\r\n{{".encode())
        wait_until(lambda: google.requests() != [])
        tag = contents(alone, google).headers["etag"]
        connection.sendall(b"}")
        wait_until(lambda: contents(alone, google, tag).status_code == 200)
        assert "under way" in contents(alone, google).text
    assert google.requests()[0]["fault"] == "latency"


def test_the_contents_are_those_of_the_page(alone):
    google = alone.demo("google-demo")
    google.created(title="Review", conferencing=MEET)
    fragment = contents(alone, google)
    assert fragment.headers["content-type"] == "text/html; charset=utf-8"
    assert fragment.text in alone.http.get("/", params={"grant": google.id}).text


def test_another_run_does_not_take_the_tag_of_the_one_before(start):
    tags = []
    for _ in range(2):
        with start() as sandbox:
            tags.append(contents(sandbox, sandbox.demo("google-demo")).headers["etag"])
    assert tags[0] != tags[1]


def test_a_pending_conference_is_asked_for_until_it_is_there(alone):
    microsoft = alone.demo("microsoft-demo")
    microsoft.fault("pending_conference", value=1500)
    microsoft.created(conferencing=LATE)
    first = contents(alone, microsoft)
    assert "pending until" in first.text
    assert "etag" not in first.headers
    wait_until(lambda: "etag" in contents(alone, microsoft).headers)
    assert "teams.microsoft.com" in contents(alone, microsoft).text
    microsoft.fault("pending_conference", value=None)
    microsoft.created(conferencing=LATE)
    never = contents(alone, microsoft)
    assert "stays pending" in never.text
    assert "etag" in never.headers


def test_what_is_committed_late_changes_the_page(alone):
    google = alone.demo("google-demo")
    google.fault("late_commit", value=1500)
    with pytest.raises(httpx.ReadError):
        google.create(title="Late")
    before = contents(alone, google)
    assert "Late" not in before.text
    wait_until(lambda: contents(alone, google, before.headers["etag"]).status_code == 200)
    assert "Late" in contents(alone, google).text


def test_the_list_of_calls_names_the_trace_and_the_fault_of_those_that_have_one(sandbox, google):
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    google.fault("server_error")
    google.http.get(path, headers={"traceparent": TRACEPARENT})
    google.listed()
    with_both, with_neither = google.requests()
    assert (with_both["trace_id"], with_both["fault"]) == (TRACE, "server_error")
    assert not {"trace_id", "fault"} & set(with_neither)


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (TRACEPARENT, TRACE),
        (f"{TRACEPARENT.replace('00-', '01-', 1)}-more", TRACE),
        (TRACEPARENT.upper(), None),
        (TRACEPARENT.replace("00-", "ff-", 1), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
        ("", None),
    ],
)
def test_a_trace_id_is_read_as_the_standard_says(sandbox, google, traceparent, trace_id):
    google.http.get(f"/v3/grants/{google.id}", headers={"traceparent": traceparent})
    (call,) = google.requests()
    assert call.get("trace_id") == trace_id


def test_an_end_does_not_wait_for_those_who_look_at_the_page(start):
    with start() as sandbox:
        readers = [httpx.Client(base_url=sandbox.url) for _ in range(5)]
        for reader in readers:
            reader.get("/").raise_for_status()
            reader.get("/_sandbox/page").raise_for_status()
        sandbox.process.terminate()
        assert sandbox.process.wait(10) == 0
        for reader in readers:
            reader.close()


def test_the_page_is_served_on_ipv6(start):
    with start("--listen", "[::1]:0") as sandbox:
        assert "google-demo" in sandbox.http.get("/").text


def test_a_database_of_an_earlier_run_is_shown(start, tmp_path):
    database = str(tmp_path / "sandbox.sqlite")
    with start("--database", database) as first:
        first.demo("google-demo").created(title="Of yesterday")
    with start("--database", database, "--faults", json.dumps([{"kind": "grant_401"}])) as second:
        shown = second.http.get("/").text
        assert "Of yesterday" in shown
        assert "event_created" in shown
        assert "grant_401" in shown
