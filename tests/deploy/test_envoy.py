"""Envoy in front, with the shipped configuration: gRPC, gRPC-Web and JSON reach every replica."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid

import httpx
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2

from conferencing import ConferencingClient, Event, IncompatibleProvider, Provider, autocreate
from conferencing.v1 import conferencing_service_pb2 as s
from deploy.front import GUARD, fleet
from support.documents import ROOT
from support.service import creation, get, timespan

pytestmark = pytest.mark.asyncio(loop_scope="module")

RPCS = "/conferencing.v1.ConferencingService/"
PAGE = "https://calendar.example.com"
"""The origin that the shipped configuration names."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory, sandbox, postgresql_server):
    folder, ledger = tmp_path_factory.mktemp("front"), postgresql_server.fresh()
    async with fleet(folder, sandbox.url, ledger) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def http(running):
    async with httpx.AsyncClient(base_url=f"http://{running.front.address}", timeout=60) as client:
        yield client


async def post(http, rpc, body, **headers):
    content = body if isinstance(body, str) else json.dumps(body)
    return await http.post(
        RPCS + rpc, content=content, headers={"content-type": "application/json", **headers}
    )


def sample(name):
    """A request that is shown to callers, with an id of its own."""
    request = json.loads((ROOT / f"clients/grpcurl/{name}.json").read_text())
    return {**request, "request_id": str(uuid.uuid4())}


async def web(http, request):
    """A call as a browser makes it; return its answer's frames by their kind, and its headers."""
    name = type(request).__name__.removesuffix("Request")
    raw = request.SerializeToString()
    answer = await http.post(
        RPCS + name,
        content=b"\0" + len(raw).to_bytes(4, "big") + raw,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "origin": PAGE},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert answer.headers["access-control-allow-origin"] == PAGE
    frames, rest = {}, answer.content
    while rest:
        size = int.from_bytes(rest[1:5], "big")
        frames[rest[0]] = rest[5 : 5 + size]
        rest = rest[5 + size :]
    return frames, answer.headers


# ---- gRPC -----------------------------------------------------------------------------------


async def test_the_shipped_client_calls_through_it_and_every_replica_gets_its_share(
    running, google
):
    before = await running.front.calls()
    async with ConferencingClient(running.front.address) as client:
        made = [
            await client.create_event(
                grant_id=google.id,
                calendar_id="primary",
                event=Event(title=f"Planning {number}", when=timespan(), conferencing=autocreate()),
            )
            for number in range(30)
        ]
    assert len({answer.event.id for answer in made}) == 30
    assert google.effects().count("event_created") == 30
    calls = await running.front.calls() - before
    assert set(calls) == set(running.servers)
    assert sum(calls.values()) == 30


async def test_an_error_reaches_the_shipped_client_whole(running, google):
    async with ConferencingClient(running.front.address) as client:
        with pytest.raises(IncompatibleProvider) as refused:
            await client.create_event(
                grant_id=google.id,
                calendar_id="primary",
                event=Event(
                    title="Planning",
                    when=timespan(),
                    conferencing=autocreate(Provider.PROVIDER_MICROSOFT_TEAMS),
                ),
            )
    assert refused.value.reason == "CROSS_PLATFORM_AUTOCREATE"
    assert refused.value.alternatives


# ---- JSON -----------------------------------------------------------------------------------


