"""The real server, in process, on a free port, with a real channel to it; one per test."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from conferencing.v1 import conferencing_pb2, error_reason_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing_service.api_key import ApiKey
from conferencing_service.core.ledger.store import Store
from conferencing_service.core.upstream import CalendarUpstream
from conferencing_service.embedded import API_KEY
from conferencing_service.ledger_parts import OpenStore, ledger_beside_sandbox, opened_ledger
from conferencing_service.server import Server
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import NYLAS, Vendor, nylas_upstream
from support import canaries
from support.canaries import WATCH, SpanWatch

START = 1_893_492_000
_SHORT: dict[str, Any] = {"listen": "127.0.0.1:0", "settle_window": 1.0, "resume_interval": 1.0}
SECONDS = 30.0


@dataclass(frozen=True)
class Failure:
    """A status that a caller got, decoded."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    violations: dict[str, str]
    retry_after: float | None
    verdict: conferencing_pb2.Verdict | None
    trailers: dict[str, str | bytes]
    size: int


@dataclass(frozen=True)
class Service:
    """A server that runs, and what a caller has of it."""

    port: int
    stub: Any
    channel: grpc.aio.Channel
    server: Server
    exporter: InMemorySpanExporter
    tracer_provider: TracerProvider
    reasons: set[str]
    prometheus_port: int | None
    knows_callers: bool = False

    async def call(
        self, request: Any, *, timeout: float | None = SECONDS, metadata: Any = ()
    ) -> Any:
        """Make the call that a request is for; raises AioRpcError."""
        method = type(request).__name__.removesuffix("Request")
        if not self.knows_callers:
            # Nobody asks for it, so it changes nothing; it must not be told either.
            metadata = (*metadata, ("authorization", canaries.TOKEN))
        WATCH.asked(request)
        under_way = getattr(self.stub, method)(request, timeout=timeout, metadata=metadata)
        try:
            answer = await under_way
            trailers = await under_way.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            WATCH.told("status message", error.details() or "")
            _note_trailers(error.trailing_metadata())
            raise
        finally:
            # The error's traceback holds this frame, and a call is not to outlive its channel.
            del under_way
        WATCH.answered(answer)
        _note_trailers(trailers)
        for verdict in getattr(answer, "verdicts", ()):
            name = error_reason_pb2.ErrorReason.Name(verdict.reason)
            self.reasons.add(name.removeprefix("ERROR_REASON_"))
        return answer

    async def failure(
        self, request: Any, *, timeout: float | None = SECONDS, metadata: Any = ()
    ) -> Failure:
        """Make a call that must fail, and return how."""
        try:
            answer = await self.call(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            self.reasons.add(failure.reason)
            return failure
        raise AssertionError(f"the call was to fail and answered {answer}")

    async def health(self, name: str) -> str:
        """What grpc.health.v1 says of a name."""
        asked = health_pb2.HealthCheckRequest(service=name)
        stub: Any = HealthStub(self.channel)
        answer = await stub.Check(asked, timeout=SECONDS)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended."""
        return self.exporter.get_finished_spans()


def _note_trailers(trailers: Any) -> None:
    for name, value in trailers or ():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        WATCH.told("trailer", f"{name}: {text}")


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Decode a status with its details."""
    trailers = dict(error.trailing_metadata() or ())
    raw = trailers.get("grpc-status-details-bin", b"")
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    verdict = conferencing_pb2.Verdict()
    found = {
        type(detail): True
        for packed in status.details
        for detail in (info, bad_request, retry, verdict)
        if packed.Unpack(detail)
    }
    return Failure(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        violations={each.field: each.description for each in bad_request.field_violations},
        retry_after=retry.retry_delay.ToMilliseconds() / 1000 if type(retry) in found else None,
        verdict=verdict if type(verdict) in found else None,
        trailers=trailers,
        size=status.ByteSize(),
    )


@asynccontextmanager
async def serving(
    upstream_url: str,
    *,
    upstream: CalendarUpstream | None = None,
    store: Store | None = None,
    api_key: str = API_KEY,
    reasons: set[str] | None = None,
    **settings: Any,
) -> AsyncIterator[Service]:
    """Run the server against an upstream's URL, or an upstream or a store of the test's own.

    Its ledger is a fresh one unless the settings or the store say otherwise, with windows short
    enough to be waited for.
    """
    with ledger_beside_sandbox(Settings(**(_SHORT | settings))) as chosen:
        exporter = InMemorySpanExporter()
        telemetry = Telemetry.of(chosen, SimpleSpanProcessor(exporter), SpanWatch(WATCH))
        vendor = Vendor(upstream_url, ApiKey(SecretStr(api_key)))
        ours = nylas_upstream(vendor, chosen, telemetry)
        try:
            async with opened_ledger(chosen) as opened:
                server = Server(
                    settings=chosen,
                    upstream=upstream or ours,
                    opened=opened if store is None else OpenStore(store, await store.secret()),
                    page_keys=vendor.api_key.page_keys,
                    telemetry=telemetry,
                    reflection_on=True,
                    watched={NYLAS: ours.is_let_through},
                )
                port = await server.start()
                try:
                    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                        stub = service_grpc.ConferencingServiceStub(channel)
                        seen = set() if reasons is None else reasons
                        yield Service(
                            port,
                            stub,
                            channel,
                            server,
                            exporter,
                            telemetry.spans,
                            seen,
                            telemetry.meters.port,
                            knows_callers=chosen.policy_file is not None,
                        )
                finally:
                    if telemetry.meters.port is not None:
                        await asyncio.to_thread(WATCH.told_by_metrics, telemetry.meters.port)
                    await server.stop(1.0)
        finally:
            await ours.aclose()
            telemetry.shutdown()
            WATCH.told("repr", repr(chosen))
            WATCH.told_by_ledger(chosen.ledger())


def timespan(start: int = START, seconds: int = 3600, zone: str = "") -> event_pb2.EventTime:
    """A when of the kind timespan."""
    return event_pb2.EventTime(
        timespan=event_pb2.Timespan(
            start_time=Timestamp(seconds=start),
            end_time=Timestamp(seconds=start + seconds),
            start_timezone=zone,
            end_timezone=zone,
        )
    )


def creation(
    grant_id: str,
    conferencing: conferencing_pb2.Conferencing | None = None,
    *,
    calendar_id: str = "primary",
    notify: int = 0,
    request_id: str | None = None,
    validate_only: bool = False,
    **event: Any,
) -> service_pb2.CreateEventRequest:
    """A CreateEvent request that is right unless the test says otherwise.

    It holds texts that must not be told; the watch of `canaries` looks for them.
    """
    planted = {"description": canaries.DESCRIPTION, "location": canaries.LOCATION}
    values: dict[str, Any] = {"title": "Review", "when": timespan(), **planted, **event}
    if conferencing is not None:
        values["conferencing"] = conferencing
    return service_pb2.CreateEventRequest(
        grant_id=grant_id,
        calendar_id=calendar_id,
        event=event_pb2.Event(**values),
        notify=notify,  # type: ignore[arg-type]
        request_id=str(uuid.uuid4()) if request_id is None else request_id,
        validate_only=validate_only,
    )


def _beside(paths: Sequence[str]) -> dict[str, Any]:
    guest = event_pb2.Participant(
        email=canaries.EMAIL,
        name=canaries.NAME,
        comment=canaries.COMMENT,
        phone_number=canaries.PHONE,
    )
    planted = {
        "title": canaries.TITLE,
        "description": canaries.DESCRIPTION,
        "location": canaries.LOCATION,
        "participants": [guest],
        "metadata": {"key1": canaries.METADATA},
        "conferencing": details(
            conferencing_pb2.PROVIDER_ZOOM_MEETING,
            canaries.ZOOM_URL,
            meeting_code=canaries.CODE,
            password=canaries.PASSCODE,
        ),
    }
    return {name: value for name, value in planted.items() if name not in paths}


def update(
    grant_id: str,
    event_id: str,
    *paths: str,
    replace: bool = False,
    validate_only: bool = False,
    notify: int = 0,
    calendar_id: str = "primary",
    **event: Any,
) -> service_pb2.UpdateEventRequest:
    """An UpdateEvent request; the mask is the paths, or else the fields that are given.

    Outside the mask it holds what must not be told.
    """
    return service_pb2.UpdateEventRequest(
        grant_id=grant_id,
        calendar_id=calendar_id,
        event=event_pb2.Event(id=event_id, **(_beside(paths) | event)),
        update_mask=FieldMask(paths=paths or tuple(event)),
        replace_conferencing=replace,
        request_id=str(uuid.uuid4()),
        validate_only=validate_only,
        notify=notify,  # type: ignore[arg-type]
    )


def get(grant_id: str, event_id: str, calendar_id: str = "primary") -> service_pb2.GetEventRequest:
    """A GetEvent request."""
    return service_pb2.GetEventRequest(
        grant_id=grant_id, calendar_id=calendar_id, event_id=event_id
    )


def delete(
    grant_id: str,
    event_id: str,
    *,
    allow_missing: bool = False,
    notify: int = 0,
    calendar_id: str = "primary",
) -> service_pb2.DeleteEventRequest:
    """A DeleteEvent request."""
    return service_pb2.DeleteEventRequest(
        grant_id=grant_id,
        calendar_id=calendar_id,
        event_id=event_id,
        allow_missing=allow_missing,
        notify=notify,  # type: ignore[arg-type]
    )


def autocreate(
    provider: int = 0, conf_grant_id: str = "", settings: dict[str, Any] | None = None
) -> conferencing_pb2.Conferencing:
    """A conferencing whose arm is autocreate."""
    order = conferencing_pb2.Autocreate(conf_grant_id=conf_grant_id)
    if settings is None and provider == conferencing_pb2.PROVIDER_ZOOM_MEETING:
        settings = {"agenda": canaries.SETTING}
    if settings is not None:
        order.conf_settings.update(settings)
    return conferencing_pb2.Conferencing(provider=provider, autocreate=order)  # type: ignore[arg-type]


def details(provider: int, url: str, **more: Any) -> conferencing_pb2.Conferencing:
    """A conferencing whose arm is details."""
    return conferencing_pb2.Conferencing(
        provider=provider,  # type: ignore[arg-type]
        details=conferencing_pb2.ConferenceDetails(url=url, **more),
    )
