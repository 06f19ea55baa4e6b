"""Spans below an RPC's own, and an end that no receiver can delay."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from conferencing_service import telemetry
from conferencing_service.settings import Exporter, Settings
from conferencing_service.telemetry import Telemetry, tracer_provider_for


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def recorded(exporter: InMemorySpanExporter) -> Telemetry:
    provider = tracer_provider_for(Exporter.NONE, SimpleSpanProcessor(exporter))
    return Telemetry(provider, Telemetry.off().meters)


async def test_what_outlives_its_rpc_still_has_spans_of_its_own(
    recorded: Telemetry, exporter: InMemorySpanExporter
) -> None:
    below = recorded.tracer_below("test")
    over = asyncio.Event()

    async def write() -> None:
        await over.wait()
        with below.start_as_current_span("late"):
            pass

    with recorded.spans.get_tracer("test").start_as_current_span("rpc"):
        task = asyncio.create_task(write())
    over.set()
    await task
    rpc, late = exporter.get_finished_spans()
    assert (rpc.name, late.name) == ("rpc", "late")
    assert late.parent is not None
    assert late.parent.span_id == rpc.context.span_id


def test_below_an_unrecorded_span_none_is_opened() -> None:
    off = Telemetry.off()
    below = off.tracer_below("test")
    with off.spans.get_tracer("test").start_as_current_span("rpc") as rpc:
        assert rpc.get_span_context().is_valid
        with below.start_as_current_span("request") as span:
            assert span is rpc


def test_a_receiver_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered = threading.Event()

    class Hanging(SimpleSpanProcessor):
        def shutdown(self) -> None:
            answered.wait(60)

    monkeypatch.setattr(telemetry, "_LAST_SECONDS", 0.1)
    Telemetry.of(Settings(), Hanging(InMemorySpanExporter())).shutdown()
    assert not answered.is_set()
    assert "spans or metrics that were left could not be sent in time" in caplog.messages
    answered.set()
