"""The Nylas API as a table of answers, and the adapter in front of it as the server builds it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from conferencing_service.api_key import ApiKey
from conferencing_service.core.model import Event, Notify, Timespan
from conferencing_service.core.upstream import Call
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.nylas import NylasUpstream
from conferencing_service.vendor import Vendor, nylas_upstream

KEY = "planted-key-7d1f"
START = 1_893_492_000
SECONDS = 30.0

Answer = httpx.Response | Exception | Callable[[httpx.Request], Any]


def reply(
    status: int = 200,
    data: Any = None,
    *,
    error: Any = None,
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    """An answer of the vendor: its envelope around data or an error, or a body as it is."""
    envelope: dict[str, Any] = {"request_id": "r", **more}
    if data is not None:
        envelope["data"] = data
    if error is not None:
        envelope["error"] = {"type": error, "message": "planted"} if error == str(error) else error
    content = json.dumps(envelope) if body is None else body
    return httpx.Response(
        status, content=content, headers={"x-request-id": "upstream-1", **(headers or {})}
    )


def stored(**fields: Any) -> dict[str, Any]:
    """An event as the vendor tells it."""
    return {
        "id": "e",
        "object": "event",
        "grant_id": "g",
        "calendar_id": "c",
        "title": "Review",
        "busy": True,
        "participants": [],
        "when": {"start_time": START, "end_time": START + 3600, "object": "timespan"},
        **fields,
    }


def new_event(**fields: Any) -> Event:
    """An event to be made."""
    return Event(**{"title": "Review", "when": Timespan(START, START + 3600), **fields})


def kind_of(request: httpx.Request) -> str:
    """What a request is about: "GET grant", "POST events", "PUT event", ..."""
    parts = request.url.raw_path.decode().partition("?")[0].split("/")
    assert parts[:3] == ["", "v3", "grants"]
    names = {4: "grant", 5: parts[-1], 6: parts[-2].removesuffix("s")}
    return f"{request.method} {names[len(parts)]}"


@dataclass
class Nylas:
    """The adapter, what it is answered, and what it sent."""

    upstream: NylasUpstream
    now: float = 1000.0
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def on(self, kind: str, *answers: Answer) -> None:
        """Answer requests of a kind so, one after the other; the last one for good."""
        self.answers[kind] = list(answers)

    def call(self, seconds: float = SECONDS) -> Call:
        """A call that has so many seconds."""
        return Call(lambda: self.now, self.now, self.now + seconds, self.now + seconds)

    def sent(self) -> list[str]:
        """What was sent, in order."""
        return [kind_of(request) for request in self.requests]

    def spans(self) -> tuple[ReadableSpan, ...]:
        """The client spans that have ended."""
        return self.exporter.get_finished_spans()

    async def read(self, data: Any) -> Event:
        """Read an event that the vendor tells so."""
        self.on("GET event", reply(data=data))
        return await self.upstream.get_event(self.call(), "g", "primary", "e")

    async def create(self, event: Event | None = None, notify: Notify = Notify.ALL) -> Event:
        """Make an event."""
        return await self.upstream.create_event(
            self.call(), "g", "primary", event or new_event(), notify
        )

    async def update(self, *fields: str, notify: Notify = Notify.ALL, **values: Any) -> Event:
        """Change an event."""
        event = Event(id="e", **values)
        return await self.upstream.update_event(
            self.call(), "g", "primary", event, frozenset(fields), notify
        )

    async def delete(self, notify: Notify = Notify.ALL) -> None:
        """Delete an event."""
        await self.upstream.delete_event(self.call(), "g", "primary", "e", notify)

    def bodies(self) -> Iterator[Any]:
        """The JSON bodies that were sent."""
        return (json.loads(request.content) for request in self.requests if request.content)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self.answers[kind_of(request)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, httpx.Response):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )
        if isinstance(answer, Exception):
            raise answer
        made: httpx.Response = await answer(request)
        return made

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@asynccontextmanager
async def nylas_at(base_url: str = "https://api.us.nylas.com") -> AsyncIterator[Nylas]:
    """The adapter in front of a table of answers."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    nylas: Nylas

    async def answer(request: httpx.Request) -> httpx.Response:
        return await nylas._answer(request)

    async def sleep(seconds: float) -> None:
        await nylas._sleep(seconds)

    upstream = nylas_upstream(
        Vendor(base_url, ApiKey(SecretStr(KEY))),
        Settings(),
        Telemetry(provider, Telemetry.off().meters),
        transport=httpx.MockTransport(answer),
        sleep=sleep,
    )
    nylas = Nylas(upstream, exporter=exporter)
    try:
        yield nylas
    finally:
        await upstream.aclose()
        provider.shutdown()
