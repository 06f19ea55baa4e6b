"""Which status comes back: one table, and the only function that builds a google.rpc.Status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from conferencing_service.codec import verdict_to_proto
from conferencing_service.core.errors import ConferencingError, InvalidField, Refused
from conferencing_service.core.model import Reason

DOMAIN = "conferencing.v1"
MAX_BYTES = 4096
"""A status travels in trailers, which peers cut off above 8 KiB."""

_Code = grpc.StatusCode

STATUSES: Mapping[Reason, tuple[grpc.StatusCode, str]] = {
    Reason.INVALID_FIELD: (
        _Code.INVALID_ARGUMENT,
        "The request has invalid fields; the details name them.",
    ),
    Reason.CROSS_PLATFORM_AUTOCREATE: (
        _Code.FAILED_PRECONDITION,
        "This provider cannot be autocreated on this calendar's platform.",
    ),
    Reason.AUTOCREATE_UNSUPPORTED: (
        _Code.FAILED_PRECONDITION,
        "This provider's conferences cannot be autocreated; write details instead.",
    ),
    Reason.CONF_GRANT_REQUIRED: (
        _Code.FAILED_PRECONDITION,
        "This provider needs autocreate.conf_grant_id.",
    ),
    Reason.CONF_GRANT_MISMATCH: (
        _Code.FAILED_PRECONDITION,
        "The grant in autocreate.conf_grant_id cannot host this provider's conferences.",
    ),
    Reason.GRANT_HAS_NO_CALENDAR: (
        _Code.FAILED_PRECONDITION,
        "A grant of this kind has no calendar.",
    ),
    Reason.SCOPE_MISSING: (
        _Code.FAILED_PRECONDITION,
        "The grant lacks a scope; its owner has to connect again.",
    ),
    Reason.SUBSCRIPTION_REQUIRED: (
        _Code.FAILED_PRECONDITION,
        "The account lacks a subscription of the vendor's.",
    ),
    Reason.GRANT_EXPIRED: (
        _Code.FAILED_PRECONDITION,
        "The grant is no longer valid; its owner has to connect again.",
    ),
    Reason.CONFERENCE_ALREADY_PRESENT: (
        _Code.FAILED_PRECONDITION,
        "The event has a conference already; set replace_conferencing to replace it.",
    ),
    Reason.NOTIFICATION_UNAVOIDABLE: (
        _Code.FAILED_PRECONDITION,
        "Notices cannot be suppressed like this here; use NOTIFY_ALL.",
    ),
    Reason.EVENT_READ_ONLY: (_Code.FAILED_PRECONDITION, "The event is read-only for this grant."),
    Reason.CALENDAR_READ_ONLY: (
        _Code.FAILED_PRECONDITION,
        "The calendar is read-only for this grant.",
    ),
    Reason.UPSTREAM_REJECTED: (_Code.FAILED_PRECONDITION, "The upstream refused the request."),
    Reason.GRANT_NOT_FOUND: (_Code.NOT_FOUND, "There is no such grant."),
    Reason.CALENDAR_NOT_FOUND: (_Code.NOT_FOUND, "The grant has no such calendar."),
    Reason.EVENT_NOT_FOUND: (_Code.NOT_FOUND, "The calendar has no such event."),
    Reason.UPSTREAM_RATE_LIMITED: (
        _Code.RESOURCE_EXHAUSTED,
        "The upstream limits this grant; nothing was written.",
    ),
    Reason.UPSTREAM_UNAVAILABLE: (
        _Code.UNAVAILABLE,
        "The upstream cannot be reached; nothing was written. Repeat the same request.",
    ),
    Reason.OUTCOME_UNKNOWN: (
        _Code.UNAVAILABLE,
        "The write's answer was lost and is being looked for. Repeat the same request.",
    ),
    Reason.OUTCOME_UNRESOLVED: (
        _Code.UNKNOWN,
        "The write was sent and may have happened. Look at the calendar before repeating it.",
    ),
    Reason.REQUEST_ID_REUSED: (
        _Code.INVALID_ARGUMENT,
        "This request_id was used before with another payload.",
    ),
    Reason.REQUEST_IN_PROGRESS: (
        _Code.UNAVAILABLE,
        "The same request is under way elsewhere. Repeat it to learn how it ends.",
    ),
    Reason.LEDGER_UNAVAILABLE: (
        _Code.UNAVAILABLE,
        "The ledger cannot note the request, so nothing was written. Repeat the same request.",
    ),
    Reason.OVERLOADED: (
        _Code.RESOURCE_EXHAUSTED,
        "This server has as many calls as it takes; nothing was done. Repeat it later.",
    ),
    Reason.SHUTTING_DOWN: (
        _Code.UNAVAILABLE,
        "This server is about to stop; nothing was written. Repeat the same request.",
    ),
    Reason.CREDENTIALS_MISSING: (
        _Code.UNAUTHENTICATED,
        "The call carries no credentials; send a bearer token or present a client certificate.",
    ),
    Reason.CREDENTIALS_INVALID: (
        _Code.UNAUTHENTICATED,
        "The bearer token is not good; fetch a new one.",
    ),
    Reason.RPC_NOT_ALLOWED: (_Code.PERMISSION_DENIED, "The caller may not use this RPC."),
    Reason.QUOTA_EXCEEDED: (
        _Code.RESOURCE_EXHAUSTED,
        "The caller has used up a quota of its own; nothing was written.",
    ),
    Reason.NOT_STARTED: (
        _Code.DEADLINE_EXCEEDED,
        "Too little of the deadline was left to start; nothing was written.",
    ),
    Reason.UPSTREAM_CREDENTIALS: (
        _Code.INTERNAL,
        "The upstream refuses this service's own credentials.",
    ),
    Reason.UPSTREAM_MALFORMED: (
        _Code.INTERNAL,
        "The upstream's answer cannot be read; nothing was written.",
    ),
    Reason.INTERNAL: (_Code.INTERNAL, "A fault of the conferencing service."),
}
"""Code and fixed text of every reason of error_reason.proto."""


def code_of(reason: Reason) -> grpc.StatusCode:
    """Return the code of a reason."""
    return STATUSES[reason][0]


def status_from_error(error: ConferencingError) -> status_pb2.Status:
    """Return the status of an error: ErrorInfo always, and what else the error knows.

    At most 4 KiB: field violations that do not fit are left out, the first ones stay.
    """
    details: list[Any] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason.value, domain=DOMAIN, metadata=dict(error.metadata)
        )
    ]
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    if isinstance(error, Refused):
        details.append(verdict_to_proto(error.verdict))
    status = _status(error.reason, details)
    if isinstance(error, InvalidField):
        _add_violations(status, error)
    return status


def _status(reason: Reason, details: list[Any]) -> status_pb2.Status:
    code, text = STATUSES[reason]
    status = status_pb2.Status(code=code.value[0], message=text)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _add_violations(status: status_pb2.Status, error: InvalidField) -> None:
    bad_request = error_details_pb2.BadRequest()
    room = MAX_BYTES - status.ByteSize() - 128
    for violation in error.violations:
        added = error_details_pb2.BadRequest.FieldViolation(
            field=violation.field[:512], description=violation.description
        )
        room -= added.ByteSize() + 4
        if room < 0:
            break
        bad_request.field_violations.append(added)
    packed = AnyMessage()
    packed.Pack(bad_request)
    status.details.append(packed)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration
