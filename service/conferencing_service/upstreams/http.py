"""The one way out: every REST request of every upstream, bounded, traced, and honest about loss.

Speaks httpx's transport interface directly. Knows no vendor; says of every failure whether the
request can have arrived.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import tenacity
from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from conferencing_service.core.upstream import Call

MAX_REPLY = 8 * 1024 * 1024
"""How many bytes of a reply are read, after inflating."""

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers after which a read may be sent again."""

_ATTEMPTS = 3
# An attempt may outlast the read deadline by this: where that is the caller's own deadline, gRPC
# then ends the call by itself, as DEADLINE_EXCEEDED, instead of racing with us.
_SLACK = 0.5
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_INFLATERS: Mapping[str, int] = {"gzip": 31, "deflate": 15}


class Unsent(Exception):
    """Nothing left this process."""


class Lost(Exception):
    """The request was sent, or may have been, and no usable answer came back.

    Args:
        request_id: the upstream's own id of the request, when at least the headers came.
    """

    def __init__(self, request_id: str = "") -> None:
        super().__init__("lost")
        self.request_id = request_id


class _Unreadable(Exception):
    """A body is larger than a reply may be, or cannot be inflated."""


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request to an upstream.

    Attributes:
        method: the HTTP method.
        template: the path with placeholders, for traces ("/v3/grants/{grant_id}").
        target: the encoded path and query.
        body: JSON, or None.
    """

    method: str
    template: str
    target: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream answered.

    Attributes:
        status: the HTTP status.
        headers: the headers.
        body: the inflated body; None where it is too large or cannot be inflated, which leaves the
            status to be judged by itself.
        request_id: the upstream's own id of the request, "" where it gave none that is one.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes | None = field(default=b"", repr=False)
    request_id: str = ""

    def retry_after(self) -> float | None:
        """Return the seconds of Retry-After, None where there are none (RFC 9110, 10.2.3).

        A date is counted from the answer's own Date, so that nobody's clock matters.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdecimal() and len(value) < 6:
            return float(value)
        until, now = _date(value), _date(self.headers.get("date", ""))
        if until is None or now is None:
            return None
        return max(0.0, (until - now).total_seconds())


