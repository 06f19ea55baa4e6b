"""Bare grpc.aio with uvloop: answers one prebuilt event, asks nobody."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import messages
from driven import tell

from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc


class Echo(service_grpc.ConferencingServiceServicer):
    """Answers CreateEvent; the request is parsed and the answer serialised for each call."""

    def __init__(self) -> None:
        self._answer = messages.service_create().answer

    async def CreateEvent(self, request: Any, context: Any) -> Any:  # noqa: ARG002, D102, N802
        return self._answer


async def _serve() -> None:
    server = grpc.aio.server()
    service_grpc.add_ConferencingServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    tell(f"ready 127.0.0.1:{port}")
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve())
