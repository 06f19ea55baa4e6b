"""One step of load after the other: CPU, rate, times, and whether every answer was right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from catalog import SPAN_DELAY, Surroundings, Variant
from checking import right_answer
from loading import Loader, Outcome, Shape, Span, h2load, outcome_of
from processes import Broken, Process, wait_for_port
from vendors import MEASURED_CORE, SpanReceiver, Vendor


@dataclass(frozen=True)
class Step:
    """What one step of load showed; times are microseconds.

    Attributes:
        cpu: CPU time of the variant per call.
        vendor_calls: requests that the vendor took, per call.
        spans: spans that were received, per call.
    """

    cpu: float
    vendor_calls: float
    spans: float
    outcome: Outcome

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.outcome.calls / self.outcome.seconds


@dataclass
class Running:
    """A variant that runs.

    Attributes:
        variant: which.
        process: its process.
        port: where it listens; 0 for one that is no server.
        right: the bytes of its right answer.
        warm_memory: resident bytes of each of its processes after warming up.
    """

    variant: Variant
    process: Process
    port: int
    right: bytes = b""
    warm_memory: list[int] = field(default_factory=list)


@contextmanager
def running(
    variants: Sequence[Variant], around: Surroundings, cores: str = MEASURED_CORE
) -> Iterator[list[Running]]:
    """Start variants, all at once; idle ones cost nothing."""
    with ExitStack() as stack:
        started = []
        for variant in variants:
            process = Process(
                variant.name,
                variant.command(around),
                cores=cores,
                log=around.folder / f"{variant.name}.log",
                variables=variant.environment(around),
            )
            started.append((variant, stack.enter_context(process)))
        yield [Running(variant, process, _ready(variant, process)) for variant, process in started]


def _ready(variant: Variant, process: Process) -> int:
    """Wait for a variant; return its port, 0 for one that is no server."""
    if variant.exchange is None:
        process.line()
        return 0
    port = process.port()
    wait_for_port(process, port)
    return port


@dataclass(frozen=True)
class Bench:
    """What a step needs.

    Attributes:
        loader: our loader.
        vendor: whom the variants call.
        spans: what takes their spans.
        folder: for files.
    """

    loader: Loader
    vendor: Vendor
    spans: SpanReceiver
    folder: Path

    def step(self, running: Running, shape: Shape, span: Span, *, anew: bool = False) -> Step:
        """Load a variant for a while; raises Broken where an answer was not right."""
        return self._measured(running, lambda: self._loaded(running, shape, span, anew=anew))

    def h2load_step(self, running: Running, shape: Shape, calls: int) -> Step:
        """Load a variant by h2load with so many calls."""
        exchange = running.variant.exchange
        assert exchange is not None  # noqa: S101 - h2load wants a server
        return self._measured(
            running,
            lambda: h2load(self.folder, running.port, exchange(), running.right, shape, calls),
        )

    def warm(
        self, running: Running, shapes: Sequence[Shape], span: Callable[[Shape], Span]
    ) -> None:
        """Check a variant, load it until its caches and connections are there, note its memory."""
        exchange = running.variant.exchange
        if exchange is not None:
            running.right = right_answer(running.variant.name, running.port, exchange())
        for shape in shapes:
            self.step(running, shape, span(shape))
        running.warm_memory = running.process.memory()

    def _measured(self, running: Running, load: Callable[[], Outcome]) -> Step:
        spans, requests = self.spans.count(), self.vendor.requests()
        cpu = running.process.cpu()
        outcome = load()
        # What a call leaves behind (spans, commits) belongs to it.
        time.sleep(SPAN_DELAY * 1.5)
        cpu = running.process.cpu() - cpu
        if outcome.wrong or not outcome.calls:
            raise Broken(
                f"{running.variant.name}: {outcome.wrong} of {outcome.calls} answers are wrong: "
                f"{outcome.said}"
            )
        return Step(
            cpu=cpu / outcome.calls / 1000,
            vendor_calls=self.vendor.requests_since(requests) / outcome.calls,
            spans=(self.spans.count() - spans) / outcome.calls,
            outcome=outcome,
        )

    def _loaded(self, running: Running, shape: Shape, span: Span, *, anew: bool) -> Outcome:
        if running.variant.exchange is None:
            order = json.dumps({"in_flight": shape.in_flight, **span.order()})
            return outcome_of(running.process.ask(order, span.most + 60))
        exchange = running.variant.exchange()
        return self.loader.run(running.port, exchange, running.right, shape, span, anew=anew)


Steps = dict[tuple[str, Shape], list[Step]]
"""The steps of each variant in each shape, one per round."""


def rounds(
    variants: Sequence[Running],
    shapes: Sequence[Shape],
    count: int,
    step: Callable[[Running, Shape], Step],
) -> Steps:
    """Measure every variant in turn, round by round; each round begins with another one."""
    found: Steps = {}
    for number in range(count):
        for shape in shapes:
            for at in range(len(variants)):
                running = variants[(number + at) % len(variants)]
                name = running.variant.name
                found.setdefault((name, shape), []).append(step(running, shape))
    return found


@dataclass(frozen=True)
class Spread:
    """The least, median and greatest of what the rounds gave."""

    least: float
    median: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of values."""
    return Spread(min(values), median(values), max(values))


def paired(above: Sequence[Sequence[Step]], below: Sequence[Sequence[Step]]) -> Spread:
    """Return the ratio of CPU per call, round by round, of sums of variants."""
    return spread(
        [
            sum(step.cpu for step in round_above) / sum(step.cpu for step in round_below)
            for round_above, round_below in zip(
                zip(*above, strict=True), zip(*below, strict=True), strict=True
            )
        ]
    )