class RestClient:
    """Sends requests to one host.

    Args:
        transport: the connection pool.
        base_url: scheme, host and port; requests name everything after it.
        headers: what every request carries.
        tracer: opens client spans.
        request_id_header: where the upstream puts its own request id.
        sandbox_header: a header by which an embedded sandbox makes itself known.
        sleep: waits so many seconds between attempts.
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
    ) -> None:
        self._transport = transport
        self._base = httpx.URL(base_url)
        self._origin = base_url.rstrip("/")
        self._headers = headers
        self._tracer = tracer
        self._request_id_header = request_id_header
        self._sandbox_header = sandbox_header
        self._span_attributes: dict[str, str | int] = {"server.address": self._base.host}
        if self._base.port is not None:
            self._span_attributes["server.port"] = self._base.port
        self._retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((Unsent, Lost))
            | tenacity.retry_if_result(_may_be_repeated),
            wait=_wait,
            retry_error_callback=_last_outcome,
            sleep=sleep,
        )

    async def read(self, call: Call, request: RestRequest) -> Answer:
        """Send a read, again while that may help and the call's time lasts.

        Up to three attempts with full jitter, or after the upstream's Retry-After; none that could
        not begin before the read deadline. Returns the last answer; raises Unsent or Lost.
        """

        def out_of_time(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number >= _ATTEMPTS or state.upcoming_sleep >= call.read_seconds()

        attempt = 0

        async def once() -> Answer:
            nonlocal attempt
            attempt += 1
            seconds = call.read_seconds()
            if seconds <= 0:
                raise Unsent
            return await self._send(
                call, request, seconds + _SLACK, connect_seconds=seconds, resends=attempt - 1
            )

        answer: Answer = await self._retrying.copy(stop=out_of_time)(once)
        return answer

    async def write(self, call: Call, request: RestRequest, seconds: float) -> Answer:
        """Send a write once, within its own time limit; raises Unsent or Lost.

        It is not sent any more when the caller's deadline passed while it waited for a connection.
        """
        left = call.write_seconds()
        connect_seconds = seconds if left is None else min(seconds, left)
        return await self._send(call, request, seconds, connect_seconds=connect_seconds)

    async def aclose(self) -> None:
        """Close the connection pool."""
        await self._transport.aclose()

    async def _send(
        self,
        call: Call,
        request: RestRequest,
        seconds: float,
        *,
        connect_seconds: float,
        resends: int = 0,
    ) -> Answer:
        with self._tracer.start_as_current_span(
            f"{request.method} {request.template}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": request.method,
                "url.template": request.template,
                **self._span_attributes,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if resends:
                span.set_attribute("http.request.resend_count", resends)
            request_id = ""
            try:
                async with asyncio.timeout(seconds):
                    response = await self._sent(request, connect_seconds)
                    request_id = self._noted(call, span, response)
                    body = await _body_of(response)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                _failed(span, error)
                raise Unsent from error
            except (httpx.TransportError, TimeoutError) as error:
                _failed(span, error)
                raise Lost(request_id) from error
            except asyncio.CancelledError as error:
                _failed(span, error)
                raise
            return Answer(response.status_code, response.headers, body, request_id)

    def _noted(self, call: Call, span: Span, response: httpx.Response) -> str:
        """Note what the headers tell, before a body can get lost; return the upstream's id."""
        status = response.status_code
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        call.sandbox = call.sandbox or self._sandbox_header in response.headers
        request_id: str = response.headers.get(self._request_id_header, "")
        # It goes on in metadata, where gRPC takes printable ASCII only.
        if not _REQUEST_ID.fullmatch(request_id):
            return ""
        span.set_attribute("upstream.request_id", request_id)
        call.upstream_request_id = request_id
        return request_id

    async def _sent(self, request: RestRequest, connect_seconds: float) -> httpx.Response:
        headers = dict(self._headers())
        headers["accept-encoding"] = "gzip"
        if request.body is not None:
            headers["content-type"] = "application/json"
        propagate.inject(headers)
        wire = httpx.Request(
            request.method,
            self._origin + request.target,
            headers=headers,
            content=request.body,
            extensions={"timeout": {"connect": connect_seconds}},
        )
        if wire.url.raw_path != request.target.encode() or wire.url.host != self._base.host:
            raise ValueError("the URL that would be sent is not the one that was built")
        return await self._transport.handle_async_request(wire)


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None


def _may_be_repeated(answer: Answer) -> bool:
    return answer.status in RETRIED_STATUSES


_jittered = tenacity.wait_random_exponential(multiplier=0.1, max=2.0)


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the upstream's own Retry-After, or a random time that doubles its bound."""
    if state.outcome is not None and not state.outcome.failed:
        asked: float | None = state.outcome.result().retry_after()
        if asked is not None:
            return asked
    return _jittered(state)


def _last_outcome(state: tenacity.RetryCallState) -> Any:
    """Return or raise what the last attempt did, instead of tenacity's own error."""
    assert state.outcome is not None  # noqa: S101 - called after an attempt
    return state.outcome.result()


def _failed(span: Any, error: BaseException) -> None:
    """Mark a span as failed by the kind of error alone: its text may hold anything."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


async def _body_of(response: httpx.Response) -> bytes | None:
    """Return the inflated body, None where it is too large or cannot be inflated."""
    try:
        return await _bounded_body(response)
    except _Unreadable:
        return None
    finally:
        await response.aclose()


async def _bounded_body(response: httpx.Response) -> bytes:
    """Return the inflated body; raises _Unreadable as soon as it is known to be too large."""
    encoding = response.headers.get("content-encoding", "").strip().lower() or "identity"
    chunks: list[bytes] = []
    size = 0
    inflater = None
    if encoding != "identity":
        if encoding not in _INFLATERS:
            raise _Unreadable
        inflater = zlib.decompressobj(_INFLATERS[encoding])
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - async transports give these
    async for chunk in stream:
        if inflater is None:
            piece = chunk
        else:
            try:
                piece = inflater.decompress(chunk, MAX_REPLY - size + 1)
            except zlib.error as error:
                raise _Unreadable from error
            if inflater.unused_data:
                # zlib would copy whatever follows the end, again for every chunk.
                raise _Unreadable
        size += len(piece)
        if size > MAX_REPLY:
            raise _Unreadable
        chunks.append(piece)
    if inflater is not None and size and not inflater.eof:
        raise _Unreadable
    return b"".join(chunks)
