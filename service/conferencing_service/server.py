"""The composition root: settings -> upstream -> operations -> servicer -> gRPC server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import httpx
from grpc_health.v1 import health
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from conferencing.v1.conferencing_service_pb2_grpc import (
    add_ConferencingServiceServicer_to_server,
)
from conferencing_service import __version__
from conferencing_service.core.completion import Completion
from conferencing_service.core.conferences import Conferences
from conferencing_service.core.effects import Effects
from conferencing_service.core.grants import GrantDirectory
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.reads import Reads
from conferencing_service.core.upstream import CalendarUpstream, Clock
from conferencing_service.core.validation import TimeZones
from conferencing_service.core.writes import Writes
from conferencing_service.embedded import API_KEY, SandboxProcess
from conferencing_service.health import Health, Reflection
from conferencing_service.interceptors import SERVICE, RpcInterceptor
from conferencing_service.ledger_parts import (
    OpenStore,
    ledger_beside_sandbox,
    ledger_parts,
    opened_ledger,
)
from conferencing_service.servicer import ConferencingServicer
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.telemetry import tracer_provider_for
from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from conferencing_service.upstreams.http import RestClient
from conferencing_service.upstreams.nylas import NylasUpstream
from conferencing_service.upstreams.registry import SingleUpstream

_log = logging.getLogger(__name__)

_FIRST_CALLS = """
Try, with grpcurl (README.md has an example for every RPC):

  grpcurl -plaintext -d '{{"grant_id": "google-demo"}}' \\
    {address} conferencing.v1.ConferencingService/CheckCompatibility

  grpcurl -plaintext -d @ {address} \\
    conferencing.v1.ConferencingService/CreateEvent < clients/grpcurl/create_event_zoom.json

Grants: google-demo, microsoft-demo, icloud-demo, virtual-demo, zoom-demo, expired-demo,
microsoft-noscope-demo. Calendar: primary (icloud-demo: team). Ctrl-C stops the server and the sandbox.
"""

# Seconds before the end of the grace in which callers are told how their calls ended.
_LAST_WORDS = 2.0

_OPTIONS = (
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    # Two servers on one port would share the calls; here it is a mistake that must show.
    ("grpc.so_reuseport", 0),
    # Clients that keep a connection warm are welcome; the default takes them for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Above 1,000 calls that nobody has taken up yet, the default ends some at random, as CANCELLED.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
)


@dataclass(frozen=True, slots=True)
class Vendor:
    """Where the Nylas API is and what opens it."""

    base_url: str
    api_key: SecretStr


def nylas_upstream(
    vendor: Vendor,
    settings: Settings,
    tracer_provider: TracerProvider,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NylasUpstream:
    """Return the upstream of a vendor; without a transport it gets a connection pool of its own."""

    def headers() -> Mapping[str, str]:
        return {
            "authorization": f"Bearer {vendor.api_key.get_secret_value()}",
            "accept": "application/json",
            "user-agent": f"conferencing-service/{__version__}",
        }

    client = RestClient(
        transport=transport or AiohttpTransport(),
        base_url=vendor.base_url,
        headers=headers,
        tracer=tracer_provider.get_tracer("conferencing_service.upstreams", __version__),
        request_id_header="x-request-id",
        sandbox_header="conferencing-sandbox",
        sleep=sleep,
    )
    return NylasUpstream(client, settings.write_timeout, settings.marker_key.value)


class Server:
    """The gRPC server with everything in it.

    Args:
        settings: the settings.
        upstream: where the calendars are.
        opened: the ledger's store; whoever opened it closes it.
        page_key: the secret of page tokens, the same in every replica.
        tracer_provider: where spans go.
        reflection_on: whether callers may ask for the contract.
        clock: a clock that never goes back.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        upstream: CalendarUpstream,
        opened: OpenStore,
        page_key: bytes,
        tracer_provider: TracerProvider,
        reflection_on: bool,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        tracer = tracer_provider.get_tracer("conferencing_service", __version__)
        grants = GrantDirectory(clock)
        self._effects = Effects()
        registry = SingleUpstream(upstream)
        conferences = Conferences(grants, settings.cross_platform_autocreate, tracer)
        ledger = ledger_parts(
            opened,
            settings,
            registry=registry,
            settle=upstream.capabilities.settle_seconds,
            effects=self._effects,
            clock=clock,
            sleep=sleep,
        )
        self._resumer = ledger.resumer
        reads = Reads(
            registry=registry,
            grants=grants,
            conferences=conferences,
            page_tokens=PageTokens(page_key),
        )
        writes = Writes(
            registry=registry,
            grants=grants,
            conferences=conferences,
            ledger=ledger.ledger,
            effects=self._effects,
            completion=Completion(self._effects, sleep),
            zones=TimeZones(),
        )
        interceptor = RpcInterceptor(
            tracer=tracer,
            default_seconds=settings.default_deadline,
            max_seconds=settings.max_deadline,
            clock=clock,
        )
        self._stopping = asyncio.Event()
        self._health = Health(self._stopping)
        self._listen = settings.listen
        self._server = grpc.aio.server(interceptors=[interceptor], options=_OPTIONS)
        add_ConferencingServiceServicer_to_server(ConferencingServicer(reads, writes), self._server)
        add_HealthServicer_to_server(self._health, self._server)
        if reflection_on:
            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
                Reflection(names, self._stopping), self._server
            )

    async def start(self) -> int:
        """Listen and serve; return the port. Raises SettingsError when it cannot listen."""
        try:
            await _try_to_listen(self._listen)
            port = self._server.add_insecure_port(self._listen)
        except (OSError, RuntimeError) as error:
            raise SettingsError(f"CONFERENCING_LISTEN: cannot listen on {self._listen}") from error
        await self._server.start()
        self._resumer.start()
        await self._health.serve()
        return port

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, let calls and writes under way end within `grace` seconds, stop.

        Whoever still waits for a write shortly before that is told how it stands: gRPC itself would
        say UNAVAILABLE, and of a delete that would be wrong. What is cut off is left to the next
        server with the same ledger.
        """
        self._effects.draining = True
        await self._health.enter_graceful_shutdown()
        self._stopping.set()
        stopped = asyncio.create_task(self._server.stop(grace))
        # Handlers first: one that is still checking may begin a write.
        until = asyncio.get_running_loop().time() + grace - min(_LAST_WORDS, grace / 4)
        await asyncio.wait({stopped}, timeout=until - asyncio.get_running_loop().time())
        left = await self._effects.drain(max(0.0, until - asyncio.get_running_loop().time()))
        if left:
            _log.warning("writes under way were cut off at shutdown", extra={"writes": left})
            self._effects.abandon()
        await stopped
        await self._effects.cut_off(_LAST_WORDS)
        await self._resumer.stop()


async def _try_to_listen(address: str) -> None:
    """Raise OSError where nobody can listen; grpc would say so in a line of its own on stderr."""
    host, _colon, port = address.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    failure: OSError | None = None
    for family, kind, protocol, _name, place in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                return
        except OSError as error:
            failure = error
    raise failure or OSError("no such address")


def page_key_of(api_key: SecretStr) -> bytes:
    """Return the page tokens' secret: derived from the one secret that replicas share."""
    key = api_key.get_secret_value().encode()
    return hmac.new(key, b"conferencing.v1 page tokens", hashlib.sha256).digest()


