"""Say where the service's CPU goes under load: `profiling.py`, or with `--ledger`, `--list`, `--one`.

Samples of its main thread, told as microseconds per call, by function: its own, and with all that it
called. The process's own clock says how much there is in all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import catalog
import messages
from catalog import Surroundings
from loading import ONE, SIXTY_FOUR, Loader, Span, build_loader, loader_process
from measuring import Bench, running
from phases import EIGHT
from vendors import CORE, instant_vendor, span_receiver

HERE = Path(__file__).resolve().parent
_BUILD = HERE.parent / "build" / "bench"
_WARM_SECONDS = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Profile; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--calls", type=int, default=6000, help="at least so many")
    parser.add_argument("--rows", type=int, default=45)
    parser.add_argument("--ledger", action="store_true", help="with the ledger")
    parser.add_argument("--list", action="store_true", help="ListEvents of 200, 8 in flight")
    parser.add_argument("--one", action="store_true", help="one call in flight")
    parser.add_argument("--traced", type=float, help="the share of calls that is traced")
    parser.add_argument("--tree", type=Path, help="the service of another checkout")
    options = parser.parse_args(argv)
    shape = EIGHT if options.list else ONE if options.one else SIXTY_FOUR
    _BUILD.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {int(CORE)})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_BUILD, prefix="run-")))
        loader = stack.enter_context(loader_process(build_loader(_BUILD), folder))
        spans = stack.enter_context(span_receiver(folder))
        vendor = stack.enter_context(instant_vendor(folder))
        samples = folder / "samples"
        base = catalog.CREATE[0]
        variant = replace(
            base,
            exchange=messages.service_list if options.list else messages.service_create,
            arguments=(*(() if options.ledger else base.arguments), "--sampled", str(samples)),
            sampled=options.traced,
        )
        bench = Bench(Loader(loader), vendor, spans, folder)
        around = Surroundings(vendor.url, spans.url, folder, options.tree)
        with running([variant], around) as (service,):
            bench.warm(service, (shape,), lambda _: Span(_WARM_SECONDS, 640))
            os.kill(service.process.pid, signal.SIGUSR1)
            step = bench.step(service, shape, Span(options.seconds, options.calls, 120))
        _tell(samples, step.outcome.calls, step.cpu, options.rows)
    return 0


def _tell(samples: Path, calls: int, cpu: float, rows: int) -> None:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    taken = 0
    for line in samples.read_text().splitlines():
        count, *stack = json.loads(line)
        taken += count
        own[stack[0]] += count
        modules[stack[0].partition(":")[0]] += count
        for place in set(stack):
            whole[place] += count
    scale = cpu / taken
    _say(
        f"{calls} calls, {cpu:.0f} us of CPU each (all threads), {taken} samples of the main thread"
    )
    for title, found in (
        ("own", own),
        ("own, by module", modules),
        ("with all that it called", whole),
    ):
        _say(f"\nus per call, {title}")
        for place, count in found.most_common(rows):
            _say(f"{count * scale:8.1f}  {place}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
