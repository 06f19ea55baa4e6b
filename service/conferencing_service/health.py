"""Health by name (grpc.health.v1), with watches that end when the server stops."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from conferencing_service.interceptors import SERVICE


class Health(health.aio.HealthServicer):
    """The standard servicer, but a watch that is open does not hold up a graceful stop.

    The standard one waits for the next change for ever, so that a stop takes its whole grace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stopping = asyncio.Event()

    async def serve(self) -> None:
        """Say that the service serves."""
        await self.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Say NOT_SERVING, once, to everybody; then end the watches."""
        await self.enter_graceful_shutdown()
        self._stopping.set()

    async def Watch(  # noqa: N802 - the name of the RPC
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[Any, Any],
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
