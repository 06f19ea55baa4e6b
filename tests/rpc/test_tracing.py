"""One trace per call, joined to the caller's, with the right code and status for every ending."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from conferencing.v1 import conferencing_pb2 as c
from conferencing_service.core.upstream import Call
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, get, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
CREATE = "conferencing.v1.ConferencingService/CreateEvent"
POST = "POST /v3/grants/{grant_id}/events"


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (span,) = [span for span in spans if span.name == name]
    return span


async def ended(service: Service, name: str) -> ReadableSpan:
    """The span of that name, once it has ended: a cancelled call's ends after its caller left."""
    for _ in range(200):
        if any(span.name == name for span in service.spans()):
            break
        await asyncio.sleep(0.02)
    return named(service.spans(), name)


async def test_one_trace_tells_the_whole_story_of_a_call(service: Service, google: Grant) -> None:
    request = creation(google.id, autocreate())
    await service.call(request, metadata=TRACEPARENT)
    spans = service.spans()
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    server = named(spans, CREATE)
    verdict = named(spans, "conferencing.verdict")
    grant = named(spans, "GET /v3/grants/{grant_id}")
    post = named(spans, POST)
    assert (server.kind, verdict.kind, post.kind) == (
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
    )
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == PARENT
    assert server.context is not None
    for span in (verdict, grant, post):
        assert span.parent is not None
        assert span.parent.span_id == server.context.span_id
    assert dict(server.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": CREATE,
        "rpc.response.status_code": "OK",
        "conferencing.platform": "GOOGLE",
        "conferencing.provider": "GOOGLE_MEET",
        "conferencing.source": "autocreate",
        "conferencing.decision": "ALLOWED",
        "upstream.request_id": google.requests()[-1]["request_id"],
    }
    assert dict(verdict.attributes or {})["conferencing.decision"] == "ALLOWED"
    attributes = dict(post.attributes or {})
    assert attributes["http.request.method"] == "POST"
    assert attributes["url.template"] == "/v3/grants/{grant_id}/events"
    assert attributes["http.response.status_code"] == 200
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["upstream.request_id"] == google.requests()[-1]["request_id"]


async def test_the_vendor_is_told_the_trace(service: Service, google: Grant) -> None:
    await service.call(creation(google.id), metadata=TRACEPARENT)
    post = named(service.spans(), POST)
    assert post.context is not None
    told = google.requests()[-1]["traceparent"]
    assert told == f"00-{TRACE}-{post.context.span_id:016x}-01"


async def test_a_read_that_is_repeated_shows_every_attempt(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    service.exporter.clear()
    google.fault("server_error", method="GET", times=2)
    await service.call(get(google.id, event.id))
    attempts = [span for span in service.spans() if span.kind is SpanKind.CLIENT]
    assert [span.status.status_code for span in attempts] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    resends = [(span.attributes or {}).get("http.request.resend_count") for span in attempts]
    assert resends == [None, 1, 2]
    assert (attempts[0].attributes or {})["error.type"] == "503"


async def test_a_refusal_is_no_error_of_the_server(service: Service, google: Grant) -> None:
    await service.failure(creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS)))
    span = named(service.spans(), CREATE)
    attributes = dict(span.attributes or {})
    assert attributes["rpc.response.status_code"] == "FAILED_PRECONDITION"
    assert attributes["conferencing.reason"] == "CROSS_PLATFORM_AUTOCREATE"
    assert attributes["conferencing.decision"] == "REFUSED"
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes
    assert not span.events


async def test_a_lost_write_that_is_found_ends_well_and_shows_how_it_was_looked_for(
    service: Service, google: Grant
) -> None:
    google.fault("reset_after_commit", method="POST")
    await service.call(creation(google.id), metadata=TRACEPARENT)
    spans = service.spans()
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    server = named(service.spans(), CREATE)
    assert (server.attributes or {})["rpc.response.status_code"] == "OK"
    assert server.status.status_code is StatusCode.UNSET
    post = named(spans, POST)
    assert post.status.status_code is StatusCode.ERROR
    assert (post.attributes or {})["error.type"] == "ReadError"
    look = named(spans, "GET /v3/grants/{grant_id}/events")
    assert look.status.status_code is StatusCode.UNSET
    assert server.context is not None
    assert look.parent is not None
    assert look.parent.span_id == server.context.span_id
    assert google.effects() == ["event_created"]


