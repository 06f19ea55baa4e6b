"""Nylas' unhappy answers, as errors of the core (Nylas docs: errors; rate limits).

Types come with and without the prefix `api.`, `provider_error` as an object or a string, and bodies
may be HTML. Nothing of a body but its type goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from conferencing_service.core.errors import (
    ConferencingError,
    FailedPrecondition,
    OutcomeUnresolved,
    RateLimited,
    Unavailable,
    UpstreamMalformed,
)
from conferencing_service.core.model import Reason
from conferencing_service.upstreams.http import Answer
from conferencing_service.upstreams.nylas.fields import mapping, text

REQUEST_ID_HEADER = "x-request-id"

GONE = frozenset({404, 410})
_NO_SCOPE = frozenset({"insufficient_scopes"})
_DEFAULT_RETRY_AFTER = 1.0
_TYPE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error answer says: its type without prefix, and whether the provider was reached."""

    type: str
    has_provider_error: bool


def complaint_of(answer: Answer) -> Complaint:
    """Read an error answer; a body that is no error object says nothing."""
    error = mapping(json_of(answer).get("error"))
    kind = text(error.get("type")).removeprefix("api.")[:64]
    if not _TYPE_CHARACTERS.issuperset(kind):
        kind = ""
    return Complaint(kind, error.get("provider_error") not in (None, "", {}))


def json_of(answer: Answer) -> Mapping[str, Any]:
    """Return an answer's JSON object, an empty one where the body is none."""
    try:
        return mapping(orjson.loads(answer.body))
    except orjson.JSONDecodeError:
        return {}


def metadata_of(answer: Answer) -> dict[str, str]:
    """Return what a program may know of an answer."""
    metadata = {"upstream_status": str(answer.status)}
    request_id = answer.headers.get(REQUEST_ID_HEADER, "")[:128]
    if request_id:
        metadata["upstream_request_id"] = request_id
    return metadata


def error_of_read(answer: Answer) -> ConferencingError:
    """Return what an unhappy answer to a read means, where no diagnosis is called for."""
    metadata = metadata_of(answer)
    if answer.status == 429:
        return RateLimited(_retry_after(answer), metadata)
    if answer.status >= 500 or answer.status == 408:
        return Unavailable(metadata)
    if 400 <= answer.status < 500:
        return _refusal(answer, complaint_of(answer), metadata)
    return UpstreamMalformed(metadata)


def error_of_write(answer: Answer, *, autocreate: bool) -> ConferencingError:
    """Return what an unhappy answer to a write means, where no diagnosis is called for.

    A plain 4xx is a refusal. After an autocreate that reached the provider it is not: the
    conference may have been made though the event was not.
    """
    metadata = metadata_of(answer)
    if not 400 <= answer.status < 500 or answer.status == 408:
        return OutcomeUnresolved(metadata)
    complaint = complaint_of(answer)
    if autocreate and complaint.has_provider_error:
        return OutcomeUnresolved(metadata)
    if answer.status == 429:
        return RateLimited(_retry_after(answer), metadata)
    return _refusal(answer, complaint, metadata)


def _refusal(answer: Answer, complaint: Complaint, metadata: dict[str, str]) -> ConferencingError:
    if answer.status == 403 and complaint.type in _NO_SCOPE:
        return FailedPrecondition(Reason.SCOPE_MISSING, metadata)
    if complaint.type:
        metadata["upstream_type"] = complaint.type
    return FailedPrecondition(Reason.UPSTREAM_REJECTED, metadata)


def _retry_after(answer: Answer) -> float:
    return answer.retry_after() or _DEFAULT_RETRY_AFTER
