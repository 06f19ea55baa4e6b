"""The one way out: every REST request of every upstream, bounded, traced, and honest about loss.

Speaks httpx's transport interface directly. Knows no vendor; says of every failure whether the
request can have arrived. Three gates stand before it: the upstream's circuit breaker, the grant's
bulkhead with its Retry-After, and, before anything is sent again, the upstream's retry budget.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import httpx
import tenacity
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from conferencing_service.core.clock import Clock
from conferencing_service.core.upstream import Call
from conferencing_service.upstreams.bodies import MAX_REPLY, body_of
from conferencing_service.upstreams.breaker import CircuitBreaker, Sign
from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.exchange import Answer, Limited, Lost, RestRequest, Unsent
from conferencing_service.upstreams.outgoing import Outgoing
from conferencing_service.upstreams.retry_budget import RetryBudget

__all__ = [
    "GATE",
    "MAX_REPLY",
    "RETRIED_STATUSES",
    "Answer",
    "Limited",
    "Lost",
    "RestClient",
    "RestRequest",
    "Unsent",
]

GATE = "conferencing.upstream_gate"
"""The attribute of a call of which a request was kept from leaving, and by what."""

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers after which a read may be sent again."""

_LIMITING_STATUSES = frozenset({429, 503})
_ATTEMPTS = 3
_JITTER_FIRST = 0.1
_JITTER_MOST = 2.0
# An attempt may outlast the read deadline by this: where that is the caller's own deadline, gRPC
# then ends the call by itself, as DEADLINE_EXCEEDED, instead of racing with us.
_SLACK = 0.5
# An attempt that was given less tells of its caller's hurry, not of the upstream, when its time is
# up: callers with short deadlines would shut out those that have the time.
_FAIR_SECONDS = 5.0
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


Outcome: TypeAlias = Answer | BaseException


