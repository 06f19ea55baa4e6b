"""How a call ended, told in three places: on its span, in its log line, in the metrics."""

from __future__ import annotations

import logging

import grpc
from opentelemetry.trace import Span, StatusCode

from conferencing_service import telemetry
from conferencing_service.core.model import Reason
from conferencing_service.core.upstream import Call
from conferencing_service.metrics import Metrics

_log = logging.getLogger("conferencing_service.rpc")

# Codes that mean a fault of the server's, by OpenTelemetry's conventions for gRPC server spans.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class CallReport:
    """Tells how calls ended.

    Args:
        metrics: where they are counted; None where nobody reads that.
    """

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def ended(
        self, span: Span, call: Call, method: str, code: grpc.StatusCode, reason: Reason | None
    ) -> None:
        """Tell how a call ended, and what was learned on its way."""
        facts = dict(call.attributes)
        if reason is not None:
            facts[telemetry.REASON] = reason.value
        if call.upstream_request_id:
            facts[telemetry.UPSTREAM_REQUEST_ID] = call.upstream_request_id
        if span.is_recording():
            span.set_attribute(telemetry.RPC_STATUS, code.name)
            span.set_attributes(facts)
            if code in _FAULTS:
                span.set_attribute(telemetry.ERROR_TYPE, code.name)
                span.set_status(StatusCode.ERROR)
        seconds = call.clock() - call.started
        if self._metrics is not None:
            is_fault = code in _FAULTS
            self._metrics.call_ended(method, code, reason, seconds, facts, is_fault=is_fault)
        if _log.isEnabledFor(logging.INFO):
            extra = {"method": method, "code": code.name, "seconds": round(seconds, 4), **facts}
            _log.info("rpc", extra=extra)
