"""What is counted and measured: every instrument, its name, unit and attributes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import grpc
from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation

from conferencing_service import __version__
from conferencing_service.core.model import Reason
from conferencing_service.telemetry import ERROR_TYPE, REASON, RPC_METHOD, RPC_STATUS, RPC_SYSTEM

# Seconds. The vendor's own limit is 90; OpenTelemetry's advice ends at 10.
_DURATIONS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 100.0),
)
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STEPS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

ALERTS = (
    *("credentials", "ledger", "unresolved", "marker", "certificate"),
    *("policy", "tokens", "api_key"),
)
"""What a log line of a server can ask its operator to act on."""

_DECISION = "conferencing.decision"
_VERDICT = (_DECISION, "conferencing.provider", "conferencing.platform", "conferencing.source")
_REPLAYED = "conferencing.replayed"
_GATE = "conferencing.upstream_gate"
_UNKNOWN = frozenset({Reason.OUTCOME_UNKNOWN, Reason.OUTCOME_UNRESOLVED})


class Metrics:
    """The server's instruments.

    No attribute has a value of a caller's: methods, codes, reasons and words of the contract alone.

    Args:
        provider: what the instruments are made of.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._meter = meter = provider.get_meter("conferencing_service", __version__)
        self._calls = meter.create_histogram(
            "rpc.server.call.duration",
            "s",
            "How long RPCs took.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._errors = meter.create_counter(
            "conferencing.errors", description="RPCs that ended with an error, by its reason."
        )
        self._verdicts = meter.create_counter(
            "conferencing.verdicts", description="Verdicts on creations and updates."
        )
        self._replays = meter.create_counter(
            "conferencing.replays", description="Repeated requests that got their first answer."
        )
        self._unknown = meter.create_counter(
            "conferencing.unknown_outcomes", description="Writes told as unknown or unresolved."
        )
        self._gates = meter.create_counter(
            "conferencing.upstream.gates", description="RPCs kept from the upstream, and by what."
        )
        self._alerts = meter.create_counter(
            "conferencing.alerts", description="Log lines for the operator to act on."
        )
        self._swept = meter.create_counter(
            "conferencing.sweeper.duplicates",
            description="Events of lost writes that the sweeper deleted.",
        )
        # What is to be alerted on is there before it happens first, so that its first rise shows.
        self._swept.add(0)
        for alert in ALERTS:
            self._alerts.add(0, {"conferencing.alert": alert})
        self.loop_lag = meter.create_histogram(
            "conferencing.loop.lag",
            "s",
            "How much later than planned the event loop took its turn.",
            explicit_bucket_boundaries_advisory=_LAGS,
        )
        self.ledger_steps = meter.create_histogram(
            "conferencing.ledger.duration",
            "s",
            "How long the ledger's store took for a step.",
            explicit_bucket_boundaries_advisory=_STEPS,
        )

    def call_ended(
        self,
        method: str,
        code: grpc.StatusCode,
        reason: Reason | None,
        seconds: float,
        facts: Mapping[str, str],
        *,
        is_fault: bool,
    ) -> None:
        """Count an RPC that ended, and what its facts tell."""
        attributes = {RPC_SYSTEM: "grpc", RPC_METHOD: method, RPC_STATUS: code.name}
        if is_fault:
            attributes[ERROR_TYPE] = code.name
        self._calls.record(seconds, attributes)
        if reason is not None:
            told = {RPC_METHOD: method, REASON: reason.value}
            self._errors.add(1, told)
            if reason in _UNKNOWN:
                self._unknown.add(1, told)
        if _DECISION in facts:
            verdict = {name: facts[name] for name in _VERDICT if name in facts}
            # Only a verdict that refuses has the reason of the call.
            if facts[_DECISION] == "REFUSED" and reason is not None:
                verdict[REASON] = reason.value
            self._verdicts.add(1, verdict)
        if _REPLAYED in facts:
            self._replays.add(1, {RPC_METHOD: method})
        if _GATE in facts:
            self._gates.add(1, {_GATE: facts[_GATE]})

    def event_swept(self) -> None:
        """Count an event that the sweeper deleted."""
        self._swept.add(1)

    def watch_calls(
        self, calls: Callable[[], Mapping[str, int]], pending: Callable[[], int]
    ) -> None:
        """Report how many calls have a place, by RPC, and how many wait for one."""

        def active(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(n, {RPC_METHOD: rpc}) for rpc, n in calls().items()]

        self._meter.create_observable_gauge(
            "conferencing.calls.active", [active], description="RPCs that are worked at."
        )
        self._meter.create_observable_gauge(
            "conferencing.calls.waiting",
            [lambda _options: [Observation(pending())]],
            description="RPCs that wait for a place.",
        )

    def watch_ledger(self, ready: Callable[[], bool]) -> None:
        """Report whether the ledger can commit."""
        self._meter.create_observable_gauge(
            "conferencing.ledger.ready",
            [lambda _options: [Observation(int(ready()))]],
            description="1 while the ledger can commit.",
        )

    @contextmanager
    def counting_alerts(self) -> Iterator[None]:
        """Count, for the block, the log lines that have an alert."""
        handler = _AlertCounter(lambda alert: self._alerts.add(1, {"conferencing.alert": alert}))
        logger = logging.getLogger("conferencing_service")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def request_histogram(provider: MeterProvider) -> Histogram:
    """Return what REST requests are measured by."""
    return provider.get_meter("conferencing_service.upstreams", __version__).create_histogram(
        "http.client.request.duration",
        "s",
        "How long REST requests to the upstream took.",
        explicit_bucket_boundaries_advisory=_DURATIONS,
    )


class _AlertCounter(logging.Handler):
    def __init__(self, count: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record that has an alert."""
        alert = getattr(record, "alert", None)
        if isinstance(alert, str):
            self._count(alert)
