"""How the server is reached: options, encryption and the caller's token, for both clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias

import grpc

from conferencing._repeats import NO_CREDENTIALS
from conferencing._version import __version__

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or a function that returns the one of the moment."""

Option: TypeAlias = tuple[str, Any]
"""A channel argument of gRPC: name and value."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is encrypted, and who the client is.

    Attributes:
        ca: the certificates that vouch for the server, as PEM; None: those that gRPC comes with.
        certificate: the client's own certificate chain, as PEM, for mutual TLS.
        key: the private key of `certificate`, as PEM.
    """

    ca: bytes | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")


def service_config() -> str:
    """Return the shipped gRPC service config, as JSON; a copy of the one beside the protos."""
    return resources.files("conferencing").joinpath("service_config.json").read_text("utf-8")


def channel_options(more: Sequence[Option] = ()) -> list[Option]:
    """Return the channel's options; those of the caller stand instead of those of the client."""
    own: list[Option] = [
        ("grpc.service_config", service_config()),
        ("grpc.primary_user_agent", f"conferencing-client/{__version__}"),
        # A dead connection is noticed within 40 s. The server takes pings from 10 s on, also while
        # nothing is under way; the default of two pings without data would end them.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A server that restarts is found within seconds; gRPC's own longest pause is two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3_000),
    ]
    return [*{**dict(own), **dict(more)}.items()]


def channel_credentials(tls: bool | Tls, token: Token | None) -> grpc.ChannelCredentials | None:
    """Return what the channel is encrypted with, the token included; None for plaintext."""
    if not tls:
        return None
    chosen = tls if isinstance(tls, Tls) else Tls()
    credentials = grpc.ssl_channel_credentials(chosen.ca, chosen.key, chosen.certificate)
    if token is None:
        return credentials
    plugin = grpc.metadata_call_credentials(_BearerToken(token), name="bearer")
    return grpc.composite_channel_credentials(credentials, plugin)


def plaintext_metadata(
    target: str, tls: bool | Tls, token: Token | None, *, plaintext_token: bool
) -> Callable[[], tuple[tuple[str, str | bytes], ...]]:
    """Return a function that tells the token as metadata, where the channel cannot.

    gRPC sends call credentials over encrypted channels only. Raises ValueError where the token
    would leave this machine unencrypted and nobody said that it may.
    """
    if tls or token is None:
        return tuple
    if not (plaintext_token or is_local(target)):
        raise ValueError("a token needs tls, or plaintext_token where something else encrypts")
    return lambda: (("authorization", f"Bearer {_current(token)}"),)


def is_local(target: str) -> bool:
    """Tell whether a target of gRPC's is on this machine."""
    scheme, colon, rest = target.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    if colon and scheme in {"dns", "ipv4", "ipv6"}:
        target = rest.rpartition("/")[2]
    host = target.rpartition(":")[0].strip("[]") or target
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _BearerToken(grpc.AuthMetadataPlugin):
    """Gives every attempt the token of the moment."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(
        self, _context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        try:
            token = _current(self._token)
        except Exception as error:  # noqa: BLE001 - it is told to the call, which fails by it
            # Not its text, which may hold what the token was to be fetched with.
            callback((), RuntimeError(f"{NO_CREDENTIALS}: {type(error).__name__}"))
        else:
            callback((("authorization", f"Bearer {token}"),), None)


def _current(token: Token) -> str:
    return token if isinstance(token, str) else token()