async def test_a_request_may_be_json(http, google):
    request = {**sample("create_event_details"), "grant_id": google.id}
    answers = [await post(http, "CreateEvent", request) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert first["event"]["conferencing"]["details"]["url"].startswith("https://zoom.us/j/")
    assert (second["event"], second["replayed"]) == (first["event"], True)
    assert google.effects().count("event_created") == 1


async def test_an_error_is_json_with_its_reason_and_its_verdict(http):
    answer = await post(http, "CreateEvent", sample("create_event_refused"))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert error["code"] == 9
    info, verdict = error["details"]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["reason"] == "CROSS_PLATFORM_AUTOCREATE"
    assert verdict["@type"] == "type.googleapis.com/conferencing.v1.Verdict"
    assert verdict["alternatives"]


async def test_every_faulty_field_of_json_is_named(http):
    answer = await post(http, "CreateEvent", {"grant_id": "g"})
    fields = answer.json()["details"][1]["fieldViolations"]
    assert answer.status_code == 400
    assert {each["field"] for each in fields} == {"calendar_id", "request_id", "event"}


async def test_an_answer_may_be_larger_than_a_request(http, google):
    for number in range(160):
        google.created(description=f"{number:08000}")
    wanted = {"grant_id": google.id, "calendar_id": "primary", "page_size": 200}
    answer = await post(http, "ListEvents", wanted)
    assert answer.status_code == 200
    assert len(answer.json()["events"]) == 160
    assert len(answer.content) > 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"{RPCS}CreateEvent?grant_id=g&nonsense=1", "{}", 400),
        ("POST", f"{RPCS}NoSuch", "{}", 404),
        ("GET", f"{RPCS}CheckCompatibility", "", 404),
        ("POST", "/grpc.health.v1.Health/Check", "{}", 404),
        ("GET", "/", "", 404),
    ],
)
async def test_what_is_no_call_goes_no_further(running, http, method, path, body, status):
    before = await running.front.calls()
    answer = await http.request(
        method, path, content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert await running.front.calls() == before


async def test_json_that_cannot_be_read_is_refused(http, google):
    answer = await post(http, "CreateEvent", '{"grant_id": "')
    assert answer.status_code == 400
    assert google.effects() == []


async def test_a_field_that_the_contract_does_not_have_is_left_out(http, google):
    """As docs/deploy.md warns."""
    request = {**sample("create_event_details"), "grant_id": google.id, "calender_id": "x"}
    assert (await post(http, "CreateEvent", request)).status_code == 200


# ---- gRPC-Web -------------------------------------------------------------------------------


async def test_a_browser_calls_by_grpc_web(http, google):
    frames, _headers = await web(http, creation(google.id))
    answer = s.CreateEventResponse.FromString(frames[0x00])
    assert google.get(answer.event.id).status_code == 200
    assert b"grpc-status:0\r\n" in frames[0x80]


async def test_a_browser_is_told_the_reason(http, google):
    frames, headers = await web(http, get(google.id, "no-such-event"))
    assert frames == {}
    assert headers["grpc-status"] == "5"
    assert "grpc-status-details-bin" in headers["access-control-expose-headers"]
    raw = base64.b64decode(headers["grpc-status-details-bin"] + "==")
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(raw).details[0].Unpack(info)
    assert info.reason == "EVENT_NOT_FOUND"


@pytest.mark.parametrize(("origin", "status"), [(PAGE, 200), ("https://evil.example.com", 404)])
async def test_a_page_may_call_if_it_is_named(http, origin, status):
    answer = await http.options(
        f"{RPCS}CreateEvent",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-grpc-web",
        },
    )
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (PAGE if status == 200 else None)


# ---- What it does about replicas ------------------------------------------------------------


async def test_whoever_asks_is_told_that_it_runs(http):
    assert (await http.get("/healthz")).status_code == 200


async def test_an_upstreams_outage_is_no_replicas_fault(running, http, sandbox, google):
    """Each call is tried once more, at another replica, and none of them is taken out."""
    event = google.created()["id"]
    sandbox.arm({"grant_id": google.id, "method": "GET", "kind": "server_error", "times": None})
    retried = await running.front.counter("upstream_rq_retry")
    wanted = {"grant_id": google.id, "calendar_id": "primary", "event_id": event}
    try:
        answers = [await post(http, "GetEvent", wanted) for _ in range(6)]
    finally:
        sandbox.arm()
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["details"][0]["reason"] for answer in answers} == {"UPSTREAM_UNAVAILABLE"}
    assert await running.front.counter("upstream_rq_retry") == retried + 6
    assert await running.front.healthy() == set(running.servers)
    assert await running.front.counter("outlier_detection.ejections_enforced_total") == 0


async def test_a_call_is_a_line_of_json_with_nothing_secret_in_it(running, http, google):
    trace = f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-01"
    event = {"title": "planted", "when": {"date": {"date": "2030-01-07"}}}
    request = {"calendar_id": "primary", "request_id": str(uuid.uuid4()), "event": event}
    answer = await post(
        http,
        f"CreateEvent?grant_id={google.id}",
        request,
        authorization="Bearer planted",
        traceparent=trace,
    )
    assert answer.status_code == 200
    async with asyncio.timeout(GUARD):
        while True:
            lines = [line for line in running.front.log.read_text().splitlines() if trace in line]
            if lines:
                break
            await asyncio.sleep(0.05)
    (line,) = lines
    told = json.loads(line)
    assert told["path"] == f"{RPCS}CreateEvent"
    assert (told["status"], told["grpc_status"], told["attempts"]) == (200, "OK", 1)
    assert told["replica"] in running.servers
    assert not [
        secret for secret in ("planted", google.id, request["request_id"]) if secret in line
    ]
