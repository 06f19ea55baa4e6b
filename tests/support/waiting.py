"""Waiting for what comes about by itself, with a guard and no guess."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

GUARD = 30.0
"""Seconds after which what was waited for does not come."""


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = GUARD) -> None:
    """Wait until something holds; asked again and again. Raises TimeoutError where it never does."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.02)
