"""ExtractConferencing off the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service.codec.structs import plain_from_struct
from conferencing_service.core.validation import Faults

MAX_INPUT = 262_144


@dataclass(frozen=True, slots=True)
class ExtractConferencing:
    """What is to be read: an object for the events, a string for the texts."""

    kind: Literal["google_event", "microsoft_event", "icalendar", "text"]
    event: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)


def extraction_from_proto(request: service.ExtractConferencingRequest) -> ExtractConferencing:
    """Return what ExtractConferencing asks; raises InvalidField."""
    faults = Faults()
    kind = request.WhichOneof("input")
    if kind is None:
        faults.add("input", "is required: a google_event, microsoft_event, icalendar or text")
    elif _size(request, kind) > MAX_INPUT:
        faults.add(kind, "must be at most 256 KiB")
    faults.raise_any()
    match kind:
        case "google_event":
            return ExtractConferencing(kind, plain_from_struct(request.google_event), "")
        case "microsoft_event":
            return ExtractConferencing(kind, plain_from_struct(request.microsoft_event), "")
        case "icalendar":
            return ExtractConferencing(kind, {}, request.icalendar)
        case _:
            return ExtractConferencing("text", {}, request.text)


def _size(request: service.ExtractConferencingRequest, kind: str) -> int:
    """Return the bytes of an input: of a text, or of an event's message."""
    value = getattr(request, kind)
    return len(value.encode()) if isinstance(value, str) else value.ByteSize()
