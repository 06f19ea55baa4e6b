"""Looks at what the main thread does, each 10 ms or so of CPU time; writes it down at the end."""

from __future__ import annotations

import atexit
import json
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

_SECONDS = 0.001  # finer than the kernel ticks


def write_samples_to(path: Path) -> None:
    """Begin to sample this process; at its end a line for each stack, the innermost frame first.

    SIGUSR1 forgets what was seen until then: the start, the warming up. A sample is taken between two steps
    of Python: what a C function does counts for the Python function that called it, or the next.
    """
    stacks: Counter[tuple[str, ...]] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(f"{frame.f_globals.get('__name__', '?')}:{code.co_qualname}")
            frame = frame.f_back
        stacks[tuple(stack)] += 1

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        lines = [json.dumps([count, *stack]) for stack, count in stacks.items()]
        path.write_text("\n".join(lines))

    atexit.register(write)
    signal.signal(signal.SIGPROF, look)
    signal.signal(signal.SIGUSR1, lambda *_: stacks.clear())
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)
