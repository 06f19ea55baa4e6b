"""Connections that break in the middle of everything: calls begun, half sent, reset, and no goodbye."""

from __future__ import annotations

import asyncio
import socket
import struct

from grpc_health.v1 import health_pb2
from h2.connection import H2Connection
from h2.errors import ErrorCodes

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes of close() a TCP reset."""

STREAMS = 10
"""Streams on one connection."""


async def break_a_connection(target, asking, doubtful):
    """Begin calls on a connection of its own and drop it within 20 ms.

    Args:
        target: where the server is.
        asking: draws what is asked.
        doubtful: gets the request_ids of creations.
    """
    dice, loop = asking.dice, asyncio.get_running_loop()
    host, _colon, port = target.rpartition(":")
    http = H2Connection()
    http.initiate_connection()
    for _ in range(STREAMS):
        path, message = _drawn(asking, doubtful)
        stream = http.get_next_available_stream_id()
        http.send_headers(stream, _headers(target, path))
        body = b"\0" + struct.pack(">I", len(message)) + message
        match dice.randrange(4):
            case 0:  # a message that never comes to its end
                http.send_data(stream, body[: dice.randrange(len(body))])
            case 1:  # a call that its caller resets at once
                http.send_data(stream, body, end_stream=True)
                http.reset_stream(stream, ErrorCodes.CANCEL)
            case _:
                http.send_data(stream, body, end_stream=True)
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, (host, int(port)))
        await loop.sock_sendall(connection, http.data_to_send())
        await asyncio.sleep(dice.uniform(0, 0.02))
        if dice.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _drawn(asking, doubtful):
    if asking.dice.random() < 0.2:
        return "/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest().SerializeToString()
    request = asking.for_a_broken_connection()
    name = type(request).__name__.removesuffix("Request")
    if name == "CreateEvent":
        doubtful.add(request.request_id)
    return f"/conferencing.v1.ConferencingService/{name}", request.SerializeToString()


def _headers(target, path):
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", target),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
