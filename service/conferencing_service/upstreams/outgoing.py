"""Requests as they leave: what is the same in many of them is parsed and encoded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import httpx
from opentelemetry import propagate

from conferencing_service.upstreams.exchange import RestRequest

# What a caller says in its baggage is not for vendors.
_HANDED_ON = ("traceparent", "tracestate")

# The calendars of the hour, not every event.
_PARSED_URLS = 1024


class Outgoing:
    """Makes httpx's requests out of ours.

    Args:
        origin: scheme, host and port of the upstream.
        headers: what every request carries; asked for each, and encoded when it is another.
    """

    def __init__(self, origin: str, headers: Callable[[], Mapping[str, str]]) -> None:
        self._origin = origin
        self._host = httpx.URL(origin).host
        self._headers = headers
        self._encoded = _Encoded({})
        self._url = functools.lru_cache(_PARSED_URLS)(self._parsed)

    def request(self, request: RestRequest, connect_seconds: float) -> httpx.Request:
        """Return a request with our headers and the trace that is under way."""
        given = self._headers()
        if self._encoded.given is not given:
            self._encoded = _Encoded(given)
        headers = self._encoded.copy(has_body=request.body is not None)
        trace: dict[str, str] = {}
        propagate.inject(trace)
        for name in _HANDED_ON:
            if name in trace:
                headers[name] = trace[name]
        outgoing = httpx.Request(
            request.method,
            self._url(request.target),
            headers=headers,
            # A stream, since httpx looks at every other kind of body to name its type and size.
            stream=httpx.ByteStream(request.body or b""),
            extensions={"timeout": {"connect": connect_seconds}},
        )
        outgoing.read()
        return outgoing

    def _parsed(self, target: str) -> httpx.URL:
        """Return the URL of a target; httpx normalises some, and then it is another one."""
        url = httpx.URL(self._origin + target)
        if url.raw_path != target.encode() or url.host != self._host:
            raise ValueError("the URL that would be sent is not the one that was built")
        return url


class _Encoded:
    """Headers as httpx holds them.

    Args:
        given: what every request carries.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self._without_body = httpx.Headers({**given, "accept-encoding": "gzip"})
        self._with_body = self._without_body.copy()
        self._with_body["content-type"] = "application/json"

    def copy(self, *, has_body: bool) -> httpx.Headers:
        """Return them, to be added to."""
        return (self._with_body if has_body else self._without_body).copy()
