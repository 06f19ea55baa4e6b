"""The paths of the page, and what is sent with every answer on them."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from conferencing_service.sandbox.faults import Faults
from conferencing_service.sandbox.page.document import (
    CONTENTS,
    ICON,
    SCRIPT,
    STYLE,
    contents,
    document,
)
from conferencing_service.sandbox.page.snapshot import Camera, Snapshot
from conferencing_service.sandbox.query import Query
from conferencing_service.sandbox.request_log import RequestLog
from conferencing_service.sandbox.store import Store

_HEADERS = {
    # Everything comes from here, nothing is inline: markup that slipped through could do nothing.
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "conferencing-sandbox": "1",
}
_FILES = {
    STYLE: ("page.css", "text/css"),
    SCRIPT: ("page.js", "text/javascript"),
    ICON: ("page.svg", "image/svg+xml"),
}


class Page:
    """Answers on the page's paths."""

    def __init__(
        self, store: Store, faults: Faults, requests: RequestLog, clock: Callable[[], float]
    ) -> None:
        self._camera = Camera(store, faults, requests)
        self._clock = clock
        # Another run of the sandbox counts its changes from the beginning.
        self._run = secrets.token_hex(4)

    def routes(self) -> list[Route]:
        """What is answered where."""
        folder = files(__package__)
        return [
            Route("/", _guarded(self._document)),
            Route(CONTENTS, _guarded(self._contents)),
            *(
                Route(path, _guarded(_file((folder / name).read_bytes(), media_type)))
                for path, (name, media_type) in _FILES.items()
            ),
        ]

    def _document(self, request: Request) -> Response:
        return Response(document(self._snapshot(request)), media_type="text/html")

    def _contents(self, request: Request) -> Response:
        tag = f'"{self._run}-{"-".join(map(str, self._camera.changes))}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        snapshot = self._snapshot(request)
        # What changes by itself has no tag, so that it is asked for again until it has.
        headers = {} if snapshot.changes_by_itself else {"etag": tag}
        return Response(contents(snapshot), media_type="text/html", headers=headers)

    def _snapshot(self, request: Request) -> Snapshot:
        grant_id = Query(request.scope["query_string"]).text("grant")
        return self._camera.take(grant_id, self._clock())


_Answer = Callable[[Request], Response]


def _file(content: bytes, media_type: str) -> _Answer:
    return lambda _request: Response(content, media_type=media_type)


def _guarded(answer: _Answer) -> Callable[[Request], object]:
    async def answer_on_loopback(request: Request) -> Response:
        # Another name may be that of a stranger's site, led here by its DNS to read along.
        if not is_loopback(request.headers.get("host", "")):
            return PlainTextResponse(
                "The sandbox's page answers under localhost, 127.0.0.1 and [::1] only.\n",
                status_code=421,
                headers=_HEADERS,
            )
        response = answer(request)
        response.headers.update(_HEADERS)
        return response

    return answer_on_loopback


def is_loopback(host: str) -> bool:
    """Whether a Host header names this very machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
