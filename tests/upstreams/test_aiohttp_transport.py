"""The transport against real servers: one request is sent once, as it is, and losses are told."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport

Respond = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server on a free port that keeps what it is sent and answers by number of the request."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    def url(self, target: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{target}"

    def methods(self) -> list[str]:
        return [request.split(b" ", 1)[0].decode() for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                self.requests.append(head + await reader.readexactly(length))
                await self._respond(len(self.requests), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[Server]:
    server = Server(respond)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport() as made:
        yield made


def answering(*answers: bytes, last: bytes | None = None) -> Respond:
    """Answer the first request with the first, and so on; close where there is none left."""

    async def respond(number: int, writer: asyncio.StreamWriter) -> None:
        answer = answers[number - 1] if number <= len(answers) else last
        if answer is None:
            writer.close()
            return
        writer.write(answer)
        await writer.drain()

    return respond


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def request(method: str, url: str, **more: object) -> httpx.Request:
    return httpx.Request(method, url, **more)


async def body(response: httpx.Response) -> bytes:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        return b"".join([chunk async for chunk in stream])
    finally:
        await response.aclose()


# ---- What is lost, and when ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_refused_connection_is_a_connect_error(
    transport: AiohttpTransport, method: str
) -> None:
    async with serving(answering()) as server:
        url = server.url()
    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(request(method, url))
    assert server.requests == []


async def test_a_name_that_does_not_exist_is_a_connect_error(transport: AiohttpTransport) -> None:
    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(request("GET", "http://nowhere.invalid/"))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_server_that_closes_after_the_request_is_a_read_error(
    transport: AiohttpTransport, method: str
) -> None:
    async with serving(answering()) as server:
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request(method, server.url(), content=b"{}"))
        assert server.methods() == [method]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_request_on_a_kept_connection_that_is_closed_is_not_sent_twice(
    transport: AiohttpTransport, method: str
) -> None:
    async with serving(answering(OK)) as server:
        first = await transport.handle_async_request(request("GET", server.url()))
        assert await body(first) == b"{}"
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request(method, server.url(), content=b"{}"))
        assert server.methods() == ["GET", method]
        assert server.connections == 1


async def test_an_answer_that_is_no_http_is_a_read_error(transport: AiohttpTransport) -> None:
    async with serving(answering(b"220 mail.example.org ESMTP\r\n\r\n")) as server:
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request("POST", server.url(), content=b"{}"))
        assert len(server.requests) == 1


async def test_a_body_that_breaks_off_is_a_read_error(transport: AiohttpTransport) -> None:
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

    async def respond(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(broken)
        await writer.drain()
        writer.close()

    async with serving(respond) as server:
        response = await transport.handle_async_request(request("GET", server.url()))
        assert response.status_code == 200
        with pytest.raises(httpx.ReadError):
            await body(response)


async def test_a_caller_that_leaves_closes_its_connection(transport: AiohttpTransport) -> None:
    arrived = asyncio.Event()

    async def respond(_number: int, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.sleep(0)

    async with serving(respond) as server:
        task = asyncio.create_task(
            transport.handle_async_request(request("POST", server.url(), content=b"{}"))
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.methods() == ["POST"]


# ---- A full pool ---------------------------------------------------------------------------


class Slow:
    """Answers the first request when the test says so, and every other one at once."""

    def __init__(self, first: bytes | None) -> None:
        self._first = first
        self.arrived = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def __call__(self, number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            self.arrived.set()
            await self.goes_on.wait()
        answer = self._first if number == 1 else OK
        if answer is None:
            writer.close()
            return
        writer.write(answer)
        await writer.drain()


@pytest.fixture
async def narrow() -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport(connections=1, connect_seconds=0.2) as made:
        yield made


async def has_no_place(transport: AiohttpTransport, server: Server) -> None:
    """A request waits for a place in the pool in vain, and nothing of it is sent."""
    before = len(server.requests)
    with pytest.raises(httpx.PoolTimeout):
        await transport.handle_async_request(request("POST", server.url(), content=b"{}"))
    assert len(server.requests) == before


async def has_a_place(transport: AiohttpTransport, server: Server) -> None:
    """Two requests, one after the other, are sent and answered."""
    for _ in range(2):
        answer = await transport.handle_async_request(request("GET", server.url()))
        assert await body(answer) == b"{}"


async def test_a_full_pool_is_a_pool_timeout_until_the_answer_is_closed(
    narrow: AiohttpTransport,
) -> None:
    slow = Slow(OK)
    async with serving(slow) as server:
        first = asyncio.create_task(narrow.handle_async_request(request("GET", server.url())))
        await slow.arrived.wait()
        await has_no_place(narrow, server)
        slow.goes_on.set()
        answer = await first
        await has_no_place(narrow, server)
        for _ in range(2):
            # Closed twice, it gives one place back.
            await answer.aclose()
            await answer.stream.aclose()  # type: ignore[union-attr]
        held = await narrow.handle_async_request(request("GET", server.url()))
        await has_no_place(narrow, server)
        await held.aclose()
        await has_a_place(narrow, server)


async def test_a_request_that_broke_gives_its_place_back(narrow: AiohttpTransport) -> None:
    slow = Slow(None)
    async with serving(slow) as server:
        first = asyncio.create_task(narrow.handle_async_request(request("GET", server.url())))
        await slow.arrived.wait()
        await has_no_place(narrow, server)
        slow.goes_on.set()
        with pytest.raises(httpx.ReadError):
            await first
        await has_a_place(narrow, server)


async def test_a_request_that_was_cancelled_gives_its_place_back(narrow: AiohttpTransport) -> None:
    slow = Slow(OK)
    async with serving(slow) as server:
        first = asyncio.create_task(narrow.handle_async_request(request("GET", server.url())))
        await slow.arrived.wait()
        await has_no_place(narrow, server)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        slow.goes_on.set()
        await has_a_place(narrow, server)


async def test_a_request_that_was_cancelled_in_the_queue_takes_no_place(
    narrow: AiohttpTransport,
) -> None:
    slow = Slow(OK)
    async with serving(slow) as server:
        first = asyncio.create_task(narrow.handle_async_request(request("GET", server.url())))
        await slow.arrived.wait()
        await has_no_place(narrow, server)
        queued = asyncio.create_task(narrow.handle_async_request(request("GET", server.url())))
        await asyncio.sleep(0.05)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        slow.goes_on.set()
        await body(await first)
        await has_a_place(narrow, server)


# ---- What is sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v3/grants/ann%40example.org/events/a%2Fb%23c?calendar_id=a%20b%26c%3Dd%25%2B",
        "/v3/grants/email%3Aann%2Bx%40example.org",
        "/v3/grants/%252e%252e/x",
        "/v3/grants/%2E%2E/x",
        "/a?b=~._-&c=%7E&d=%c3%a4&e=+",
    ],
)
async def test_a_path_is_sent_byte_for_byte_as_it_is_encoded(
    transport: AiohttpTransport, target: str
) -> None:
    async with serving(answering(OK)) as server:
        await body(await transport.handle_async_request(request("GET", server.url(target))))
        (sent,) = server.requests
        assert sent.split(b"\r\n")[0].decode() == f"GET {target} HTTP/1.1"


def headers_of(sent: bytes) -> dict[str, str]:
    lines = sent.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    return headers


async def test_no_headers_are_sent_but_ours(transport: AiohttpTransport) -> None:
    ours = {"authorization": "Bearer x", "x-ours": "1"}
    async with serving(answering(OK)) as server:
        await body(await transport.handle_async_request(request("GET", server.url(), headers=ours)))
        assert headers_of(server.requests[0]) == {"host": f"127.0.0.1:{server.port}", **ours}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_body_is_sent_with_its_length_and_no_headers_but_ours(
    transport: AiohttpTransport, method: str
) -> None:
    ours = {"content-type": "application/json", "accept-encoding": "gzip"}
    content = '{"title": "ä"}'.encode()
    async with serving(answering(OK)) as server:
        await body(
            await transport.handle_async_request(
                request(method, server.url(), headers=ours, content=content)
            )
        )
        (sent,) = server.requests
        assert sent.partition(b"\r\n\r\n")[2] == content
        assert headers_of(sent) == {
            "host": f"127.0.0.1:{server.port}",
            "content-length": str(len(content)),
            **ours,
        }


async def test_no_proxy_of_the_environment_is_used(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(answering(OK)) as server:
        response = await transport.handle_async_request(request("GET", server.url()))
        assert await body(response) == b"{}"


async def test_cookies_are_not_kept(transport: AiohttpTransport) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(last=cookie)) as server:
        for _ in range(2):
            await body(await transport.handle_async_request(request("GET", server.url())))
        assert all("cookie" not in headers_of(sent) for sent in server.requests)
        assert len(server.requests) == 2


# ---- What comes back -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_redirects_are_not_followed(
    transport: AiohttpTransport, method: str, status: int
) -> None:
    moved = b"HTTP/1.1 %d Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status
    async with serving(answering(moved, last=OK)) as server:
        response = await transport.handle_async_request(request(method, server.url()))
        await body(response)
        assert (response.status_code, response.headers["location"]) == (status, "/elsewhere")
        assert len(server.requests) == 1


async def test_a_body_comes_as_it_was_sent_and_is_not_inflated(
    transport: AiohttpTransport,
) -> None:
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(answering(head + packed)) as server:
        response = await transport.handle_async_request(request("GET", server.url()))
        assert await body(response) == packed
        assert response.headers["content-encoding"] == "gzip"


async def test_a_body_in_chunks_is_one_body(transport: AiohttpTransport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    async with serving(answering(chunked)) as server:
        response = await transport.handle_async_request(request("GET", server.url()))
        assert await body(response) == b"{}"


async def test_a_connection_whose_body_was_read_is_used_again(
    transport: AiohttpTransport,
) -> None:
    async with serving(answering(last=OK)) as server:
        for method in ("GET", "PUT", "DELETE"):
            await body(await transport.handle_async_request(request(method, server.url())))
        assert (server.methods(), server.connections) == (["GET", "PUT", "DELETE"], 1)


async def test_a_connection_whose_body_was_left_is_not_used_again(
    transport: AiohttpTransport,
) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
    async with serving(answering(endless, OK)) as server:
        response = await transport.handle_async_request(request("GET", server.url()))
        await response.aclose()
        again = await transport.handle_async_request(request("GET", server.url()))
        assert await body(again) == b"{}"
        assert server.connections == 2
