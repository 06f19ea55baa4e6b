"""The demo: every RPC once or more against the embedded sandbox, each with its answer and trace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from opentelemetry import propagate
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import conferencing_service_pb2_grpc as s_grpc
from conferencing.v1 import event_pb2 as e
from conferencing_service.api_key import ApiKey
from conferencing_service.embedded import API_KEY, SandboxProcess
from conferencing_service.ledger_parts import ledger_beside_sandbox
from conferencing_service.server import listening
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import Vendor

Say = Callable[[str], None]
_SECONDS = 20.0
_PASSCODE = "demo42"


async def demo(settings: Settings, *, say: Say) -> int:
    """Walk through the RPCs on free ports; return 0 if every step answered as expected, else 1."""
    settings = settings.model_copy(
        update={
            "listen": "127.0.0.1:0",
            "sandbox_listen": "127.0.0.1:0",
            "shutdown_grace": 5.0,
            "drain_wait": 0.0,
        }
    )
    with ledger_beside_sandbox(settings) as complete:
        return await _walk_through(complete, say)


async def _walk_through(settings: Settings, say: Say) -> int:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry.of(settings, SimpleSpanProcessor(exporter))
    sandbox = await SandboxProcess.start(settings)
    vendor = Vendor(sandbox.url, ApiKey(SecretStr(API_KEY)))
    try:
        async with listening(settings, vendor, telemetry, reflection_on=False) as port:
            say(f"sandbox  {sandbox.url}\nserving  127.0.0.1:{port}\n")
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = s_grpc.ConferencingServiceStub(channel)
                return await _Walk(stub, telemetry.spans, exporter, say).all_steps()
    finally:
        await sandbox.stop()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a refused step is expected to say."""

    reason: str


class _Walk:
    """The steps, and what they found."""

    def __init__(
        self,
        stub: Any,
        tracer_provider: TracerProvider,
        exporter: InMemorySpanExporter,
        say: Say,
    ) -> None:
        self._stub = stub
        self._tracer = tracer_provider.get_tracer("conferencing_service.demo")
        self._exporter = exporter
        self._say = say
        self._steps = 0
        self._failed: list[str] = []

    async def all_steps(self) -> int:
        """Run every step; return the exit status."""
        made = await self._creations()
        await self._refusal()
        if made is not None:
            await self._life_of(made)
        await self._questions()
        if self._failed:
            self._say(f"{len(self._failed)} of {self._steps} steps did not answer as expected:")
            for title in self._failed:
                self._say(f"  {title}")
            return 1
        self._say(f"all {self._steps} steps answered as expected")
        return 0

    async def _creations(self) -> e.Event | None:
        details = c.ConferenceDetails(
            url="https://zoom.us/j/98765432101", meeting_code="98765432101", password=_PASSCODE
        )
        by_hand = await self._step(
            "Manual details of a Zoom meeting that exists",
            "CreateEvent",
            _creation(
                "google-demo", c.Conferencing(provider=c.PROVIDER_ZOOM_MEETING, details=details)
            ),
            lambda answer: answer.event.conferencing.details.url == details.url,
        )
        await self._step(
            "Autocreate Google Meet on a Google calendar",
            "CreateEvent",
            _creation("google-demo", c.Conferencing(autocreate=c.Autocreate())),
            _is_ready(c.PROVIDER_GOOGLE_MEET),
        )
        settings = Struct()
        settings.update({"password": _PASSCODE, "duration": 45, "settings": {"waiting_room": True}})
        zoom = c.Autocreate(conf_grant_id="zoom-demo", conf_settings=settings)
        await self._step(
            "Autocreate Zoom, with settings of Zoom's own",
            "CreateEvent",
            _creation(
                "google-demo", c.Conferencing(provider=c.PROVIDER_ZOOM_MEETING, autocreate=zoom)
            ),
            lambda answer: (
                _is_ready(c.PROVIDER_ZOOM_MEETING)(answer)
                and answer.event.conferencing.details.password == _PASSCODE
            ),
        )
        await self._step(
            "Autocreate Microsoft Teams on a Microsoft calendar",
            "CreateEvent",
            _creation("microsoft-demo", c.Conferencing(autocreate=c.Autocreate())),
            _is_ready(c.PROVIDER_MICROSOFT_TEAMS),
        )
        return by_hand.event if by_hand is not None else None

    async def _refusal(self) -> None:
        await self._step(
            "Teams on a Google calendar is refused, and the ways out are named",
            "CreateEvent",
            _creation(
                "google-demo",
                c.Conferencing(provider=c.PROVIDER_MICROSOFT_TEAMS, autocreate=c.Autocreate()),
            ),
            _Refusal("CROSS_PLATFORM_AUTOCREATE"),
        )

    async def _life_of(self, event: e.Event) -> None:
        await self._step(
            "Read the event back",
            "GetEvent",
            s.GetEventRequest(grant_id="google-demo", calendar_id="primary", event_id=event.id),
            lambda answer: answer.event.conferencing.details.meeting_code == "98765432101",
        )
        await self._step(
            "List the day's events that have a conference",
            "ListEvents",
            s.ListEventsRequest(
                grant_id="google-demo",
                calendar_id="primary",
                start_time=event.when.timespan.start_time,
                end_time=event.when.timespan.end_time,
                only_with_conferencing=True,
            ),
            lambda answer: event.id in {each.id for each in answer.events},
        )
        await self._step(
            "Change the title; the conference is kept",
            "UpdateEvent",
            _change(event.id, ["title"], title="Planning, moved"),
            lambda answer: answer.event.HasField("conferencing"),
        )
        meet = c.Conferencing(provider=c.PROVIDER_GOOGLE_MEET, autocreate=c.Autocreate())
        await self._step(
            "A second conference is refused",
            "UpdateEvent",
            _change(event.id, ["conferencing"], conferencing=meet),
            _Refusal("CONFERENCE_ALREADY_PRESENT"),
        )
        await self._step(
            "Take the conference off",
            "UpdateEvent",
            _change(event.id, ["conferencing"]),
            lambda answer: not answer.event.HasField("conferencing"),
        )
        await self._step(
            "Delete the event",
            "DeleteEvent",
            s.DeleteEventRequest(grant_id="google-demo", calendar_id="primary", event_id=event.id),
            lambda _answer: True,
        )

    async def _questions(self) -> None:
        await self._step(
            "What can be done with Teams on this Google calendar?",
            "CheckCompatibility",
            s.CheckCompatibilityRequest(
                grant_id="google-demo", provider=c.PROVIDER_MICROSOFT_TEAMS
            ),
            lambda answer: (
                {verdict.decision for verdict in answer.verdicts}
                == {c.DECISION_ALLOWED, c.DECISION_REFUSED}
            ),
        )
        await self._step(
            "Read a join link out of a text",
            "ExtractConferencing",
            s.ExtractConferencingRequest(text="See you at https://meet.google.com/abc-defg-hij."),
            lambda answer: answer.conferencing.details.meeting_code == "abc-defg-hij",
        )

    async def _step(
        self,
        title: str,
        method: str,
        request: Message,
        expected: Callable[[Any], bool] | _Refusal,
    ) -> Any:
        """Make one call, print it with its answer and trace, and note whether it is as expected."""
        self._steps += 1
        self._say(f"== {self._steps}. {title}\n\n{method} {_text_of(request)}\n")
        self._exporter.clear()
        answer, failure = await self._call(method, request)
        if failure is not None:
            self._say(f"-> {failure.code().name}: {failure.details()}")
            for line in _lines_of(failure):
                self._say(f"   {line}")
        else:
            self._say(f"-> OK {_text_of(answer)}")
        self._say("\n" + "\n".join(_tree_of(self._exporter.get_finished_spans())) + "\n")
        match expected:
            case _Refusal():
                good = failure is not None and _reason_of(failure) == expected.reason
            case _:
                good = failure is None and expected(answer)
        if not good:
            self._failed.append(f"{self._steps}. {title}")
        return answer

    async def _call(self, method: str, request: Message) -> tuple[Any, grpc.aio.AioRpcError | None]:
        with self._tracer.start_as_current_span(f"demo {method}", kind=SpanKind.CLIENT):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            try:
                call = getattr(self._stub, method)
                answer = await call(request, timeout=_SECONDS, metadata=tuple(carrier.items()))
            except grpc.aio.AioRpcError as error:
                return None, error
        return answer, None


