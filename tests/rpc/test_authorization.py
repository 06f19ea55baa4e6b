"""Who may do what: RPCs, grants and conference grants, by the policy; each its own ledger and caches."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from support.issuer import Issuer, bearing, settings_with
from support.sandbox import Grant, Sandbox
from support.service import (
    Failure,
    Service,
    autocreate,
    creation,
    delete,
    details,
    get,
    serving,
    update,
)
from support.waiting import until

pytestmark = pytest.mark.security

RPCS = s.DESCRIPTOR.services_by_name["ConferencingService"].methods_by_name
WRITING = ("CreateEvent", "UpdateEvent", "DeleteEvent")
ZOOM_LINK = "https://zoom.us/j/98765432101"


def policy(**principals: dict[str, Any]) -> str:
    """A policy; who is not told everything about may do everything."""
    everything = {"rpcs": ["*"], "grants": ["*"], "conf_grants": ["*"]}
    lines = []
    for name, told in principals.items():
        lines.append(f"[principals.{name}]")
        lines += [
            f"{key} = {value!r}"
            for key, value in ({"subjects": [name]} | everything | told).items()
        ]
    return "\n".join(lines)


@dataclass
class Callers:
    """A server with a policy, and those who call it."""

    service: Service
    issuer: Issuer
    file: Path

    async def call(self, who: str, request: Any) -> Any:
        return await self.service.call(request, metadata=self.metadata(who))

    async def failure(self, who: str, request: Any) -> Failure:
        return await self.service.failure(request, metadata=self.metadata(who))

    def metadata(self, who: str) -> Any:
        return bearing(self.issuer.token(who))


@pytest.fixture
def everybody(google: Grant, zoom: Grant) -> str:
    return policy(
        ada={},
        bob={},
        reader={"rpcs": ["Get*", "List*", "CheckCompatibility"]},
        narrow={"grants": [google.id, "missing-*"], "conf_grants": [zoom.id, "missing-*"]},
    )


@pytest.fixture
async def callers(
    sandbox: Sandbox, everybody: str, tmp_path: Path, seen_reasons: set[str]
) -> AsyncIterator[Callers]:
    issuer = Issuer()
    settings = settings_with(tmp_path, everybody, issuer)
    async with serving(sandbox.url, reasons=seen_reasons, **settings) as service:
        yield Callers(service, issuer, tmp_path / "policy.toml")


# ---- RPCs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rpc", RPCS)
async def test_an_rpc_that_the_policy_does_not_allow_is_refused_before_it_is_looked_at(
    callers: Callers, rpc: str
) -> None:
    request = getattr(s, f"{rpc}Request")()
    refusals = {"reader": rpc in {*WRITING, "ExtractConferencing"}, "nobody": True}
    for who, is_refused in refusals.items():
        failure = await callers.failure(who, request)
        if is_refused:
            assert (failure.code, failure.reason) == (
                grpc.StatusCode.PERMISSION_DENIED,
                "RPC_NOT_ALLOWED",
            )
            assert failure.metadata == {}
        else:
            assert failure.reason == "INVALID_FIELD"


# ---- Grants --------------------------------------------------------------------------------


def grant_fields(message: Descriptor, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all fields that name a grant, by their names and by nothing else."""
    for field in message.fields:
        behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if field_behavior_pb2.OUTPUT_ONLY in behaviour:
            continue
        path = (*above, field.name)
        if field.message_type is not None and not field.message_type.full_name.startswith(
            "google."
        ):
            yield from grant_fields(field.message_type, path)
        elif "grant" in field.name and field.type == field.TYPE_STRING:
            yield path


NAMED = [(rpc, path) for rpc, method in RPCS.items() for path in grant_fields(method.input_type)]


def requests(grant: Grant, event_id: str, zoom: Grant) -> dict[str, Any]:
    """A request for each RPC, in which every grant stands that can stand in it."""
    by_zoom = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)
    return {
        "CreateEvent": creation(grant.id, by_zoom),
        "GetEvent": get(grant.id, event_id),
        "ListEvents": s.ListEventsRequest(grant_id=grant.id, calendar_id="primary"),
        "UpdateEvent": update(grant.id, event_id, conferencing=by_zoom),
        "DeleteEvent": delete(grant.id, event_id),
        "CheckCompatibility": s.CheckCompatibilityRequest(
            grant_id=grant.id, provider=c.PROVIDER_ZOOM_MEETING, conf_grant_id=zoom.id
        ),
    }


def put(message: Any, path: tuple[str, ...], value: str) -> None:
    for name in path[:-1]:
        message = getattr(message, name)
    setattr(message, path[-1], value)


def test_the_contract_names_grants_in_these_places() -> None:
    """So that the test below is seen to try them all."""
    assert {".".join((rpc, *path)) for rpc, path in NAMED} == {
        *(f"{rpc}.grant_id" for rpc in RPCS if rpc != "ExtractConferencing"),
        "CreateEvent.event.conferencing.autocreate.conf_grant_id",
        "UpdateEvent.event.conferencing.autocreate.conf_grant_id",
        "CheckCompatibility.conf_grant_id",
    }


