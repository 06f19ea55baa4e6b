"""aiohttp beneath httpx's transport interface.

Ours, because the published adapter reports a connection that broke after the request as a connect
time-out: a write would look unsent that may have arrived. It also keeps aiohttp from repeating
PUT and DELETE by itself on a connection that was kept alive.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import aiohttp
import certifi
import httpx
from yarl import URL

_CHUNK = 65_536
_OUR_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One connection pool for the life of the process; no redirects, proxies or cookies.

    Raises httpx.ConnectError and httpx.ConnectTimeout when nothing was sent, httpx.ReadError for
    everything that broke later.

    Args:
        connections: how many connections may be open at once; more requests wait.
        connect_seconds: how long a request may wait until it has a connection: for a free place
            in the pool, DNS, TCP and TLS together. A request can shorten it by the "connect" of
            httpx's timeout extension.
        keepalive_seconds: how long an idle connection is kept. Shorter than any vendor keeps one,
            because a request on a connection that is being closed is a request in doubt.
    """

    def __init__(
        self,
        *,
        connections: int = 512,
        connect_seconds: float = 10.0,
        keepalive_seconds: float = 15.0,
    ) -> None:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        connector = aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=keepalive_seconds, ssl=context
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_OUR_HEADERS,
        )
        self._connect_seconds = connect_seconds
        # aiohttp sends idempotent methods again when a kept connection turns out closed, and has
        # no public switch; PUT and DELETE mail people here, so they are not idempotent to us.
        self._session._retry_connection = False  # noqa: SLF001

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; the answer's body is still to be read."""
        asked = request.extensions.get("timeout", {}).get("connect", self._connect_seconds)
        connect_seconds = min(self._connect_seconds, asked)
        try:
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds),
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout("connecting took too long", request=request) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError("no connection", request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection broke", request=request) from error
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(_CHUNK):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection broke") from error

    async def aclose(self) -> None:
        # A body that was read whole has given its connection back; any other drops it here.
        self._answer.close()
