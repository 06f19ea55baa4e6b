"""Spans and metrics: the names that they use, and where they go.

Attribute names are those of OpenTelemetry's semantic conventions; they are written out here because
the package that holds them is private. Exporters follow the standard OTEL_* variables, which the
SDK reads by itself, but for those that choose an exporter, which come by the settings.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    Resource,
)
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, Span, Tracer
from prometheus_client import (
    GC_COLLECTOR,
    CollectorRegistry,
    ProcessCollector,
    start_http_server,
)

from conferencing_service import __version__
from conferencing_service.settings import Exporter, Settings, SettingsError

RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.response.status_code"
ERROR_TYPE = "error.type"
REASON = "conferencing.reason"
PRINCIPAL = "conferencing.principal"
UPSTREAM_REQUEST_ID = "upstream.request_id"

_SERVICE = "conferencing-service"
_INSTANCE = str(uuid.uuid4())
_LAST_SECONDS = 10.0

_log = logging.getLogger(__name__)


def tracer_provider_for(exporter: Exporter, *processors: SpanProcessor) -> TracerProvider:
    """Return a provider whose spans go where the setting says, and to the processors.

    The sampler, resource attributes and the OTLP endpoint come from OTEL_TRACES_SAMPLER,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_*. Where spans go nowhere,
    none is recorded; log lines have trace ids all the same.
    """
    if exporter is Exporter.NONE and not processors:
        return TracerProvider(resource=resource(), sampler=ALWAYS_OFF)
    provider = TracerProvider(resource=resource())
    match exporter:
        case Exporter.OTLP:
            # Takes most of a second to import, which a server without it need not pay.
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )

            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        case Exporter.CONSOLE:
            provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        case Exporter.NONE:
            pass
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


class SparingTracer(Tracer):
    """A tracer that opens no span below one that is not recorded: it would not be either.

    OpenTelemetry's own decides that anew for each, which costs more than what the span is about.

    Args:
        tracer: the tracer.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(self, name: str, *choices: Any, **named: Any) -> Span:
        """Open a span, whatever is around it."""
        return self._tracer.start_span(name, *choices, **named)

    def start_as_current_span(  # type: ignore[override] # its decorator's own type is private
        self, name: str, *choices: Any, **named: Any
    ) -> AbstractContextManager[Span]:
        """Open a span for the block, or hand on the one around it, unrecorded as it is."""
        around = trace.get_current_span()
        # One that has ended does not record either: what outlives its RPC still has spans of its own.
        if isinstance(around, NonRecordingSpan) and around.get_span_context().is_valid:
            return nullcontext(around)
        return self._tracer.start_as_current_span(name, *choices, **named)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where spans and metrics go."""

    spans: TracerProvider
    meters: Meters

    @classmethod
    def of(cls, settings: Settings, *processors: SpanProcessor) -> Telemetry:
        """Open what the settings say, and send spans to the processors as well.

        Raises SettingsError where Prometheus' port cannot be had.
        """
        return cls(tracer_provider_for(settings.spans_to(), *processors), Meters.of(settings))

    @classmethod
    def off(cls) -> Telemetry:
        """Return one that sends nothing anywhere."""
        return cls(tracer_provider_for(Exporter.NONE), Meters(NoOpMeterProvider()))

    def tracer_below(self, name: str) -> SparingTracer:
        """Return the tracer of a part of ours whose spans stand below that of an RPC."""
        return SparingTracer(self.spans.get_tracer(name, __version__))

    def shutdown(self) -> None:
        """Send what is left, within ten seconds: a receiver that does not answer is not waited for."""
        until = time.monotonic() + _LAST_SECONDS
        sending = [
            threading.Thread(target=shutdown, daemon=True)
            for shutdown in (self.spans.shutdown, self.meters.shutdown)
        ]
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in sending):
            _log.warning("spans or metrics that were left could not be sent in time")


class Meters:
    """Where metrics go: to an OTLP receiver, to a port that Prometheus asks, to both, or nowhere.

    Args:
        provider: what instruments are made of.
        port: the server of the port, where there is one.
    """

    def __init__(self, provider: MeterProvider, port: PrometheusPort | None = None) -> None:
        self.provider = provider
        self._port = port

    @classmethod
    def of(cls, settings: Settings) -> Meters:
        """Open what the settings say; raises SettingsError where the port cannot be had.

        The interval of OTLP and its endpoint come from OTEL_METRIC_EXPORT_INTERVAL and
        OTEL_EXPORTER_OTLP_*.
        """
        readers = _pushing(settings.metrics_to())
        port = None
        if settings.prometheus_listen is not None:
            port = PrometheusPort(settings.prometheus_listen)
            readers.append(port.reader)
        if not readers:
            return cls(NoOpMeterProvider())
        return cls(sdk_metrics.MeterProvider(readers, resource()), port)

    @property
    def port(self) -> int | None:
        """The port that Prometheus asks, None where there is none."""
        return None if self._port is None else self._port.port

    @property
    def are_read(self) -> bool:
        """Whether anybody reads what is measured."""
        return isinstance(self.provider, sdk_metrics.MeterProvider)

    def shutdown(self) -> None:
        """Send what is left and close the port."""
        if isinstance(self.provider, sdk_metrics.MeterProvider):
            self.provider.shutdown()
        if self._port is not None:
            self._port.close()


def _pushing(exporter: Exporter) -> list[MetricReader]:
    match exporter:
        case Exporter.OTLP:
            # As with spans.
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
                OTLPMetricExporter,
            )

            return [PeriodicExportingMetricReader(OTLPMetricExporter())]
        case Exporter.CONSOLE:
            return [PeriodicExportingMetricReader(ConsoleMetricExporter())]
        case Exporter.NONE:
            return []


class PrometheusPort:
    """Serves the metrics, and those of the process, at /metrics; in a thread of its own.

    Args:
        listen: host and port.
    """

    def __init__(self, listen: str) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(GC_COLLECTOR)
        # The scope would stand on every series.
        self.reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
        host, _colon, port = listen.rpartition(":")
        try:
            self._server, self._thread = start_http_server(
                int(port), host.strip("[]"), registry=registry
            )
        except OSError as error:
            raise SettingsError(
                f"CONFERENCING_PROMETHEUS_LISTEN: cannot listen on {listen}"
            ) from error
        self.port = self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def resource() -> Resource:
    """Return who speaks: the service, its version and this process, unless OTEL_* says otherwise."""
    defaults = Resource(
        {SERVICE_NAME: _SERVICE, SERVICE_VERSION: __version__, SERVICE_INSTANCE_ID: _INSTANCE}
    )
    said = Resource.create()
    if str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        attributes = {key: said.attributes[key] for key in said.attributes}
        del attributes[SERVICE_NAME]
        said = Resource(attributes)
    return defaults.merge(said)
