"""`ledger places`: what an operator looks for in audit lines, to find who wrote somewhere."""

from __future__ import annotations

import json

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from support.replica import replicas
from support.service import autocreate, creation, delete

pytestmark = pytest.mark.security


@pytest.fixture
def url(tmp_path):
    return f"sqlite://{tmp_path}/ledger/ledger.sqlite"


def audit_lines(log):
    """What a server's audit lines say."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line["message"] == "audit"]


async def names(run, url, *options):
    ran = await run("ledger", "places", *options, CONFERENCING_LEDGER_URL=url)
    assert (ran.status, ran.stderr) == (0, "")
    return dict(line.split() for line in ran.stdout.splitlines())


async def test_the_names_are_those_of_a_servers_audit_lines(
    run, sandbox, google, zoom, url, tmp_path
):
    async with replicas(tmp_path, sandbox.url, url) as started:
        server = await started.start()
        stub = ConferencingServiceStub(server.channel)
        asked = creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id))
        event = (await stub.CreateEvent(asked, timeout=30)).event
        other = (await stub.CreateEvent(creation(google.id), timeout=30)).event
        await stub.DeleteEvent(delete(google.id, event.id), timeout=30)
        # Beside a server that runs.
        told = await names(
            *(run, url, "--grant", google.id, "--calendar", "primary", "--event", event.id)
        )
        host = await names(run, url, "--grant", zoom.id)
    assert list(told) == ["grant", "calendar", "event"]
    created, _another, deleted = lines = audit_lines(server.errors)
    assert [line["rpc"] for line in lines] == ["CreateEvent", "CreateEvent", "DeleteEvent"]
    for line in (created, deleted):
        assert {name: line[name] for name in told} == told
    assert host == {"grant": created["conf_grant"]}
    # Who did something to an event is found by it, and nobody else.
    (found,) = [line for line in lines if line["event"] != told["event"]]
    assert found["event"] == (await names(run, url, "--event", other.id))["event"]


async def test_another_ledger_has_other_names(run, sandbox, url, tmp_path):
    found = set()
    for name in ("one", "two"):
        of_its_own = f"sqlite://{tmp_path}/{name}.sqlite"
        (tmp_path / name).mkdir()
        async with replicas(tmp_path / name, sandbox.url, of_its_own) as started:
            await started.start()
        found.add((await names(run, of_its_own, "--event", "x"))["event"])
    assert len(found) == 2


async def test_without_a_place_or_a_ledger_it_says_so(run, url):
    ran = await run("ledger", "places", CONFERENCING_LEDGER_URL=url)
    assert (ran.status, ran.stdout) == (2, "")
    assert "--grant, --calendar or --event" in ran.stderr
    ran = await run("ledger", "places", "--event", "x", CONFERENCING_LEDGER_URL=url)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(
        "conferencing-service: CONFERENCING_LEDGER_URL: there is no ledger"
    )
