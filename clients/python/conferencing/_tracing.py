"""The caller's trace, carried on as W3C trace context where OpenTelemetry's API is installed."""

from __future__ import annotations

from collections.abc import Callable

Metadata = tuple[tuple[str, str | bytes], ...]


def trace_context() -> Callable[[], Metadata]:
    """Return a function that tells the current span as metadata.

    It tells `traceparent` and `tracestate`, never baggage, which is the caller's own. Without
    OpenTelemetry, or outside a span, it tells nothing.
    """
    try:
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an optional extra
            TraceContextTextMapPropagator,
        )
    except ImportError:
        return tuple
    propagator = TraceContextTextMapPropagator()

    def current() -> Metadata:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        return tuple(carrier.items())

    return current