async def serve(settings: Settings, *, with_sandbox: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; raises SettingsError when the start is refused.

    Args:
        settings: the settings.
        with_sandbox: start the embedded sandbox and use it as the upstream.
        say: tells a person where what is.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not with_sandbox:
        await _serve_until(stop, settings, vendor_of(settings), say, is_sandbox=False)
        return
    if settings.nylas_region is not None:
        raise SettingsError("CONFERENCING_NYLAS_REGION: cannot be combined with --sandbox")
    with ledger_beside_sandbox(settings) as complete:
        sandbox = await SandboxProcess.start(complete)
        try:
            say(f"sandbox  {sandbox.url}  (API key: {API_KEY})")
            vendor = Vendor(sandbox.url, SecretStr(API_KEY))
            await _serve_until(stop, complete, vendor, say, is_sandbox=True)
        finally:
            await sandbox.stop()


def vendor_of(settings: Settings) -> Vendor:
    """Return the vendor that the settings name; raises SettingsError where they name none."""
    if settings.nylas_region is None:
        raise SettingsError(
            "CONFERENCING_NYLAS_REGION: no upstream is set (us, eu or a URL); "
            "with --sandbox none is needed"
        )
    return Vendor(settings.nylas_region, settings.api_key())


async def _serve_until(
    stop: asyncio.Event,
    settings: Settings,
    vendor: Vendor,
    say: Callable[[str], None],
    *,
    is_sandbox: bool,
) -> None:
    async with listening(
        settings,
        vendor,
        tracer_provider_for(settings.exporter()),
        reflection_on=is_sandbox if settings.reflection is None else settings.reflection,
        grace=settings.shutdown_grace,
    ) as port:
        host = settings.listen.rpartition(":")[0]
        say(f"serving  {SERVICE} on {host}:{port}")
        if is_sandbox:
            say(_FIRST_CALLS.format(address=f"{host}:{port}"))
        await stop.wait()
        say("stopping")


@asynccontextmanager
async def listening(
    settings: Settings,
    vendor: Vendor,
    tracer_provider: TracerProvider,
    *,
    reflection_on: bool,
    grace: float,
) -> AsyncIterator[int]:
    """Run the server for the block, told its port; raises SettingsError when it cannot start."""
    upstream = nylas_upstream(vendor, settings, tracer_provider)
    try:
        async with opened_ledger(settings) as opened:
            server = Server(
                settings=settings,
                upstream=upstream,
                opened=opened,
                page_key=page_key_of(vendor.api_key),
                tracer_provider=tracer_provider,
                reflection_on=reflection_on,
            )
            port = await server.start()
            try:
                yield port
            finally:
                await server.stop(grace)
    finally:
        await upstream.aclose()
        tracer_provider.shutdown()
