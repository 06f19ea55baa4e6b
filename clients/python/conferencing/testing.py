"""A server for the tests of callers: in process, on a free port, it says what its script says.

    async with ScriptedServer() as server, ConferencingClient(server.target) as client:
        server.fails("GRANT_EXPIRED")
        ...

Calls go over a real connection, so that deadlines, retries and errors are the real ones, and
nothing has to be mocked. It stands on the generated messages alone; no rule of the service is in it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from conferencing.errors import DOMAIN, IncompatibleProvider, error_class
from conferencing.v1.conferencing_pb2 import DECISION_REFUSED, Verdict
from conferencing.v1.conferencing_service_pb2 import DESCRIPTOR
from conferencing.v1.error_reason_pb2 import ErrorReason

__all__ = ["Received", "ScriptedServer"]

_SERVICE = DESCRIPTOR.services_by_name["ConferencingService"]
_Code = grpc.StatusCode

CODES: Mapping[str, grpc.StatusCode] = {
    "INVALID_FIELD": _Code.INVALID_ARGUMENT,
    "REQUEST_ID_REUSED": _Code.INVALID_ARGUMENT,
    "CROSS_PLATFORM_AUTOCREATE": _Code.FAILED_PRECONDITION,
    "AUTOCREATE_UNSUPPORTED": _Code.FAILED_PRECONDITION,
    "CONF_GRANT_REQUIRED": _Code.FAILED_PRECONDITION,
    "CONF_GRANT_MISMATCH": _Code.FAILED_PRECONDITION,
    "GRANT_HAS_NO_CALENDAR": _Code.FAILED_PRECONDITION,
    "SCOPE_MISSING": _Code.FAILED_PRECONDITION,
    "SUBSCRIPTION_REQUIRED": _Code.FAILED_PRECONDITION,
    "GRANT_EXPIRED": _Code.FAILED_PRECONDITION,
    "CONFERENCE_ALREADY_PRESENT": _Code.FAILED_PRECONDITION,
    "NOTIFICATION_UNAVOIDABLE": _Code.FAILED_PRECONDITION,
    "EVENT_READ_ONLY": _Code.FAILED_PRECONDITION,
    "CALENDAR_READ_ONLY": _Code.FAILED_PRECONDITION,
    "UPSTREAM_REJECTED": _Code.FAILED_PRECONDITION,
    "GRANT_NOT_FOUND": _Code.NOT_FOUND,
    "CALENDAR_NOT_FOUND": _Code.NOT_FOUND,
    "EVENT_NOT_FOUND": _Code.NOT_FOUND,
    "UPSTREAM_RATE_LIMITED": _Code.RESOURCE_EXHAUSTED,
    "UPSTREAM_UNAVAILABLE": _Code.UNAVAILABLE,
    "LEDGER_UNAVAILABLE": _Code.UNAVAILABLE,
    "OVERLOADED": _Code.RESOURCE_EXHAUSTED,
    "SHUTTING_DOWN": _Code.UNAVAILABLE,
    "CREDENTIALS_MISSING": _Code.UNAUTHENTICATED,
    "CREDENTIALS_INVALID": _Code.UNAUTHENTICATED,
    "RPC_NOT_ALLOWED": _Code.PERMISSION_DENIED,
    "QUOTA_EXCEEDED": _Code.RESOURCE_EXHAUSTED,
    "REQUEST_IN_PROGRESS": _Code.UNAVAILABLE,
    "OUTCOME_UNKNOWN": _Code.UNAVAILABLE,
    "OUTCOME_UNRESOLVED": _Code.UNKNOWN,
    "NOT_STARTED": _Code.DEADLINE_EXCEEDED,
    "UPSTREAM_CREDENTIALS": _Code.INTERNAL,
    "UPSTREAM_MALFORMED": _Code.INTERNAL,
    "INTERNAL": _Code.INTERNAL,
}
"""The code of each reason, as error_reason.proto says."""

_REPEATABLE = frozenset({_Code.UNAVAILABLE, _Code.RESOURCE_EXHAUSTED})
_SOON = 0.05
"""Seconds after which a repetition is asked for where the script does not say: tests are short."""


@dataclass(frozen=True, slots=True)
class Received:
    """A call as the server saw it; gRPC's own retries are calls too.

    Attributes:
        rpc: which RPC ("CreateEvent").
        request: its request message.
        metadata: its metadata.
        seconds: what was left of its deadline; None without one.
    """

    rpc: str
    request: Any
    metadata: Mapping[str, str | bytes]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class _Step:
    rpc: str | None
    play: Callable[[grpc.ServicerContext], Message]
    delay: float


class ScriptedServer:
    """Answers calls as its script says, and keeps what it received.

    The script is a list of steps, made with `answers` and `fails`. A call takes the first step that
    fits its RPC; a step that was taken is over, unless no later one fits: the last stays. A call
    that no step fits is UNIMPLEMENTED.

    Use it as `async with` or as `with`, with either client.

    Args:
        credentials: what the server's port is encrypted with; None: plaintext.
    """

    def __init__(self, *, credentials: grpc.ServerCredentials | None = None) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._steps: list[_Step] = []
        self._received: list[Received] = []
        self._threads: ThreadPoolExecutor | None = None
        self._server: grpc.Server | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def target(self) -> str:
        """Where it is, for a client."""
        return f"127.0.0.1:{self._port}"

    @property
    def calls(self) -> tuple[Received, ...]:
        """The calls that it received, in their order."""
        with self._lock:
            return tuple(self._received)

    @property
    def requests(self) -> tuple[Any, ...]:
        """Their request messages."""
        return tuple(call.request for call in self.calls)

    def answers(self, response: Message, *, times: int = 1, delay: float = 0.0) -> Self:
        """Add steps that answer with a message; the RPC is the one whose response it is.

        Args:
            response: the answer.
            times: how many calls take it.
            delay: seconds before it answers.

        Raises:
            ValueError: it is no response of the service.
        """
        name = response.DESCRIPTOR.full_name
        for method in _SERVICE.methods:
            if method.output_type.full_name == name:
                return self._add(_Step(method.name, lambda _context: response, delay), times)
        raise ValueError(f"{name} is no response of {_SERVICE.full_name}")

    def fails(
        self,
        reason: str = "",
        *,
        rpc: str | None = None,
        code: grpc.StatusCode | None = None,
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        violations: Mapping[str, str] | None = None,
        verdict: Verdict | None = None,
        times: int = 1,
        delay: float = 0.0,
    ) -> Self:
        """Add steps that fail.

        Args:
            reason: one of error_reason.proto, without its prefix. Empty: a status as gRPC itself
                makes them, without a reason; `code` says which.
            rpc: only calls of this RPC ("CreateEvent"); None: of any.
            code: the status code; None: the reason's.
            message: the status message.
            metadata: what belongs to the reason.
            retry_after: seconds that the caller is asked to wait; None: a moment, where the code is
                one that can be repeated.
            violations: the wrong fields and what is wrong with them.
            verdict: the verdict that refuses; None: an empty one, where the reason has one.
            times: how many calls take it.
            delay: seconds before it fails.

        Raises:
            ValueError: the code is not known, or there is no such RPC.
        """
        code = code or CODES.get(reason)
        if code is None:
            raise ValueError(f"a code is needed: {reason or 'no reason'} does not have one")
        if rpc is not None and rpc not in _SERVICE.methods_by_name:
            raise ValueError(f"there is no RPC {rpc}")
        if retry_after is None and reason and code in _REPEATABLE:
            retry_after = _SOON
        details: list[Message] = []
        if reason:
            details.append(
                error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
            )
        if retry_after is not None:
            pause = error_details_pb2.RetryInfo()
            pause.retry_delay.FromMilliseconds(round(retry_after * 1000))
            details.append(pause)
        if violations is not None:
            details.append(_bad_request(violations))
        if verdict is None and error_class(code, reason) is IncompatibleProvider:
            verdict = _refusal(reason)
        if verdict is not None:
            details.append(verdict)
        trailers = _trailers(code, message, details)

        def play(context: grpc.ServicerContext) -> Message:
            pushback: tuple[tuple[str, str | bytes], ...] = ()
            if retry_after is not None and code is _Code.UNAVAILABLE:
                left = context.time_remaining()
                waits = left is None or retry_after < left
                milliseconds = round(retry_after * 1000) if waits else -1
                pushback = (("grpc-retry-pushback-ms", str(milliseconds)),)
            context.set_trailing_metadata((*trailers, *pushback))
            context.abort(code, message)

        return self._add(_Step(rpc, play, delay), times)

    def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="scripted-server")
        self._server = grpc.server(self._threads)
        handlers = {method.name: self._handler(method) for method in _SERVICE.methods}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers),)
        )
        address = "127.0.0.1:0"
        self._port = (
            self._server.add_insecure_port(address)
            if self._credentials is None
            else self._server.add_secure_port(address, self._credentials)
        )
        self._server.start()

    def stop(self) -> None:
        """End; calls under way are cut off."""
        if self._server is not None and self._threads is not None:
            self._server.stop(None).wait()
            self._threads.shutdown()

    def _add(self, step: _Step, times: int) -> Self:
        with self._lock:
            self._steps += [step] * times
        return self

    def _handler(self, method: MethodDescriptor) -> Any:
        request_class = message_factory.GetMessageClass(method.input_type)
        response_class = message_factory.GetMessageClass(method.output_type)

        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            return self._handle(method.name, request, context)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=request_class.FromString,
            response_serializer=response_class.SerializeToString,
        )

    def _handle(self, rpc: str, request: Message, context: grpc.ServicerContext) -> Message:
        metadata = dict(context.invocation_metadata())
        with self._lock:
            self._received.append(Received(rpc, request, metadata, context.time_remaining()))
            fitting = [step for step in self._steps if step.rpc in {None, rpc}]
            if len(fitting) > 1:
                self._steps.remove(fitting[0])
        if not fitting:
            context.abort(_Code.UNIMPLEMENTED, f"no step of the script fits {rpc}")
        step = fitting[0]
        if step.delay:
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait(step.delay)
        return step.play(context)


def _refusal(reason: str) -> Verdict:
    return Verdict(decision=DECISION_REFUSED, reason=ErrorReason.Value(f"ERROR_REASON_{reason}"))


def _bad_request(violations: Mapping[str, str]) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=name, description=what) for name, what in violations.items()
        ]
    )


def _trailers(
    code: grpc.StatusCode, message: str, details: list[Message]
) -> tuple[tuple[str, str | bytes], ...]:
    """Return a status' details as the metadata that carries them; none where gRPC made it."""
    if not details:
        return ()
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return tuple(rpc_status.to_status(status).trailing_metadata)
