"""Measure the service beside its peers and write RESULTS.md; README.md says what and how."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import catalog
from loading import Loader, build_loader, loader_process
from phases import Extent, Lab, measure
from processes import Broken
from report import Setting, report
from vendors import CORE, MEASURED_CORE, span_receiver

HERE = Path(__file__).resolve().parent
_BUILD = HERE.parent / "build" / "bench"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _options(argv)
    unknown = options.only - {each.name for each in catalog.CREATE}
    if unknown:
        _say(f"no such variant: {', '.join(sorted(unknown))}")
        return 2
    if CORE == MEASURED_CORE:
        _say("two cores are needed: one for what is measured, one for the load")
        return 2
    extent = Extent(
        rounds=options.rounds or (1 if options.quick else 5),
        seconds=options.seconds or (0.3 if options.quick else 1.0),
        calls=64 if options.quick else 640,
        only=frozenset(options.only),
        slow=frozenset() if options.only else catalog.SLOW_QUICK if options.quick else catalog.SLOW,
        rest=not options.only,
    )
    # Ended from outside, it ends what it started and removes its files all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setting = Setting.now(HERE.parent, options.tree)
    try:
        text = _measured(extent, setting, options.tree)
    except Broken as broken:
        _say(str(broken))
        return 1
    sys.stdout.write(text)
    whole = not options.quick and not options.only and options.tree is None
    if options.write or (whole and not options.no_write):
        (HERE / "RESULTS.md").write_text(text)
        _say("wrote benchmarks/RESULTS.md")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, help="turns of each variant (5)")
    parser.add_argument("--seconds", type=float, help="of each step of load (1)")
    parser.add_argument(
        "--only",
        type=lambda text: set(text.split(",")),
        default=set(),
        metavar="NAMES",
        help="these variants of CreateEvent and nothing else, instant vendor: a,b,c",
    )
    parser.add_argument("--quick", action="store_true", help="everything once and briefly: a check")
    parser.add_argument("--tree", type=Path, help="measure the service of another checkout")
    parser.add_argument(
        "--write", action="store_true", help="write RESULTS.md whatever was left out"
    )
    parser.add_argument("--no-write", action="store_true", help="print it only")
    return parser.parse_args(argv)


def _measured(extent: Extent, setting: Setting, tree: Path | None) -> str:
    _BUILD.mkdir(parents=True, exist_ok=True)
    # What this process does itself is not to disturb what is measured.
    os.sched_setaffinity(0, {int(CORE)})
    with ExitStack() as stack:
        # On the disk of the checkout: the ledger's commits are to cost what they cost there.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_BUILD, prefix="run-")))
        binary = build_loader(_BUILD)
        loader = Loader(stack.enter_context(loader_process(binary, folder)))
        spans = stack.enter_context(span_receiver(folder))
        findings = measure(Lab(loader, spans, folder, tree, _say), extent)
        return report(findings, extent, setting)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
