"""Serves the peers' contract by grpc.aio, on a free port, until it is ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import messages
from driven import tell

Handler = Callable[[Any, Any], Awaitable[Any]]


async def serve(
    handlers: Mapping[str, Handler], interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
) -> None:
    """Serve methods by name, as generated code would add them to a server."""
    classes = messages.peers_messages()
    methods = {
        name: grpc.unary_unary_rpc_method_handler(
            handler,
            request_deserializer=classes[f"{name}Request"].FromString,
            response_serializer=classes[f"{name}Response"].SerializeToString,
        )
        for name, handler in handlers.items()
    }
    server = grpc.aio.server(interceptors=interceptors)
    service = messages.PEERS.strip("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    tell(f"ready 127.0.0.1:{port}")
    await server.wait_for_termination()
