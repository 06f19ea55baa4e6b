"""Health and reflection: whoever reaches the port may call them, so their calls are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from conferencing_service.core.errors import ConferencingError
from conferencing_service.incoming import Context, Incoming, tolerant

_MOST = 1000
"""How many calls of one method may be open."""

_MESSAGE_SECONDS = 1.0
"""A probe's message comes with its headers."""


class OpenServices:
    """Wraps handlers of methods that ask nobody who calls."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def wrapped(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that takes so many calls at once, and waits a moment for their message."""
        codec: Any = {
            "request_deserializer": tolerant(handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:

            async def answered(_messages: Any, context: Context) -> Any:
                async with self._place(method, context):
                    return await handler.unary_unary(await _message(context), context)

            return grpc.stream_unary_rpc_method_handler(answered, **codec)
        if handler.unary_stream is not None:

            async def watched(_messages: Any, context: Context) -> None:
                async with self._place(method, context):
                    await handler.unary_stream(await _message(context), context)

            return grpc.stream_stream_rpc_method_handler(watched, **codec)

        async def conversed(messages: Any, context: Context) -> AsyncIterator[Any]:
            async with self._place(method, context):
                async for answer in handler.stream_stream(messages, context):
                    yield answer

        codec["request_deserializer"] = handler.request_deserializer
        return grpc.stream_stream_rpc_method_handler(conversed, **codec)

    @asynccontextmanager
    async def _place(self, method: str, context: Context) -> AsyncIterator[None]:
        if self._open[method] >= _MOST:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many of these calls are open"
            )
        self._open[method] += 1
        try:
            yield
        finally:
            self._open[method] -= 1


async def _message(context: Context) -> Any:
    try:
        return await Incoming(context).read(_MESSAGE_SECONDS)
    except ConferencingError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is no message")
