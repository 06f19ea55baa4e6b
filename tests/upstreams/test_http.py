"""The one way out: time, size, and what a trace may say."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from conferencing_service.upstreams.http import (
    MAX_REPLY,
    Answer,
    Lost,
    RestClient,
    RestRequest,
    Unsent,
)
from upstreams.wire import GRANT, READ, Out, Stream, ok


@pytest.fixture
def out() -> Out:
    return Out()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


# ---- Size ----------------------------------------------------------------------------------


async def test_a_body_in_pieces_is_one_body(out: Out) -> None:
    stream = Stream([b"a", b"", b"b", b"c"])
    assert (await out.read(httpx.Response(200, stream=stream))).body == b"abc"
    assert stream.closed


async def test_a_gzip_body_is_inflated(out: Out) -> None:
    body = gzip.compress(b"x" * 100_000)
    pieces = [body[index : index + 7] for index in range(0, len(body), 7)]
    answer = await out.read(
        httpx.Response(200, headers={"content-encoding": "GZIP"}, stream=Stream(pieces))
    )
    assert answer.body == b"x" * 100_000


async def test_the_largest_body_is_read_and_a_larger_one_is_not(out: Out) -> None:
    piece = b"x" * (MAX_REPLY // 8)
    answer = await out.read(httpx.Response(200, stream=Stream([piece] * 8)))
    assert len(answer.body) == MAX_REPLY
    stream = Stream([piece] * 1000)
    assert (await out.read(httpx.Response(200, stream=stream))).body is None
    assert (stream.taken, stream.closed) == (9, True)


def zeros(megabytes: int) -> Iterable[bytes]:
    """Yield gzip of so many megabytes of zeros, a piece per megabyte."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(megabytes):
        yield deflater.compress(bytes(1024 * 1024)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    yield deflater.flush()


async def test_a_gzip_bomb_is_given_up_once_it_is_larger_than_a_reply_may_be(out: Out) -> None:
    stream = Stream(zeros(300))
    assert (
        await out.read(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream))
    ).body is None
    assert stream.taken == MAX_REPLY // (1024 * 1024) + 1
    assert stream.closed


async def test_a_gzip_bomb_in_one_piece_takes_no_more_memory_than_replies_may(out: Out) -> None:
    response = httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=Stream([b"".join(zeros(100))])
    )
    tracemalloc.start()
    try:
        assert (await out.read(response)).body is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_REPLY


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"x" * 1000)[:-5]),
        ("gzip", gzip.compress(b"x" * 1000)[:20]),
        ("gzip", b"not gzip at all"),
        ("gzip", gzip.compress(b"{}")[:-8] + bytes(8)),
        ("deflate", b"not deflate at all"),
        ("br", b"{}"),
        ("zstd", b"{}"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    ],
)
async def test_a_body_that_cannot_be_inflated_is_unreadable(
    out: Out, encoding: str, body: bytes
) -> None:
    response = httpx.Response(200, headers={"content-encoding": encoding}, stream=Stream([body]))
    assert (await out.read(response)).body == b""


@pytest.mark.parametrize(("status", "encoding"), [(204, "gzip"), (404, "gzip"), (200, "")])
async def test_an_empty_body_and_an_empty_encoding_are_what_they_are(
    out: Out, status: int, encoding: str
) -> None:
    body = b"{}" if status == 200 else b""
    response = httpx.Response(
        status, headers={"content-encoding": encoding}, stream=Stream([body] if body else [])
    )
    answer = await out.read(response)
    assert (answer.status, answer.body) == (status, body)


async def test_an_error_whose_body_cannot_be_read_is_still_that_error(out: Out) -> None:
    answer = await out.read(*[httpx.Response(503, headers={"content-encoding": "br"})])
    assert answer.status == 503
    assert len(out.wire.requests) == 3


@pytest.mark.parametrize("value", ["\u00e9", "a\tb", "", "x" * 129])
async def test_an_id_that_metadata_does_not_take_is_none(out: Out, value: str) -> None:
    response = httpx.Response(200, headers=[(b"x-request-id", value.encode("latin-1"))])
    assert (await out.read(response)).request_id == ""
    assert "upstream.request_id" not in attributes(out.spans()[-1])


async def test_a_retry_after_date_is_counted_from_the_answers_own_date(out: Out) -> None:
    dates = {
        "date": "Mon, 07 Jan 2030 10:00:00 GMT",
        "retry-after": "Mon, 07 Jan 2030 10:00:07 GMT",
    }
    await out.read(httpx.Response(503, headers=dates), ok())
    assert out.slept == [7.0]
    odd = httpx.Response(503, headers=[(b"retry-after", b"\xb2")])
    assert (await out.read(odd, ok())).status == 200


async def test_what_follows_the_end_of_gzip_is_not_collected(out: Out) -> None:
    stream = Stream([gzip.compress(b"{}"), *[b"x" * 65_536] * 1000])
    assert (
        await out.read(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream))
    ).body == b""
    assert stream.taken <= 3


async def test_an_answer_that_cannot_be_read_is_not_asked_for_again(out: Out) -> None:
    assert (await out.read(ok(b"{}", content_encoding="br"), ok())).body == b""
    assert len(out.wire.requests) == 1


# ---- Time ----------------------------------------------------------------------------------


async def test_a_body_that_only_drips_ends_when_the_time_is_up(out: Out) -> None:
    stream = Stream([b"{", b" ", b" "], forever=True)
    with pytest.raises(Lost):
        await out.write(httpx.Response(200, stream=stream), seconds=0.05)
    assert (stream.taken, stream.closed) == (3, True)


