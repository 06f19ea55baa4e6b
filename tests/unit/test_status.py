"""Statuses: the table of reasons, their details, and their size."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from conferencing.v1 import conferencing_pb2, error_reason_pb2
from conferencing_service.core.compatibility import CrossPlatformPolicy, Question, evaluate
from conferencing_service.core.errors import (
    ConferencingError,
    CredentialsInvalid,
    CredentialsMissing,
    FailedPrecondition,
    InvalidField,
    LedgerUnavailable,
    NotFound,
    NotStarted,
    OutcomeUnknown,
    OutcomeUnresolved,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    Refused,
    RequestIdReused,
    RequestInProgress,
    RpcNotAllowed,
    ShuttingDown,
    Unavailable,
    UpstreamCredentials,
    UpstreamMalformed,
    Violation,
)
from conferencing_service.core.model import (
    Decision,
    Platform,
    Provider,
    Reason,
    Verdict,
    Way,
)
from conferencing_service.status import DOMAIN, MAX_BYTES, STATUSES, code_of, status_from_error
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from unit.examples import RULES, autocreate, creation, details

Code = grpc.StatusCode
M = TypeVar("M", bound=Message)

CODES = {
    "INVALID_FIELD": Code.INVALID_ARGUMENT,
    "CROSS_PLATFORM_AUTOCREATE": Code.FAILED_PRECONDITION,
    "AUTOCREATE_UNSUPPORTED": Code.FAILED_PRECONDITION,
    "CONF_GRANT_REQUIRED": Code.FAILED_PRECONDITION,
    "CONF_GRANT_MISMATCH": Code.FAILED_PRECONDITION,
    "GRANT_HAS_NO_CALENDAR": Code.FAILED_PRECONDITION,
    "SCOPE_MISSING": Code.FAILED_PRECONDITION,
    "SUBSCRIPTION_REQUIRED": Code.FAILED_PRECONDITION,
    "GRANT_EXPIRED": Code.FAILED_PRECONDITION,
    "CONFERENCE_ALREADY_PRESENT": Code.FAILED_PRECONDITION,
    "NOTIFICATION_UNAVOIDABLE": Code.FAILED_PRECONDITION,
    "EVENT_READ_ONLY": Code.FAILED_PRECONDITION,
    "CALENDAR_READ_ONLY": Code.FAILED_PRECONDITION,
    "UPSTREAM_REJECTED": Code.FAILED_PRECONDITION,
    "GRANT_NOT_FOUND": Code.NOT_FOUND,
    "CALENDAR_NOT_FOUND": Code.NOT_FOUND,
    "EVENT_NOT_FOUND": Code.NOT_FOUND,
    "UPSTREAM_RATE_LIMITED": Code.RESOURCE_EXHAUSTED,
    "UPSTREAM_UNAVAILABLE": Code.UNAVAILABLE,
    "OUTCOME_UNKNOWN": Code.UNAVAILABLE,
    "OUTCOME_UNRESOLVED": Code.UNKNOWN,
    "REQUEST_ID_REUSED": Code.INVALID_ARGUMENT,
    "REQUEST_IN_PROGRESS": Code.UNAVAILABLE,
    "LEDGER_UNAVAILABLE": Code.UNAVAILABLE,
    "OVERLOADED": Code.RESOURCE_EXHAUSTED,
    "SHUTTING_DOWN": Code.UNAVAILABLE,
    "CREDENTIALS_MISSING": Code.UNAUTHENTICATED,
    "CREDENTIALS_INVALID": Code.UNAUTHENTICATED,
    "RPC_NOT_ALLOWED": Code.PERMISSION_DENIED,
    "QUOTA_EXCEEDED": Code.RESOURCE_EXHAUSTED,
    "NOT_STARTED": Code.DEADLINE_EXCEEDED,
    "UPSTREAM_CREDENTIALS": Code.INTERNAL,
    "UPSTREAM_MALFORMED": Code.INTERNAL,
    "INTERNAL": Code.INTERNAL,
}


def detail(status: status_pb2.Status, kind: type[M]) -> M | None:
    """Return a status' detail of a kind; more than one is a mistake."""
    found = []
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    assert len(found) <= 1
    return found[0] if found else None


def invalid(request: Any) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        request.validate(RULES)
    return caught.value


# ---- The table -----------------------------------------------------------------------------


