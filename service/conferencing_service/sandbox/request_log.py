"""The calls that the vendor received, so that tests can count them and people can follow them."""

from __future__ import annotations

import itertools
import re
from collections import deque
from dataclasses import dataclass
from typing import Any

_KEPT = 10_000

# W3C Trace Context: version, trace id, parent id, flags; a version to come may add more.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


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
    fault: str | None = None
    """The kind of the armed fault that befell the call."""

    ended_at: float | None = None
    """When it was answered, or broken off; None as long as it is under way."""

    @property
    def trace_id(self) -> str | None:
        """The trace that the call belongs to; None when ``traceparent`` names none."""
        named = _TRACEPARENT.fullmatch(self.traceparent or "")
        return None if named is None else named[1]

    def document(self) -> dict[str, Any]:
        """The call as the sandbox shows it; what only some calls have is left out of the others."""
        rare = {"trace_id": self.trace_id, "fault": self.fault}
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
            **{name: value for name, value in rare.items() if value is not None},
        }


class RequestLog:
    """The latest calls, the oldest forgotten first."""

    def __init__(self) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)
        self.changes = 0
        """Grows with every change of what the log holds."""

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
        self.changes += 1
        return request

    def end(self, request: LoggedRequest, status: int | None, at: float) -> None:
        """Note how a call was answered; no status: it was broken off."""
        request.status, request.ended_at = status, at
        self.changes += 1

    def latest(self, grant_id: str | None, limit: int) -> tuple[list[LoggedRequest], int]:
        """The last calls, or those of one grant, the newest first; and how many there are."""
        found = [
            request for request in reversed(self._requests) if grant_id in (None, request.grant_id)
        ]
        return found[:limit], len(found)

    def document(self, grant_id: str | None) -> list[dict[str, Any]]:
        """The calls, or those of one grant."""
        return [
            request.document() for request in self._requests if grant_id in (None, request.grant_id)
        ]

    def clear(self) -> None:
        """Forget the calls; their numbers go on."""
        self._requests.clear()
        self.changes += 1
