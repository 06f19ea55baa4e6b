"""One request to an upstream, and all that can become of it: answered, unsent, lost or limited."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import httpx

from conferencing_service.core.value import value

# Seconds, of five digits; a date can be thousands of years away.
_LONGEST_PAUSE = 99_999.0


class Gate(StrEnum):
    """What can keep a request from leaving; traces and logs tell these names."""

    BREAKER_OPEN = "breaker_open"
    GRANT_LIMITED = "grant_limited"
    BULKHEAD_FULL = "bulkhead_full"


class Unsent(Exception):
    """Nothing left this process.

    Args:
        retry_after: seconds after which another request may do better.
        gate: what of ours did not let it leave; None when it found no connection, or no time.
    """

    def __init__(self, retry_after: float = 1.0, gate: Gate | None = None) -> None:
        super().__init__("unsent")
        self.retry_after = retry_after
        self.gate = gate


class Limited(Exception):
    """Nothing left this process: the upstream asked for a pause that outlasts the call.

    Args:
        seconds: how long the pause still lasts.
    """

    gate = Gate.GRANT_LIMITED

    def __init__(self, seconds: float) -> None:
        super().__init__("limited")
        self.seconds = seconds


class Lost(Exception):
    """The request was sent, or may have been, and no usable answer came back.

    Args:
        request_id: the upstream's own id of the request, when at least the headers came.
    """

    def __init__(self, request_id: str = "") -> None:
        super().__init__("lost")
        self.request_id = request_id


@value
class RestRequest:
    """A request to an upstream.

    Attributes:
        method: the HTTP method.
        template: the path with placeholders, for traces ("/v3/grants/{grant_id}").
        target: the encoded path and query.
        body: JSON, or None.
        grant_id: on whose account it is made; requests of one grant share its limits.
    """

    method: str
    template: str
    target: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    grant_id: str = field(kw_only=True, repr=False)


@value
class Answer:
    """What an upstream answered.

    Attributes:
        status: the HTTP status.
        headers: the headers.
        body: the inflated body; None where it is too large, and empty where it cannot be inflated,
            which leaves the status to be judged by itself.
        request_id: the upstream's own id of the request, "" where it gave none that is one.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes | bytearray | None = field(default=b"", repr=False)
    request_id: str = ""

    def retry_after(self) -> float | None:
        """Return the seconds of Retry-After, None where there are none (RFC 9110, 10.2.3).

        A date is counted from the answer's own Date, so that nobody's clock matters. One that
        is more than a day away is taken for the longest pause.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdecimal() and len(value) < 6:
            return float(value)
        until, now = _date(value), _date(self.headers.get("date", ""))
        if until is None or now is None:
            return None
        return min(max(0.0, (until - now).total_seconds()), _LONGEST_PAUSE)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # "-0000" tells no zone (RFC 5322, 3.3); dates of HTTP have no other than GMT.
    return date if date.tzinfo else date.replace(tzinfo=UTC)
