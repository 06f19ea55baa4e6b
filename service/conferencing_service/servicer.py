"""One short method per RPC: decode, call, encode."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar, assert_never

import grpc

from conferencing.v1 import conferencing_service_pb2 as service
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing_service import codec
from conferencing_service.core import reading
from conferencing_service.core.errors import InvalidField, UpstreamMalformed, Violation
from conferencing_service.core.model import Conferencing
from conferencing_service.core.reads import Reads
from conferencing_service.core.writes import Writes, Written
from conferencing_service.interceptors import current_call

Context = grpc.aio.ServicerContext[Any, Any]


MAX_REPLY = 4 * 1024 * 1024 - 1024
"""What gRPC's clients take by default. A larger answer would end as RESOURCE_EXHAUSTED."""

_AT_ONCE = 32 * 1024
"""Larger inputs are read in a thread, so that other calls get their turn."""

R = TypeVar("R", service.CreateEventResponse, service.UpdateEventResponse)


class ConferencingServicer(service_grpc.ConferencingServiceServicer):
    """The service's RPCs.

    Args:
        reads: what the reading ones do.
        writes: what the writing ones do.
    """

    def __init__(self, reads: Reads, writes: Writes) -> None:
        self._reads = reads
        self._writes = writes

    async def CreateEvent(  # noqa: D102, N802
        self, request: service.CreateEventRequest, _context: Context
    ) -> service.CreateEventResponse:
        asked = codec.create_event_from_proto(request)
        written = await self._writes.create_event(current_call(), asked)
        return _written(service.CreateEventResponse, written)

    async def GetEvent(  # noqa: D102, N802
        self, request: service.GetEventRequest, _context: Context
    ) -> service.GetEventResponse:
        asked = codec.get_event_from_proto(request)
        event = await self._reads.get_event(current_call(), asked)
        response = service.GetEventResponse(event=codec.event_to_proto(event))
        if response.ByteSize() > MAX_REPLY:
            raise UpstreamMalformed
        return response

    async def ListEvents(  # noqa: D102, N802
        self, request: service.ListEventsRequest, _context: Context
    ) -> service.ListEventsResponse:
        asked = codec.list_events_from_proto(request)
        page = await self._reads.list_events(current_call(), asked)
        response = codec.list_events_to_proto(page.events, page.next_page_token)
        if response.ByteSize() > MAX_REPLY:
            raise InvalidField([Violation("page_size", "the page is too large; ask for fewer")])
        return response

    async def UpdateEvent(  # noqa: D102, N802
        self, request: service.UpdateEventRequest, _context: Context
    ) -> service.UpdateEventResponse:
        asked = codec.update_event_from_proto(request)
        written = await self._writes.update_event(current_call(), asked)
        return _written(service.UpdateEventResponse, written)

    async def DeleteEvent(  # noqa: D102, N802
        self, request: service.DeleteEventRequest, _context: Context
    ) -> service.DeleteEventResponse:
        asked = codec.delete_event_from_proto(request)
        await self._writes.delete_event(current_call(), asked)
        return service.DeleteEventResponse()

    async def CheckCompatibility(  # noqa: D102, N802
        self, request: service.CheckCompatibilityRequest, _context: Context
    ) -> service.CheckCompatibilityResponse:
        asked = codec.check_compatibility_from_proto(request)
        answer = await self._reads.check_compatibility(current_call(), asked)
        return codec.check_compatibility_to_proto(*answer)

    async def ExtractConferencing(  # noqa: D102, N802
        self, request: service.ExtractConferencingRequest, _context: Context
    ) -> service.ExtractConferencingResponse:
        asked = codec.extraction_from_proto(request)
        if request.ByteSize() > _AT_ONCE:
            found = await asyncio.to_thread(_conferencing_in, asked)
        else:
            found = _conferencing_in(asked)
        if found is None:
            return service.ExtractConferencingResponse()
        return service.ExtractConferencingResponse(conferencing=codec.conferencing_to_proto(found))


def _conferencing_in(asked: codec.ExtractConferencing) -> Conferencing | None:
    match asked.kind:
        case "google_event":
            return reading.conferencing_from_google(asked.event)
        case "microsoft_event":
            return reading.conferencing_from_microsoft(asked.event)
        case "icalendar":
            return reading.conferencing_from_icalendar(asked.text)
        case "text":
            return reading.conferencing_from_text(asked.text)
        case _:
            assert_never(asked.kind)


def _written(response: type[R], written: Written) -> R:
    """Return a write's answer: always an answer, since it was written, whatever it weighs."""
    event = codec.event_to_proto(written.event)
    warnings = list(map(codec.warning_to_proto, written.warnings))
    if event.ByteSize() > MAX_REPLY:
        event.ClearField("text_description")
        event.ClearField("description")
        warnings.append(
            service.Warning(
                reason=service.WARNING_REASON_TEXT_OMITTED,
                field="event.description",
                explanation="The event is too large for one answer; its texts were left out of it.",
            )
        )
    return response(event=event, replayed=written.replayed, warnings=warnings)
