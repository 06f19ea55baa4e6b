"""The sandbox as a process: ready, ended, restarted, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from conferencing_service.sandbox import SandboxSettings, create_app

MODULE = [sys.executable, "-m", "conferencing_service.sandbox"]


def refused(*arguments):
    done = subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def gone(url):
    address = httpx.URL(url)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection((address.host, address.port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(number):
    process = subprocess.Popen(
        [*MODULE, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = process.stdout.readline()
    url = ready.strip().removeprefix("sandbox listening on ")
    assert ready == f"sandbox listening on http://127.0.0.1:{httpx.URL(url).port}\n"
    with httpx.Client(base_url=url) as client:
        client.get("/_sandbox/effects")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_its_standard_input(start):
    with start() as sandbox:
        sandbox.process.stdin.close()
        assert sandbox.process.wait(10) == 0
        assert gone(sandbox.url)


def test_it_dies_with_a_parent_that_is_killed():
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({MODULE!r} + sys.argv[1:], stdin=subprocess.PIPE)\n"
        "time.sleep(60)"
    )
    arguments = ("--listen", "127.0.0.1:0", "--until-stdin-closes")
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    )
    with parent:
        url = parent.stdout.readline().strip().rpartition(" ")[2]
        assert httpx.get(f"{url}/_sandbox/effects").status_code == 200
        parent.kill()
        assert gone(url)


def test_an_end_does_not_wait_for_a_slow_answer(start):
    fault = json.dumps([{"kind": "latency", "value": 60_000}])
    with start("--faults", fault) as sandbox:
        with pytest.raises(httpx.ReadTimeout):
            sandbox.http.get("/v3/grants/google-demo/calendars", timeout=0.2)
        begun = time.monotonic()
        sandbox.process.terminate()
        assert sandbox.process.wait(10) == 0
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_file_outlives_the_process(start, tmp_path, end):
    database = str(tmp_path / "sandbox.sqlite")
    with start("--database", database) as first:
        grant = first.grant("microsoft")
        zoom = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": "zoom-demo"}}
        created = grant.created(conferencing=zoom)
        effects = first.http.get("/_sandbox/effects").json()["effects"]
        conferences = grant.conferences()
        first.process.send_signal(end)
        first.process.wait(10)
    with start("--database", database) as second:
        again = second.demo(grant.id)
        assert second.http.get("/_sandbox/effects").json()["effects"] == effects
        assert again.get(created["id"]).json()["data"] == created
        assert again.conferences() == conferences
        again.delete(created["id"])
        later = second.http.get("/_sandbox/effects").json()["effects"]
        assert [effect["seq"] for effect in later] == list(range(1, len(later) + 1))
        assert len(later) > len(effects)


def test_memory_does_not(start):
    with start() as first:
        event_id = first.demo("google-demo").created()["id"]
    with start() as second:
        assert second.demo("google-demo").get(event_id).status_code == 404


def test_faults_are_armed_at_the_start(start):
    fault = {"kind": "server_error", "value": 500}
    for faults in ([fault], {"faults": [fault]}):
        with start("--faults", json.dumps(faults)) as sandbox:
            demo = sandbox.demo("google-demo")
            assert [demo.listed().status_code for _ in range(2)] == [500, 200]


def test_it_reads_no_environment(start, monkeypatch):
    for name in ("FAULTS", "LISTEN", "DATABASE"):
        monkeypatch.setenv(f"CONFERENCING_SANDBOX_{name}", "nonsense")
    with start() as sandbox:
        assert sandbox.demo("google-demo").listed().status_code == 200


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in refused("--listen", f"127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "[::]", ""])
def test_only_loopback_is_served(host):
    assert "loopback" in refused("--listen", f"{host}:0")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "50080"),
        ("--listen", "127.0.0.1:http"),
        ("--listen", "127.0.0.1:99999"),
        ("--faults", "{"),
        ("--faults", "1"),
        ("--faults", '[{"kind": "meteor"}]'),
        ("--faults", '{"faults": [{"kind": "latency", "value": -1}]}'),
        ("--database", "/nowhere/at/all.sqlite"),
        ("--events-per-second", "-1"),
        ("--grants-per-second", "many"),
        ("--bogus",),
    ],
)
def test_a_bad_argument_is_one_line(arguments):
    refused("--listen", "127.0.0.1:0", *arguments)


def test_two_sandboxes_do_not_share_a_file(start, tmp_path):
    database = str(tmp_path / "sandbox.sqlite")
    with start("--database", database):
        assert "locked" in refused("--listen", "127.0.0.1:0", "--database", database)


def test_ipv6_loopback(start):
    with start("--listen", "[::1]:0") as sandbox:
        assert sandbox.url.startswith("http://[::1]:")
        assert sandbox.demo("google-demo").listed().status_code == 200


def wait_for_a_new_second(grant):
    # The window is the running second: begin at its beginning, or two of them are seen.
    while grant.call("GET", "/events", calendar_id="primary").status_code == 200:
        pass
    while grant.call("GET", "/events", calendar_id="primary").status_code == 429:
        pass


def test_events_are_limited_per_grant(start):
    with start("--events-per-second", "3") as sandbox:
        one, other = sandbox.demo("google-demo"), sandbox.demo("microsoft-demo")
        wait_for_a_new_second(one)
        answers = [one.listed() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        error = answers[-1].json()["error"]
        assert error["type"] == "nylas_rate_limit_exceeded"
        assert "provider_error" not in error
        assert "retry-after" not in answers[-1].headers
        assert other.listed().status_code == 200
        assert one.call("GET", "").status_code == 200


def test_grants_are_limited_per_application(start):
    with start("--grants-per-second", "2") as sandbox:
        one, other = sandbox.demo("google-demo"), sandbox.demo("microsoft-demo")
        codes = [grant.call("GET", "").status_code for grant in (one, other) * 5]
        assert 429 in codes
        assert one.listed().status_code == 200


async def test_in_process():
    app = create_app(SandboxSettings(faults=[{"kind": "reset_after_commit", "method": "POST"}]))
    transport = httpx.ASGITransport(app)
    headers = {"authorization": "Bearer sandbox"}
    path = "/v3/grants/google-demo/events?calendar_id=primary"
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox", headers=headers
    ) as client:
        body = {"when": {"time": 1_900_000_000}}
        with pytest.raises(ConnectionResetError):
            await client.post(path, json=body)
        effects = (await client.get("/_sandbox/effects")).json()["effects"]
        assert [effect["kind"] for effect in effects] == ["event_created"]
        assert (await client.post(path, json=body)).status_code == 200
    app.close()


def test_an_open_standard_input_keeps_it_alive(start):
    with start() as sandbox:
        os.write(sandbox.process.stdin.fileno(), b"noise\n")
        time.sleep(0.3)
        assert sandbox.process.poll() is None
