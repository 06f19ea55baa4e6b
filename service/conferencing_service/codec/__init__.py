"""Between the wire and the domain, both ways; pure functions, no decisions."""

from __future__ import annotations

from conferencing_service.codec.answers import (
    check_compatibility_to_proto,
    conferencing_to_proto,
    event_to_proto,
    list_events_to_proto,
    verdict_to_proto,
    warning_to_proto,
)
from conferencing_service.codec.extraction import ExtractConferencing, extraction_from_proto
from conferencing_service.codec.requests import (
    check_compatibility_from_proto,
    create_event_from_proto,
    delete_event_from_proto,
    get_event_from_proto,
    list_events_from_proto,
    update_event_from_proto,
)

__all__ = [
    "ExtractConferencing",
    "check_compatibility_from_proto",
    "check_compatibility_to_proto",
    "conferencing_to_proto",
    "create_event_from_proto",
    "delete_event_from_proto",
    "event_to_proto",
    "extraction_from_proto",
    "get_event_from_proto",
    "list_events_from_proto",
    "list_events_to_proto",
    "update_event_from_proto",
    "verdict_to_proto",
    "warning_to_proto",
]
