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

GONE = frozenset({404, 410})
_SURELY_REFUSED = frozenset({401, 429, *GONE})
_NO_SCOPE = frozenset({"insufficient_scopes"})
_PARTIAL = frozenset({"partial_success_error"})
_PROVIDER = frozenset({"provider_error"})
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
    reached = kind in _PROVIDER or error.get("provider_error") not in (None, "", {})
    return Complaint(kind, reached)


def json_of(answer: Answer) -> Mapping[str, Any]:
    """Return an answer's JSON object, an empty one where the body is none."""
    if answer.body is None:
        return {}
    try:
        return mapping(orjson.loads(answer.body))
    except orjson.JSONDecodeError:
        return {}


def metadata_of(answer: Answer) -> dict[str, str]:
    """Return what a program may know of an answer."""
    metadata = {"upstream_status": str(answer.status)}
    if answer.request_id:
        metadata["upstream_request_id"] = answer.request_id
    return metadata


def error_of_read(answer: Answer) -> ConferencingError:
    """Return what an unhappy answer to a read means, where no diagnosis is called for."""
    metadata = metadata_of(answer)
    if answer.status == 429:
        return RateLimited(_retry_after(answer), metadata)
    if answer.status >= 500 or answer.status == 408:
        return Unavailable(metadata, retry_after=_retry_after(answer))
    if 400 <= answer.status < 500:
        return _refusal(answer, complaint_of(answer), metadata)
    return UpstreamMalformed(metadata)


def error_of_write(answer: Answer, *, autocreate: bool) -> ConferencingError:
    """Return what an unhappy answer to a write means, where no diagnosis is called for.

    A plain 4xx is a refusal. After an autocreate that reached the provider it is not: the
    conference may have been made though the event was not. Nor is one that says itself that a part
    was done, or one to an autocreate that says nothing that can be read.
    """
    metadata = metadata_of(answer)
    if not 400 <= answer.status < 500 or answer.status == 408:
        return OutcomeUnresolved(metadata)
    complaint = complaint_of(answer)
    if complaint.type in _PARTIAL or (autocreate and complaint.has_provider_error):
        return OutcomeUnresolved(metadata)
    if autocreate and not complaint.type and answer.status not in _SURELY_REFUSED:
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
