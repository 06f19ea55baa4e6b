"""aiohttp beneath httpx's transport interface.

Ours, because the published adapter reports a connection that broke after the request as a connect
time-out: a write would look unsent that may have arrived. It also keeps aiohttp from repeating
PUT and DELETE by itself on a connection that was kept alive.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from types import TracebackType
from typing import Self

import aiohttp
import certifi
import httpx
from aiohttp.abc import AbstractResolver
from yarl import URL

from conferencing_service.upstreams.addresses import AddressRefused, CheckedResolver

_CHUNK = 65_536
_LEAST_SECONDS = 0.001
_OUR_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One connection pool for the life of the process; no redirects, proxies or cookies.

    Raises httpx.PoolTimeout, httpx.ConnectError and httpx.ConnectTimeout when nothing was sent, httpx.ReadError for
    everything that broke later.

    Args:
        connections: how many connections may be open at once; more requests wait.
        connect_seconds: how long a request may wait until it has a connection: for a free place
            in the pool, DNS, TCP and TLS together. A request can shorten it by the "connect" of
            httpx's timeout extension.
        keepalive_seconds: how long an idle connection is kept. Shorter than any vendor keeps one,
            because a request on a connection that is being closed is a request in doubt.
        own_hosts: names that may stand for addresses of a private network; any other name stands
            for public ones.
        resolver: turns names into addresses.
    """

    def __init__(
        self,
        *,
        connections: int = 512,
        connect_seconds: float = 10.0,
        keepalive_seconds: float = 15.0,
        own_hosts: Collection[str] = (),
        resolver: AbstractResolver | None = None,
    ) -> None:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        self._resolver = CheckedResolver(resolver or aiohttp.ThreadedResolver(), own_hosts)
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=keepalive_seconds, ssl=context, resolver=self._resolver
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_OUR_HEADERS,
            trust_env=False,
        )
        self._connect_seconds = connect_seconds
        # aiohttp's own limit does not tell a full pool from an upstream that cannot be reached.
        self._places = asyncio.Semaphore(connections)
        # aiohttp sends idempotent methods again when a kept connection turns out closed, and has
        # no public switch; PUT and DELETE mail people here, so they are not idempotent to us.
        self._session._retry_connection = False  # noqa: SLF001

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; the answer's body is still to be read."""
        asked = request.extensions.get("timeout", {}).get("connect", self._connect_seconds)
        connect_seconds = min(self._connect_seconds, asked)
        started = asyncio.get_running_loop().time()
        await self._take_place(request, connect_seconds)
        left = connect_seconds - (asyncio.get_running_loop().time() - started)
        try:
            answer = await self._requested(request, max(left, _LEAST_SECONDS))
        except BaseException:
            self._places.release()
            raise
        body = _Body(answer, self._places.release)
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=body)

    async def _take_place(self, request: httpx.Request, seconds: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("no place in the pool", request=request) from error

    async def _requested(
        self, request: httpx.Request, connect_seconds: float
    ) -> aiohttp.ClientResponse:
        try:
            # aiohttp asks no resolver for these.
            self._resolver.check_literal(request.url.host)
            return await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds),
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout("connecting took too long", request=request) from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, AddressRefused) as error:
            raise httpx.ConnectError("no connection", request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection broke", request=request) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolver.close()

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
    """An answer's body, which gives its place in the pool back when it is closed."""

    def __init__(self, answer: aiohttp.ClientResponse, leave: Callable[[], None]) -> None:
        self._answer = answer
        self._leave = leave
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(_CHUNK):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection broke") from error

    async def aclose(self) -> None:
        # A body that was read whole has given its connection back; any other drops it here.
        self._answer.close()
        if not self._is_closed:
            self._is_closed = True
            self._leave()
