"""The client's connection, in the application's reach, so that an answer can end in a reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Connection:
    """One TCP connection of the server."""

    transport: asyncio.Transport

    def reset(self) -> None:
        """End it with RST, unless the client was faster: it sees a reset, and not an end."""
        if self.transport.is_closing():
            return
        sock = self.transport.get_extra_info("socket")
        # Without lingering, closing the socket sends RST instead of FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def close(self) -> None:
        """End it in good order, once everything written was sent."""
        self.transport.close()


class ConnectionProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, whose requests carry their connection in ``scope["state"]``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection for every request on it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": Connection(transport)}
