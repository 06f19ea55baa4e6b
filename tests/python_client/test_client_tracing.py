"""The caller's trace goes on in the service where OpenTelemetry is, and nothing happens elsewhere."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, format_trace_id

from conferencing.v1.conferencing_service_pb2 import GetEventResponse

tracer = TracerProvider(shutdown_on_exit=False).get_tracer(__name__)


async def test_the_callers_span_is_told(scripted, script):
    script.answers(GetEventResponse())
    token = context.attach(baggage.set_baggage("customer", "secret"))
    try:
        with tracer.start_as_current_span("booking") as span:
            await scripted.get()
    finally:
        context.detach(token)
    metadata = script.calls[0].metadata
    version, trace_id, span_id, flags = metadata["traceparent"].split("-")
    assert (version, trace_id) == ("00", format_trace_id(span.get_span_context().trace_id))
    assert span_id == f"{span.get_span_context().span_id:016x}"
    assert int(flags, 16) & 1
    assert "baggage" not in metadata


async def test_without_a_span_nothing_is_told(scripted, script):
    script.answers(GetEventResponse())
    await scripted.get()
    assert "traceparent" not in script.calls[0].metadata


async def test_the_servers_span_is_in_the_callers_trace(caller, service):
    with tracer.start_as_current_span("booking") as span:
        await caller("check_compatibility", grant_id="google-demo")
    (served,) = [each for each in service.spans() if each.kind is SpanKind.SERVER]
    assert served.context.trace_id == span.get_span_context().trace_id
    assert served.parent.span_id == span.get_span_context().span_id


def test_without_opentelemetry_calls_are_made_all_the_same():
    program = """
        import sys
        sys.modules["opentelemetry"] = None
        from conferencing import SyncConferencingClient
        from conferencing.testing import ScriptedServer
        from conferencing.v1.conferencing_service_pb2 import GetEventResponse
        with ScriptedServer() as server, SyncConferencingClient(server.target) as client:
            server.answers(GetEventResponse())
            client.get_event(grant_id="g", calendar_id="c", event_id="e")
            assert "traceparent" not in server.calls[0].metadata
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], check=True, timeout=60
    )
