"""How far a long work is: one line of a terminal, gone when it ends; nothing anywhere else."""

from __future__ import annotations

from typing import TextIO


class Progress:
    """A line that counts.

    Args:
        stream: where people look; no terminal gets a line.
        total: how many steps there are.
        noun: what a step is, in the plural.
    """

    def __init__(self, stream: TextIO, total: int, noun: str) -> None:
        self._stream = stream if stream.isatty() else None
        self._total = total
        self._noun = noun

    def at(self, number: int) -> None:
        """Show how many steps are done."""
        self._show(f"{number} of {self._total} {self._noun}")

    def clear(self) -> None:
        """Take the line away, for another one or for good."""
        self._show("")

    def _show(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