async def test_a_caller_that_leaves_ends_the_request_and_closes_its_body(out: Out) -> None:
    stream = Stream([b"{"], forever=True)
    task = asyncio.create_task(out.write(httpx.Response(200, stream=stream)))
    await stream.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.closed
    (span,) = out.spans()
    assert attributes(span)["error.type"] == "CancelledError"


# ---- What is sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v3/grants/..",
        "/v3/grants/../grants/g",
        "/v3/grants/./g",
        "/v3/grants/a b",
        "/v3/grants/ä",
        "/v3/grants/g#fragment",
        "@evil.example/v3/grants/g",
        ".evil.example/v3/grants/g",
        "v3/grants/g",
        "",
    ],
)
@pytest.mark.parametrize("base_url", ["https://api.example.org", "https://api.example.org:8443"])
async def test_a_url_that_would_not_be_sent_as_built_is_not_sent(
    out: Out, target: str, base_url: str
) -> None:
    out.base_url = base_url
    out.wire.answers = [ok()]
    with pytest.raises((ValueError, httpx.InvalidURL)):
        await out.client().read(out.call(), RestRequest("GET", "/t", target, grant_id=GRANT))
    assert out.wire.requests == []


async def test_a_path_and_query_are_sent_as_they_are_encoded(out: Out) -> None:
    target = "/v3/grants/a%40b%2Fc/events/%252e?calendar_id=a%20b%23%26%25%3D%2B~"
    out.wire.answers = [ok()]
    await out.client().read(out.call(), RestRequest("GET", "/t", target, grant_id=GRANT))
    (request,) = out.wire.requests
    assert request.url.raw_path == target.encode()
    assert request.url.host == "api.example.org"


async def test_only_a_request_with_a_body_has_a_content_type(out: Out) -> None:
    await out.read(ok())
    await out.write(ok())
    read, write = out.wire.requests
    assert "content-type" not in read.headers
    assert (write.headers["content-type"], write.content) == ("application/json", b"{}")
    assert read.headers["accept-encoding"] == "gzip"


async def test_headers_are_asked_for_anew_for_every_request(out: Out) -> None:
    keys = iter(["first", "second"])
    out.wire.answers = [ok()]
    client = RestClient(
        transport=out.wire,
        base_url="https://api.example.org",
        headers=lambda: {"authorization": next(keys)},
        tracer=out.provider.get_tracer("test"),
        request_id_header="x-request-id",
        sandbox_header="conferencing-sandbox",
    )
    for _ in range(2):
        await client.read(out.call(), READ)
    assert [each.headers["authorization"] for each in out.wire.requests] == ["first", "second"]


async def test_closing_the_client_closes_its_connections(out: Out) -> None:
    await out.client().aclose()
    assert out.wire.closed


# ---- Retry-After ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("99999", 99999.0),
        ("100000", None),
        ("1.5", None),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_a_plain_number_of_seconds(value: str, seconds: float | None) -> None:
    answer = Answer(429, httpx.Headers({"retry-after": value}), b"")
    assert answer.retry_after() == seconds


# ---- Traces --------------------------------------------------------------------------------


async def test_a_request_is_a_client_span_of_its_template(out: Out) -> None:
    out.base_url = "https://api.example.org:8443"
    await out.read(ok(x_request_id="u"))
    (span,) = out.spans()
    assert (span.name, span.kind) == ("GET /v3/grants/{grant_id}", SpanKind.CLIENT)
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.template": "/v3/grants/{grant_id}",
        "server.address": "api.example.org",
        "server.port": 8443,
        "http.response.status_code": 200,
        "upstream.request_id": "u",
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_every_attempt_has_its_span_and_number(out: Out) -> None:
    await out.read(httpx.Response(503), httpx.ReadError("x"), ok())
    told = [
        (
            attributes(span).get("http.request.resend_count"),
            attributes(span).get("error.type"),
            span.status.status_code,
        )
        for span in out.spans()
    ]
    assert told == [
        (None, "503", StatusCode.ERROR),
        (1, "ReadError", StatusCode.ERROR),
        (2, None, StatusCode.UNSET),
    ]


async def test_the_upstream_can_go_on_with_the_trace(out: Out) -> None:
    await out.read(ok())
    (span,), (request,) = out.spans(), out.wire.requests
    assert span.context is not None
    assert (
        f"{span.context.trace_id:032x}-{span.context.span_id:016x}"
        in (request.headers["traceparent"])
    )


async def test_no_span_says_the_key_the_url_or_what_an_error_said(out: Out) -> None:
    answers = [
        ok(b"planted", x_request_id="u"),
        httpx.Response(500, content=b"planted"),
        httpx.Response(401, content=b"planted"),
        ok(b"planted", content_encoding="br"),
        httpx.ConnectError("planted https://planted"),
        httpx.ReadError("planted"),
    ]
    for answer in answers:
        try:
            await out.read(answer)
        except (Unsent, Lost):
            continue
    assert len(out.spans()) > len(answers)
    for span in out.spans():
        assert "planted" not in span.to_json()
        assert span.events == ()
        assert "authorization" not in span.to_json().lower()


async def test_a_call_learns_of_the_sandbox_and_does_not_forget(out: Out) -> None:
    call = out.call()
    out.wire.answers = [ok(conferencing_sandbox="1", x_request_id="u"), ok()]
    client = out.client()
    await client.read(call, READ)
    await client.read(call, READ)
    assert (call.sandbox, call.upstream_request_id) == (True, "u")
