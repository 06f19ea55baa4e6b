"""A leak that is made on purpose, by each way out, is found by the watch that searches every test."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from opentelemetry import trace

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.core import model
from support import canaries
from support.canaries import AUDIT, PLANTED, WATCH
from support.sandbox import Grant, Sandbox
from support.service import Service, creation, details, get, serving

pytestmark = pytest.mark.security

PASSCODE_GIVEN = details(c.PROVIDER_ZOOM_MEETING, canaries.ZOOM_URL, password=canaries.PASSCODE)


@asynccontextmanager
async def answering_with(canary: str, *, in_trailer: bool) -> AsyncIterator[grpc.aio.Channel]:
    """A server that tells a canary where it ends a call."""

    async def leak(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if in_trailer:
            await context.abort(grpc.StatusCode.INTERNAL, "broken", (("leak", canary),))
        await context.abort(grpc.StatusCode.INTERNAL, f"no {canary}")
        return b""

    handler = grpc.unary_unary_rpc_method_handler(leak)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("leak", {"GetEvent": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(0)


async def told_by_a_status(service: Service, canary: str, *, in_trailer: bool) -> None:
    async with answering_with(canary, in_trailer=in_trailer) as channel:

        class Stub:
            GetEvent = channel.unary_unary(
                "/leak/GetEvent", request_serializer=s.GetEventRequest.SerializeToString
            )

        await replace(service, stub=Stub()).failure(get("grant-id", "event-id"))


def tracer_of(service: Service) -> trace.Tracer:
    return trace.get_tracer("leak", tracer_provider=service.tracer_provider)


async def in_a_span_name(service: Service, google: Grant) -> None:
    tracer_of(service).start_span(f"GET /events/{canaries.PASSCODE}").end()


async def in_a_span_attribute(service: Service, google: Grant) -> None:
    url = f"https://x.example/?v={canaries.PASSCODE}"
    tracer_of(service).start_span("leak", attributes={"url.full": url}).end()


async def in_a_span_event(service: Service, google: Grant) -> None:
    span = tracer_of(service).start_span("leak")
    span.record_exception(ValueError(f"no {canaries.PASSCODE}"))
    span.end()


async def in_a_span_status(service: Service, google: Grant) -> None:
    span = tracer_of(service).start_span("leak")
    span.set_status(trace.StatusCode.ERROR, f"no {canaries.PASSCODE}")
    span.end()


async def in_a_log_line(service: Service, google: Grant) -> None:
    logging.getLogger("some.library").debug("sent %r", {"passcode": canaries.PASSCODE})


async def in_an_audit_line(service: Service, google: Grant) -> None:
    await service.call(creation(google.id))
    logging.getLogger(AUDIT).info("audit", extra={"grant": google.id})


async def in_a_status_message(service: Service, google: Grant) -> None:
    await told_by_a_status(service, canaries.PASSCODE, in_trailer=False)


async def in_a_trailer(service: Service, google: Grant) -> None:
    await told_by_a_status(service, canaries.PASSCODE, in_trailer=True)


async def in_a_metric(service: Service, google: Grant) -> None:
    metrics = service.server._metrics
    assert metrics is not None
    metrics._errors.add(1, {"conferencing.reason": canaries.PASSCODE})


async def in_a_repr(service: Service, google: Grant) -> None:
    shown = model.Details.__repr__
    model.Details.__repr__ = lambda self: f"Details(password={self.password!r})"
    try:
        await service.call(creation(google.id, PASSCODE_GIVEN, validate_only=True))
    finally:
        model.Details.__repr__ = shown


async def in_the_ledger(service: Service, google: Grant) -> None:
    file = service.server._settings.ledger().removeprefix("sqlite://")
    with sqlite3.connect(file) as ledger:
        ledger.execute("CREATE TABLE leak AS SELECT ? AS told", (canaries.DESCRIPTION,))
    ledger.close()


LEAKS: dict[str, Callable[[Service, Grant], Awaitable[None]]] = {
    "span name": in_a_span_name,
    "span attribute": in_a_span_attribute,
    "span event": in_a_span_event,
    "span status": in_a_span_status,
    "log line": in_a_log_line,
    "audit line": in_an_audit_line,
    "status message": in_a_status_message,
    "trailer": in_a_trailer,
    "metric": in_a_metric,
    "repr": in_a_repr,
    "ledger file": in_the_ledger,
}


@pytest.mark.parametrize("channel", LEAKS)
async def test_a_leak_that_is_made_on_purpose_is_found(
    sandbox: Sandbox, google: Grant, channel: str, tally: Counter[str]
) -> None:
    async with serving(sandbox.url, prometheus_listen="127.0.0.1:0") as service:
        await service.call(get(google.id, (await service.call(creation(google.id))).event.id))
        assert WATCH.leaks() == [], "there was none before"
        await LEAKS[channel](service, google)
    found = WATCH.leaks()
    WATCH.forget()
    assert {leak.channel for leak in found} == {channel}
    tally["leaks made on purpose, found"] += 1


@pytest.mark.parametrize("name", PLANTED)
def test_each_canary_is_known_by_the_watch(name: str) -> None:
    logging.getLogger("leak").debug("told: %s", PLANTED[name])
    found = {leak.what for leak in WATCH.leaks()}
    WATCH.forget()
    assert name in found


def test_what_the_program_says_by_itself_is_no_leak_of_whoever_says_it_too() -> None:
    """Hypothesis draws such texts, from the sources of what it tests."""
    WATCH.asked(creation("g", title="nferencing.v1"))
    WATCH.asked(creation("g", title="nferencing.v9"))
    logging.getLogger("leak").debug("told: conferencing.v1 and conferencing.v9")
    told = [leak.around for leak in WATCH.leaks() if leak.channel == "log line"]
    WATCH.forget()
    assert len(told) == 1
    assert "conferencing.v9" in told[0]
