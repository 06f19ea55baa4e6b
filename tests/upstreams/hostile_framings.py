"""Hostile statuses and framings: HTTP bent or broken; and what callers are told."""

from __future__ import annotations

import json
from collections.abc import Iterable

from upstreams.hostile_answers import (
    CHUNKED,
    EVENT_GONE,
    GARBAGE,
    LIMITED,
    MALFORMED,
    METADATA_SERVICE,
    MIB,
    OK,
    REJECTED,
    UNAVAILABLE,
    UNKNOWN,
    UNRESOLVED,
    Row,
    body,
    endless,
    good,
    many,
    moved,
    raw,
    trailing,
    two_answers,
)
from upstreams.hostile_vendor import EVENT


def statuses() -> Iterable[Row]:
    """Statuses that are no answer, or an answer with nothing readable in it."""
    yield Row("204 without a body", raw(b"HTTP/1.1 204 No Content\r\n\r\n"), MALFORMED, UNRESOLVED)
    yield Row("206 with the right body", good(status=b"206 Partial Content"), MALFORMED, OK)
    for status in (
        b"301 Moved",
        b"302 Found",
        b"303 See Other",
        b"307 Temporary",
        b"308 Permanent",
    ):
        name = status.decode()[:3]
        yield Row(
            f"{name} to http://169.254.169.254/",
            moved(status, METADATA_SERVICE),
            MALFORMED,
            UNRESOLVED,
        )
        yield Row(f"{name} to another port of loopback", moved(status, ""), MALFORMED, UNRESOLVED)
    yield Row(
        "302 to `file:///etc/passwd`",
        moved(b"302 Found", "file:///etc/passwd"),
        MALFORMED,
        UNRESOLVED,
    )
    yield Row(
        "100 Continue for ever",
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row(
        "103 Early Hints for ever",
        endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row(
        "101 Switching Protocols",
        raw(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n{}"
        ),
        MALFORMED,
        UNRESOLVED,
    )
    yield Row(
        "status 000",
        raw(b"HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\n{}"),
        MALFORMED,
        UNRESOLVED,
    )
    yield Row("status 999", body(b"{}", status=b"999 Request denied"), UNAVAILABLE, UNRESOLVED)
    yield Row("status 1000", body(b"{}", status=b"1000 Too long"), UNAVAILABLE, UNRESOLVED)
    yield Row("status -200", body(b"{}", status=b"-200 OK"), UNAVAILABLE, UNRESOLVED)
    yield Row(
        "404 with bytes that are no text",
        body(GARBAGE, status=b"404 Not Found"),
        EVENT_GONE,
        REJECTED,
        REJECTED,
    )
    for status in (
        b"401 Unauthorized",
        b"403 Forbidden",
        b"409 Conflict",
        b"400 Bad Request",
    ):
        yield Row(
            f"{status.decode()[:3]} with bytes that are no text",
            body(GARBAGE, status=status),
            REJECTED,
            REJECTED,
        )
    yield Row(
        "429 with bytes that are no text", body(GARBAGE, status=b"429 Too Many"), LIMITED, LIMITED
    )
    yield Row(
        "403 whose error is deep",
        body(b'{"error": {"type": ' + b"[" * 100_000, status=b"403 Forbidden"),
        REJECTED,
        REJECTED,
    )
    yield Row(
        "400 whose type is 1 MB",
        body(json.dumps({"error": {"type": "x" * MIB}}).encode(), status=b"400 Bad Request"),
        REJECTED,
        REJECTED,
    )
    yield Row(
        "500 with 100 MB",
        many(b"HTTP/1.1 500 Oops\r\n\r\n", b" " * 65_536, 1_600),
        UNAVAILABLE,
        UNRESOLVED,
    )
    for name, value in (
        ("1e99", b"1e99"),
        ("negative", b"-5"),
        ("30 digits", b"9" * 30),
        ("a date in 9999", b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ("a date without a zone", b"Fri, 31 Dec 9999 23:59:59 -0000"),
        ("a date of 30 digits", b"Fri, 31 Dec " + b"9" * 30 + b" 23:59:59 GMT"),
        ("bytes that are no text", b"\xff\xfe"),
    ):
        headers = (b"Retry-After: " + value, b"Date: Mon, 07 Jan 2030 10:00:00 GMT")
        yield Row(
            f"429 with a Retry-After that is {name}",
            body(b"{}", *headers, status=b"429 Too Many"),
            LIMITED,
            LIMITED,
        )
        yield Row(
            f"503 with a Retry-After that is {name}",
            body(b"{}", *headers, status=b"503 Unavailable"),
            UNAVAILABLE,
            # No look for the write leaves before the pause is over.
            UNKNOWN if name.startswith(("a date in", "a date with")) else UNRESOLVED,
        )


def framings() -> Iterable[Row]:
    """HTTP that is none, or bends its own rules."""
    content = json.dumps({"data": EVENT}).encode()
    ok = b"HTTP/1.1 200 OK\r\n"
    for name, text in (
        ("Content-Length that is too long", ok + b"Content-Length: 100000\r\n\r\n{}"),
        ("Content-Length that is no number", ok + b"Content-Length: ten\r\n\r\n{}"),
        ("Content-Length that is negative", ok + b"Content-Length: -1\r\n\r\n{}"),
        ("two Content-Lengths", ok + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
        (
            "Content-Length and chunks",
            ok + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ),
        ("chunks that break off", CHUNKED + b"10\r\n{}"),
        ("a chunk whose size is no number", CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
        ("a chunk of 2^64 bytes", CHUNKED + b"1" + b"0" * 16 + b"\r\n{}"),
        ("a chunk longer than it says", CHUNKED + b"1\r\n{}\r\n0\r\n\r\n"),
        ("headers of 1 MB", ok + b"X-A: " + b"a" * MIB + b"\r\nContent-Length: 2\r\n\r\n{}"),
        ("10,000 headers", ok + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)) + b"\r\n{}"),
        ("a status line that is none", b"HELLO 200\r\n\r\n{}"),
        ("HTTP/0.9", content),
        ("HTTP/9.9", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100),
        ("an x-request-id of 1 MB", ok + b"X-Request-Id: " + b"a" * MIB + b"\r\n\r\n{}"),
        ("NUL in a header", ok + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}"),
        ("a header without a colon", ok + b"nonsense\r\nContent-Length: 2\r\n\r\n{}"),
    ):
        yield Row(name, raw(text), UNAVAILABLE, UNRESOLVED)
    yield Row(
        "a header that begins with a blank",
        raw(ok + b" X-A: a\r\nContent-Length: 2\r\n\r\n{}"),
        MALFORMED,
        UNRESOLVED,
    )
    yield Row(
        "Content-Length that is too short",
        many(ok + b"Content-Length: 2\r\n\r\n", b"{}garbage", 1),
        UNAVAILABLE,
        UNRESOLVED,
    )
    yield Row(
        "chunks, and a Content-Length behind them",
        trailing(b"Content-Length: 1\r\n"),
        UNAVAILABLE,
        UNRESOLVED,
    )
    yield Row(
        "chunks with trailers", trailing(b"X-Request-Id: late\r\nSet-Cookie: a=b\r\n"), OK, OK
    )
    yield Row("the right answer, and another one behind it", two_answers, OK, OK)
    yield Row(
        "Set-Cookie", good(b"Set-Cookie: a=b; Path=/", b"Set-Cookie: c=" + b"d" * 4000), OK, OK
    )
    yield Row("an x-request-id over two lines", good(b"X-Request-Id: a\r\n b: c"), OK, OK)
    yield Row(
        "an x-request-id with bare CR",
        good(b"X-Request-Id: a\rgrpc-status: 0"),
        UNAVAILABLE,
        UNRESOLVED,
    )
    yield Row("an x-request-id that is no ASCII", good(b"X-Request-Id: \xff\xc3\xa4"), OK, OK)
    yield Row("an x-request-id of 8,000 characters", good(b"X-Request-Id: " + b"a" * 8000), OK, OK)
    yield Row("x-request-id twice", good(b"X-Request-Id: a", b"X-Request-Id: b"), OK, OK)
    yield Row(
        "the sandbox's header, from another vendor", good(b"Conferencing-Sandbox: \xff"), OK, OK
    )