def test_every_reason_has_a_row_and_a_value_of_the_contract_and_there_are_no_more() -> None:
    contract = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert {f"ERROR_REASON_{reason.value}" for reason in Reason} == contract
    assert set(STATUSES) == set(Reason)
    assert set(CODES) == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_the_code_is_that_of_the_table(reason: Reason) -> None:
    assert code_of(reason) is CODES[reason.value]
    status = status_from_error(ConferencingError(reason))
    assert status.code == CODES[reason.value].value[0]
    assert status.message == STATUSES[reason][1]


@pytest.mark.parametrize("reason", Reason)
def test_the_text_is_one_line_for_people(reason: Reason) -> None:
    text = STATUSES[reason][1]
    assert text.isascii()
    assert text.isprintable()
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidField([Violation("grant_id", "is required")]), "INVALID_FIELD"),
        (FailedPrecondition(Reason.GRANT_EXPIRED, {"grant_field": "grant_id"}), "GRANT_EXPIRED"),
        (NotFound(Reason.EVENT_NOT_FOUND), "EVENT_NOT_FOUND"),
        (RateLimited(2.0, {"upstream_status": "429"}), "UPSTREAM_RATE_LIMITED"),
        (Unavailable({"upstream_status": "503"}), "UPSTREAM_UNAVAILABLE"),
        (OutcomeUnknown({"request_id": "r"}, retry_after=1.0), "OUTCOME_UNKNOWN"),
        (OutcomeUnresolved({"request_id": "r"}), "OUTCOME_UNRESOLVED"),
        (RequestIdReused(), "REQUEST_ID_REUSED"),
        (RequestInProgress(), "REQUEST_IN_PROGRESS"),
        (LedgerUnavailable(), "LEDGER_UNAVAILABLE"),
        (Overloaded(), "OVERLOADED"),
        (ShuttingDown(), "SHUTTING_DOWN"),
        (CredentialsMissing(), "CREDENTIALS_MISSING"),
        (CredentialsInvalid(), "CREDENTIALS_INVALID"),
        (RpcNotAllowed(), "RPC_NOT_ALLOWED"),
        (QuotaExceeded("creates_per_minute", 60, retry_after=0.5), "QUOTA_EXCEEDED"),
        (NotStarted(1.0), "NOT_STARTED"),
        (UpstreamCredentials(), "UPSTREAM_CREDENTIALS"),
        (UpstreamMalformed({"upstream_request_id": "u"}), "UPSTREAM_MALFORMED"),
        (ConferencingError(Reason.INTERNAL, {"trace_id": "t"}), "INTERNAL"),
    ],
)
def test_every_error_carries_its_reason_domain_and_metadata(
    error: ConferencingError, reason: str
) -> None:
    info = detail(status_from_error(error), error_details_pb2.ErrorInfo)
    assert info is not None
    assert (info.reason, info.domain) == (reason, "conferencing.v1")
    assert dict(info.metadata) == dict(error.metadata)
    assert DOMAIN == "conferencing.v1"


def test_not_started_tells_how_much_time_is_needed() -> None:
    info = detail(status_from_error(NotStarted(1.0)), error_details_pb2.ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == {"needed_seconds": "1"}


# ---- Retry ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "milliseconds"),
    [
        (RateLimited(7.0), 7000),
        (RateLimited(0.25), 250),
        (Unavailable(), 1000),
        (OutcomeUnknown(retry_after=2.5), 2500),
        (RequestInProgress(), 1000),
        (LedgerUnavailable(), 1000),
        (QuotaExceeded("creates_per_minute", 60, retry_after=0.5), 500),
    ],
)
def test_what_may_be_repeated_says_when(error: ConferencingError, milliseconds: int) -> None:
    retry = detail(status_from_error(error), error_details_pb2.RetryInfo)
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() == milliseconds


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnresolved(),
        RequestIdReused(),
        CredentialsMissing(),
        CredentialsInvalid(),
        RpcNotAllowed(),
        QuotaExceeded("participants_per_event", 50),
        NotStarted(1.0),
        UpstreamCredentials(),
        UpstreamMalformed(),
        NotFound(Reason.EVENT_NOT_FOUND),
        FailedPrecondition(Reason.UPSTREAM_REJECTED),
        InvalidField([Violation("grant_id", "is required")]),
    ],
)
def test_what_repeating_does_not_help_says_nothing_of_it(error: ConferencingError) -> None:
    assert detail(status_from_error(error), error_details_pb2.RetryInfo) is None


