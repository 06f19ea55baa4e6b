"""Every failure reaches the caller as the class that the table says, the same from both clients."""

from __future__ import annotations

import pickle

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

import conferencing
from conferencing import (
    ConferencingError,
    Decision,
    ErrorReason,
    Event,
    GrantExpired,
    IncompatibleProvider,
    InvalidRequest,
    NotFound,
    OutcomeUnresolved,
    Provider,
    RateLimited,
    Unavailable,
    Way,
    autocreate,
    errors,
)
from conferencing.v1.conferencing_service_pb2 import GetEventResponse
from conferencing_service.core import errors as core_errors
from conferencing_service.upstreams.nylas import NylasUpstream
from python_client.both_clients import calling
from support.service import serving

Code = grpc.StatusCode
FUTURE = "SOMETHING_OF_A_LATER_VERSION"

# ---- The real server ------------------------------------------------------------------------


async def test_a_refused_conference_comes_with_its_verdict_and_alternatives(caller, google):
    teams = autocreate(Provider.PROVIDER_MICROSOFT_TEAMS)
    with pytest.raises(IncompatibleProvider) as caught:
        await caller.create(google.id, event={"conferencing": teams})
    error = caught.value
    assert (error.code, error.reason) == (Code.FAILED_PRECONDITION, "CROSS_PLATFORM_AUTOCREATE")
    assert error.metadata == {
        "provider": "MICROSOFT_TEAMS",
        "platform": "GOOGLE",
        "way": "AUTOCREATE",
    }
    assert error.verdict.decision == Decision.DECISION_REFUSED
    assert error.verdict.reason == ErrorReason.ERROR_REASON_CROSS_PLATFORM_AUTOCREATE
    assert (Provider.PROVIDER_ZOOM_MEETING, Way.WAY_AUTOCREATE) in [
        (each.provider, each.way) for each in error.alternatives
    ]
    assert isinstance(error.__cause__, grpc.RpcError)
    assert google.effects() == []


@pytest.mark.parametrize(
    ("conferencing", "reason"),
    [
        (autocreate(Provider.PROVIDER_WEBEX), "AUTOCREATE_UNSUPPORTED"),
        (autocreate(Provider.PROVIDER_ZOOM_MEETING), "CONF_GRANT_REQUIRED"),
    ],
)
async def test_every_refusal_of_a_conference_is_one_class(caller, google, conferencing, reason):
    with pytest.raises(IncompatibleProvider) as caught:
        await caller.create(google.id, event={"conferencing": conferencing})
    assert caught.value.reason == reason
    assert caught.value.alternatives


async def test_a_grant_without_the_scope_is_incompatible(caller, sandbox):
    grant = sandbox.grant("microsoft", scope=["Calendars.ReadWrite"])
    with pytest.raises(IncompatibleProvider) as caught:
        await caller.create(grant.id, event={"conferencing": autocreate()})
    assert caught.value.reason == "SCOPE_MISSING"
    assert any("OnlineMeetings.ReadWrite" in each for each in caught.value.verdict.requirements)


async def test_an_invalid_request_names_all_its_fields(caller, google):
    with pytest.raises(InvalidRequest) as caught:
        await caller.create(google.id, event={"title": "x" * 2000, "when": None})
    error = caught.value
    assert error.code is Code.INVALID_ARGUMENT
    assert {each.field for each in error.violations} == {"event.title", "event.when"}
    assert all(each.description for each in error.violations)
    assert all(each.field in str(error) for each in error.violations)


async def test_an_expired_grant(caller):
    with pytest.raises(GrantExpired) as caught:
        await caller.get("expired-demo")
    assert caught.value.metadata == {"grant_field": "grant_id"}


async def test_what_is_not_there(caller, google):
    for arguments, reason in (
        ({"grant_id": "nobody"}, "GRANT_NOT_FOUND"),
        ({"grant_id": google.id, "event_id": "nothing"}, "EVENT_NOT_FOUND"),
    ):
        with pytest.raises(NotFound) as caught:
            await caller.get(**arguments)
        assert caught.value.reason == reason


async def test_a_limited_grant_is_not_repeated_and_says_when(caller, google):
    google.fault("rate_limit", method="POST", value=7, times=None)
    with pytest.raises(RateLimited) as caught:
        await caller.create(google.id)
    assert caught.value.reason == "UPSTREAM_RATE_LIMITED"
    assert caught.value.retry_after == 7.0
    assert len([each for each in google.requests() if each["method"] == "POST"]) == 1


async def test_an_upstream_that_is_away_for_longer_is_unavailable(caller, google, monkeypatch):
    async def delete_event(*_arguments, **_more):
        raise core_errors.Unavailable({"upstream_status": "503"}, retry_after=60)

    monkeypatch.setattr(NylasUpstream, "delete_event", delete_event)
    with pytest.raises(Unavailable) as caught:
        # Deletions are repeated by the client alone, so the last word is the service's.
        await caller.delete(google.id)
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert caught.value.metadata == {"upstream_status": "503"}
    assert caught.value.retry_after == 60.0


