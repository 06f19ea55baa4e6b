"""How an armed fault bends the handling of one call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conferencing_service.sandbox.answers import Answer, Ending
from conferencing_service.sandbox.errors import (
    grant_rejected,
    internal,
    provider_rate_limited,
    provider_timeout,
    unavailable,
)
from conferencing_service.sandbox.faults import Fault
from conferencing_service.sandbox.vendor import Delay, Twist

_NO_TWIST = Twist()


@dataclass(frozen=True)
class Attempt:
    """A call about to be handled."""

    request_id: str
    perform: Callable[[Twist], Answer]
    """Handle it: whatever it changes is committed when this returns."""
    later: Callable[[float, Callable[[], Any]], None]
    """Do something so many seconds from now, whoever is still listening."""


async def misbehave(fault: Fault, attempt: Attempt) -> Answer:
    """Handle the call as the fault says."""
    return await _WAYS[fault.kind](fault.value, attempt)


async def _latency(value: float, attempt: Attempt) -> Answer:
    await asyncio.sleep(value / 1000)
    return attempt.perform(_NO_TWIST)


async def _rate_limit(value: int, _attempt: Attempt) -> Answer:
    raise provider_rate_limited(value)


async def _server_error(value: int, attempt: Attempt) -> Answer:
    if value == 502:
        # A gateway in front of the vendor answers this one, and it does not speak JSON.
        page = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
        return Answer(attempt.request_id, 502, page, media_type="text/html")
    raise unavailable(value)


async def _grant_401(_value: None, _attempt: Attempt) -> Answer:
    raise grant_rejected()


async def _timeout_after_commit(value: float, attempt: Attempt) -> Answer:
    attempt.perform(_NO_TWIST)
    await asyncio.sleep(value / 1000)
    raise provider_timeout()


async def _server_error_after_commit(_value: None, attempt: Attempt) -> Answer:
    attempt.perform(_NO_TWIST)
    raise internal()


async def _reset_before_commit(_value: None, attempt: Attempt) -> Answer:
    return _silence(attempt)


async def _reset_after_commit(_value: None, attempt: Attempt) -> Answer:
    return attempt.perform(_NO_TWIST).reset()


async def _late_commit(value: float, attempt: Attempt) -> Answer:
    attempt.later(value / 1000, lambda: attempt.perform(_NO_TWIST))
    return _silence(attempt)


async def _insert_refused(value: int, attempt: Attempt) -> Answer:
    return attempt.perform(Twist(refuse_event_with=value))


async def _pending_conference(value: float | None, attempt: Attempt) -> Answer:
    return attempt.perform(Twist(conference_delay=Delay(value)))


async def _malformed_body(_value: None, attempt: Attempt) -> Answer:
    answer = attempt.perform(_NO_TWIST)
    return replace(answer, body=answer.body[:-1] + b',"data":')


async def _truncated_body(_value: None, attempt: Attempt) -> Answer:
    return replace(attempt.perform(_NO_TWIST), ending=Ending.TRUNCATED)


async def _oversized_body(value: int, attempt: Attempt) -> Answer:
    answer = attempt.perform(_NO_TWIST)
    payload = {**json.loads(answer.body), "padding": ""}
    bare = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    # The padding is the last string: `"}` closes it and the body.
    return replace(answer, body=bare[:-2] + b"x" * (value - len(bare)) + bare[-2:])


def _silence(attempt: Attempt) -> Answer:
    return Answer(attempt.request_id, 200, b"").reset()


_WAYS: Mapping[str, Callable[[Any, Attempt], Awaitable[Answer]]] = {
    "latency": _latency,
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "grant_401": _grant_401,
    "malformed_body": _malformed_body,
    "truncated_body": _truncated_body,
    "oversized_body": _oversized_body,
    "reset_before_commit": _reset_before_commit,
    "reset_after_commit": _reset_after_commit,
    "late_commit": _late_commit,
    "timeout_after_commit": _timeout_after_commit,
    "server_error_after_commit": _server_error_after_commit,
    "insert_refused": _insert_refused,
    "pending_conference": _pending_conference,
}
