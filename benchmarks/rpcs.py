"""How many vendor calls each RPC makes: the first time for a grant, and after that."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import answers
import grpc
import messages
from google.protobuf.field_mask_pb2 import FieldMask
from vendors import Vendor

from conferencing.v1 import conferencing_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc

_REPEATED = 10
_SECONDS = 30.0


@dataclass(frozen=True)
class VendorCalls:
    """What an RPC asks of the vendor."""

    rpc: str
    first: int
    then: float


def _requests(grant_id: str) -> Mapping[str, Any]:
    """Return a request for each row of the table."""
    place = {"grant_id": grant_id, "calendar_id": "primary"}
    event_id = answers.EVENT["id"]
    created = messages.service_create().request
    created.grant_id = grant_id
    order = service_pb2.CreateEventRequest()
    order.CopyFrom(created)
    order.event.conferencing.CopyFrom(
        conferencing_pb2.Conferencing(
            provider=conferencing_pb2.PROVIDER_GOOGLE_MEET, autocreate=conferencing_pb2.Autocreate()
        )
    )
    title = FieldMask(paths=["title"])
    conference = FieldMask(paths=["conferencing"])
    event = event_pb2.Event(id=event_id, title="Quarterly planning")
    moved = event_pb2.Event(id=event_id, conferencing=created.event.conferencing)
    return {
        "CreateEvent, details": created,
        "CreateEvent, autocreate": order,
        "GetEvent": service_pb2.GetEventRequest(**place, event_id=event_id),
        "ListEvents, a page of 200": service_pb2.ListEventsRequest(**place, page_size=200),
        "UpdateEvent, title": service_pb2.UpdateEventRequest(
            **place, event=event, update_mask=title
        ),
        "UpdateEvent, conference replaced": service_pb2.UpdateEventRequest(
            **place, event=moved, update_mask=conference, replace_conferencing=True
        ),
        "DeleteEvent": service_pb2.DeleteEventRequest(**place, event_id=event_id),
        "CheckCompatibility, of a grant": service_pb2.CheckCompatibilityRequest(grant_id=grant_id),
        "ExtractConferencing, of a text": service_pb2.ExtractConferencingRequest(text=answers.TEXT),
    }


def counted(port: int, vendor: Vendor) -> list[VendorCalls]:
    """Make every RPC, on a grant that the server has not seen, and count what the vendor gets."""
    rows = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = service_grpc.ConferencingServiceStub(channel)
        for number, rpc in enumerate(_requests("")):
            request = _requests(f"bench-rpc-{number}")[rpc]
            call = getattr(stub, type(request).__name__.removesuffix("Request"))

            def made(times: int, request: Any = request, call: Any = call) -> int:
                before = vendor.requests()
                for _ in range(times):
                    if "request_id" in request.DESCRIPTOR.fields_by_name:
                        request.request_id = str(uuid.uuid4())
                    call(request, timeout=_SECONDS)
                return vendor.requests_since(before)

            rows.append(VendorCalls(rpc, made(1), made(_REPEATED) / _REPEATED))
    return rows
