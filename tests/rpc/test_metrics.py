"""Metrics by their names: what Prometheus fetches, and what an OTLP receiver gets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.settings import SettingsError
from conferencing_service.stores import open_store
from support.faulty_store import FaultyStore, Trouble
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, get, serving
from support.waiting import until

_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
METHOD = "conferencing.v1.ConferencingService/"

Sample = tuple[str, frozenset[tuple[str, str]]]


@asynccontextmanager
async def measured(url: str, **settings: Any) -> AsyncIterator[Service]:
    """A server with a port for Prometheus."""
    async with serving(url, prometheus_listen="127.0.0.1:0", **settings) as service:
        yield service


async def fetched(service: Service) -> dict[Sample, float]:
    """What Prometheus gets: values by name and labels."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{service.prometheus_port}/metrics")
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, labels, value = _SAMPLE.fullmatch(line).groups()  # type: ignore[union-attr]
            samples[name, frozenset(_LABEL.findall(labels or ""))] = float(value)
    return samples


def value(samples: dict[Sample, float], name: str, **labels: str) -> float:
    """The sum of what has at least these labels."""
    wanted = set(labels.items())
    found = [number for (each, has), number in samples.items() if each == name and wanted <= has]
    return sum(found)


def labels_of(samples: dict[Sample, float], name: str) -> set[str]:
    return {label for (each, has) in samples if each == name for label, _value in has}


# ---- What is counted -----------------------------------------------------------------------


async def test_calls_their_errors_verdicts_and_replays_are_counted(
    sandbox: Sandbox, google: Grant
) -> None:
    async with measured(sandbox.url) as service:
        meet = creation(google.id, autocreate(c.PROVIDER_GOOGLE_MEET))
        for _ in range(3):
            await service.call(meet)
        teams = creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS))
        assert (await service.failure(teams)).reason == "CROSS_PLATFORM_AUTOCREATE"
        assert (await service.failure(get(google.id, "nothing"))).reason == "EVENT_NOT_FOUND"
        samples = await fetched(service)
    create, read = METHOD + "CreateEvent", METHOD + "GetEvent"
    calls = "rpc_server_call_duration_seconds_count"
    assert value(samples, calls, rpc_method=create, rpc_response_status_code="OK") == 3
    refused = {"rpc_method": create, "rpc_response_status_code": "FAILED_PRECONDITION"}
    assert value(samples, calls, **refused) == 1
    assert value(samples, calls, rpc_method=read, rpc_response_status_code="NOT_FOUND") == 1
    errors = "conferencing_errors_total"
    assert value(samples, errors, conferencing_reason="CROSS_PLATFORM_AUTOCREATE") == 1
    assert value(samples, errors, rpc_method=read, conferencing_reason="EVENT_NOT_FOUND") == 1
    assert value(samples, "conferencing_replays_total", rpc_method=create) == 2
    verdicts = "conferencing_verdicts_total"
    allowed = {"conferencing_decision": "ALLOWED", "conferencing_provider": "GOOGLE_MEET"}
    assert value(samples, verdicts, **allowed, conferencing_source="autocreate") == 1
    no = {"conferencing_decision": "REFUSED", "conferencing_platform": "GOOGLE"}
    assert value(samples, verdicts, **no, conferencing_reason="CROSS_PLATFORM_AUTOCREATE") == 1
    vendor = "http_client_request_duration_seconds_count"
    posts = {"http_request_method": "POST", "url_template": "/v3/grants/{grant_id}/events"}
    assert value(samples, vendor, **posts, http_response_status_code="200") == 1
    lost = {"http_request_method": "GET", "http_response_status_code": "404"}
    event = "/v3/grants/{grant_id}/events/{event_id}"
    # Once more to find out what is missing.
    assert value(samples, vendor, **lost, error_type="404", url_template=event) == 2
    steps = "conferencing_ledger_duration_seconds_count"
    # A replay claims as well, and the refused one.
    assert value(samples, steps, conferencing_ledger_step="claim") == 4
    assert value(samples, steps, conferencing_ledger_step="finish") == 1
    assert value(samples, "conferencing_ledger_ready") == 1
    assert value(samples, "conferencing_calls_active") == 0
    assert value(samples, "conferencing_calls_waiting") == 0
    assert value(samples, "process_resident_memory_bytes") > 10_000_000
    assert value(samples, "target_info", service_name="conferencing-service") == 1


