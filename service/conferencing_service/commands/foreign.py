"""Foreign texts on a terminal: one line each, and nothing that moves the cursor."""

from __future__ import annotations


def clean(text: str) -> str:
    """Return a foreign text so that it is one line and moves no cursor."""
    return text if text.isprintable() else ascii(text)[1:-1]
