"""Answers on the wire: JSON with a request id, gzipped when asked, or cut short on purpose."""

from __future__ import annotations

import enum
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from conferencing_service.sandbox.connection import Connection

# Nylas docs: an answer is compressed when the client asks for it, unless it is this short.
_SHORTEST_GZIPPED = 200


class Ending(enum.Enum):
    """How an answer ends."""

    COMPLETE = enum.auto()
    TRUNCATED = enum.auto()
    RESET = enum.auto()


@dataclass(frozen=True)
class Answer:
    """What is sent back for one request."""

    request_id: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    ending: Ending = Ending.COMPLETE

    def reset(self) -> Answer:
        """The same, but the client learns nothing of it."""
        return replace(self, ending=Ending.RESET)


def json_answer(
    request_id: str,
    status: int,
    payload: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer with this payload and the request id."""
    body = json.dumps(
        {"request_id": request_id, **payload}, ensure_ascii=False, separators=(",", ":")
    )
    return Answer(request_id, status, body.encode(), headers or {})


class AnswerResponse(Response):
    """Sends an answer, or breaks off as it says."""

    def __init__(self, answer: Answer, request: Request) -> None:
        body = answer.body
        headers = {"x-request-id": answer.request_id, "conferencing-sandbox": "1", **answer.headers}
        if len(body) > _SHORTEST_GZIPPED and "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
        super().__init__(body, answer.status, headers, answer.media_type)
        self._ending = answer.ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if self._ending is Ending.COMPLETE:
            await super().__call__(scope, receive, send)
            return
        connection: Connection | None = scope.get("state", {}).get("connection")
        if connection is None:
            raise ConnectionResetError("the sandbox broke off its answer")
        if self._ending is Ending.RESET:
            connection.reset()
        else:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            half = bytes(self.body[: len(self.body) // 2])
            await send({"type": "http.response.body", "body": half, "more_body": True})
            connection.close()
        while (await receive())["type"] != "http.disconnect":
            pass
