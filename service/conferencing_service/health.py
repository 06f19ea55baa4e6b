"""Health by name and reflection, with streams that end when the server stops.

The standard servicers wait for their caller for ever, so that one open watch, or one open
reflection stream, makes a graceful stop take its whole grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from conferencing_service.interceptors import SERVICE

_Context = grpc.aio.ServicerContext[Any, Any]


LIVENESS = "liveness"
"""The name that serves as long as the event loop turns, to the very end."""

READINESS = "readiness"
"""The name that serves while the ledger can commit and the server takes calls."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def upstream_name(upstream: str) -> str:
    """Return the name that serves while requests to an upstream are let through."""
    return f"upstream/{upstream}"


class Health(health.aio.HealthServicer):
    """The standard health servicer, but its watches end with the server, and liveness last.

    Args:
        stopping: set when the server begins to stop.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        super().__init__()
        self._stopping = stopping
        self._told: dict[str, bool] = {}
        self._draining = False

    async def serve(self) -> None:
        """Say that the service serves."""
        for name in (SERVICE, LIVENESS):
            await self.tell(name, is_well=True)

    async def tell(self, name: str, *, is_well: bool) -> None:
        """Say how a name stands; once the server drains, nothing serves but liveness."""
        if self._draining and name != LIVENESS:
            is_well = False
        if self._told.get(name) is not is_well:
            self._told[name] = is_well
            await self.set(name, _SERVING if is_well else _NOT_SERVING)

    async def drain(self) -> None:
        """Say NOT_SERVING of everything but liveness, for good."""
        self._draining = True
        for name in ("", *self._told):
            await self.tell(name, is_well=name == LIVENESS)

    async def Watch(  # noqa: N802 - the name of the RPC
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> None:
        """Report the status now and at every change, until the server stops."""
        watch = asyncio.create_task(super().Watch(request, context))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({watch, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # A moment for the last NOT_SERVING to be written.
            await asyncio.wait({watch}, timeout=0.1)
            if watch.done():
                await watch
        finally:
            watch.cancel()
            stopping.cancel()
            await asyncio.wait({watch})


class Reflection(reflection.aio.ReflectionServicer):
    """The standard reflection servicer, but its streams end with the server.

    Args:
        names: the services that callers may ask about.
        stopping: set when the server begins to stop.
    """

    def __init__(self, names: Iterable[str], stopping: asyncio.Event) -> None:
        super().__init__(service_names=tuple(names))
        self._stopping = stopping

    async def ServerReflectionInfo(  # type: ignore[override] # noqa: N802 - its stubs are wrong
        self,
        request_iterator: AsyncIterator[reflection_pb2.ServerReflectionRequest],
        context: _Context,
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """Answer questions about the contract, until the server stops."""
        answers: Any = super().ServerReflectionInfo(request_iterator, context)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not stopping.done():
                answer = asyncio.ensure_future(anext(answers, None))
                await asyncio.wait({answer, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    answer.cancel()
                    await asyncio.wait({answer})
                    return
                response = answer.result()
                if response is None:
                    return
                yield response
        finally:
            stopping.cancel()
