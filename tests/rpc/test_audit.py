"""The audit line of a write: who, what, where, how it ended; and nothing that anybody wrote."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing_service.access.audit import LOGGER, Places
from support.issuer import Issuer, bearing, settings_with
from support.sandbox import Grant, Sandbox
from support.service import SECONDS, autocreate, creation, delete, get, serving, update
from support.waiting import until

pytestmark = pytest.mark.security

POLICY = """
[principals.scheduling]
subjects = ["*"]
rpcs = ["CreateEvent", "UpdateEvent", "DeleteEvent", "GetEvent"]
grants = ["*"]
conf_grants = ["*"]
"""
READING = """
[principals.reporting]
subjects = ["reporting"]
rpcs = ["GetEvent"]
grants = ["*"]
"""
DIGESTS = ("grant", "calendar", "event", "conf_grant")


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)


def audit(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the audit lines say, the newest last."""
    return [vars(line) for line in caplog.records if line.name == LOGGER]


async def test_every_write_has_one_line_that_says_who_what_where_and_how_it_ended(
    sandbox: Sandbox, google: Grant, zoom: Grant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer()
    settings = settings_with(tmp_path, POLICY, issuer)
    async with serving(sandbox.url, **settings) as service:
        metadata = bearing(issuer.token("somebody"))
        created = creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id))
        event = (await service.call(created, metadata=metadata)).event
        await service.call(created, metadata=metadata)
        changed = update(google.id, event.id, title="Another")
        await service.call(changed, metadata=metadata)
        await service.call(delete(google.id, event.id), metadata=metadata)
        await service.failure(delete(google.id, event.id), metadata=metadata)
        await service.failure(creation(google.id))
        # These write nothing.
        await service.call(creation(google.id, validate_only=True), metadata=metadata)
        await service.failure(get(google.id, event.id), metadata=metadata)
    told = audit(caplog)
    assert [(each["rpc"], each["code"], each["reason"]) for each in told] == [
        ("CreateEvent", "OK", ""),
        ("CreateEvent", "OK", ""),
        ("UpdateEvent", "OK", ""),
        ("DeleteEvent", "OK", ""),
        ("DeleteEvent", "NOT_FOUND", "EVENT_NOT_FOUND"),
        ("CreateEvent", "UNAUTHENTICATED", "CREDENTIALS_MISSING"),
    ]
    assert [each["principal"] for each in told] == [*["scheduling"] * 5, ""]
    assert [each["request_id"] for each in told[:3]] == [
        created.request_id,
        created.request_id,
        changed.request_id,
    ]
    assert told[0]["conferencing.provider"] == "ZOOM_MEETING"
    assert told[1]["conferencing.replayed"] == "true"
    # The same place has the same name in all of them, and no place has that of another.
    for name in ("grant", "calendar", "event"):
        assert len({each[name] for each in told[:5]}) == 1
    assert len({told[0][name] for name in DIGESTS}) == 4


