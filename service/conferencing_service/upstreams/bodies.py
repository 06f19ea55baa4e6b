"""The body of a reply, inflated and never larger than a reply may be."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing

import httpx

MAX_REPLY = 8 * 1024 * 1024
"""How many bytes of a reply are read, and how many they may be after inflating."""

MAX_VALUES = 250_000
"""How many values a reply may hold.

Once parsed, an empty object of two bytes takes 64, and one with a member more than two hundred: of
those, 8 MiB would become 240.
"""

# A thousandth of it may have come; without a bound each chunk would be inflated whole.
_PIECE = 65_536

_INFLATERS: Mapping[str, int] = {"gzip": 31, "deflate": 15}


class _TooLarge(Exception):
    """A body is larger than a reply may be."""


class _Unreadable(Exception):
    """A body cannot be inflated."""


async def body_of(response: httpx.Response) -> bytearray | None:
    """Return the inflated body: None where it is too large, nothing where it cannot be inflated."""
    try:
        return await _bounded_body(response)
    except _TooLarge:
        return None
    except _Unreadable:
        return bytearray()
    finally:
        await response.aclose()


async def _bounded_body(response: httpx.Response) -> bytearray:
    """Return the inflated body; raises _TooLarge as soon as it is known to be, and _Unreadable."""
    # Grows in place: pieces would take the room twice when they are joined.
    body, values = bytearray(), 0
    async with aclosing(_inflated(response)) as inflated:
        async for piece in inflated:
            # Every value but the first stands behind one of these; within texts they count as well.
            values += sum(map(piece.count, (b",", b"[", b"{")))
            if len(body) + len(piece) > MAX_REPLY or values > MAX_VALUES:
                raise _TooLarge
            body += piece
    return body


async def _inflated(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield a body in small pieces; raises _TooLarge, and _Unreadable."""
    encoding = response.headers.get("content-encoding", "").strip().lower() or "identity"
    inflater = None
    if encoding != "identity":
        if encoding not in _INFLATERS:
            raise _Unreadable
        inflater = zlib.decompressobj(_INFLATERS[encoding])
    received, is_empty = 0, True
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - async transports give these
    async for chunk in stream:
        received += len(chunk)
        if received > MAX_REPLY:
            # What inflates to nothing could come for ever.
            raise _TooLarge
        if inflater is None:
            yield chunk
            continue
        for piece in _inflated_chunk(inflater, chunk):
            is_empty = False
            yield piece
    if inflater is not None and not is_empty and not inflater.eof:
        raise _Unreadable


def _inflated_chunk(inflater: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """Yield what a chunk inflates to, a little at a time."""
    left, piece = chunk, b""
    while left or len(piece) == _PIECE:
        try:
            piece = inflater.decompress(left, _PIECE)
        except zlib.error as error:
            raise _Unreadable from error
        if inflater.unused_data:
            # zlib would copy whatever follows the end, again for every chunk.
            raise _Unreadable
        left = inflater.unconsumed_tail
        if piece:
            yield piece
