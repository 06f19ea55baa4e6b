"""The sandbox as an ASGI application: the vendor's paths, the sandbox's own, and its page."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from conferencing_service.sandbox.answers import Answer, AnswerResponse, Ending, json_answer
from conferencing_service.sandbox.bodies import parse_object, read_body
from conferencing_service.sandbox.control import Control
from conferencing_service.sandbox.errors import (
    VendorError,
    grant_not_found,
    grant_rejected,
    internal,
    invalid,
    not_found,
    unauthorized,
)
from conferencing_service.sandbox.faults import Fault, Faults, read_faults
from conferencing_service.sandbox.grants import Grant
from conferencing_service.sandbox.limits import Limiter
from conferencing_service.sandbox.misbehaviour import Attempt, misbehave
from conferencing_service.sandbox.page import Page
from conferencing_service.sandbox.query import Query
from conferencing_service.sandbox.request_log import LoggedRequest, RequestLog
from conferencing_service.sandbox.settings import SandboxSettings
from conferencing_service.sandbox.store import Store
from conferencing_service.sandbox.vendor import Call, Twist, Vendor
from conferencing_service.sandbox.wishes import wants_autocreate

_API_KEY = "Bearer sandbox"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_log = logging.getLogger(__name__)

_Endpoint = Callable[[Vendor, Call], dict[str, Any]]

# The shape of a path under /v3, with a star for each id.
_ENDPOINTS: Mapping[str, Mapping[str, _Endpoint]] = {
    "grants/*": {"GET": Vendor.get_grant},
    "grants/*/calendars": {"GET": Vendor.list_calendars},
    "grants/*/calendars/*": {"GET": Vendor.get_calendar},
    "grants/*/events": {"GET": Vendor.list_events, "POST": Vendor.create_event},
    "grants/*/events/*": {
        "GET": Vendor.get_event,
        "PUT": Vendor.update_event,
        "DELETE": Vendor.delete_event,
    },
    "grants/*/events/*/send-rsvp": {"POST": Vendor.send_rsvp},
}


@dataclass(frozen=True)
class Path:
    """A path under /v3, taken apart before its escapes are undone: an id may hold a slash."""

    shape: str
    grant_id: str | None = None
    item_id: str = ""
    resource: str = "grant"

    @classmethod
    def of(cls, raw: str) -> Path:
        """Take the raw path apart."""
        segments = raw.strip("/").split("/")[1:]
        shape = "/".join("*" if place % 2 else segment for place, segment in enumerate(segments))
        ids = [unquote(segment) for segment in segments[1::2]]
        return cls(
            shape=shape,
            grant_id=ids[0] if ids else None,
            item_id=ids[1] if len(ids) > 1 else "",
            resource=segments[2] if len(segments) > 2 else "grant",
        )


def create_app(settings: SandboxSettings, clock: Callable[[], float] = time.time) -> SandboxApp:
    """The application of these settings, with a store of its own."""
    return SandboxApp(settings, clock)


class SandboxApp:
    """The ASGI application."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._faults = Faults(read_faults(list(settings.faults)))
        self._store = Store(settings.database)
        self._vendor = Vendor(self._store)
        self._vendor.seed(clock())
        self._requests = RequestLog()
        self._event_limit = Limiter(settings.events_per_second, time.monotonic)
        self._grant_limit = Limiter(settings.grants_per_second, time.monotonic)
        self._tasks: set[asyncio.Task[None]] = set()
        control = Control(self._vendor, self._store, self._faults, self._requests, clock)
        page = Page(self._store, self._faults, self._requests, clock)
        self._router = Router(
            [
                *page.routes(),
                Route("/v3/{path:path}", self._v3, methods=_METHODS),
                Route("/{path:path}", partial(self._answered, control.answer), methods=_METHODS),
            ],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            # Routing sees the path as it was sent, so that an escaped slash stays within its id.
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await self._router(scope, receive, send)

    def close(self) -> None:
        """Forget what was still to be done late, and leave the database."""
        for task in self._tasks:
            task.cancel()
        self._store.close()

    async def _v3(self, request: Request) -> Response:
        path, request_id = Path.of(request.scope["path"]), str(uuid.uuid4())
        entry = self._requests.open(
            method=request.method,
            path=request.scope["path"],
            query=request.scope["query_string"].decode("latin-1"),
            grant_id=path.grant_id,
            traceparent=request.headers.get("traceparent"),
            request_id=request_id,
            at=self._clock(),
        )
        handle = partial(self._handle, path=path, entry=entry)
        answer = await _answer(handle, request, request_id)
        status = None if answer.ending is Ending.RESET else answer.status
        self._requests.end(entry, status, self._clock())
        return AnswerResponse(answer, request)

    async def _answered(
        self, handle: Callable[[Request, bytes, str], Answer], request: Request
    ) -> Response:
        request_id = str(uuid.uuid4())

        async def read_and_handle(request: Request) -> Answer:
            return handle(request, await read_body(request), request_id)

        return AnswerResponse(await _answer(read_and_handle, request, request_id), request)

    async def _handle(self, request: Request, path: Path, entry: LoggedRequest) -> Answer:
        if request.headers.get("authorization") != _API_KEY:
            raise unauthorized()
        request_id, query = entry.request_id, Query(request.scope["query_string"])
        content = await read_body(request)
        if path.shape == "grants" and request.method == "GET":
            self._grant_limit.admit("")
            return json_answer(request_id, 200, self._vendor.list_grants(query))
        endpoint = _endpoint(path, request.method)
        grant_id = path.grant_id or ""
        self._admit(path)
        fault = self._take_fault(path, request.method, content)

        def perform(twist: Twist) -> Answer:
            try:
                grant = self._grant(grant_id, path.resource)
                # The endpoint takes its time from the moment at which it really runs, however late
                # that is.
                call = Call(grant, query, self._clock(), path.item_id, parse_object(content), twist)
                return json_answer(request_id, 200, endpoint(self._vendor, call))
            except VendorError as error:
                return json_answer(request_id, error.status, error.payload(), error.headers)

        if fault is None:
            return perform(Twist())
        entry.fault = fault.kind
        return await misbehave(fault, Attempt(request_id, perform, self._later))

    def _admit(self, path: Path) -> None:
        if path.resource == "grant":
            self._grant_limit.admit("")
        else:
            self._event_limit.admit(path.grant_id or "")

    def _take_fault(self, path: Path, method: str, content: bytes) -> Fault | None:
        if self._faults.empty:
            return None
        try:
            autocreate = wants_autocreate(parse_object(content))
        except VendorError:
            # An unreadable body asks for nothing; the endpoint will refuse it.
            autocreate = False
        return self._faults.take(path.grant_id or "", method, path.resource, autocreate)

    def _grant(self, grant_id: str, resource: str) -> Grant:
        grant = self._store.grant(grant_id)
        if grant is None:
            raise grant_not_found()
        if resource != "grant":
            if not grant.platform.has_calendar:
                raise invalid(f"a {grant.provider} grant has no calendar")
            if grant.grant_status != "valid":
                raise grant_rejected()
        return grant

    def _later(self, seconds: float, act: Callable[[], Any]) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(seconds)
            act()

        task = asyncio.create_task(wait_and_act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answer(handle: Callable[[Request], Any], request: Request, request_id: str) -> Answer:
    try:
        answer: Answer = await handle(request)
    except VendorError as error:
        return json_answer(request_id, error.status, error.payload(), error.headers)
    except Exception:  # noqa: BLE001 - our bug is answered as the vendor would answer its own
        _log.exception("a request could not be handled")
        return json_answer(request_id, 500, internal().payload())
    return answer


def _endpoint(path: Path, method: str) -> _Endpoint:
    if path.shape not in _ENDPOINTS:
        raise not_found("Path")
    endpoint = _ENDPOINTS[path.shape].get(method)
    if endpoint is None:
        raise VendorError(405, "api.bad_request", "Method not allowed.")
    return endpoint
