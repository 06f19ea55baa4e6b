"""A real store that fails, stalls or dies at one step, as a test says."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from conferencing_service.core.ledger.store import Store, StoreUnavailable

STEPS = ("claim", "intend", "lease_left", "doubt", "finish", "amend", "release", "give_up", "renew")
"""The store's steps on the way of one request."""


class Trouble(enum.Enum):
    """What happens at a step."""

    DEATH = "the process dies"
    STALL = "the store stalls"
    REFUSAL = "the store cannot commit"
    CALLBACK = "the test does something"


@dataclass
class FaultyStore:
    """Hands every step on to a real store, with trouble before or after one of them.

    A dead store never answers again, as if the process had ended at that moment; `reap` ends
    what waits for it. The lease is asked for again only where a note took more than a moment: with
    `note_seconds` each of them does.
    """

    real: Store
    step: str = ""
    after: bool = False
    trouble: Trouble = Trouble.REFUSAL
    seconds: float = 0.0
    callback: Callable[[], Awaitable[None]] | None = None
    times: int = 1
    note_seconds: float = 0.0
    dead: bool = False
    reaped: bool = False
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: set[asyncio.Task[Any]] = field(default_factory=set)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        step = getattr(self.real, name)

        async def taken(*values: Any, **named: Any) -> Any:
            if self.dead:
                await self._die()
            if name == self.step and not self.after:
                await self._strike()
            answer = await step(*values, **named)
            if name == "intend":
                await asyncio.sleep(self.note_seconds)
            if self.dead:
                await self._die()
            if name == self.step and self.after:
                await self._strike()
            return answer

        return taken

    async def _strike(self) -> None:
        if self.times <= 0:
            return
        self.times -= 1
        self.struck.set()
        match self.trouble:
            case Trouble.DEATH:
                self.dead = True
                await self._die()
            case Trouble.STALL:
                await asyncio.sleep(self.seconds)
            case Trouble.REFUSAL:
                raise StoreUnavailable("as the test says")
            case Trouble.CALLBACK:
                assert self.callback is not None
                await self.callback()

    async def _die(self) -> None:
        if self.reaped:
            raise StoreUnavailable("its process has ended")
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            await asyncio.Event().wait()
        finally:
            self._waiting.discard(task)

    async def reap(self) -> None:
        """End what waits for a dead store."""
        self.dead = self.reaped = True
        tasks = list(self._waiting)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
