"""The composition root: settings -> upstream -> operations -> servicer -> gRPC server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from conferencing_service import __version__
from conferencing_service.access.audit import Audit, Places
from conferencing_service.access.gate import Gate
from conferencing_service.access.parts import gate_of
from conferencing_service.admission import Admission
from conferencing_service.call_report import CallReport
from conferencing_service.core.clock import Clock
from conferencing_service.core.completion import Completion
from conferencing_service.core.conferences import Conferences
from conferencing_service.core.effects import Effects
from conferencing_service.core.grants import GrantDirectory
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.reads import Reads
from conferencing_service.core.upstream import CalendarUpstream
from conferencing_service.core.validation import TimeZones
from conferencing_service.core.writes import Writes
from conferencing_service.documents import document_from
from conferencing_service.health import Health
from conferencing_service.interceptors import RpcInterceptor
from conferencing_service.ledger_parts import OpenStore, ledger_parts, opened_ledger
from conferencing_service.metrics import Metrics
from conferencing_service.port import Port
from conferencing_service.pulse import Pulse
from conferencing_service.servicer import ConferencingServicer
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.timed_store import timed
from conferencing_service.upstreams.registry import SingleUpstream
from conferencing_service.vendor import NYLAS, Vendor, nylas_upstream

_log = logging.getLogger(__name__)

# Seconds before the end of the grace in which callers are told how their calls ended.
_LAST_WORDS = 2.0
# A message of the largest size may take this long to arrive.
_IDLE_LOOKS, _IDLE_PAUSE = 20, 0.1


class Server:
    """The gRPC server with everything in it.

    Args:
        settings: the settings.
        upstream: where the calendars are.
        opened: the ledger's store; whoever opened it closes it.
        page_keys: returns the secrets of page tokens, the same in every replica.
        telemetry: where spans and metrics go.
        reflection_on: whether callers may ask for the contract.
        watched: names of upstreams, and what tells whether requests to them are let through.
        files: have what stands in files read anew, where it changed.
        shares_port: whether other processes listen on the same port.
        clock: a clock that never goes back.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        upstream: CalendarUpstream,
        opened: OpenStore,
        page_keys: Callable[[], Sequence[bytes]],
        telemetry: Telemetry,
        reflection_on: bool,
        watched: Mapping[str, Callable[[], bool]] = MappingProxyType({}),
        files: Sequence[Callable[[], Awaitable[None]]] = (),
        shares_port: bool = False,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._metrics = Metrics(telemetry.meters.provider) if telemetry.meters.are_read else None
        self._settings = settings
        self._sleep = sleep
        self._effects = Effects()
        store, on_swept = opened.store, lambda: None
        if self._metrics is not None:
            store = timed(store, self._metrics.ledger_steps)
            on_swept = self._metrics.event_swept
        registry = SingleUpstream(upstream)
        ledger = ledger_parts(
            OpenStore(store, opened.secret),
            settings,
            registry=registry,
            settle=upstream.capabilities.settle_seconds,
            effects=self._effects,
            clock=clock,
            on_swept=on_swept,
            sleep=sleep,
        )
        self._resumer = ledger.resumer
        grants = GrantDirectory(clock)
        conferences = Conferences(
            grants,
            settings.cross_platform_autocreate,
            telemetry.tracer_below("conferencing_service"),
        )
        servicer = ConferencingServicer(
            Reads(
                registry=registry,
                grants=grants,
                conferences=conferences,
                page_tokens=PageTokens(page_keys),
            ),
            Writes(
                registry=registry,
                grants=grants,
                conferences=conferences,
                ledger=ledger.ledger,
                effects=self._effects,
                completion=Completion(self._effects, sleep),
                zones=TimeZones(),
            ),
        )
        self._admission = Admission(settings.max_calls, settings.max_pending_calls)
        gate = gate_of(settings, clock, document_from)
        interceptor = self._interceptor(telemetry, gate, Audit(Places(opened.secret)), clock)
        self._stopping = asyncio.Event()
        self._health = Health(self._stopping)
        self._pulse = Pulse(
            self._health,
            store,
            watched,
            [*files, *(() if gate is None else (gate.look,))],
            self._metrics,
            sleep,
        )
        self._port = Port(settings, [interceptor], shares_port=shares_port)
        self._port.add(servicer, self._health)
        if reflection_on:
            self._port.add_reflection(self._stopping)
        self._counting = contextlib.ExitStack()

    def _interceptor(
        self, telemetry: Telemetry, gate: Gate | None, audit: Audit, clock: Clock
    ) -> RpcInterceptor:
        """Return what stands before every handler."""
        return RpcInterceptor(
            tracer=telemetry.spans.get_tracer("conferencing_service", __version__),
            admission=self._admission,
            gate=gate,
            audit=audit,
            report=CallReport(self._metrics),
            default_seconds=self._settings.default_deadline,
            max_seconds=self._settings.max_deadline,
            message_seconds=self._settings.message_timeout,
            clock=clock,
        )

    async def start(self) -> int:
        """Listen and serve; return the port. Raises SettingsError when it cannot listen."""
        if self._metrics is not None:
            self._metrics.watch_calls(self._admission.calls.copy, lambda: self._admission.pending)
            self._counting.enter_context(self._metrics.counting_alerts())
        try:
            await self._health.serve()
            await self._pulse.look()
            port = await self._port.open()
        except BaseException:
            self._counting.close()
            raise
        self._resumer.start()
        self._pulse.start()
        return port

    async def stop(self, grace: float, wait: float = 0.0) -> None:
        """Say NOT_SERVING, refuse new writes, let what is under way end, stop.

        Whoever still waits for a write shortly before the end is told how it stands: gRPC itself
        would say UNAVAILABLE, and of a delete that would be wrong. What is cut off is left to the
        next server with the same ledger.

        Args:
            grace: seconds for calls and writes under way.
            wait: seconds before that, for balancers to see NOT_SERVING; calls are still taken.
        """
        await self._health.drain()
        if wait:
            await self._sleep(wait)
        self._admission.refuse_writes()
        self._effects.draining = True
        self._stopping.set()
        stopped = asyncio.create_task(self._port.close(grace))
        idle = asyncio.create_task(self._idle())
        # Handlers first: one that is still checking may begin a write.
        until = asyncio.get_running_loop().time() + grace - min(_LAST_WORDS, grace / 4)
        await asyncio.wait(
            {stopped, idle},
            timeout=until - asyncio.get_running_loop().time(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if idle.done():
            await self._port.close(0)
        idle.cancel()
        left = await self._effects.drain(max(0.0, until - asyncio.get_running_loop().time()))
        if left:
            _log.warning("writes under way were cut off at shutdown", extra={"writes": left})
            self._effects.abandon()
        await stopped
        await self._effects.cut_off(_LAST_WORDS)
        await self._resumer.stop()
        await self._pulse.stop()
        self._counting.close()

    async def _idle(self) -> None:
        """Return when no handler has been at work for a moment.

        What gRPC still waits for then has sent no message, or was lost on its way to a handler. It
        is ended, which says UNAVAILABLE and is true, while its caller has time to repeat it.
        """
        looks = 0
        while looks < _IDLE_LOOKS:
            await asyncio.sleep(_IDLE_PAUSE)
            looks = looks + 1 if self._admission.is_idle else 0


@asynccontextmanager
async def listening(
    settings: Settings,
    vendor: Vendor,
    telemetry: Telemetry,
    *,
    reflection_on: bool,
    shares_port: bool = False,
) -> AsyncIterator[int]:
    """Run the server for the block, told its port; raises SettingsError when it cannot start.

    The telemetry is shut down with it.
    """
    upstream = nylas_upstream(vendor, settings, telemetry)
    try:
        async with opened_ledger(settings) as opened:
            server = Server(
                settings=settings,
                upstream=upstream,
                opened=opened,
                page_keys=vendor.api_key.page_keys,
                telemetry=telemetry,
                reflection_on=reflection_on,
                watched={NYLAS: upstream.is_let_through},
                files=[vendor.api_key.look],
                shares_port=shares_port,
            )
            port = await server.start()
            try:
                yield port
            finally:
                await server.stop(settings.shutdown_grace, settings.drain_wait)
    finally:
        await upstream.aclose()
        telemetry.shutdown()
