"""The body of a reply, inflated and never larger than a reply may be."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import httpx

MAX_REPLY = 8 * 1024 * 1024
"""How many bytes of a reply are read, after inflating."""

_INFLATERS: Mapping[str, int] = {"gzip": 31, "deflate": 15}


class _Unreadable(Exception):
    """A body is larger than a reply may be, or cannot be inflated."""


async def body_of(response: httpx.Response) -> bytes | None:
    """Return the inflated body, None where it is too large or cannot be inflated."""
    try:
        return await _bounded_body(response)
    except _Unreadable:
        return None
    finally:
        await response.aclose()


async def _bounded_body(response: httpx.Response) -> bytes:
    """Return the inflated body; raises _Unreadable as soon as it is known to be too large."""
    encoding = response.headers.get("content-encoding", "").strip().lower() or "identity"
    chunks: list[bytes] = []
    size = 0
    inflater = None
    if encoding != "identity":
        if encoding not in _INFLATERS:
            raise _Unreadable
        inflater = zlib.decompressobj(_INFLATERS[encoding])
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - async transports give these
    async for chunk in stream:
        if inflater is None:
            piece = chunk
        else:
            try:
                piece = inflater.decompress(chunk, MAX_REPLY - size + 1)
            except zlib.error as error:
                raise _Unreadable from error
            if inflater.unused_data:
                # zlib would copy whatever follows the end, again for every chunk.
                raise _Unreadable
        size += len(piece)
        if size > MAX_REPLY:
            raise _Unreadable
        chunks.append(piece)
    if inflater is not None and size and not inflater.eof:
        raise _Unreadable
    return b"".join(chunks)