async def test_a_lost_deletion_is_unresolved(caller, google):
    event = google.created()
    google.fault("reset_after_commit", method="DELETE")
    with pytest.raises(OutcomeUnresolved) as caught:
        await caller.delete(google.id, event["id"])
    assert caught.value.code is Code.UNKNOWN


async def test_a_lost_creation_that_cannot_be_found_is_unresolved_and_names_its_request(
    kind, sandbox, google
):
    async with (
        serving(sandbox.url, settle_window=0.3) as service,
        calling(kind, f"127.0.0.1:{service.port}") as caller,
    ):
        google.fault("reset_before_commit", method="POST")
        with pytest.raises(OutcomeUnresolved) as caught:
            await caller.create(google.id, request_id="6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11")
    assert caught.value.request_id == "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11"
    assert google.effects() == []


async def test_a_reason_without_a_class_is_the_base_class(caller, google):
    answer = await caller.create(google.id, event={"conferencing": autocreate()})
    with pytest.raises(ConferencingError) as caught:
        await caller(
            "update_event",
            grant_id=google.id,
            calendar_id="primary",
            event=Event(id=answer.event.id, conferencing=autocreate()),
            update_mask="conferencing",
        )
    assert type(caught.value) is ConferencingError
    assert caught.value.reason == "CONFERENCE_ALREADY_PRESENT"
    assert caught.value.metadata == {"provider": "GOOGLE_MEET"}


# ---- What no server of today says -----------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Code.FAILED_PRECONDITION, ConferencingError),
        (Code.ABORTED, ConferencingError),
        (Code.UNKNOWN, ConferencingError),
        # A code that all reasons of a kind share says as much as the kind.
        (Code.NOT_FOUND, NotFound),
        (Code.RESOURCE_EXHAUSTED, RateLimited),
    ],
)
async def test_a_reason_that_is_not_known_yet_degrades(scripted, script, code, expected):
    script.fails(FUTURE, code=code, metadata={"key": "value"})
    with pytest.raises(ConferencingError) as caught:
        await scripted.get()
    assert type(caught.value) is expected
    assert (caught.value.code, caught.value.reason) == (code, FUTURE)
    assert caught.value.metadata == {"key": "value"}


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED, Code.ABORTED])
async def test_a_status_that_grpc_made_has_no_reason(scripted, script, code):
    script.fails(code=code, message="of gRPC's own")
    with pytest.raises(ConferencingError) as caught:
        await scripted.get()
    assert type(caught.value) is ConferencingError
    assert (caught.value.code, caught.value.reason, caught.value.details) == (code, "", ())
    assert str(caught.value) == f"{code.name}: of gRPC's own"


async def test_reasons_of_another_domain_are_not_ours(scripted, script, monkeypatch):
    monkeypatch.setattr("conferencing.testing.DOMAIN", "another.example")
    script.fails("GRANT_EXPIRED")
    with pytest.raises(ConferencingError) as caught:
        await scripted.get()
    assert type(caught.value) is ConferencingError
    assert caught.value.reason == ""
    (info,) = caught.value.details
    assert isinstance(info, error_details_pb2.ErrorInfo)


class _Ended(grpc.RpcError):
    """A call that ended with these trailers."""

    def __init__(self, trailers, code=Code.NOT_FOUND, details="text"):
        self._all = code, details, trailers

    def code(self):
        return self._all[0]

    def details(self):
        return self._all[1]

    def trailing_metadata(self):
        return self._all[2]


@pytest.mark.parametrize("trailers", [None, (), (("grpc-status-details-bin", b"\xff\xff"),)])
def test_details_that_cannot_be_read_are_no_details(trailers):
    error = errors.error_from_call(_Ended(trailers))
    assert (error.details, error.reason, error.message) == ((), "", "text")


def test_details_of_unknown_types_stay_as_they_are():
    packed = AnyMessage(type_url="type.googleapis.com/of.another.Package", value=b"1")
    assert errors._unpacked(packed) is packed
    known = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    assert errors._unpacked(known) is known


def test_an_error_survives_pickling():
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(1500)
    error = Unavailable(
        Code.UNAVAILABLE, "OUTCOME_UNKNOWN", "text", {"a": "b"}, (info,), request_id="1"
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is Unavailable
    assert vars(again) == vars(error)
    assert again.retry_after == 1.5
    assert repr(again) == "Unavailable('UNAVAILABLE OUTCOME_UNKNOWN: text')"


def test_every_reason_in_the_table_is_one_of_the_contract():
    reasons = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name}
    assert {each for each in errors._CLASSES if isinstance(each, str)} <= reasons


def test_every_class_is_drawn_in_the_modules_tree_and_exported():
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, ConferencingError)
    }
    assert classes <= set(conferencing.__all__)
    assert all(name in errors.__doc__ for name in classes)


async def test_an_unscripted_call_says_so(scripted, script):
    script.answers(GetEventResponse())
    with pytest.raises(ConferencingError, match="no step of the script fits DeleteEvent"):
        await scripted.delete()