async def test_what_is_unknown_and_what_an_operator_must_settle_is_counted(
    sandbox: Sandbox, google: Grant
) -> None:
    async with measured(sandbox.url, settle_window=0.5, resume_interval=0.3) as service:
        google.fault("reset_before_commit", method="POST")
        request = creation(google.id)
        assert (await service.failure(request)).reason in {"OUTCOME_UNKNOWN", "OUTCOME_UNRESOLVED"}

        async def is_unresolved() -> bool:
            return (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"

        await until(is_unresolved)
        samples = await fetched(service)
    unknown = "conferencing_unknown_outcomes_total"
    assert value(samples, unknown, conferencing_reason="OUTCOME_UNRESOLVED") >= 1
    assert value(samples, "conferencing_alerts_total", conferencing_alert="unresolved") == 1


async def test_who_waits_who_was_kept_back_and_how_late_the_loop_was_is_told(
    sandbox: Sandbox, google: Grant
) -> None:
    async with measured(sandbox.url, max_calls=1) as service:
        google.fault("latency", method="POST", value=1000)
        first = asyncio.create_task(service.call(creation(google.id)))

        async def is_under_way() -> bool:
            return any(each["method"] == "POST" for each in google.requests())

        await until(is_under_way)
        second = asyncio.create_task(service.call(creation(google.id)))

        async def waits() -> bool:
            return value(await fetched(service), "conferencing_calls_waiting") == 1

        await until(waits)
        active = {"rpc_method": METHOD + "CreateEvent"}
        assert value(await fetched(service), "conferencing_calls_active", **active) == 1
        await asyncio.gather(first, second)
        google.fault("rate_limit", method="GET", value=60, times=1)
        for _ in range(2):
            failure = await service.failure(get(google.id, "any"))
            assert failure.reason == "UPSTREAM_RATE_LIMITED"
        samples = await fetched(service)
    gates = "conferencing_upstream_gates_total"
    assert value(samples, gates, conferencing_upstream_gate="grant_limited") == 1
    assert value(samples, "conferencing_loop_lag_seconds_count") > 0


async def test_a_ledger_that_does_not_commit_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    real = await open_store(f"sqlite://{tmp_path}/ledger/ledger.sqlite")
    store = FaultyStore(real, step="probe", trouble=Trouble.REFUSAL, times=1)
    async with measured(sandbox.url, store=store) as service:

        async def is_told() -> bool:
            return value(await fetched(service), "conferencing_ledger_ready") == 0

        await until(is_told)
        samples = await fetched(service)
        assert value(samples, "conferencing_alerts_total", conferencing_alert="ledger") == 1
    await real.aclose()


async def test_no_label_has_what_a_caller_sent(sandbox: Sandbox, google: Grant) -> None:
    async with measured(sandbox.url) as service:
        await service.call(creation(google.id, title="canary-title"))
        await service.failure(get("canary-grant", "canary-event"))
        request = s.ExtractConferencingRequest(text="https://meet.google.com/abc-defg-hij")
        await service.call(request)
        samples = await fetched(service)
    told = str(samples)
    for canary in ("canary", google.id, "abc-defg-hij", "primary"):
        assert canary not in told


async def test_without_anybody_who_reads_nothing_is_measured(service: Service) -> None:
    assert service.prometheus_port is None
    assert service.server._metrics is None


async def test_a_port_that_is_taken_refuses_the_start(sandbox: Sandbox) -> None:
    async with measured(sandbox.url) as service:
        taken = f"127.0.0.1:{service.prometheus_port}"
        with pytest.raises(SettingsError, match="CONFERENCING_PROMETHEUS_LISTEN"):
            async with serving(sandbox.url, prometheus_listen=taken):
                pass


# ---- OTLP ----------------------------------------------------------------------------------


class Receiver(metrics_grpc.MetricsServiceServicer, trace_grpc.TraceServiceServicer):
    """Takes what comes, as a collector does."""

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}
        self.spans: set[str] = set()
        self.resources: list[dict[str, str]] = []

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        if isinstance(request, trace_pb2.ExportTraceServiceRequest):
            self.spans |= {
                span.name
                for each in request.resource_spans
                for scope in each.scope_spans
                for span in scope.spans
            }
            return trace_pb2.ExportTraceServiceResponse()
        for each in request.resource_metrics:
            attributes = each.resource.attributes
            self.resources.append({pair.key: pair.value.string_value for pair in attributes})
            for scope in each.scope_metrics:
                self.metrics |= {metric.name: metric for metric in scope.metrics}
        return metrics_pb2.ExportMetricsServiceResponse()


async def test_a_receiver_gets_metrics_and_spans_by_the_time_the_server_has_ended(
    sandbox: Sandbox, google: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    metrics_grpc.add_MetricsServiceServicer_to_server(receiver, server)
    trace_grpc.add_TraceServiceServicer_to_server(receiver, server)
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        async with serving(sandbox.url, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as service:
            await service.call(creation(google.id))
    finally:
        server.stop(None)
    assert METHOD + "CreateEvent" in receiver.spans
    calls = receiver.metrics["rpc.server.call.duration"]
    assert calls.unit == "s"
    (point,) = calls.histogram.data_points
    assert {pair.key for pair in point.attributes} == {
        *("rpc.system.name", "rpc.method", "rpc.response.status_code"),
    }
    assert {"http.client.request.duration", "conferencing.ledger.duration"} <= set(receiver.metrics)
    (resource, *_more) = receiver.resources
    assert resource["service.name"] == "conferencing-service"
    assert resource["service.instance.id"]