@pytest.mark.parametrize(
    ("rpc", "path"), NAMED, ids=lambda value: value if isinstance(value, str) else ".".join(value)
)
async def test_a_grant_that_a_caller_may_not_use_looks_like_one_that_is_not_there(
    callers: Callers,
    sandbox: Sandbox,
    google: Grant,
    zoom: Grant,
    tally: Counter[str],
    rpc: str,
    path: tuple[str, ...],
) -> None:
    there = sandbox.grant("zoom" if "conf" in path[-1] else "google")
    event = (await callers.call("ada", creation(google.id))).event
    request = requests(google, event.id, zoom)[rpc]
    answer = await callers.call("narrow", requests(google, event.id, zoom)["GetEvent"])
    assert answer.event.id == event.id, "the caller may use the grants that are its own"
    before = google.effects()

    put(request, path, there.id)
    forbidden = await callers.failure("narrow", request)
    put(request, path, "missing-grant")
    missing = await callers.failure("narrow", request)

    assert (forbidden.code, forbidden.reason) == (grpc.StatusCode.NOT_FOUND, "GRANT_NOT_FOUND")
    assert forbidden.metadata == {"grant_field": ".".join(path)}
    assert forbidden == missing
    assert there.requests() == []
    assert google.effects() == before
    tally["grants of others hidden"] += 1


async def test_what_is_wrong_with_a_request_is_told_before_whose_grant_it_names(
    callers: Callers, microsoft: Grant
) -> None:
    for grant_id in (microsoft.id, "missing-grant"):
        failure = await callers.failure("narrow", creation(grant_id, title="x" * 2000))
        assert list(failure.violations) == ["event.title"]


async def test_a_copy_of_a_grant_in_the_event_is_ignored_like_every_output(
    callers: Callers, google: Grant, microsoft: Grant
) -> None:
    request = creation(google.id)
    request.event.grant_id = microsoft.id
    assert (await callers.call("narrow", request)).event.grant_id == google.id


async def test_a_grant_hosts_conferences_only_where_the_policy_says_so(
    callers: Callers, google: Grant, zoom: Grant
) -> None:
    callers.file.write_text(policy(ada={"conf_grants": []}))
    await policy_read(callers, "bob")
    by_zoom = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)
    failure = await callers.failure("ada", creation(google.id, by_zoom))
    assert failure.metadata == {"grant_field": "event.conferencing.autocreate.conf_grant_id"}
    by_hand = details(c.PROVIDER_ZOOM_MEETING, ZOOM_LINK)
    assert (await callers.call("ada", creation(google.id, by_hand))).event.id


# ---- One caller and another ----------------------------------------------------------------


async def test_a_request_id_of_one_caller_is_nothing_to_another(
    callers: Callers, google: Grant, tally: Counter[str]
) -> None:
    request = creation(google.id)
    first = await callers.call("ada", request)
    other = s.CreateEventRequest()
    other.CopyFrom(request)
    other.event.title = "Of somebody else"
    second = await callers.call("bob", other)
    assert not second.replayed
    assert second.event.id != first.event.id
    assert (await callers.call("ada", request)).event == first.event
    assert (await callers.failure("ada", other)).reason == "REQUEST_ID_REUSED"
    assert Counter(google.effects())["event_created"] == 2
    tally["callers kept apart"] += 1


async def test_a_page_token_of_one_caller_does_not_open_for_another(
    callers: Callers, google: Grant
) -> None:
    for _ in range(3):
        await callers.call("ada", creation(google.id))
    request = s.ListEventsRequest(grant_id=google.id, calendar_id="primary", page_size=1)
    request.page_token = (await callers.call("ada", request)).next_page_token
    assert (await callers.call("ada", request)).events
    assert list((await callers.failure("bob", request)).violations) == ["page_token"]


async def test_what_is_known_of_a_grant_is_known_to_whoever_asked(
    callers: Callers, google: Grant
) -> None:
    asked = s.CheckCompatibilityRequest(grant_id=google.id)
    for who, reads in (("ada", 1), ("ada", 1), ("bob", 2), ("bob", 2)):
        await callers.call(who, asked)
        assert len(google.requests()) == reads


# ---- A policy that changes -----------------------------------------------------------------


async def policy_read(callers: Callers, refused: str) -> None:
    """Wait until somebody is refused who is in the policy no more."""
    await until(lambda: is_refused(callers, refused))


async def is_refused(callers: Callers, who: str) -> bool:
    try:
        await callers.call(who, s.CheckCompatibilityRequest(platform=c.PLATFORM_GOOGLE))
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.PERMISSION_DENIED
    return False


async def test_a_new_policy_holds_without_a_restart_for_what_was_answered_as_well(
    callers: Callers, google: Grant, microsoft: Grant
) -> None:
    request = creation(google.id)
    await callers.call("ada", request)
    assert (await callers.call("ada", request)).replayed
    callers.file.write_text(policy(ada={"grants": [microsoft.id]}))
    await policy_read(callers, "bob")
    assert (await callers.failure("ada", request)).reason == "GRANT_NOT_FOUND"
    assert (await callers.call("ada", creation(microsoft.id))).event.id


async def test_a_policy_that_does_not_hold_leaves_the_last_one_and_tells_the_operator(
    callers: Callers, caplog: pytest.LogCaptureFixture
) -> None:
    for broken in ("[principals.ada]\nrpcs = 7", "= nonsense", None):
        caplog.clear()
        if broken is None:
            callers.file.unlink()
        else:
            callers.file.write_text(broken)

        async def is_told() -> bool:
            assert not await is_refused(callers, "ada"), "the last policy still holds"
            return any(getattr(line, "alert", "") == "policy" for line in caplog.records)

        await until(is_told)
    callers.file.write_text(policy(ada={}))
    await policy_read(callers, "bob")