class RestClient:
    """Sends requests to one host.

    Args:
        transport: the connection pool.
        base_url: scheme, host and port; requests name everything after it.
        headers: what every request carries.
        tracer: opens client spans.
        request_id_header: where the upstream puts its own request id.
        sandbox_header: a header by which an embedded sandbox makes itself known.
        sleep: waits so many seconds, between attempts and for a Retry-After.
        chance: returns a random number from 0 to 1, for the jitter.
        budget: what the upstream's requests may spend on being sent again.
        breaker: the upstream's circuit breaker.
        bulkhead: the lanes of the upstream's grants.
        durations: measures requests; None where nobody reads that.
        clock: the clock that calls bring along.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        tracer: Tracer,
        request_id_header: str,
        sandbox_header: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        budget: RetryBudget | None = None,
        breaker: CircuitBreaker | None = None,
        bulkhead: Bulkhead | None = None,
        durations: Histogram | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._transport = transport
        base = httpx.URL(base_url)
        self._outgoing = Outgoing(base_url.rstrip("/"), headers)
        self._tracer = tracer
        self._request_id_header = request_id_header
        self._sandbox_header = sandbox_header
        self._span_attributes: dict[str, str | int] = {"server.address": base.host}
        if base.port is not None:
            self._span_attributes["server.port"] = base.port
        self._chance = chance
        self._budget = RetryBudget() if budget is None else budget
        self._breaker = CircuitBreaker(upstream=base.host) if breaker is None else breaker
        self._bulkhead = Bulkhead(sleep=sleep) if bulkhead is None else bulkhead
        self._durations = durations
        self._clock = clock
        self._retrying = tenacity.AsyncRetrying(
            wait=self._wait, retry_error_callback=_last_outcome, sleep=sleep
        )

    async def read(self, call: Call, request: RestRequest) -> Answer:
        """Send a read, again while that may help, the call's time lasts and the budget allows.

        Up to three attempts with full jitter, or after the upstream's Retry-After; none that could
        not begin before the read deadline. Returns the last answer; raises Unsent, Lost or Limited.
        """
        return await self._repeated(call, request, call.read_deadline, None, _read_may_be_repeated)

    async def write(self, call: Call, request: RestRequest, seconds: float) -> Answer:
        """Send a write once, within its own time limit; raises Unsent, Lost or Limited.

        What surely never left is tried again like a read; what may have left never is. Nothing is
        sent any more when the caller's deadline, or else the time limit, passed while it waited for
        a place or a connection. `call.before_send` is asked immediately before each attempt
        leaves; what it raises goes through.
        """
        left = call.write_seconds()
        deadline = call.clock() + (seconds if left is None else min(seconds, left))
        return await self._repeated(call, request, deadline, seconds, _write_may_be_repeated)

    def is_let_through(self) -> bool:
        """Tell whether requests are let through: not while the circuit breaker is open."""
        return self._breaker.seconds_left(self._clock()) <= 0

    async def aclose(self) -> None:
        """Close the connection pool."""
        await self._transport.aclose()

    # ---- Attempts ------------------------------------------------------------------------

    async def _repeated(
        self,
        call: Call,
        request: RestRequest,
        deadline: float,
        write_seconds: float | None,
        may_be_repeated: Callable[[Outcome], bool],
    ) -> Answer:
        def is_last(state: tenacity.RetryCallState) -> bool:
            now = call.clock()
            return (
                state.attempt_number >= _ATTEMPTS
                or state.upcoming_sleep >= deadline - now
                or self._breaker.seconds_left(now) > 0
                or not self._budget.take()
            )

        attempts = 0

        async def once() -> Answer:
            nonlocal attempts
            attempts += 1
            try:
                return await self._attempt(
                    call, request, deadline, write_seconds, resends=attempts - 1
                )
            except (Unsent, Limited) as refusal:
                if refusal.gate is not None:
                    call.attributes[GATE] = refusal.gate.value
                raise

        first: Outcome
        try:
            first = await once()
        except (Unsent, Limited, Lost) as failure:
            first = failure
        # Nearly every request ends here, without what the bookkeeping of retries costs.
        if not may_be_repeated(first):
            return _given(first)
        known = [first]

        async def known_or_again() -> Answer:
            return _given(known.pop()) if known else await once()

        answer: Answer = await self._retrying.copy(
            retry=lambda state: may_be_repeated(_outcome(state)), stop=is_last
        )(known_or_again)
        return answer

    async def _attempt(
        self,
        call: Call,
        request: RestRequest,
        deadline: float,
        write_seconds: float | None,
        *,
        resends: int,
    ) -> Answer:
        """Send a request as soon as the gates let it leave; a write has its own time then."""
        grant_id = request.grant_id
        if deadline <= call.clock():
            raise Unsent
        # Asked before, so that nobody waits in line for nothing.
        self._breaker.check(call.clock())
        async with self._bulkhead.slot(grant_id, call.clock, deadline):
            permit, sign = self._breaker.admit(call.clock()), Sign.NONE
            try:
                if write_seconds is not None and call.before_send is not None:
                    await call.before_send()
                    while await self._bulkhead.opened(grant_id, call.clock, deadline):
                        await call.before_send()
                left = deadline - call.clock()
                if left <= 0:
                    raise Unsent
                if not resends:
                    self._budget.pay_in()
                seconds = left + _SLACK if write_seconds is None else write_seconds
                try:
                    answer = await self._send(call, request, seconds, left, resends)
                except (Unsent, Lost) as failure:
                    sign = _sign_of(failure, left, write_seconds)
                    raise
                sign = Sign.FAILED if answer.status >= 500 else Sign.ALIVE
            finally:
                self._breaker.record(call.clock(), permit, grant_id, sign)
            if answer.status in _LIMITING_STATUSES:
                self._bulkhead.limit(grant_id, call.clock(), answer.retry_after() or 0.0)
            return answer

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the upstream's own Retry-After, or a random time whose bound doubles."""
        if state.outcome is not None and not state.outcome.failed:
            asked: float | None = state.outcome.result().retry_after()
            if asked is not None:
                return asked
        most: float = min(_JITTER_MOST, _JITTER_FIRST * 2 ** (state.attempt_number - 1))
        return self._chance() * most

    # ---- One attempt ---------------------------------------------------------------------

    async def _send(
        self,
        call: Call,
        request: RestRequest,
        seconds: float,
        connect_seconds: float,
        resends: int,
    ) -> Answer:
        names: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.template": request.template,
            **self._span_attributes,
        }
        facts: dict[str, str | int] = {}
        request_id = ""
        started = call.clock()
        with self._tracer.start_as_current_span(
            f"{request.method} {request.template}",
            kind=SpanKind.CLIENT,
            attributes=names,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if resends:
                span.set_attribute("http.request.resend_count", resends)
            try:
                async with asyncio.timeout(seconds):
                    response = await self._sent(request, min(seconds, connect_seconds))
                    request_id = self._noted(call, facts, response)
                    body = await body_of(response)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                # By the kind of error alone: its text may hold anything.
                facts["error.type"] = type(error).__name__
                raise Unsent from error
            except (httpx.TransportError, TimeoutError) as error:
                facts["error.type"] = type(error).__name__
                raise Lost(request_id) from error
            except asyncio.CancelledError as error:
                facts["error.type"] = type(error).__name__
                raise
            finally:
                if span.is_recording():
                    _tell(span, facts, request_id)
                if self._durations is not None:
                    self._durations.record(call.clock() - started, names | facts)
            return Answer(response.status_code, response.headers, body, request_id)

    def _noted(self, call: Call, facts: dict[str, str | int], response: httpx.Response) -> str:
        """Note what the headers tell, before a body can get lost; return the upstream's id."""
        status = response.status_code
        facts["http.response.status_code"] = status
        if status >= 400:
            facts["error.type"] = str(status)
        call.sandbox = call.sandbox or self._sandbox_header in response.headers
        request_id: str = response.headers.get(self._request_id_header, "")
        # It goes on in metadata, where gRPC takes printable ASCII only.
        if not _REQUEST_ID.fullmatch(request_id):
            return ""
        call.upstream_request_id = request_id
        return request_id

    async def _sent(self, request: RestRequest, connect_seconds: float) -> httpx.Response:
        return await self._transport.handle_async_request(
            self._outgoing.request(request, connect_seconds)
        )


def _given(outcome: Outcome) -> Answer:
    """Return an answer, or raise what came instead."""
    if isinstance(outcome, Answer):
        return outcome
    raise outcome


def _read_may_be_repeated(outcome: Outcome) -> bool:
    """Whether a read's outcome may be better next time; a gate's no holds for its retries too."""
    match outcome:
        case Answer(status=status):
            return status in RETRIED_STATUSES
        case Lost():
            return True
        case Unsent(gate=gate):
            return gate is None
    return False


def _write_may_be_repeated(outcome: Outcome) -> bool:
    """Whether a write surely never left, and no gate kept it."""
    return isinstance(outcome, Unsent) and outcome.gate is None


def _outcome(state: tenacity.RetryCallState) -> Outcome:
    assert state.outcome is not None  # noqa: S101 - called after an attempt
    outcome: Outcome | None = state.outcome.exception()
    return state.outcome.result() if outcome is None else outcome


def _last_outcome(state: tenacity.RetryCallState) -> Any:
    """Return or raise what the last attempt did, instead of tenacity's own error."""
    assert state.outcome is not None  # noqa: S101 - called after an attempt
    return state.outcome.result()


def _sign_of(failure: Unsent | Lost, left: float, write_seconds: float | None) -> Sign:
    """Return what a failed attempt tells of the upstream.

    That our own pool had no place left tells nothing, and a time-out only after a fair time: what
    was left to the caller, or a write's own once there is a connection.
    """
    cause = failure.__cause__
    if isinstance(cause, httpx.PoolTimeout):
        return Sign.NONE
    given = left if write_seconds is None or isinstance(failure, Unsent) else write_seconds
    if isinstance(cause, (TimeoutError, httpx.TimeoutException)) and given < _FAIR_SECONDS:
        return Sign.NONE
    return Sign.UNREACHED if isinstance(failure, Unsent) else Sign.FAILED


def _tell(span: Span, facts: Mapping[str, str | int], request_id: str) -> None:
    span.set_attributes(facts)
    if request_id:
        span.set_attribute("upstream.request_id", request_id)
    if "error.type" in facts:
        span.set_status(Status(StatusCode.ERROR))
