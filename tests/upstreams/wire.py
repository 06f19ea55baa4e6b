"""A way out on a wire that answers from a list, a clock that sleeping moves, and the spans."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from conferencing_service.core.upstream import Call
from conferencing_service.upstreams.breaker import CircuitBreaker
from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.http import Answer, RestClient, RestRequest
from conferencing_service.upstreams.retry_budget import RetryBudget

KEY = "planted-key-7d1f"
GRANT = "planted@example.org"
READ = RestRequest(
    "GET", "/v3/grants/{grant_id}", "/v3/grants/planted%40example.org", grant_id=GRANT
)
WRITE = RestRequest(
    "POST", "/v3/grants/{grant_id}/events", "/v3/grants/g/events?x=1", b"{}", grant_id=GRANT
)


class Stream(httpx.AsyncByteStream):
    """A body that comes in pieces and counts those that were taken."""

    def __init__(self, pieces: Iterable[bytes], *, forever: bool = False) -> None:
        self._pieces = pieces
        self._forever = forever
        self.taken = 0
        self.started = asyncio.Event()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            self.started.set()
            yield piece
        if self._forever:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


class Wire(httpx.AsyncBaseTransport):
    """A transport that answers from a list, the last one for good."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.requests: list[httpx.Request] = []
        self.at_request: Callable[[], None] = lambda: None
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.at_request()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Out:
    """A client on a wire, a clock that sleeping moves, and the spans that ended."""

    wire: Wire = field(default_factory=Wire)
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=TracerProvider)
    base_url: str = "https://api.example.org"
    chance: Callable[[], float] = random.random
    budget: RetryBudget | None = None
    breaker: CircuitBreaker | None = None
    bulkhead: Bulkhead | None = None

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self) -> RestClient:
        return RestClient(
            transport=self.wire,
            base_url=self.base_url,
            headers=lambda: {"authorization": f"Bearer {KEY}"},
            tracer=self.provider.get_tracer("test"),
            request_id_header="x-request-id",
            sandbox_header="conferencing-sandbox",
            sleep=self.sleep,
            chance=self.chance,
            budget=self.budget,
            breaker=self.breaker,
            bulkhead=self.bulkhead,
        )

    def call(self, seconds: float = 30.0) -> Call:
        return Call(lambda: self.now, self.now, self.now + seconds, self.now + seconds)

    async def read(self, *answers: httpx.Response | Exception, seconds: float = 30.0) -> Answer:
        self.wire.answers = list(answers)
        return await self.client().read(self.call(seconds), READ)

    async def write(self, *answers: httpx.Response | Exception, seconds: float = 30.0) -> Answer:
        self.wire.answers = list(answers)
        return await self.client().write(self.call(), WRITE, seconds)

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


def ok(body: bytes = b"{}", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, content=body, headers=named)
