"""Where a running server is asked, and the channel to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import grpc

from conferencing_service.commands.endings import NotDone, Refused

C = TypeVar("C", bound=Callable[..., Any])

OPTIONS = (
    # The address is that of the server, whatever proxy this machine uses for the web.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)
"""Those of every channel to a server."""

_HERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104 - nobody listens there


def address_option(command: C) -> C:
    """Add --address."""
    return click.option(
        "--address",
        metavar="HOST:PORT",
        callback=_checked,
        help="Where the server is. Else CONFERENCING_LISTEN, 127.0.0.1:50051 by default.",
    )(command)


def timeout_option(default: float) -> Callable[[C], C]:
    """Add --timeout.

    Args:
        default: seconds.
    """
    return click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(0, 3600, min_open=True),
        default=default,
        show_default=True,
        help="How long the answer may take.",
    )


def _checked(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
            raise click.BadParameter("must be HOST:PORT", ctx, parameter)
    return value


def channel_to(address: str) -> grpc.Channel:
    """Return a channel to a server, in plaintext."""
    return grpc.insecure_channel(address, options=OPTIONS)


def address_of(given: str | None, *, of_health: bool = False) -> str:
    """Return where to ask: what was given, or where the settings have the server listen.

    Args:
        given: what was given.
        of_health: take the port for health alone, where there is one.
    """
    if given is not None:
        return given
    # Takes as long to import as the whole rest, and is not needed with --address.
    from conferencing_service.commands.running import settings  # noqa: PLC0415

    chosen = settings()
    variable, listen = "CONFERENCING_LISTEN", chosen.listen
    if of_health and chosen.health_listen is not None:
        variable, listen = "CONFERENCING_HEALTH_LISTEN", chosen.health_listen
    host, _colon, port = listen.rpartition(":")
    if port == "0":
        raise Refused(f"{variable}: port 0 is any free one; say which with --address")
    return f"{_HERE.get(host, host)}:{port}"


def no_answer(address: str, error: grpc.RpcError, *, by_tls: bool = False) -> NotDone:
    """Return the ending of a question that got no answer from a server.

    Args:
        address: where it was asked.
        error: what gRPC says.
        by_tls: whether it was asked by TLS, which can fail for reasons of its own.
    """
    code: grpc.StatusCode = error.code()
    if code is grpc.StatusCode.UNAVAILABLE and by_tls:
        return NotDone(
            f"no server at {address} answers by TLS and is one that --tls-ca vouches for"
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return NotDone(f"no server answers at {address}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return NotDone(f"the server at {address} did not answer in time")
    return NotDone(f"the server at {address} answered {code.name}")
