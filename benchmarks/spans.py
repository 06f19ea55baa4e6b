"""Takes spans over OTLP, on the loader's core: sending them costs the variant what it really costs.

Each line on stdin is answered with how many have come.
"""

from __future__ import annotations

import sys
import threading
from concurrent import futures
from typing import Any

import grpc
from driven import tell
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as collector_grpc


class Receiver(collector_grpc.TraceServiceServicer):
    """Counts spans and forgets them."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: ARG002, D102, N802
        with self._lock:
            self.count += sum(
                len(scope.spans)
                for resource in request.resource_spans
                for scope in resource.scope_spans
            )
        return collector.ExportTraceServiceResponse()


def _serve() -> None:
    receiver = Receiver()
    server = grpc.server(
        futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 64 << 20)]
    )
    collector_grpc.add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tell(f"ready 127.0.0.1:{port}")
    for _line in sys.stdin:
        tell(str(receiver.count))
    server.stop(None)


if __name__ == "__main__":
    _serve()
