"""Ways in which a vendor may answer, and how calls may end for it."""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from upstreams.hostile_vendor import EVENT, Behave, Exchange

OK = "OK"
MALFORMED = "INTERNAL UPSTREAM_MALFORMED"
UNAVAILABLE = "UNAVAILABLE UPSTREAM_UNAVAILABLE"
UNKNOWN = "UNAVAILABLE OUTCOME_UNKNOWN"
UNRESOLVED = "UNKNOWN OUTCOME_UNRESOLVED"
REJECTED = "FAILED_PRECONDITION UPSTREAM_REJECTED"
EVENT_GONE = "NOT_FOUND EVENT_NOT_FOUND"
LIMITED = "RESOURCE_EXHAUSTED UPSTREAM_RATE_LIMITED"
TOO_LARGE = "INVALID_ARGUMENT INVALID_FIELD"

MIB = 2**20


@dataclass(frozen=True)
class Row:
    """A hostile answer, and what callers are told.

    Attributes:
        vendor: what the vendor does.
        behave: does it.
        get: how GetEvent ends.
        create: how CreateEvent ends.
        listed: how ListEvents ends; "" where it ends as GetEvent does.
        is_slow: whether nothing ends it but the time.
    """

    vendor: str
    behave: Behave
    get: str
    create: str
    listed: str = ""
    is_slow: bool = False


# ---- Ways to answer ------------------------------------------------------------------------


def body(text: bytes | Callable[[], bytes], *headers: bytes, status: bytes = b"200 OK") -> Behave:
    """Answer this, framed as HTTP wants it."""

    async def behave(exchange: Exchange) -> None:
        content = text if isinstance(text, bytes) else text()
        await exchange.answer(content, *headers, status=status)

    return behave


def good(*headers: bytes, status: bytes = b"200 OK") -> Behave:
    """Answer what is right, with these headers."""

    async def behave(exchange: Exchange) -> None:
        content = json.dumps({"data": exchange.told()}).encode()
        await exchange.answer(content, *headers, status=status)

    return behave


def data(value: Any, **more: Any) -> Behave:
    """Answer an envelope whose data is this, whatever was asked."""
    return body(json.dumps({"data": value, **more}).encode())


def event(**changes: Any) -> Behave:
    """Answer what is right but for these fields of the event."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(json.dumps({"data": exchange.told(**changes)}).encode())

    return behave


def event_text(field: bytes) -> Behave:
    """Answer what is right, with this text behind the event's fields."""

    async def behave(exchange: Exchange) -> None:
        text = json.dumps(EVENT).encode()[:-1] + b", " + field + b"}"
        is_list = exchange.request.kind == "list"
        await exchange.answer(b'{"data": %s}' % (b"[" + text + b"]" if is_list else text))

    return behave


def beside(**envelope: Any) -> Behave:
    """Answer what is right, with this beside the data."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(json.dumps({"data": exchange.told(), **envelope}).encode())

    return behave


def raw(*pieces: bytes) -> Behave:
    """Send these bytes and close."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(*pieces)
        exchange.writer.close()

    return behave


def endless(head: bytes, pieces: bytes, *, pause: float = 0.0) -> Behave:
    """Send a head, and then the same for ever."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head)
        while True:
            await exchange.send(pieces)
            await asyncio.sleep(pause)

    return behave


def many(head: bytes, piece: bytes, times: int, tail: bytes = b"") -> Behave:
    """Send a head, the same so many times, and a tail."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head)
        for _ in range(times):
            await exchange.send(piece)
        await exchange.send(tail)
        exchange.writer.close()

    return behave


def dripping(text: bytes) -> Behave:
    """Send a byte in 0.3 seconds."""

    async def behave(exchange: Exchange) -> None:
        for number in range(len(text)):
            await exchange.send(text[number : number + 1])
            await asyncio.sleep(0.3)

    return behave


async def silent(_exchange: Exchange) -> None:
    """Take the request and say nothing."""
    await asyncio.sleep(60)


async def late(exchange: Exchange) -> None:
    """Answer what is right when nobody waits any more."""
    await asyncio.sleep(8)
    await exchange.answer(json.dumps({"data": exchange.told()}).encode())


async def reset(exchange: Exchange) -> None:
    """Break the connection."""
    await asyncio.sleep(0)
    exchange.writer.transport.abort()


def moved(status: bytes, to: str) -> Behave:
    """Send the client elsewhere, with all that it has."""

    async def behave(exchange: Exchange) -> None:
        location = to or exchange.vendor.elsewhere
        await exchange.answer(b"{}", b"Location: " + location.encode(), status=status)

    return behave


async def two_answers(exchange: Exchange) -> None:
    """Answer a request twice: the second would be the next one's."""
    content = json.dumps({"data": exchange.told()}).encode()
    other = json.dumps({"data": exchange.told(title="SMUGGLED")}).encode()
    framed = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(x) + x for x in (content, other)
    ]
    await exchange.send(b"".join(framed))


# ---- What they answer ----------------------------------------------------------------------


@functools.cache
def packed(format_bits: int, size: int, filling: bytes = b" ") -> bytes:
    """So many bytes, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, format_bits)
    piece = filling * (MIB // len(filling))
    return b"".join(packer.compress(piece) for _ in range(size // MIB)) + packer.flush()


def gzip_bomb() -> bytes:
    return packed(31, 300 * MIB)


def nested_gzip() -> bytes:
    return gzip.compress(gzip.compress(json.dumps({"data": EVENT}).encode()))


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
HTML = b"<!doctype html><html><body><h1>Sign in to the guest network</h1></body></html>"
METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
GARBAGE = bytes(range(256))


def encoded(name: bytes, text: bytes | Callable[[], bytes]) -> Behave:
    return body(text, b"Content-Encoding: " + name)


def deep(start: bytes, end: bytes, inside: bytes = b"1", depth: int = 100_000) -> bytes:
    return b'{"data": ' + start * depth + inside + end * depth + b"}"


async def body_other(exchange: Exchange) -> None:
    """Answer one event for a list, and a list for one."""
    value: Any = EVENT if exchange.request.kind == "list" else [EVENT]
    await exchange.answer(json.dumps({"data": value}).encode())


def trailing(trailers: bytes) -> Behave:
    """Answer what is right in chunks, and headers behind them."""

    async def behave(exchange: Exchange) -> None:
        content = json.dumps({"data": exchange.told()}).encode()
        await exchange.send(
            CHUNKED, b"%x\r\n" % len(content), content, b"\r\n0\r\n" + trailers + b"\r\n"
        )

    return behave
