"""Keyword arguments as parts of requests: what both clients do before they call."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from conferencing._builders import timestamp
from conferencing._repeats import may_have_arrived
from conferencing.errors import ConferencingError
from conferencing.v1.conferencing_pb2 import Platform
from conferencing.v1.conferencing_service_pb2 import (
    CheckCompatibilityRequest,
    DeleteEventRequest,
    ExtractConferencingRequest,
    ListEventsRequest,
    ListEventsResponse,
)

Q = TypeVar("Q")


def named(request_id: str, *, validate_only: bool) -> str:
    """Return the id of a request: the caller's, or a new one where something may be written."""
    return request_id if request_id or validate_only else str(uuid.uuid4())


def mask_of(paths: str | Iterable[str]) -> FieldMask:
    """Return the mask of one path or several."""
    return FieldMask(paths=[paths] if isinstance(paths, str) else paths)


def list_request(
    start_time: dt.datetime | None, end_time: dt.datetime | None, **fields: Any
) -> ListEventsRequest:
    """Return the request of a first page."""
    return ListEventsRequest(
        start_time=None if start_time is None else timestamp(start_time),
        end_time=None if end_time is None else timestamp(end_time),
        **fields,
    )


def next_page(request: ListEventsRequest, page: ListEventsResponse) -> ListEventsRequest | None:
    """Return the request of the page after this one; None when this was the last."""
    if not page.next_page_token:
        return None
    following = ListEventsRequest()
    following.CopyFrom(request)
    following.page_token = page.next_page_token
    return following


def unchanged(request: Q, _error: ConferencingError) -> Q:
    """Return a request for another attempt: the same one, which the contract lets be repeated."""
    return request


def deletion_again(request: DeleteEventRequest, error: ConferencingError) -> DeleteEventRequest:
    """Return a deletion for another attempt: what an earlier one may have deleted may be gone."""
    if request.allow_missing or not may_have_arrived(error):
        return request
    again = DeleteEventRequest()
    again.CopyFrom(request)
    again.allow_missing = True
    return again


def compatibility_request(
    grant_id: str | None, platform: Platform.ValueType | None, **fields: Any
) -> CheckCompatibilityRequest:
    """Return the question about a grant or a platform; raises ValueError unless it is one of them."""
    _one_of(grant_id=grant_id, platform=platform)
    request = CheckCompatibilityRequest(**fields)
    if grant_id is not None:
        request.grant_id = grant_id
    if platform is not None:
        request.platform = platform
    return request


def extraction_request(
    google_event: Mapping[str, Any] | None,
    microsoft_event: Mapping[str, Any] | None,
    icalendar: str | None,
    text: str | None,
) -> ExtractConferencingRequest:
    """Return the request to read one input; raises ValueError unless there is exactly one."""
    _one_of(
        google_event=google_event, microsoft_event=microsoft_event, icalendar=icalendar, text=text
    )
    request = ExtractConferencingRequest()
    if google_event is not None:
        # An event without fields is an input too.
        request.google_event.SetInParent()
        request.google_event.update(google_event)
    if microsoft_event is not None:
        request.microsoft_event.SetInParent()
        request.microsoft_event.update(microsoft_event)
    if icalendar is not None:
        request.icalendar = icalendar
    if text is not None:
        request.text = text
    return request


def _one_of(**given: object) -> None:
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"exactly one of {', '.join(given)} is needed")