def test_unavailable_always_says_when_to_repeat_and_never_that_it_is_not_safe() -> None:
    """UNAVAILABLE means: repeat the same request. Whoever may not says something else."""
    unavailable = {reason for reason in Reason if code_of(reason) is Code.UNAVAILABLE}
    assert unavailable == {
        Reason.UPSTREAM_UNAVAILABLE,
        Reason.OUTCOME_UNKNOWN,
        Reason.REQUEST_IN_PROGRESS,
        Reason.LEDGER_UNAVAILABLE,
        Reason.SHUTTING_DOWN,
    }
    for reason in unavailable:
        assert "Repeat" in STATUSES[reason][1]


# ---- Verdicts ------------------------------------------------------------------------------


def refusals() -> list[Verdict]:
    """Return every refused autocreate without a conference grant."""
    questions = [
        Question(platform, provider, Way.AUTOCREATE)
        for platform in Platform
        for provider in NYLAS.providers
    ]
    verdicts = [evaluate(NYLAS, CrossPlatformPolicy.ALLOW, each) for each in questions]
    return [each for each in verdicts if each.decision is Decision.REFUSED]


def test_a_refusal_carries_its_verdict() -> None:
    question = Question(Platform.GOOGLE, Provider.MICROSOFT_TEAMS, Way.AUTOCREATE)
    verdict = evaluate(NYLAS, CrossPlatformPolicy.REFUSE, question)
    assert verdict.reason is Reason.CROSS_PLATFORM_AUTOCREATE
    error = Refused(verdict.reason, verdict, {"platform": "GOOGLE"})
    found = detail(status_from_error(error), conferencing_pb2.Verdict)
    assert found is not None
    assert found.provider == conferencing_pb2.PROVIDER_MICROSOFT_TEAMS
    assert found.way == conferencing_pb2.WAY_AUTOCREATE
    assert found.decision == conferencing_pb2.DECISION_REFUSED
    assert found.reason == error_reason_pb2.ERROR_REASON_CROSS_PLATFORM_AUTOCREATE
    assert found.explanation == verdict.explanation
    assert [each.provider for each in found.alternatives] == [
        conferencing_pb2.PROVIDER_MICROSOFT_TEAMS,
        conferencing_pb2.PROVIDER_ZOOM_MEETING,
        conferencing_pb2.PROVIDER_GOOGLE_MEET,
    ]


def test_every_refusal_fits() -> None:
    assert refusals()
    for verdict in refusals():
        assert verdict.reason is not None
        status = status_from_error(Refused(verdict.reason, verdict, {"way": verdict.way.value}))
        assert status.ByteSize() < MAX_BYTES


def test_other_errors_carry_no_verdict() -> None:
    assert detail(status_from_error(Unavailable()), conferencing_pb2.Verdict) is None


# ---- Violations ----------------------------------------------------------------------------


def test_every_violation_is_told_by_path_and_description() -> None:
    error = invalid(
        creation(grant_id="", conferencing=details(Provider.ZOOM_MEETING, url="", pin="1"))
    )
    bad = detail(status_from_error(error), error_details_pb2.BadRequest)
    assert bad is not None
    assert [(each.field, each.description) for each in bad.field_violations] == [
        ("grant_id", "is required"),
        ("event.conferencing.details.url", "is required"),
        ("event.conferencing.details.pin", "is not stored for this provider and would be lost"),
    ]


def test_twenty_violations_of_the_contracts_own_paths_fit_all() -> None:
    path = "event.conferencing.autocreate.conf_settings"
    longest = invalid(
        creation(grant_id="a/b", conferencing=autocreate(conf_settings={"x": 2.0**60}))
    )
    text = max((each.description for each in longest.violations), key=len)
    error = InvalidField([Violation(f"{path}[{number}]", text) for number in range(20)])
    status = status_from_error(error)
    bad = detail(status, error_details_pb2.BadRequest)
    assert bad is not None
    assert len(bad.field_violations) == 20
    assert status.ByteSize() < MAX_BYTES


@pytest.mark.parametrize("character", ["x", "ä", "\U0001f600"])
def test_twenty_violations_of_long_paths_stay_under_four_kibibytes(character: str) -> None:
    error = InvalidField([Violation(character * 2000, "is wrong " * 10) for _ in range(20)])
    status = status_from_error(error)
    bad = detail(status, error_details_pb2.BadRequest)
    assert status.ByteSize() < MAX_BYTES == 4096
    assert bad is not None
    assert bad.field_violations
