"""The server for callers' tests: it does what its script says, and knows nothing of the service."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from conferencing import (
    ConferencingClient,
    ConferencingError,
    Decision,
    ErrorReason,
    IncompatibleProvider,
    InvalidRequest,
    SyncConferencingClient,
    Verdict,
    testing,
)
from conferencing.testing import ScriptedServer
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.status import STATUSES
from python_client.both_clients import calling, event_of

METHODS = [*s.DESCRIPTOR.services_by_name["ConferencingService"].methods]


def test_its_codes_are_those_of_the_service():
    assert {reason.value: code for reason, (code, _text) in STATUSES.items()} == testing.CODES


def test_its_codes_are_of_all_reasons():
    reasons = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name}
    assert set(testing.CODES) == reasons - {"UNSPECIFIED"}


def test_it_works_where_the_service_is_not_installed():
    program = """
        import sys
        sys.modules["conferencing_service"] = None
        from conferencing import GrantExpired, SyncConferencingClient
        from conferencing.testing import ScriptedServer
        with ScriptedServer() as server, SyncConferencingClient(server.target) as client:
            server.fails("GRANT_EXPIRED")
            try:
                client.get_event(grant_id="g", calendar_id="c", event_id="e")
            except GrantExpired:
                print("expired")
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    assert subprocess.check_output(command, text=True, timeout=60) == "expired\n"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_every_rpc_can_be_scripted(script, method):
    answer = getattr(s, method.output_type.name)()
    request = getattr(s, method.input_type.name)()
    script.answers(answer)
    with SyncConferencingClient(script.target) as client:
        assert getattr(client.raw, method.name)(request, timeout=10) == answer
    (call,) = script.calls
    assert (call.rpc, call.request) == (method.name, request)
    assert 0 < call.seconds < 11


async def test_steps_are_taken_in_their_order_and_the_last_stays(scripted, script):
    script.answers(s.GetEventResponse(event=event_of(id="1")), times=2)
    script.answers(s.GetEventResponse(event=event_of(id="2")))
    found = [(await scripted.get()).event.id for _ in range(5)]
    assert found == ["1", "1", "2", "2", "2"]


async def test_a_step_befalls_the_calls_that_fit_it(scripted, script):
    script.fails("EVENT_READ_ONLY", rpc="DeleteEvent").fails("EVENT_NOT_FOUND", rpc="GetEvent")
    script.answers(s.CreateEventResponse())
    for _ in range(2):
        await scripted.create()
        for call, reason in (
            (scripted.delete, "EVENT_READ_ONLY"),
            (scripted.get, "EVENT_NOT_FOUND"),
        ):
            with pytest.raises(ConferencingError) as caught:
                await call()
            assert caught.value.reason == reason


@pytest.mark.parametrize("reason", sorted(testing.CODES))
async def test_every_reason_can_be_raised(script, reason):
    # A pause that does not fit into the deadline: what would be repeated is raised at once.
    pause = 60.0 if testing.CODES[reason] is grpc.StatusCode.UNAVAILABLE else None
    script.fails(reason, metadata={"key": "value"}, retry_after=pause)
    async with calling("asyncio", script.target, timeout=20) as caller:
        with pytest.raises(ConferencingError) as caught:
            await caller.delete()
    assert caught.value.code is testing.CODES[reason]
    assert (caught.value.reason, caught.value.metadata) == (reason, {"key": "value"})


async def test_details_are_the_scripts(scripted, script):
    script.fails("INVALID_FIELD", violations={"event.title": "is too long", "event.when": "is"})
    with pytest.raises(InvalidRequest) as caught:
        await scripted.get()
    assert [each.field for each in caught.value.violations] == ["event.title", "event.when"]
    script.fails("CONF_GRANT_REQUIRED")
    script.fails("CONF_GRANT_REQUIRED", verdict=Verdict(explanation="because"))
    with pytest.raises(InvalidRequest):
        await scripted.get()
    with pytest.raises(IncompatibleProvider) as caught:
        await scripted.get()
    assert caught.value.verdict.decision == Decision.DECISION_REFUSED
    assert caught.value.verdict.reason == ErrorReason.ERROR_REASON_CONF_GRANT_REQUIRED
    with pytest.raises(IncompatibleProvider) as caught:
        await scripted.get()
    assert caught.value.verdict.explanation == "because"


def test_a_script_that_cannot_be_is_refused():
    server = ScriptedServer()
    with pytest.raises(ValueError, match="no response of"):
        server.answers(s.GetEventRequest())
    with pytest.raises(ValueError, match="no RPC"):
        server.fails("GRANT_EXPIRED", rpc="MakeEvent")
    with pytest.raises(ValueError, match="a code is needed"):
        server.fails("SOMETHING_OF_A_LATER_VERSION")
    with pytest.raises(ValueError, match="a code is needed"):
        server.fails()


async def test_it_serves_in_both_ways():
    async with ScriptedServer() as server, ConferencingClient(server.target) as client:
        server.answers(s.GetEventResponse())
        await client.get_event(grant_id="g", calendar_id="c", event_id="e")
    with ScriptedServer() as server, SyncConferencingClient(server.target) as client:
        server.answers(s.GetEventResponse())
        client.get_event(grant_id="g", calendar_id="c", event_id="e")


def test_many_threads_may_share_it_and_the_blocking_client():
    with ScriptedServer() as server, SyncConferencingClient(server.target) as client:
        server.answers(s.CreateEventResponse())
        with ThreadPoolExecutor(8) as threads:
            calls = [
                threads.submit(client.create_event, grant_id="g", calendar_id="c", event=event_of())
                for _ in range(100)
            ]
        assert all(call.result() == s.CreateEventResponse() for call in calls)
        assert len({request.request_id for request in server.requests}) == 100


async def test_a_slow_answer_does_not_hold_up_the_end(script):
    script.answers(s.GetEventResponse(), delay=100)
    async with calling("asyncio", script.target) as caller:
        with pytest.raises(ConferencingError) as caught:
            await caller.get(timeout=0.2)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
