"""What is told on stdout: lines at once, and foreign texts that move no cursor."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line at once, for whoever reads while we run."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """Return a foreign text so that it is one line and moves no cursor."""
    return text if text.isprintable() else ascii(text)[1:-1]
