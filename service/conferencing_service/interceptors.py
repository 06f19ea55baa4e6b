"""What happens round every RPC: span, context, error net, gate, admission.

`RpcInterceptor` wraps each handler of the service once, in layers: tracing (outermost) sees the
final code of every ending; context gives the handler its `Call`; the error net turns exceptions
into statuses; the gate asks who calls and whether that caller may; admission (innermost) gives it a
place among the calls under way. Health and reflection have layers of their own: open_services.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
from google.rpc.status_pb2 import Status
from opentelemetry import context as otel
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Tracer

from conferencing_service import telemetry
from conferencing_service.access.audit import Audit
from conferencing_service.access.gate import Gate
from conferencing_service.access.named_grants import grants_named_by_rpcs
from conferencing_service.admission import WRITES, Admission
from conferencing_service.call_report import CallReport
from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import (
    ConferencingError,
    RpcNotAllowed,
)
from conferencing_service.core.model import Reason
from conferencing_service.core.upstream import Call
from conferencing_service.incoming import Context, Incoming, tolerant
from conferencing_service.open_services import OpenServices
from conferencing_service.status import code_of, status_from_error

Behaviour = Callable[[Any, Context], Awaitable[Any]]

SERVICE = "conferencing.v1.ConferencingService"

# Seconds that a message may take to arrive while very many do not arrive.
_HURRY = 1.0

# Of other metadata nothing is taken up.
_TRACE_KEYS = frozenset({"traceparent", "tracestate"})
_MADE_BY_SANDBOX = ("conferencing-upstream", "sandbox")

_log = logging.getLogger("conferencing_service.rpc")
_call: ContextVar[Call] = ContextVar("conferencing_call")


def current_call() -> Call:
    """Return the call that the running handler serves."""
    return _call.get()


class Ended(Exception):
    """An RPC ends with a status."""

    def __init__(self, status: Status, reason: Reason, retry_after: float | None) -> None:
        super().__init__(reason.value)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the service's handlers.

    Args:
        tracer: opens server spans.
        admission: gives calls their places.
        gate: lets callers through; None where everybody who reaches the port may call.
        audit: tells of writes.
        report: tells how they ended.
        default_seconds: what reads get when the caller sets no deadline.
        max_seconds: what reads get at most.
        message_seconds: how long a call's message may take to arrive.
        clock: a clock that never goes back.
    """

    def __init__(
        self,
        *,
        tracer: Tracer,
        admission: Admission,
        gate: Gate | None,
        audit: Audit,
        report: CallReport,
        default_seconds: float,
        max_seconds: float,
        message_seconds: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self._tracer = tracer
        self._admission = admission
        self._gate = gate
        self._named = grants_named_by_rpcs()
        self._audit = audit
        self._report = report
        self._default_seconds = default_seconds
        self._max_seconds = max_seconds
        self._message_seconds = message_seconds
        self._clock = clock
        self._open_services = OpenServices()
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the wrapped handler of a method; unknown methods stay unimplemented."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method.removeprefix("/")
        if handler is None:
            return handler
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            is_ours = method.startswith(SERVICE + "/")
            wrap = self._wrap if is_ours else self._open_services.wrapped
            wrapped = self._wrapped[method] = wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        let_through = self._let_through(method, self._admitted(method, handler.unary_unary))
        behaviour = self._traced(method, self._with_call(_guarded(let_through)))
        # A stream of one message, which is read below: gRPC itself would wait for it for ever.
        return grpc.stream_unary_rpc_method_handler(
            behaviour,
            request_deserializer=tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _traced(
        self, method: str, behaviour: Callable[[Any, Context, Call], Awaitable[Any]]
    ) -> Behaviour:
        attributes = {telemetry.RPC_SYSTEM: "grpc", telemetry.RPC_METHOD: method}
        rpc = _rpc_of(method)

        async def traced(_messages: Any, context: Context) -> Any:
            call = self._begin(context)
            incoming = Incoming(context)
            try:
                with self._tracer.start_as_current_span(
                    method,
                    context=_callers_trace(context),
                    kind=SpanKind.SERVER,
                    attributes=attributes,
                    record_exception=False,
                    set_status_on_exception=False,
                ) as span:
                    code, reason, response = grpc.StatusCode.OK, None, None
                    try:
                        response = await behaviour(incoming, context, call)
                        if call.sandbox:
                            await context.send_initial_metadata((_MADE_BY_SANDBOX,))
                        return response
                    except Ended as ended:
                        code, reason = code_of(ended.reason), ended.reason
                        raise
                    except asyncio.CancelledError:
                        code = _cancelled_as(call)
                        raise
                    except grpc.aio.AbortError:
                        code = grpc.StatusCode.UNKNOWN
                        raise
                    finally:
                        self._report.ended(span, call, method, code, reason)
                        if rpc in WRITES:
                            self._audit.ended(call, rpc, code, reason, incoming.message, response)
                            self._audit.follow(call, rpc, incoming.message)
            except Ended as ended:
                # Not before: whoever hears how a call ended finds it told.
                await self._abort(context, call, ended)

        return traced

    def _begin(self, context: Context) -> Call:
        now = self._clock()
        left = context.time_remaining()
        seconds = self._default_seconds if left is None else left
        return Call(
            clock=self._clock,
            started=now,
            deadline=None if left is None else now + left,
            read_deadline=now + min(seconds, self._max_seconds),
        )

    def _let_through(self, method: str, behaviour: Behaviour) -> Behaviour:
        gate, rpc, named = self._gate, _rpc_of(method), self._named[_rpc_of(method)]

        async def read(incoming: Incoming) -> Any:
            with self._admission.arriving() as hurries:
                seconds = self._message_seconds
                if hurries:
                    return await incoming.read(min(seconds, _HURRY), hurries=True)
                return await incoming.read(seconds)

        async def taken(incoming: Incoming, context: Context) -> Any:
            return await behaviour(await read(incoming), context)

        async def let_through(incoming: Incoming, context: Context) -> Any:
            assert gate is not None  # noqa: S101 - else the other one stands here
            metadata = context.invocation_metadata() or ()
            principal, quota = await gate.caller_of(metadata, context.auth_context)
            call = current_call()
            call.principal = call.attributes[telemetry.PRINCIPAL] = principal.name
            if rpc not in principal.rpcs:
                raise RpcNotAllowed
            call.quota = quota
            quota.enter(is_write=rpc in WRITES)
            try:
                request = await read(incoming)
                call.forbidden_grant = named.forbidden(request, principal)
                return await behaviour(request, context)
            finally:
                quota.leave(call.effect)

        return taken if gate is None else let_through

    def _admitted(self, method: str, behaviour: Behaviour) -> Behaviour:
        admission, is_write = self._admission, _rpc_of(method) in WRITES

        async def admitted(request: Any, context: Context) -> Any:
            await admission.enter(method, is_write=is_write)
            try:
                return await behaviour(request, context)
            finally:
                admission.leave(method)

        return admitted

    async def _abort(self, context: Context, call: Call, ended: Ended) -> None:
        """End the RPC with its status in the trailers; always raises AbortError."""
        trailers: list[tuple[str, str | bytes]] = [
            ("grpc-status-details-bin", ended.status.SerializeToString())
        ]
        # A grant that the caller may not use was not looked for: nothing may tell it from one that is
        # not there.
        tells = self._gate is None or ended.reason is not Reason.GRANT_NOT_FOUND
        if call.sandbox and tells:
            # An error has no initial metadata of its own: gRPC sends trailers only.
            trailers.append(_MADE_BY_SANDBOX)
        if call.upstream_request_id and tells:
            trailers.append(("upstream-request-id", call.upstream_request_id))
        code = code_of(ended.reason)
        if code is grpc.StatusCode.UNAVAILABLE and ended.retry_after is not None:
            # gRPC's own retries know this and not RetryInfo (gRFC A6). They do not compare it with the
            # deadline: the caller would sleep into it, and never learn the reason.
            left = context.time_remaining()
            waits = left is None or ended.retry_after < left
            pushback = round(ended.retry_after * 1000) if waits else -1
            trailers.append(("grpc-retry-pushback-ms", str(pushback)))
        await context.abort(code, ended.status.message, tuple(trailers))

    @staticmethod
    def _with_call(behaviour: Behaviour) -> Callable[[Any, Context, Call], Awaitable[Any]]:
        async def with_call(request: Any, context: Context, call: Call) -> Any:
            token = _call.set(call)
            try:
                response = await behaviour(request, context)
            finally:
                _call.reset(token)
            if call.upstream_request_id:
                context.set_trailing_metadata((("upstream-request-id", call.upstream_request_id),))
            return response

        return with_call


def _guarded(behaviour: Behaviour) -> Behaviour:
    """Turn every exception into an ending; nothing of its text gets out."""

    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await behaviour(request, context)
        except ConferencingError as error:
            if error.reason is Reason.UPSTREAM_CREDENTIALS:
                _log.error("the upstream refuses our credentials", extra={"alert": "credentials"})
            raise Ended(status_from_error(error), error.reason, error.retry_after) from error
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Cancelled from within: grpc would never answer such a call.
            _raise_internal(error)
        except Exception as error:  # noqa: BLE001 - the net under every handler
            _raise_internal(error)

    return guarded


def _raise_internal(error: BaseException) -> NoReturn:
    _log.error("a handler broke", exc_info=error)
    trace_id = trace.get_current_span().get_span_context().trace_id
    fault = ConferencingError(Reason.INTERNAL, {"trace_id": trace.format_trace_id(trace_id)})
    raise Ended(status_from_error(fault), Reason.INTERNAL, None) from error


def _rpc_of(method: str) -> str:
    """Return the name of a method without that of its service."""
    return method.rpartition("/")[2]


def _callers_trace(context: Context) -> otel.Context | None:
    """Return the trace that the caller's metadata name, None where they name none."""
    metadata = context.invocation_metadata() or ()
    carrier = {key: value for key, value in metadata if key in _TRACE_KEYS}
    return propagate.extract(carrier) if carrier else None


def _cancelled_as(call: Call) -> grpc.StatusCode:
    left = call.write_seconds()
    if left is not None and left <= 0.05:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
