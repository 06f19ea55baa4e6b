"""`demo --sandbox`: exits with 0 only if every step answered as expected."""

from __future__ import annotations

import json

from conferencing.v1 import conferencing_service_pb2

METHODS = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"].methods


async def test_it_walks_through_every_rpc_and_prints_answers_and_traces(start):
    command = await start("demo", "--sandbox")
    assert await command.end() == 0, command.stdout
    for method in METHODS:
        assert f"\n{method.name} {{" in command.stdout
        assert f"  conferencing.v1.ConferencingService/{method.name} " in command.stdout
    assert "reason: CROSS_PLATFORM_AUTOCREATE" in command.stdout
    assert command.stdout.count("instead: ") >= 3
    assert "conferencing.verdict" in command.stdout
    assert "POST /v3/grants/{grant_id}/events" in command.stdout
    assert command.stdout.endswith("steps answered as expected\n")
    for line in command.stderr.splitlines():
        assert json.loads(line)["message"] in {"rpc", "audit"}


async def test_a_write_whose_answer_is_lost_is_found_and_does_not_make_it_fail(start):
    faults = json.dumps([{"kind": "reset_after_commit", "method": "POST"}])
    command = await start("demo", "--sandbox", CONFERENCING_SANDBOX_FAULTS=faults)
    assert await command.end() == 0, command.stdout
    assert command.stdout.endswith("steps answered as expected\n")


async def test_a_write_of_which_nothing_can_be_found_makes_it_fail(start):
    faults = json.dumps([{"kind": "insert_refused", "method": "POST"}])
    command = await start(
        "demo",
        "--sandbox",
        CONFERENCING_SANDBOX_FAULTS=faults,
        CONFERENCING_SETTLE_WINDOW="0.2",
    )
    assert await command.end() == 1
    assert "reason: OUTCOME_UNRESOLVED" in command.stdout
    assert "1 of " in command.stdout.split("\n")[-3]
