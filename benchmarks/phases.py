"""What a run measures, one phase after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import catalog
import grpc
import rpcs
from catalog import Surroundings, Variant
from grpc_health.v1 import health_pb2, health_pb2_grpc
from loading import ONE, SIXTY_FOUR, Loader, Shape, Span
from measuring import Bench, Running, Step, Steps, rounds, running
from processes import Process, free_port, wait_for_port
from vendors import CORE, MEASURED_CORE, SpanReceiver, Vendor, instant_vendor, slow_vendor

EIGHT = Shape(8, 1)
SPREAD = Shape(16, 4)
"""Many connections: the kernel gives each to one of the processes that share a port."""

INSTANT, SLOW = "instant", "50 ms"
_SLOW_MILLISECONDS = 50
_CROSS_ROUNDS = 3


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: how often each variant has its turn.
        seconds: how long a step lasts, at least.
        calls: how many calls it has, at least; a twentieth with one in flight.
        only: names of the variants that make events; none for all.
        slow: names of those that are measured with the slow vendor too.
        rest: whether everything beside making events is measured.
    """

    rounds: int
    seconds: float
    calls: int
    only: frozenset[str] = frozenset()
    slow: frozenset[str] = catalog.SLOW
    rest: bool = True

    def span(self, shape: Shape, times: float = 1) -> Span:
        """Return how long a step of a shape lasts."""
        calls = self.calls * min(shape.in_flight, 64) / 64
        return Span(self.seconds * times, int(max(calls, self.calls / 20)))

    def warming(self, shape: Shape) -> Span:
        """Return how long a variant is warmed up in a shape."""
        return Span(self.seconds / 3, self.span(shape).calls)

    def chosen(self, variants: Sequence[Variant]) -> list[Variant]:
        """Return the variants that are to be measured."""
        return [each for each in variants if not self.only or each.name in self.only]


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the processes of a variant, after warming up and after the load."""

    warm: list[int]
    loaded: list[int]


@dataclass(frozen=True)
class Start:
    """Seconds from the start of `serve` to its first answer, and CPU seconds of it."""

    wall: float
    cpu: float


@dataclass
class Findings:
    """What a run found; what was not measured is empty."""

    create: dict[str, Steps] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)
    lists: Steps = field(default_factory=dict)
    ours: Steps = field(default_factory=dict)
    h2load: Steps = field(default_factory=dict)
    processes: Steps = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    vendor_calls: list[rpcs.VendorCalls] = field(default_factory=list)


@dataclass(frozen=True)
class Lab:
    """What every phase works with.

    Attributes:
        loader: our loader.
        spans: what takes spans.
        folder: for files.
        tree: another checkout whose service is measured.
        say: tells a person how far it is.
    """

    loader: Loader
    spans: SpanReceiver
    folder: Path
    tree: Path | None
    say: Callable[[str], None]

    def around(self, vendor: Vendor) -> Surroundings:
        """Return what variants are started in."""
        return Surroundings(vendor.url, self.spans.url, self.folder, self.tree)

    def bench(self, vendor: Vendor) -> Bench:
        """Return what steps need."""
        return Bench(self.loader, vendor, self.spans, self.folder)


def measure(lab: Lab, extent: Extent) -> Findings:
    """Measure everything that the extent names."""
    findings = Findings()
    with instant_vendor(lab.folder) as vendor:
        _creating(lab, extent, findings, vendor, INSTANT)
        if extent.rest:
            _listing(lab, extent, findings, vendor)
            _cross_checking(lab, extent, findings, vendor)
            _sharing_a_port(lab, extent, findings, vendor)
            _starting(lab, extent, findings, vendor)
            lab.say("vendor calls of each RPC")
            with running([catalog.CREATE[0]], lab.around(vendor)) as (one,):
                findings.vendor_calls = rpcs.counted(one.port, vendor)
    if extent.slow:
        with slow_vendor(lab.folder, _SLOW_MILLISECONDS) as vendor:
            _creating(lab, extent, findings, vendor, SLOW)
    return findings


def _creating(lab: Lab, extent: Extent, findings: Findings, vendor: Vendor, name: str) -> None:
    bench, shapes = lab.bench(vendor), (ONE, SIXTY_FOUR)
    variants = extent.chosen(catalog.CREATE)
    if name == SLOW:
        variants = [each for each in variants if each.name in extent.slow]
    lab.say(f"CreateEvent, {name} vendor: {len(variants)} variants, {extent.rounds} rounds")
    with running(variants, lab.around(vendor)) as started:
        for each in started:
            bench.warm(each, shapes, extent.warming)

        def step(each: Running, shape: Shape) -> Step:
            return bench.step(each, shape, extent.span(shape))

        findings.create[name] = rounds(started, shapes, extent.rounds, step)
        if name == INSTANT:
            for each in started:
                memory = Memory(each.warm_memory, each.process.memory())
                findings.memory[each.variant.name] = memory


def _listing(lab: Lab, extent: Extent, findings: Findings, vendor: Vendor) -> None:
    lab.say("ListEvents of 200")
    bench = lab.bench(vendor)
    with running(catalog.LIST, lab.around(vendor)) as started:
        for each in started:
            bench.warm(each, (EIGHT,), extent.warming)
        findings.lists = rounds(
            started,
            (EIGHT,),
            extent.rounds,
            lambda each, shape: bench.step(each, shape, extent.span(shape)),
        )


def _cross_checking(lab: Lab, extent: Extent, findings: Findings, vendor: Vendor) -> None:
    lab.say("our loader beside h2load")
    bench = lab.bench(vendor)
    with running(catalog.FIXED, lab.around(vendor)) as started:
        for each in started:
            bench.warm(each, (ONE, SIXTY_FOUR), extent.warming)
        calls: dict[tuple[str, Shape], int] = {}

        def ours(each: Running, shape: Shape) -> Step:
            step = bench.step(each, shape, extent.span(shape))
            calls[each.variant.name, shape] = step.outcome.calls
            return step

        def theirs(each: Running, shape: Shape) -> Step:
            return bench.h2load_step(each, shape, calls[each.variant.name, shape])

        for _ in range(min(extent.rounds, _CROSS_ROUNDS)):
            for shape in (ONE, SIXTY_FOUR):
                for into, step in ((findings.ours, ours), (findings.h2load, theirs)):
                    for key, steps in rounds(started, (shape,), 1, step).items():
                        into.setdefault(key, []).extend(steps)


def _sharing_a_port(lab: Lab, extent: Extent, findings: Findings, vendor: Vendor) -> None:
    if not _can_share(lab.around(vendor)):
        lab.say("two processes: this service has no such setting")
        return
    lab.say("two processes beside one, on both cores")
    bench = lab.bench(vendor)
    both = f"{MEASURED_CORE},{CORE}"
    with ExitStack() as stack:
        started = []
        for count in (1, 2):
            variant = catalog.sharing(count, free_port())
            started += stack.enter_context(running([variant], lab.around(vendor), both))
        for each in started:
            bench.warm(each, (SPREAD,), extent.warming)
        findings.processes = rounds(
            started,
            (SPREAD,),
            extent.rounds,
            lambda each, shape: bench.step(each, shape, extent.span(shape, 2), anew=True),
        )
        for each in started:
            memory = Memory(each.warm_memory, each.process.memory())
            findings.memory[each.variant.name] = memory


def _can_share(around: Surroundings) -> bool:
    asked = "from conferencing_service.settings import Settings as s; print(s.model_fields.keys())"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", asked],
        env=catalog.CREATE[0].environment(around),
        capture_output=True,
        text=True,
        check=True,
    )
    return "'processes'" in done.stdout


def _starting(lab: Lab, extent: Extent, findings: Findings, vendor: Vendor) -> None:
    lab.say("starts")
    around = lab.around(vendor)
    for number in range(extent.rounds):
        port = free_port()
        variables = catalog.sharing(1, port).environment(around) | {
            "OTEL_TRACES_EXPORTER": "none",
            "CONFERENCING_LEDGER_URL": f"sqlite://{lab.folder}/start-{number}.sqlite",
        }
        began = time.perf_counter()
        with Process(
            "serve",
            [sys.executable, "-m", "conferencing_service", "serve"],
            cores=MEASURED_CORE,
            log=lab.folder / "start.log",
            variables=variables,
        ) as process:
            wait_for_port(process, port)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                stub.Check(health_pb2.HealthCheckRequest(), timeout=30, wait_for_ready=True)
            wall = time.perf_counter() - began
            findings.starts.append(Start(wall, process.cpu() / 1e9))