async def test_a_lost_write_that_is_not_found_is_an_error_and_says_so(
    service: Service, google: Grant
) -> None:
    google.fault("reset_before_commit", method="POST")
    await service.failure(creation(google.id))
    span = named(service.spans(), CREATE)
    attributes = dict(span.attributes or {})
    assert attributes["rpc.response.status_code"] == "UNKNOWN"
    assert attributes["error.type"] == "UNKNOWN"
    assert attributes["conferencing.reason"] == "OUTCOME_UNRESOLVED"
    assert span.status.status_code is StatusCode.ERROR
    post = named(service.spans(), POST)
    assert post.status.status_code is StatusCode.ERROR
    assert (post.attributes or {})["error.type"] == "ReadError"
    assert google.effects() == []


async def test_a_replay_says_so_and_sends_nothing(service: Service, google: Grant) -> None:
    request = creation(google.id, autocreate())
    await service.call(request)
    assert "conferencing.replayed" not in (named(service.spans(), CREATE).attributes or {})
    service.exporter.clear()
    await service.call(request)
    (span,) = service.spans()
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": CREATE,
        "rpc.response.status_code": "OK",
        "conferencing.replayed": "true",
    }


class Broken:
    """An upstream with a fault of our own making."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    capabilities = NYLAS

    async def get_grant(self, call: Call, grant_id: str) -> Any:
        raise self._error


@asynccontextmanager
async def broken(error: BaseException, reasons: set[str]) -> AsyncIterator[Service]:
    upstream: Any = Broken(error)
    async with serving("http://127.0.0.1:9", upstream=upstream, reasons=reasons) as service:
        yield service


async def test_a_bug_is_internal_and_its_text_stays_here(
    seen_reasons: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with broken(ValueError("canary-secret"), seen_reasons) as service:
        failure = await service.failure(creation("g"), metadata=TRACEPARENT)
        span = named(service.spans(), CREATE)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert failure.metadata == {"trace_id": TRACE}
    assert "canary" not in str(failure)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["rpc.response.status_code"] == "INTERNAL"
    assert not span.events
    assert [record.exc_info is not None for record in caplog.records if record.levelno >= 40]


async def test_a_cancellation_from_within_is_answered(seen_reasons: set[str]) -> None:
    async with broken(asyncio.CancelledError(), seen_reasons) as service:
        failure = await service.failure(creation("g"), timeout=10)
    assert failure.code is grpc.StatusCode.INTERNAL


async def test_a_deadline_that_passes_ends_the_span_as_such(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault("latency", method="GET", value=3000)
    failure = await service.failure(get(google.id, event.id), timeout=0.3)
    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
    span = await ended(service, "conferencing.v1.ConferencingService/GetEvent")
    assert (span.attributes or {})["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.status.status_code is StatusCode.ERROR


async def test_a_cancelled_call_ends_its_spans(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault("latency", method="GET", value=3000)
    call = service.stub.GetEvent(get(google.id, event.id), timeout=30)
    for _ in range(200):
        if google.requests()[-1]["path"].endswith(event.id):
            break
        await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    span = await ended(service, "conferencing.v1.ConferencingService/GetEvent")
    assert (span.attributes or {})["rpc.response.status_code"] == "CANCELLED"
    assert span.status.status_code is StatusCode.UNSET
    client = await ended(service, "GET /v3/grants/{grant_id}/events/{event_id}")
    assert (client.attributes or {})["error.type"] == "CancelledError"


class Receiver(otlp_grpc.TraceServiceServicer):
    """As much of an OTLP collector as a test needs: it keeps what it gets."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.services: set[str] = set()

    async def Export(self, request: Any, context: Any) -> otlp.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value
                for each in resource.resource.attributes
                if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
        return otlp.ExportTraceServiceResponse()


async def test_spans_go_over_the_wire_to_an_otlp_receiver(
    sandbox: Sandbox, google: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, collector = Receiver(), grpc.aio.server()
    otlp_grpc.add_TraceServiceServicer_to_server(receiver, collector)
    port = collector.add_insecure_port("127.0.0.1:0")
    await collector.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    try:
        async with serving(sandbox.url) as service:
            await service.call(creation(google.id, autocreate()))
            for _ in range(200):
                if len(receiver.names) >= 4:
                    break
                await asyncio.sleep(0.05)
    finally:
        await collector.stop(None)
    assert {CREATE, "conferencing.verdict", "POST /v3/grants/{grant_id}/events"} <= set(
        receiver.names
    )
    assert receiver.services == {"conferencing-service"}


async def test_span_names_hold_no_ids(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    await service.call(get(google.id, event.id))
    for span in service.spans():
        assert google.id not in span.name
        assert re.search(re.escape(event.id), span.name) is None
