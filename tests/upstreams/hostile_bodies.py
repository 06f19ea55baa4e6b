"""Hostile bodies: too much, too slowly, packed, no JSON, or JSON of a wrong shape; and what callers are told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

from upstreams.hostile_answers import (
    CHUNKED,
    GARBAGE,
    GZIP_HEAD,
    HTML,
    MALFORMED,
    MIB,
    OK,
    OK_HEAD,
    OPEN,
    TOO_LARGE,
    UNAVAILABLE,
    UNRESOLVED,
    Row,
    beside,
    body,
    body_other,
    data,
    deep,
    dripping,
    encoded,
    endless,
    event,
    event_text,
    gzip_bomb,
    late,
    many,
    nested_gzip,
    packed,
    reset,
    silent,
)
from upstreams.hostile_vendor import EVENT, START


def sizes() -> Iterable[Row]:
    """Too much, too slowly, or packed."""
    yield Row(
        "gzip: 300 MB in 300 kB", encoded(b"gzip", gzip_bomb), MALFORMED, UNRESOLVED, TOO_LARGE
    )
    yield Row(
        "deflate: 300 MB in 300 kB",
        encoded(b"deflate", lambda: packed(15, 300 * MIB)),
        MALFORMED,
        UNRESOLVED,
        TOO_LARGE,
    )
    yield Row("gzip within gzip", encoded(b"gzip", nested_gzip), MALFORMED, UNRESOLVED)
    for names in (b"gzip, gzip", b"br", b"zstd", b"x-unheard-of", b"gzip;q=1"):
        yield Row(
            f"Content-Encoding `{names.decode()}`",
            encoded(names, gzip.compress(b"{}")),
            MALFORMED,
            UNRESOLVED,
        )
    for name, text in (
        ("`gzip` over plain text", b"{}"),
        ("gzip that breaks off", gzip.compress(json.dumps({"data": EVENT}).encode())[:-9]),
        ("gzip and more behind its end", gzip.compress(b"{}") + b"x" * 70_000),
    ):
        yield Row(name, encoded(b"gzip", text), MALFORMED, UNRESOLVED)
    yield Row(
        "gzip that inflates to nothing, 100 MB of it",
        many(
            b"%s" % CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
            + b"%x\r\n" % len(GZIP_HEAD)
            + GZIP_HEAD
            + b"\r\n",
            b"%x\r\n" % 1_048_575 + b"\x00\x00\x00\xff\xff" * 209_715 + b"\r\n",
            100,
            b"0\r\n\r\n",
        ),
        MALFORMED,
        UNRESOLVED,
        TOO_LARGE,
    )
    yield Row(
        "100 MB, with its Content-Length",
        many(OK_HEAD + b"Content-Length: %d\r\n\r\n" % (100 * MIB), b" " * 65_536, 1_600),
        MALFORMED,
        UNRESOLVED,
        TOO_LARGE,
    )
    yield Row(
        "100 MB until the connection closes",
        many(OPEN, b" " * 65_536, 1_600),
        MALFORMED,
        UNRESOLVED,
        TOO_LARGE,
    )
    yield Row(
        "a body without an end", endless(OPEN, b" " * 65_536), MALFORMED, UNRESOLVED, TOO_LARGE
    )
    yield Row(
        "chunks of a byte without an end",
        endless(CHUNKED, b"1\r\n \r\n" * 1_000, pause=0.01),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row(
        "a byte of body in 0.3 seconds",
        endless(OPEN, b" ", pause=0.3),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row(
        "a byte of headers in 0.3 seconds",
        dripping(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row(
        "a chunk extension without an end",
        endless(CHUNKED + b"1;", b"x" * 65_536),
        UNAVAILABLE,
        UNRESOLVED,
        is_slow=True,
    )
    yield Row("no answer at all", silent, UNAVAILABLE, UNRESOLVED, is_slow=True)
    yield Row(
        "the right answer, after everybody's deadline", late, UNAVAILABLE, UNRESOLVED, is_slow=True
    )
    yield Row("the connection is reset", reset, UNAVAILABLE, UNRESOLVED)
    yield Row(
        "7 MiB of the smallest objects",
        many(OPEN + b'{"data":[', b'{"":0},' * 9_362, 112, b"0]}"),
        MALFORMED,
        UNRESOLVED,
        TOO_LARGE,
    )
    yield Row("7 MiB of blanks", many(OPEN, b" " * 65_536, 112), MALFORMED, UNRESOLVED)


def json_texts() -> Iterable[Row]:
    """No JSON, or JSON at its edges."""
    for name, text in (
        ("100,000 arrays within each other", deep(b"[", b"]")),
        ("100,000 arrays that are not closed", b"[" * 100_000),
        ("100,000 objects within each other", deep(b'{"a":', b"}")),
        ("HTML with status 200", HTML),
        ("nothing", b""),
        ("bytes that are no text", GARBAGE),
        ("UTF-16", json.dumps({"data": EVENT}).encode("utf-16")),
        ("a byte order mark", b"\xef\xbb\xbf" + json.dumps({"data": EVENT}).encode()),
        ("bad UTF-8 in a string", b'{"data": {"id": "\xff\xfe"}}'),
        ("`null`", b"null"),
        ("a number", b"1"),
        ("a string", b'"data"'),
        ("an empty array", b"[]"),
        ("an empty object", b"{}"),
        ("JSON that breaks off", b'{"data": {"id": "event-1"'),
        ("JSON, and more behind it", b'{"data": {"id": "event-1"}} {}'),
        ("JavaScript", b'callback({"data": {}})'),
    ):
        yield Row(name, body(text), MALFORMED, UNRESOLVED)
    for name, text in (
        ("`NaN`", b'"capacity": NaN'),
        ("`Infinity`", b'"capacity": Infinity'),
        ("`-Infinity`", b'"capacity": -Infinity'),
        ("`1e999`", b'"capacity": 1e999'),
        ("a lone surrogate in a title", rb'"title": "\ud800"'),
        ("a number of 100,000 digits", b'"capacity": ' + b"9" * 100_000),
    ):
        yield Row(name, event_text(text), MALFORMED, UNRESOLVED)
    yield Row("the same key twice", event_text(b'"id": "event-2", "id": "event-3"'), OK, OK)
    yield Row(
        "10,000 unknown keys",
        event_text(b", ".join(b'"k%d": {}' % n for n in range(10_000))),
        OK,
        OK,
    )
    yield Row("NUL and control characters in strings", event(title="a\0b\r\n\x1b[31m"), OK, OK)


def shapes() -> Iterable[Row]:
    """JSON of the wrong shape."""
    yield Row("`data` is missing", body(b'{"request_id": "r"}'), MALFORMED, UNRESOLVED)
    for name, value in (
        ("a string", "e"),
        ("a number", 1),
        ("null", None),
        ("a boolean", True),
        ("an empty object", {}),
    ):
        yield Row(f"`data` is {name}", data(value), MALFORMED, UNRESOLVED)
    yield Row(
        "`data` is the other kind: a list for one, one for a list",
        body_other,
        MALFORMED,
        UNRESOLVED,
    )
    yield Row(
        "`data` is a list of numbers and nulls", data([1, None, [], "e"]), MALFORMED, UNRESOLVED, OK
    )
    for name, value in (
        ("an object", {"id": 1}),
        ("a list", ["e"]),
        ("null", None),
        ("a boolean", True),
        ("empty", ""),
        ("a fraction", 1.5),
    ):
        yield Row(f"the event's id is {name}", event(id=value), MALFORMED, UNRESOLVED, OK)
    yield Row("the event's id is a number", event(id=7), OK, OK)
    odd_fields: dict[str, dict[str, Any]] = {
        "`when` is a list": {"when": [START]},
        "`when` is a string": {"when": "tomorrow"},
        "times are strings": {"when": {"start_time": "soon", "end_time": "later"}},
        "times are 1e30": {"when": {"start_time": 1e30, "end_time": 1e30}},
        "times are -1": {"when": {"start_time": -1, "end_time": -1}},
        "times are 2^63": {"when": {"time": 2**63}, "created_at": 2**64 - 1},
        "times are booleans": {"when": {"start_time": True, "end_time": False}},
        "times are fractions": {"when": {"time": 0.5}, "updated_at": 1e-300},
        "a date of the year 0": {"when": {"date": "0000-00-00"}},
        "`conferencing` is a string": {"conferencing": "https://meet.example/x"},
        "`conferencing` is a list": {"conferencing": [{"provider": "Zoom Meeting"}]},
        "`conferencing.provider` is an object": {
            "conferencing": {"provider": {}, "details": {"url": []}}
        },
        "`conferencing.details` is a list": {
            "conferencing": {"provider": "Zoom Meeting", "details": ["x"]}
        },
        "a join link with `javascript:`": {
            "conferencing": {"provider": "Zoom Meeting", "details": {"url": "javascript:alert(1)"}}
        },
        "`participants` is an object": {"participants": {"email": "a@example.com"}},
        "participants are strings and nulls": {"participants": ["a@example.com", None, 1, [[]]]},
        "`metadata` with values that are no strings": {
            "metadata": {"key1": {}, "key2": [1], "key3": None, "key5": 1.5}
        },
        "`metadata` is a list": {"metadata": ["key1"]},
        "`recurrence` is a string": {"recurrence": "RRULE:FREQ=DAILY"},
        "`recurrence` with objects": {"recurrence": [{}, None, 1]},
        "`reminders` is a list": {"reminders": [1]},
        "reminders out of range": {
            "reminders": {"overrides": [{"reminder_minutes": "-1e9"}, {"reminder_minutes": 2**40}]}
        },
        "`busy` is a string": {"busy": "yes", "read_only": "no", "hide_participants": 1},
        "`title` is an object": {"title": {"html": "x"}, "description": ["x"], "location": 1.5},
        "`visibility` and `status` unheard of": {"visibility": "secret\0", "status": ["confirmed"]},
        "`organizer` is a list": {"organizer": [1], "creator": "me"},
        "`resources` of numbers": {"resources": [1, {"capacity": "1e400"}, {"capacity": 2**70}]},
        "`capacity` is 2^40": {"capacity": 2**40},
    }
    for name, changes in odd_fields.items():
        yield Row(name, event(**changes), OK, OK)
    for name, value in (
        ("an object", {"a": 1}),
        ("a list", ["a"]),
        ("a number with a fraction", 1.5),
        ("a megabyte", "c" * MIB),
    ):
        yield Row(f"`next_cursor` is {name}", beside(next_cursor=value), OK, OK, MALFORMED)
