"""A caller who repeats a request, as the contract says, until it knows how it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from support.service import Failure, Service, failure_of

REPEATED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)
"""Codes after which the same request is repeated."""


@dataclass
class Ending:
    """How a request ended for its caller."""

    answer: Any = None
    failure: Failure | None = None
    heard: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """OK, or the reason of the failure."""
        if self.answer is not None:
            return "OK"
        assert self.failure is not None
        return self.failure.reason or self.failure.code.name


async def until_ended(
    services: Sequence[Service],
    request: Any,
    *,
    timeout: float = 10.0,
    most: int = 200,
    pause: float = 0.1,
) -> Ending:
    """Make a call at one service after the other until it ends: OK, definite, or unresolved."""
    ending = Ending()
    for number in range(most):
        service = services[min(number, len(services) - 1)]
        ending.failure = None
        try:
            ending.answer = await service.call(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            ending.failure = failure_of(error)
        ending.heard.append(ending.reason)
        if ending.failure is None or ending.failure.code not in REPEATED:
            return ending
        await asyncio.sleep(min(ending.failure.retry_after or pause, pause))
    raise AssertionError(f"no end after {most} calls: {ending.heard[-5:]}")


async def cancelled_at(service: Service, request: Any, moment: asyncio.Event) -> None:
    """Make a call and cancel it at a moment."""
    method = type(request).__name__.removesuffix("Request")
    call = getattr(service.stub, method)(request, timeout=30.0)
    await moment.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call