async def test_a_line_has_names_of_places_that_only_the_ledgers_owner_can_make(
    sandbox: Sandbox, google: Grant, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    async with serving(sandbox.url, ledger_url=url) as service:
        event = (await service.call(creation(google.id))).event
    (line,) = audit(caplog)
    texts = {"grant": google.id, "calendar": "primary", "event": event.id}
    for name, text in texts.items():
        assert len(line[name]) == 16
        assert text not in str(line)
        assert line[name] != Places(b"another secret").digest(name, text)
    assert line["conf_grant"] == ""


async def test_what_is_no_request_id_is_not_told(
    service: Any, google: Grant, caplog: pytest.LogCaptureFixture
) -> None:
    await service.failure(creation(google.id, request_id="of-a-person@example.com"))
    (line,) = audit(caplog)
    assert (line["reason"], line["request_id"]) == ("INVALID_FIELD", "")


async def test_a_call_is_told_before_its_caller_hears_how_it_ended(
    service: Any, google: Grant
) -> None:
    """Whoever looks for a call that was refused finds it, however soon."""
    heard = threading.Event()
    early: dict[str, bool] = {}

    class Watch(logging.Handler, SpanProcessor):
        """Gives the caller time to hear while the line, or the span, is being written."""

        def emit(self, record: logging.LogRecord) -> None:
            early[record.name] = heard.wait(0.2)

        def on_end(self, span: ReadableSpan) -> None:
            early[span.name] = heard.wait(0.2)

    def caller() -> grpc.StatusCode:
        with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            stub: Any = ConferencingServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.CreateEvent(creation(google.id, request_id="none"), timeout=SECONDS)
            heard.set()
            return refused.value.code()

    watch = Watch()
    service.tracer_provider.add_span_processor(watch)
    logging.getLogger("conferencing_service").addHandler(watch)
    try:
        code = await asyncio.to_thread(caller)
    finally:
        logging.getLogger("conferencing_service").removeHandler(watch)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert early == {
        "conferencing_service.rpc": False,
        LOGGER: False,
        "conferencing.v1.ConferencingService/CreateEvent": False,
    }


async def test_a_caller_that_may_not_use_an_rpc_is_named_in_the_log_and_the_audit_line(
    sandbox: Sandbox, google: Grant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issuer = Issuer()
    async with serving(sandbox.url, **settings_with(tmp_path, READING, issuer)) as service:
        for subject in ("reporting", "stranger"):
            failure = await service.failure(
                creation(google.id), metadata=bearing(issuer.token(subject))
            )
            assert failure.reason == "RPC_NOT_ALLOWED"
    told = [vars(line) for line in caplog.records]
    audits = [line["principal"] for line in told if line["name"] == LOGGER]
    assert audits == ["reporting", ""]
    calls = [line for line in told if line["name"] == "conferencing_service.rpc"]
    assert [line.get("conferencing.principal", "") for line in calls] == ["reporting", ""]


async def test_what_a_creation_says_of_an_id_is_not_told_as_the_event(
    sandbox: Sandbox, google: Grant, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise a caller could put its deeds on somebody else's event."""
    async with serving(sandbox.url) as service:
        event = (await service.call(creation(google.id))).event
        forged = creation(google.id)
        forged.event.id = event.id
        made = (await service.call(forged)).event
        refused = creation(google.id, autocreate(c.PROVIDER_WEBEX))
        refused.event.id = event.id
        await service.failure(refused)
    assert made.id != event.id
    first, second, third = (line["event"] for line in audit(caplog))
    assert first != second
    assert third == ""


async def test_a_write_that_outlives_its_caller_is_told_once_more_with_its_event(
    sandbox: Sandbox, google: Grant, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(sandbox.url) as service:
        event = (await service.call(creation(google.id))).event
        for request, method in (
            (creation(google.id), "POST"),
            (delete(google.id, event.id), "DELETE"),
        ):
            google.fault("latency", method=method, value=700)
            sent = len(google.requests())
            left = asyncio.ensure_future(service.call(request))
            await until(lambda: len(google.requests()) > sent)  # noqa: B023 - asked in this round
            left.cancel()
            await asyncio.wait([left])
            told = len(audit(caplog))
            await until(lambda: any(line.get("late") for line in audit(caplog)[told - 1 :]))  # noqa: B023
    lines = audit(caplog)[1:]
    assert [(line["rpc"], line["code"], line.get("late", False)) for line in lines] == [
        ("CreateEvent", "CANCELLED", False),
        ("CreateEvent", "OK", True),
        ("DeleteEvent", "CANCELLED", False),
        ("DeleteEvent", "OK", True),
    ]
    assert lines[0]["event"] == ""
    assert len(lines[1]["event"]) == 16
    assert lines[3]["event"] == lines[2]["event"] != lines[1]["event"]
    assert google.effects().count("event_deleted") == 1


async def test_a_caller_that_leaves_before_it_said_anything_has_left(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(sandbox.url) as service:
        path = "/conferencing.v1.ConferencingService/DeleteEvent"
        for _ in range(20):
            begun = service.channel.stream_unary(path)()
            await asyncio.sleep(0.02)
            begun.cancel()
        late = service.channel.stream_unary(path)(timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError):
            await late
        await until(lambda: len(audit(caplog)) >= 21)
    codes = {line["code"] for line in audit(caplog)}
    assert codes == {"CANCELLED", "DEADLINE_EXCEEDED"}
