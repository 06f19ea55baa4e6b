"""Uses the installed client package for real: import, a round trip, a rich error over a channel."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import google.protobuf
import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from conferencing.v1 import conferencing_pb2, error_reason_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc


class Servicer(service_grpc.ConferencingServiceServicer):
    """Echoes a creation, refuses a read."""

    def CreateEvent(self, request, context):  # noqa: ANN001, ANN201, ARG002, D102, N802
        return service.CreateEventResponse(event=request.event)

    def GetEvent(self, request, context):  # noqa: ANN001, ANN201, ARG002, D102, N802
        details = []
        for message in (
            error_details_pb2.ErrorInfo(reason="SCOPE_MISSING", domain="conferencing.v1"),
            conferencing_pb2.Verdict(reason=error_reason_pb2.ERROR_REASON_SCOPE_MISSING),
        ):
            packed = AnyMessage()
            packed.Pack(message)
            details.append(packed)
        status = status_pb2.Status(code=9, message="no", details=details)
        context.abort_with_status(rpc_status.to_status(status))


def main() -> int:
    """Return 0 if everything came through as it was sent; raises otherwise."""
    server = grpc.server(ThreadPoolExecutor(1))
    service_grpc.add_ConferencingServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = service_grpc.ConferencingServiceStub(channel)
        order = conferencing_pb2.Autocreate(conf_grant_id="g")
        order.conf_settings.update({"settings": {"waiting_room": True}, "duration": 60})
        event = event_pb2.Event(
            title="t",
            busy=False,
            metadata={"key": "value"},
            conferencing=conferencing_pb2.Conferencing(autocreate=order),
        )
        answer = stub.CreateEvent(service.CreateEventRequest(event=event), timeout=10)
        if answer.event != event:
            raise ValueError("the round trip changed the event")
        try:
            stub.GetEvent(service.GetEventRequest(), timeout=10)
        except grpc.RpcError as error:
            found = {detail.type_url for detail in rpc_status.from_call(error).details}
            if "type.googleapis.com/conferencing.v1.Verdict" not in found:
                raise ValueError("the verdict is not among the details") from error
        else:
            raise ValueError("the refusal did not come through")
    server.stop(None)
    versions = (sys.version.split()[0], google.protobuf.__version__, metadata.version("grpcio"))
    sys.stdout.write("the client works: python {}, protobuf {}, grpcio {}\n".format(*versions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
