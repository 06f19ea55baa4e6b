"""The sandbox as a process: a loopback socket, uvicorn on it, and an end with the parent."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import sys
import threading
from types import FrameType

import uvicorn

from conferencing_service.sandbox.app import create_app
from conferencing_service.sandbox.connection import ConnectionProtocol
from conferencing_service.sandbox.settings import SandboxSettings

_STDIN = 0


class StartError(Exception):
    """The sandbox cannot start with these settings."""


def serve(settings: SandboxSettings, *, until_stdin_closes: bool) -> None:
    """Serve until SIGTERM, SIGINT or, if asked for, the end of standard input."""
    listener = _listen(settings.host, settings.port)
    try:
        app = create_app(settings)
    except BaseException:
        listener.close()
        raise
    config = uvicorn.Config(
        app,
        http=ConnectionProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        # A client's idle connection must not be closed under its next request.
        timeout_keep_alive=300,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, _address(listener), until_stdin_closes)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        app.close()


class _Server(uvicorn.Server):
    """uvicorn, but it says when it is ready, and a signal is a normal way to end."""

    def __init__(self, config: uvicorn.Config, address: str, until_stdin_closes: bool) -> None:
        super().__init__(config)
        self._address = address
        self._until_stdin_closes = until_stdin_closes

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._until_stdin_closes:
            # A thread, because standard input may be a file that no event loop can watch; a daemon,
            # because it may never end.
            threading.Thread(target=self._wait_for_end_of_stdin, daemon=True).start()
        sys.stdout.write(f"sandbox listening on {self._address}\n")
        sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        # uvicorn would raise the signal once more after its shutdown, and the exit status would be
        # the signal's.
        self.force_exit = self.should_exit
        self.should_exit = True

    def _wait_for_end_of_stdin(self) -> None:
        # One that cannot be read has no parent at its other end either.
        with contextlib.suppress(OSError):
            while os.read(_STDIN, 4096):
                pass
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise StartError(f"--listen: {host} is no loopback address") from error
    if not ip.is_loopback:
        raise StartError(f"--listen: {host} is no loopback address")
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    # With its protocol named, asyncio turns Nagle's algorithm off; otherwise each answer would
    # wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        raise StartError(f"--listen: cannot listen on {host}:{port}: {error}") from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
