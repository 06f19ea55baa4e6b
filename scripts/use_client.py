"""Uses the installed client package for real: stubs over a channel, then its README's quickstart."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import google.protobuf
import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from conferencing.testing import ScriptedServer
from conferencing.v1 import conferencing_pb2, error_reason_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc

README = Path(__file__).parents[1] / "clients" / "python" / "README.md"
ADDRESS = "127.0.0.1:50051"


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
    use_stubs()
    use_clients()
    versions = (sys.version.split()[0], google.protobuf.__version__, metadata.version("grpcio"))
    sys.stdout.write("the client works: python {}, protobuf {}, grpcio {}\n".format(*versions))
    return 0


def use_stubs() -> None:
    """Send messages there and back, and decode a rich error."""
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


def use_clients() -> None:
    """Run the examples of the README's quickstart, for asyncio and blocking."""
    text = README.read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[:2]
    for example, last_words in zip(examples, ("event: Planning", "Planning"), strict=True):
        with ScriptedServer() as server, contextlib.redirect_stdout(io.StringIO()) as said:
            event = event_pb2.Event(id="1", title="Planning")
            server.fails("OUTCOME_UNKNOWN", rpc="CreateEvent", times=5)
            server.answers(service.CreateEventResponse(event=event))
            server.fails("CROSS_PLATFORM_AUTOCREATE", rpc="CreateEvent")
            server.answers(service.UpdateEventResponse(event=event))
            page = service.ListEventsResponse(events=[event])
            page.next_page_token = "2"  # noqa: S105 - it names a page
            server.answers(page)
            server.answers(service.ListEventsResponse(events=[event]))
            server.answers(service.DeleteEventResponse())
            program = example.replace(ADDRESS, server.target)
            exec(compile(program, README.name, "exec"), {"__name__": "__main__"})  # noqa: S102
        lines = [line.strip() for line in said.getvalue().splitlines()]
        if lines[-2:] != [last_words] * 2:
            raise ValueError(f"the example said {lines}")


if __name__ == "__main__":
    sys.exit(main())
