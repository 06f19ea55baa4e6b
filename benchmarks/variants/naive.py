"""What one writes first: grpc.aio, one httpx.AsyncClient, json_format both ways.

`--traced` adds OpenTelemetry's stock instrumentation of both. With uvloop and sniffio, which it would be slower without, and places for every connection.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import uvloop
from google.protobuf import json_format

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import messages
import peer_server


def _interceptors() -> list[Any]:
    """Switch the stock instrumentation on; return what the server needs of it."""
    from opentelemetry import trace  # noqa: PLC0415 - only where it is measured
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.instrumentation.grpc import aio_server_interceptor  # noqa: PLC0415
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    return [aio_server_interceptor()]


async def _serve() -> None:
    upstream, traced = sys.argv[1], "--traced" in sys.argv
    interceptors = _interceptors() if traced else []
    response = messages.peers_messages()["CreateEventResponse"]
    async with httpx.AsyncClient(
        base_url=upstream,
        headers={"authorization": "Bearer bench", "accept": "application/json"},
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60),
        trust_env=False,
        timeout=30,
    ) as client:

        async def create_event(request: Any, _context: Any) -> Any:
            body = json_format.MessageToDict(request.event, preserving_proto_field_name=True)
            answer = await client.post(
                f"/v3/grants/{request.grant_id}/events",
                params={"calendar_id": request.calendar_id},
                json=body,
            )
            answer.raise_for_status()
            return json_format.Parse(answer.content, response(), ignore_unknown_fields=True)

        await peer_server.serve({"CreateEvent": create_event}, interceptors)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
