"""The calls that the vendor received, so that tests can count them."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any

_KEPT = 10_000


@dataclass
class LoggedRequest:
    """One call, without its body; the status is None as long as nothing was answered."""

    seq: int
    method: str
    path: str
    query: str
    grant_id: str | None
    traceparent: str | None
    request_id: str
    at: float
    status: int | None = None

    def document(self) -> dict[str, Any]:
        """The call as the sandbox shows it."""
        return {
            "seq": self.seq,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "grant_id": self.grant_id,
            "status": self.status,
            "traceparent": self.traceparent,
            "request_id": self.request_id,
            "at": self.at,
        }


class RequestLog:
    """The latest calls, the oldest forgotten first."""

    def __init__(self) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)

    def open(
        self,
        *,
        method: str,
        path: str,
        query: str,
        grant_id: str | None,
        traceparent: str | None,
        request_id: str,
        at: float,
    ) -> LoggedRequest:
        """Note a call as it arrives."""
        number = next(self._numbers)
        request = LoggedRequest(number, method, path, query, grant_id, traceparent, request_id, at)
        self._requests.append(request)
        return request

    def document(self, grant_id: str | None) -> list[dict[str, Any]]:
        """The calls, or those of one grant."""
        return [
            request.document() for request in self._requests if grant_id in (None, request.grant_id)
        ]

    def clear(self) -> None:
        """Forget the calls; their numbers go on."""
        self._requests.clear()
