"""The port: who answers there, how long connections live, and how large a message may be."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from conferencing.v1.conferencing_service_pb2_grpc import (
    ConferencingServiceServicer,
    add_ConferencingServiceServicer_to_server,
)
from conferencing_service.certificates import Certificates
from conferencing_service.health import Health, Reflection
from conferencing_service.interceptors import SERVICE
from conferencing_service.setting_checks import is_loopback
from conferencing_service.settings import Settings, SettingsError

_log = logging.getLogger(__name__)

# Seconds by which a connection outlives its age, for the calls on it: longer than any write.
_AGE_GRACE_MARGIN = 30.0


class Port:
    """The gRPC port, and the one for health alone where the settings name one.

    Raises SettingsError where callers from elsewhere could call without saying who they are.

    Args:
        settings: the settings.
        interceptors: what stands before every handler.
        shares_port: whether other processes of this server listen on the same port.
    """

    def __init__(
        self,
        settings: Settings,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        *,
        shares_port: bool,
    ) -> None:
        # First of all: a server of gRPC's that is made and never started breaks the process.
        check_exposure(settings)
        self._listen = settings.listen
        self._certificates = Certificates.of(settings)
        self._shares_port = shares_port
        self._server = grpc.aio.server(
            interceptors=interceptors, options=options_of(settings, shared=shares_port)
        )
        self._health_listen = settings.health_listen
        self._health_server = (
            None
            if settings.health_listen is None
            else grpc.aio.server(options=options_of(settings, shared=shares_port))
        )

    def add(self, servicer: ConferencingServiceServicer, health_servicer: Health) -> None:
        """Let the service and its health answer."""
        add_ConferencingServiceServicer_to_server(servicer, self._server)
        add_HealthServicer_to_server(health_servicer, self._server)
        if self._health_server is not None:
            add_HealthServicer_to_server(health_servicer, self._health_server)

    def add_reflection(self, stopping: asyncio.Event) -> None:
        """Let callers ask for the contract, until the server stops."""
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            Reflection(names, stopping), self._server
        )

    async def open(self) -> int:
        """Listen; return the port. Raises SettingsError where that cannot be."""
        if not self._shares_port:
            await check_free(self._listen, "CONFERENCING_LISTEN")
            if self._health_listen is not None:
                await check_free(self._health_listen, "CONFERENCING_HEALTH_LISTEN")
        credentials = None if self._certificates is None else self._certificates.credentials()
        port = _bind(self._server, self._listen, "CONFERENCING_LISTEN", credentials)
        if self._health_server is not None and self._health_listen is not None:
            _bind(self._health_server, self._health_listen, "CONFERENCING_HEALTH_LISTEN")
            await self._health_server.start()
        await self._server.start()
        return port

    async def close(self, grace: float) -> None:
        """Take no more calls, and end those under way after so many seconds."""
        await self._server.stop(grace)
        if self._health_server is not None:
            await self._health_server.stop(0)


def _bind(
    server: grpc.aio.Server,
    listen: str,
    variable: str,
    credentials: grpc.ServerCredentials | None = None,
) -> int:
    try:
        if credentials is not None:
            return server.add_secure_port(listen, credentials)
        return server.add_insecure_port(listen)
    except RuntimeError as error:
        raise SettingsError(f"{variable}: cannot listen on {listen}") from error


def options_of(settings: Settings, *, shared: bool) -> Sequence[tuple[str, int]]:
    """Return gRPC's options.

    Args:
        settings: the settings.
        shared: whether other processes of this server listen on the same port.
    """
    age_grace = max(settings.write_timeout, settings.max_deadline) + _AGE_GRACE_MARGIN
    return (
        ("grpc.max_receive_message_length", 1024 * 1024),
        ("grpc.max_send_message_length", 4 * 1024 * 1024),
        # Between the first and the second limit gRPC refuses at random; so they are one.
        ("grpc.max_metadata_size", 8 * 1024),
        ("grpc.absolute_max_metadata_size", 8 * 1024),
        # Two servers on one port would share the calls; unasked, it is a mistake that must show.
        ("grpc.so_reuseport", int(shared)),
        # The shipped clients ping every 30 seconds; gRPC takes more than one in 5 minutes for an
        # attack.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # A caller that vanished without a word is noticed, and its calls end.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.handshake_timeout)),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        # A connection that opens streams and resets them, or never ends them, costs up to 20 KB a
        # stream. A caller above the limit is refused as UNAVAILABLE, without a reason: the limit is
        # far above what admission.py lets through.
        ("grpc.max_concurrent_streams", 10_000),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.max_connection_idle)),
        ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(age_grace)),
        # Above 1,000 calls that nobody has taken up yet, the default ends some at random, as
        # CANCELLED. Ours ends them with a reason: admission.py.
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 40_000),
    )


def check_exposure(settings: Settings) -> None:
    """Raise SettingsError where callers from elsewhere could call without saying who they are."""
    host = settings.listen.rpartition(":")[0]
    are_known = settings.tls_client_ca_file is not None or settings.jwt_issuer is not None
    if is_loopback(host):
        return
    if settings.jwt_issuer is not None and settings.tls_cert_file is None:
        _log.warning("callers' tokens come without TLS: something else has to encrypt them")
    if are_known or settings.allow_unauthenticated_callers:
        return
    raise SettingsError(
        "CONFERENCING_LISTEN: off loopback callers have to be known; set CONFERENCING_JWT_ISSUER or "
        "CONFERENCING_TLS_CLIENT_CA_FILE, or CONFERENCING_ALLOW_UNAUTHENTICATED_CALLERS=true where "
        "something else keeps strangers out"
    )


async def check_free(listen: str, variable: str) -> None:
    """Raise SettingsError where nobody can listen; grpc would say so in a line of its own."""
    host, _colon, port = listen.rpartition(":")
    failure: OSError | None = None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        found, failure = [], error
    for family, kind, protocol, _name, place in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                return
        except OSError as error:
            failure = error
    raise SettingsError(f"{variable}: cannot listen on {listen}") from failure


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), 2**31 - 1)