def _creation(grant_id: str, conferencing: c.Conferencing) -> s.CreateEventRequest:
    return s.CreateEventRequest(
        grant_id=grant_id,
        calendar_id="primary",
        request_id=_next_request_id(),
        event=e.Event(
            title="Planning",
            when=e.EventTime(
                timespan=e.Timespan(
                    start_time=Timestamp(seconds=1_893_492_000),
                    end_time=Timestamp(seconds=1_893_495_600),
                )
            ),
            conferencing=conferencing,
        ),
    )


def _change(event_id: str, paths: Sequence[str], **values: Any) -> s.UpdateEventRequest:
    return s.UpdateEventRequest(
        grant_id="google-demo",
        calendar_id="primary",
        event=e.Event(id=event_id, **values),
        update_mask=FieldMask(paths=paths),
        request_id=_next_request_id(),
    )


def _next_request_id() -> str:
    return str(uuid.uuid4())


def _is_ready(provider: int) -> Callable[[Any], bool]:
    def is_ready(answer: Any) -> bool:
        conferencing = answer.event.conferencing
        return bool(
            conferencing.provider == provider
            and conferencing.state == c.CONFERENCE_STATE_READY
            and conferencing.details.url.startswith("https://")
        )

    return is_ready


def _text_of(message: Message) -> str:
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=2)


def _status_of(failure: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in failure.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _reason_of(failure: grpc.aio.AioRpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in _status_of(failure).details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def _lines_of(failure: grpc.aio.AioRpcError) -> Iterator[str]:
    """Yield the reason, and of a verdict the explanation and the alternatives."""
    yield f"reason: {_reason_of(failure)}"
    verdict = c.Verdict()
    for detail in _status_of(failure).details:
        if detail.Unpack(verdict):
            yield verdict.explanation
            for alternative in verdict.alternatives:
                yield f"instead: {alternative.explanation}"


def _tree_of(spans: Sequence[ReadableSpan]) -> Iterator[str]:
    """Yield a trace as a tree, a line each span: name, milliseconds, and what it says."""
    children: dict[int | None, list[ReadableSpan]] = {}
    ids = {span.context.span_id for span in spans if span.context}
    for span in sorted(spans, key=lambda each: each.start_time or 0):
        parent = span.parent.span_id if span.parent else None
        children.setdefault(parent if parent in ids else None, []).append(span)

    def branch(parent: int | None, depth: int) -> Iterator[str]:
        for span in children.get(parent, ()):
            milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
            facts = " ".join(
                f"{key}={value!s}"
                for key, value in (span.attributes or {}).items()
                if key.startswith(("conferencing.", "http.response", "rpc.response", "error."))
            )
            yield f"   {'  ' * depth}{span.name}  {milliseconds:.1f} ms  {facts}"
            if span.context:
                yield from branch(span.context.span_id, depth + 1)

    return branch(None, 0)
