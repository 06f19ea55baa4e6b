"""What is measured: every variant, how it is started and what it is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import messages
from messages import Exchange

VARIANTS = Path(__file__).resolve().parent / "variants"

SPAN_DELAY = 0.2
"""Seconds between two exports of spans: short, so that a step pays for its own spans."""


@dataclass(frozen=True)
class Surroundings:
    """What a variant is started in.

    Attributes:
        vendor: the URL of its upstream.
        spans: the URL of the receiver of spans.
        folder: for files of its own.
        tree: another checkout whose service is measured; None for this one.
    """

    vendor: str
    spans: str
    folder: Path
    tree: Path | None = None


@dataclass(frozen=True)
class Variant:
    """Something that is measured.

    Attributes:
        name: short, in tables.
        about: for people.
        script: the file in `variants/`.
        exchange: what it is asked over gRPC; None where it is a caller itself.
        arguments: what the script gets after the vendor's URL.
        sampled: the share of calls whose spans are kept; None for no tracing.
        variables: settings beside those.
    """

    name: str
    about: str
    script: str
    exchange: Callable[[], Exchange] | None
    arguments: tuple[str, ...] = ()
    sampled: float | None = None
    variables: Mapping[str, str] | None = None

    def command(self, around: Surroundings) -> list[str]:
        """Return what is run."""
        arguments = [each.format(folder=around.folder) for each in self.arguments]
        return [sys.executable, str(VARIANTS / self.script), around.vendor, *arguments]

    def environment(self, around: Surroundings) -> dict[str, str]:
        """Return the variables that it is started with."""
        ledger = around.folder / f"{self.name}.sqlite"
        tracing = {"OTEL_TRACES_EXPORTER": "none"}
        if self.sampled is not None:
            tracing = {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": around.spans,
                "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "true",
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": str(self.sampled),
                "OTEL_BSP_SCHEDULE_DELAY": str(int(SPAN_DELAY * 1000)),
            }
        tree = {} if around.tree is None else {"PYTHONPATH": _paths_of(around.tree)}
        return {
            **tree,
            "CONFERENCING_LISTEN": "127.0.0.1:0",
            "CONFERENCING_NYLAS_REGION": around.vendor,
            "CONFERENCING_NYLAS_API_KEY": "bench",
            "CONFERENCING_LEDGER_URL": f"sqlite://{ledger}",
            **tracing,
            **(self.variables or {}),
        }


def _paths_of(tree: Path) -> str:
    return f"{tree / 'service'}:{tree / 'clients' / 'python'}"


def _service(
    name: str,
    about: str,
    *,
    ledger: bool = False,
    sampled: float | None = None,
    exchange: Callable[[], Exchange] = messages.service_create,
    variables: Mapping[str, str] | None = None,
) -> Variant:
    arguments = () if ledger else ("--without-ledger",)
    return Variant(name, about, "service.py", exchange, arguments, sampled, variables)


def _naive(name: str, about: str, sampled: float | None = None) -> Variant:
    arguments = () if sampled is None else ("--traced",)
    return Variant(name, about, "naive.py", messages.peers_create, arguments, sampled)


CREATE = (
    _service("service-off", "the service; ledger off, tracing off"),
    _service("service-1", "the service; ledger off, 1 % traced", sampled=0.01),
    _service("service-100", "the service; ledger off, all traced", sampled=1.0),
    _service("service-ledger", "the service; ledger on, tracing off", ledger=True),
    _service("service-ledger-1", "the service; ledger on, 1 % traced", ledger=True, sampled=0.01),
    _service("service-ledger-100", "the service; ledger on, all traced", ledger=True, sampled=1.0),
    _service(
        "service-1-quiet",
        "the service; ledger off, 1 % traced, no line in the log per call",
        sampled=0.01,
        variables={"CONFERENCING_LOG_LEVEL": "WARNING"},
    ),
    Variant("echo", "bare grpc.aio echo: asks nobody", "echo.py", messages.service_create),
    Variant("aiohttp", "bare aiohttp call: no gRPC, no JSON", "bare_aiohttp.py", None),
    Variant(
        "bare", "grpc.aio + aiohttp + orjson, no checks", "bare_stack.py", messages.peers_create
    ),
    Variant(
        "envoy",
        "Envoy's gRPC-JSON reverse transcoder",
        "envoy_transcoder.py",
        messages.peers_create,
        ("{folder}",),
    ),
    _naive("naive", "grpc.aio + httpx.AsyncClient + json_format"),
    _naive("naive-1", "the same, 1 % traced by the stock instrumentation", 0.01),
    _naive("naive-100", "the same, all traced by the stock instrumentation", 1.0),
    Variant("sdk", "the vendor's Python SDK, called directly", "nylas_sdk.py", None),
)
"""Those that make an event."""

SLOW = frozenset(each.name for each in CREATE) - {
    "service-ledger-100",
    "service-1-quiet",
    "naive-1",
    "naive-100",
}
"""Those that are measured with the slow vendor too; what the others add shows without it."""

SLOW_QUICK = frozenset({"service-1", "aiohttp"})
"""Those of them that a quick run takes."""

LIST = (
    _service("list", "the service", sampled=0.01, exchange=messages.service_list),
    _service(
        "list-texts",
        "the service; each event's link is to be read out of its description",
        sampled=0.01,
        exchange=messages.service_list_texts,
    ),
    Variant(
        "list-constructor",
        "grpc.aio + aiohttp + orjson + the message's constructor alone",
        "bare_stack.py",
        messages.peers_list,
    ),
)
"""Those that list 200 events."""

FIXED = (
    _service("get", "the service, GetEvent", sampled=0.01, exchange=messages.service_get),
    *(variant for variant in CREATE if variant.name in {"echo", "bare", "envoy", "naive"}),
)
"""Those that take the same bytes again and again, so that h2load can load them too."""


def sharing(processes: int, port: int) -> Variant:
    """Return the service in so many processes on one port."""
    return _service(
        f"processes-{processes}",
        f"the service in {processes} process{'es' * (processes > 1)}; ledger on, 1 % traced",
        ledger=True,
        sampled=0.01,
        variables={
            "CONFERENCING_PROCESSES": str(processes),
            "CONFERENCING_LISTEN": f"127.0.0.1:{port}",
        },
    )
