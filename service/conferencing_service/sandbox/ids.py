"""Random ids, drawn from an alphabet."""

from __future__ import annotations

import secrets


def draw(alphabet: str, count: int) -> str:
    """So many characters, in one draw: one for each would cost more than the write."""
    return "".join(alphabet[byte % len(alphabet)] for byte in secrets.token_bytes(count))
