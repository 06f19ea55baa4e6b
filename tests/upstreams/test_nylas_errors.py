"""Unhappy answers: what each means to a read and to a write, and what is asked to find out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from conferencing_service.core.errors import (
    ConferencingError,
    FailedPrecondition,
    NotFound,
    OutcomeUnresolved,
    RateLimited,
    Unavailable,
    UpstreamCredentials,
)
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Event,
    Notify,
    Provider,
    Reason,
    Timespan,
)
from conferencing_service.core.upstream import EventQuery
from upstreams.nylas_stub import Nylas, new_event, reply, stored

MEET = Conferencing(Provider.GOOGLE_MEET, Autocreate())
Work = Callable[[Nylas], Awaitable[Any]]


async def read_event(nylas: Nylas) -> None:
    await nylas.upstream.get_event(nylas.call(), "g", "primary", "e")


async def read_list(nylas: Nylas) -> None:
    query = EventQuery(None, None, "", 50, "")
    await nylas.upstream.list_events(nylas.call(), "g", "primary", query)


async def read_calendar(nylas: Nylas) -> None:
    await nylas.upstream.get_calendar(nylas.call(), "g", "primary")


async def read_grant(nylas: Nylas) -> None:
    await nylas.upstream.get_grant(nylas.call(), "g")


async def create(nylas: Nylas) -> None:
    await nylas.create()


async def create_with_autocreate(nylas: Nylas) -> None:
    await nylas.create(new_event(conferencing=MEET))


async def update(nylas: Nylas) -> None:
    await nylas.update("title", title="New")


async def update_with_autocreate(nylas: Nylas) -> None:
    await nylas.update("conferencing", conferencing=MEET)


async def update_beside_autocreate(nylas: Nylas) -> None:
    await nylas.update("title", title="New", conferencing=MEET)


async def delete(nylas: Nylas) -> None:
    await nylas.delete()


KINDS: dict[Work, str] = {
    read_event: "GET event",
    read_list: "GET events",
    read_calendar: "GET calendar",
    read_grant: "GET grant",
    create: "POST events",
    create_with_autocreate: "POST events",
    update: "PUT event",
    update_with_autocreate: "PUT event",
    update_beside_autocreate: "PUT event",
    delete: "DELETE event",
}
READS = [read_event, read_list, read_calendar]
PLAIN_WRITES = [create, update, update_beside_autocreate, delete]
AUTOCREATES = [create_with_autocreate, update_with_autocreate]
WRITES = [*PLAIN_WRITES, *AUTOCREATES]


def healthy(nylas: Nylas) -> Nylas:
    """Let everything be there and in order, for whoever looks."""
    nylas.on("GET grant", reply(data={"provider": "google", "grant_status": "valid"}))
    nylas.on("GET calendar", reply(data={"id": "c", "read_only": False}))
    nylas.on("GET event", reply(data=stored()))
    nylas.on("GET events", reply(data=[]))
    return nylas


async def failure(nylas: Nylas, work: Work, *answers: Any) -> ConferencingError:
    """Return the error in which work ends that is answered so."""
    nylas.on(KINDS[work], *answers)
    with pytest.raises(ConferencingError) as caught:
        await work(nylas)
    return caught.value


def count(nylas: Nylas, work: Work) -> int:
    """Return how many requests of work's own kind were sent."""
    return nylas.sent().count(KINDS[work])


# ---- Statuses ------------------------------------------------------------------------------

REFUSALS = [400, 402, 403, 405, 409, 411, 413, 415, 422, 423, 451, 499]
FAULTS = [500, 501, 502, 503, 504, 520, 599]


@pytest.mark.parametrize("work", [*READS, read_grant])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(status, Reason.UPSTREAM_REJECTED) for status in REFUSALS]
    + [(status, Reason.UPSTREAM_UNAVAILABLE) for status in [408, *FAULTS]]
    + [(status, Reason.UPSTREAM_MALFORMED) for status in (201, 202, 204, 301, 302, 304, 307)]
    + [(429, Reason.UPSTREAM_RATE_LIMITED)],
)
async def test_a_status_means_this_to_a_read(
    nylas: Nylas, work: Work, status: int, reason: Reason
) -> None:
    error = await failure(healthy(nylas), work, reply(status, error="some_error"))
    assert error.reason is reason
    assert error.metadata["upstream_status"] == str(status)
    assert error.metadata["upstream_request_id"] == "upstream-1"


@pytest.mark.parametrize("work", WRITES)
@pytest.mark.parametrize(
    ("status", "reason"),
    [(status, Reason.UPSTREAM_REJECTED) for status in REFUSALS]
    + [(status, Reason.OUTCOME_UNRESOLVED) for status in (301, 302, 304, 307, 308, 408, *FAULTS)]
    + [(429, Reason.UPSTREAM_RATE_LIMITED)],
)
async def test_a_status_means_this_to_a_write(
    nylas: Nylas, work: Work, status: int, reason: Reason
) -> None:
    error = await failure(healthy(nylas), work, reply(status, error="some_error"))
    assert error.reason is reason
    assert error.metadata["upstream_status"] == str(status)
    assert count(nylas, work) == 1


@pytest.mark.parametrize("work", AUTOCREATES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 504])
@pytest.mark.parametrize("provider_error", [{"code": 300}, "zoom said no", ["x"], 5])
async def test_a_provider_error_after_an_autocreate_leaves_the_outcome_open(
    nylas: Nylas, work: Work, status: int, provider_error: Any
) -> None:
    refusal = {"type": "provider_error", "message": "x", "provider_error": provider_error}
    error = await failure(healthy(nylas), work, reply(status, error=refusal))
    assert isinstance(error, OutcomeUnresolved)
    assert nylas.sent() == [KINDS[work]]


@pytest.mark.parametrize("work", AUTOCREATES)
@pytest.mark.parametrize("provider_error", [None, "", {}])
async def test_an_empty_provider_error_is_none(
    nylas: Nylas, work: Work, provider_error: Any
) -> None:
    refusal = {"type": "bad_request", "message": "x", "provider_error": provider_error}
    error = await failure(healthy(nylas), work, reply(400, error=refusal))
    assert error.reason is Reason.UPSTREAM_REJECTED


@pytest.mark.parametrize("work", PLAIN_WRITES)
@pytest.mark.parametrize("provider_error", [{"code": 300}, "google said no"])
async def test_a_provider_error_without_an_autocreate_is_a_refusal(
    nylas: Nylas, work: Work, provider_error: Any
) -> None:
    refusal = {"type": "provider_error", "message": "x", "provider_error": provider_error}
    error = await failure(healthy(nylas), work, reply(400, error=refusal))
    assert error.reason is Reason.UPSTREAM_REJECTED


@pytest.mark.parametrize("work", [*READS, *WRITES])
@pytest.mark.parametrize("kind", ["insufficient_scopes", "api.insufficient_scopes"])
async def test_insufficient_scopes_are_a_missing_scope(nylas: Nylas, work: Work, kind: str) -> None:
    error = await failure(healthy(nylas), work, reply(403, error=kind))
    assert isinstance(error, FailedPrecondition)
    assert error.reason is Reason.SCOPE_MISSING


@pytest.mark.parametrize("work", [create, create_with_autocreate, update, update_with_autocreate])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b'{"data": {}}', b'{"data": {"title": "x"}}', b"<html>", b"\xff"]
)
async def test_a_write_that_answers_no_event_leaves_the_outcome_open(
    nylas: Nylas, work: Work, body: bytes
) -> None:
    error = await failure(healthy(nylas), work, reply(200, body=body))
    assert isinstance(error, OutcomeUnresolved)
    assert nylas.sent() == [KINDS[work]]


@pytest.mark.parametrize("answer", [reply(200), reply(204, body=b""), reply(200, body=b"<html>")])
async def test_a_deletion_needs_no_body_to_be_done(nylas: Nylas, answer: httpx.Response) -> None:
    nylas.on("DELETE event", answer)
    await nylas.delete()
    assert nylas.sent() == ["DELETE event"]


@pytest.mark.parametrize("status", [201, 202])
async def test_any_good_status_of_a_write_is_good(nylas: Nylas, status: int) -> None:
    nylas.on("POST events", reply(status, data=stored()))
    assert (await nylas.create()).id == "e"


# ---- Error bodies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("invalid_request_error", "invalid_request_error"),
        ("api.invalid_request_error", "invalid_request_error"),
        ("grant.access_denied", "grant.access_denied"),
        ("nylas_rate_limit_exceeded", "nylas_rate_limit_exceeded"),
        ("Ann Lee <ann@example.org>", None),
        ("https://zoom.us/j/1?pwd=x", None),
        ("", None),
        (5, "5"),
        (None, None),
        ({}, None),
        ("x" * 100, "x" * 64),
    ],
)
@pytest.mark.parametrize("work", [read_event, create])
async def test_of_a_refusal_only_its_type_is_told(
    nylas: Nylas, work: Work, kind: Any, told: str | None
) -> None:
    refusal = {"type": kind, "message": "planted", "validation_errors": {"title": "planted"}}
    error = await failure(healthy(nylas), work, reply(400, error=refusal))
    assert error.metadata.get("upstream_type") == told
    assert "planted" not in f"{error!r} {error.metadata}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 planted</body></html>",
        b'"planted"',
        b'{"error": "planted", "error_code": 5, "error_description": "planted"}',
        b'{"error": ["planted"]}',
        b'{"message": "planted"}',
        b"\xff\xfeplanted",
    ],
)
@pytest.mark.parametrize(
    ("work", "status", "reason"),
    [
        (read_event, 400, Reason.UPSTREAM_REJECTED),
        (read_event, 502, Reason.UPSTREAM_UNAVAILABLE),
        (create, 400, Reason.UPSTREAM_REJECTED),
        (create, 502, Reason.OUTCOME_UNRESOLVED),
        (create_with_autocreate, 400, Reason.OUTCOME_UNRESOLVED),
        (create_with_autocreate, 429, Reason.UPSTREAM_RATE_LIMITED),
    ],
)
async def test_an_error_body_of_another_form_says_nothing_more_than_its_status(
    nylas: Nylas, work: Work, status: int, reason: Reason, body: bytes
) -> None:
    error = await failure(healthy(nylas), work, reply(status, body=body))
    assert error.reason is reason
    assert dict(error.metadata) == {
        "upstream_status": str(status),
        "upstream_request_id": "upstream-1",
    }


async def test_a_request_id_that_is_not_there_is_not_told(nylas: Nylas) -> None:
    answer = httpx.Response(400, content=b"{}")
    error = await failure(healthy(nylas), read_event, answer)
    assert dict(error.metadata) == {"upstream_status": "400"}


async def test_a_call_learns_the_last_requests_id(nylas: Nylas) -> None:
    nylas.on("GET event", reply(data=stored(), headers={"x-request-id": "u" * 128}))
    call = nylas.call()
    await nylas.upstream.get_event(call, "g", "primary", "e")
    assert call.upstream_request_id == "u" * 128
    assert not call.sandbox


async def test_a_call_learns_that_the_sandbox_answered(nylas: Nylas) -> None:
    nylas.on("GET event", reply(data=stored(), headers={"conferencing-sandbox": "1"}))
    call = nylas.call()
    await nylas.upstream.get_event(call, "g", "primary", "e")
    assert call.sandbox


# ---- Limits --------------------------------------------------------------------------------


@pytest.mark.parametrize("work", [*READS, read_grant, *WRITES])
@pytest.mark.parametrize("kind", ["rate_limit_error", "nylas_rate_limit_exceeded"])
async def test_a_limit_says_when_to_come_back(nylas: Nylas, work: Work, kind: str) -> None:
    answer = reply(429, error=kind, headers={"retry-after": "7"})
    error = await failure(healthy(nylas), work, answer)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7.0


@pytest.mark.parametrize("value", [None, "0", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1e3"])
async def test_a_limit_that_does_not_say_when_is_a_second(nylas: Nylas, value: str | None) -> None:
    headers = {} if value is None else {"retry-after": value}
    error = await failure(healthy(nylas), create, reply(429, headers=headers))
    assert error.retry_after == 1.0


# ---- 401: whose fault is it? ---------------------------------------------------------------


@pytest.mark.parametrize("work", [*READS, *WRITES])
async def test_a_401_to_the_grants_own_read_too_is_our_key(nylas: Nylas, work: Work) -> None:
    healthy(nylas).on("GET grant", reply(401, error="unauthorized"))
    error = await failure(nylas, work, reply(401, error="unauthorized"))
    assert isinstance(error, UpstreamCredentials)


async def test_a_401_to_the_read_of_a_grant_is_our_key(nylas: Nylas) -> None:
    error = await failure(nylas, read_grant, reply(401, error="unauthorized"))
    assert isinstance(error, UpstreamCredentials)


@pytest.mark.parametrize("work", [*READS, *WRITES])
async def test_a_401_with_a_grant_that_is_invalid_is_an_expired_grant(
    nylas: Nylas, work: Work
) -> None:
    expired = reply(data={"provider": "google", "grant_status": "invalid"})
    healthy(nylas).on("GET grant", expired)
    error = await failure(nylas, work, reply(401, error="unauthorized"))
    assert isinstance(error, FailedPrecondition)
    assert error.reason is Reason.GRANT_EXPIRED
    assert error.metadata == {"grant_field": "grant_id"}


@pytest.mark.parametrize("work", [*READS, *WRITES])
async def test_a_401_with_a_grant_that_is_gone_is_a_grant_not_found(
    nylas: Nylas, work: Work
) -> None:
    healthy(nylas).on("GET grant", reply(404, error="grant.not_found"))
    error = await failure(nylas, work, reply(401, error="unauthorized"))
    assert isinstance(error, NotFound)
    assert error.reason is Reason.GRANT_NOT_FOUND
    assert error.metadata == {"grant_field": "grant_id"}


@pytest.mark.parametrize("work", [*READS, *WRITES])
async def test_a_401_with_a_grant_in_order_is_a_refusal(nylas: Nylas, work: Work) -> None:
    error = await failure(healthy(nylas), work, reply(401, error="api.authentication_error"))
    assert error.reason is Reason.UPSTREAM_REJECTED
    assert error.metadata["upstream_type"] == "authentication_error"
    assert nylas.sent() == [KINDS[work], "GET grant"]


# ---- 404: what is missing? -----------------------------------------------------------------

ON_EVENTS = [read_event, update, update_with_autocreate, delete]
ON_CALENDARS = [read_list, read_calendar, create, create_with_autocreate]


@pytest.mark.parametrize("work", [*ON_EVENTS, *ON_CALENDARS])
@pytest.mark.parametrize("status", [404, 410])
async def test_a_404_with_a_grant_that_is_gone_is_a_grant_not_found(
    nylas: Nylas, work: Work, status: int
) -> None:
    healthy(nylas).on("GET grant", reply(status, error="not_found_error"))
    error = await failure(nylas, work, reply(status, error="not_found_error"))
    assert error.reason is Reason.GRANT_NOT_FOUND


@pytest.mark.parametrize("work", [*ON_EVENTS, *ON_CALENDARS])
async def test_a_404_with_a_grant_that_is_invalid_is_an_expired_grant(
    nylas: Nylas, work: Work
) -> None:
    healthy(nylas).on("GET grant", reply(data={"grant_status": "invalid", "provider": "google"}))
    error = await failure(nylas, work, reply(404, error="not_found_error"))
    assert error.reason is Reason.GRANT_EXPIRED


@pytest.mark.parametrize("work", ON_CALENDARS)
@pytest.mark.parametrize("status", [404, 410])
async def test_without_an_event_a_404_is_a_calendar_not_found(
    nylas: Nylas, work: Work, status: int
) -> None:
    missing = reply(status, error="not_found_error")
    healthy(nylas).on("GET calendar", missing)
    error = await failure(nylas, work, missing)
    assert isinstance(error, NotFound)
    assert error.reason is Reason.CALENDAR_NOT_FOUND
    assert nylas.sent() == [KINDS[work], "GET grant", "GET calendar"]


@pytest.mark.parametrize("work", ON_EVENTS)
@pytest.mark.parametrize("status", [404, 410])
async def test_with_an_event_a_404_is_the_calendars_or_the_events(
    nylas: Nylas, work: Work, status: int
) -> None:
    missing = reply(status, error="api.not_found_error")
    healthy(nylas).on("GET event", missing)
    error = await failure(nylas, work, missing)
    assert isinstance(error, NotFound)
    assert error.reason is Reason.EVENT_NOT_FOUND
    assert nylas.sent() == [KINDS[work], "GET grant", "GET calendar", "GET event"]
    nylas.on("GET calendar", missing)
    assert (await failure(nylas, work, missing)).reason is Reason.CALENDAR_NOT_FOUND


@pytest.mark.parametrize("work", [update, delete, create])
async def test_a_404_where_everything_is_there_is_a_refusal(nylas: Nylas, work: Work) -> None:
    error = await failure(healthy(nylas), work, reply(404, error="not_found_error"))
    assert error.reason is Reason.UPSTREAM_REJECTED


@pytest.mark.parametrize("status", [404, 410])
async def test_a_grant_that_is_not_there_is_not_found(nylas: Nylas, status: int) -> None:
    error = await failure(nylas, read_grant, reply(status, error="grant.not_found"))
    assert isinstance(error, NotFound)
    assert error.reason is Reason.GRANT_NOT_FOUND


@pytest.mark.parametrize("work", [*ON_EVENTS, *ON_CALENDARS])
@pytest.mark.parametrize("status", [401, 404])
async def test_where_the_grant_cannot_be_looked_at_the_refusal_stands(
    nylas: Nylas, work: Work, status: int
) -> None:
    healthy(nylas).on("GET grant", reply(503))
    error = await failure(nylas, work, reply(status, error="x"))
    assert error.reason is Reason.UPSTREAM_REJECTED


@pytest.mark.parametrize("work", WRITES)
async def test_a_partial_success_leaves_the_outcome_open(nylas: Nylas, work: Work) -> None:
    error = await failure(healthy(nylas), work, reply(400, error="api.partial_success_error"))
    assert error.reason is Reason.OUTCOME_UNRESOLVED


@pytest.mark.parametrize("work", AUTOCREATES)
async def test_a_provider_error_by_its_type_alone_leaves_the_outcome_open(
    nylas: Nylas, work: Work
) -> None:
    error = await failure(healthy(nylas), work, reply(400, error="api.provider_error"))
    assert error.reason is Reason.OUTCOME_UNRESOLVED


async def test_the_request_that_failed_is_the_one_that_is_told(nylas: Nylas) -> None:
    healthy(nylas).on(
        "GET grant", reply(data={"provider": "google"}, headers={"x-request-id": "other"})
    )
    nylas.on("POST events", reply(401, error="x", headers={"x-request-id": "failed"}))
    call = nylas.call()
    with pytest.raises(ConferencingError):
        await nylas.upstream.create_event(call, "g", "c", Event(when=Timespan(1, 2)), Notify.ALL)
    assert call.upstream_request_id == "failed"


# ---- Read-only -----------------------------------------------------------------------------


@pytest.mark.parametrize("work", [update, update_with_autocreate, delete])
@pytest.mark.parametrize("status", [400, 403])
async def test_a_refused_change_of_a_read_only_event_says_so(
    nylas: Nylas, work: Work, status: int
) -> None:
    healthy(nylas).on("GET event", reply(data=stored(read_only=True)))
    error = await failure(nylas, work, reply(status, error="x"))
    assert isinstance(error, FailedPrecondition)
    assert error.reason is Reason.EVENT_READ_ONLY


@pytest.mark.parametrize("work", WRITES)
async def test_a_refused_write_on_a_read_only_calendar_says_so(nylas: Nylas, work: Work) -> None:
    healthy(nylas).on("GET calendar", reply(data={"id": "c", "read_only": True}))
    error = await failure(nylas, work, reply(400, error="x"))
    assert isinstance(error, FailedPrecondition)
    assert error.reason is Reason.CALENDAR_READ_ONLY


@pytest.mark.parametrize("work", WRITES)
@pytest.mark.parametrize("answer", [reply(500), reply(404), reply(200, body=b"<html>")])
async def test_a_refusal_stands_where_it_cannot_be_explained(
    nylas: Nylas, work: Work, answer: httpx.Response
) -> None:
    for kind in ("GET event", "GET calendar", "GET grant"):
        nylas.on(kind, answer)
    error = await failure(nylas, work, reply(400, error="bad_request"))
    assert error.reason is Reason.UPSTREAM_REJECTED
    assert error.metadata["upstream_type"] == "bad_request"


async def test_a_refused_read_is_not_looked_into(nylas: Nylas) -> None:
    await failure(healthy(nylas), read_event, reply(400, error="x"))
    assert nylas.sent() == ["GET event"]


# ---- Connections ---------------------------------------------------------------------------

UNSENT = [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
LOST = [
    httpx.ReadError("x"),
    httpx.ReadTimeout("x"),
    httpx.WriteError("x"),
    httpx.WriteTimeout("x"),
    httpx.CloseError("x"),
    httpx.RemoteProtocolError("x"),
    TimeoutError(),
]


@pytest.mark.parametrize("work", WRITES)
@pytest.mark.parametrize("broken", UNSENT, ids=lambda each: type(each).__name__)
async def test_a_write_that_never_left_is_tried_three_times_and_then_unavailable(
    nylas: Nylas, work: Work, broken: Exception
) -> None:
    error = await failure(healthy(nylas), work, broken)
    assert isinstance(error, Unavailable)
    assert error.retry_after is not None
    assert nylas.sent() == [KINDS[work]] * 3


@pytest.mark.parametrize("work", WRITES)
@pytest.mark.parametrize("broken", LOST, ids=lambda each: type(each).__name__)
async def test_a_write_whose_answer_was_lost_is_in_doubt_and_not_sent_again(
    nylas: Nylas, work: Work, broken: Exception
) -> None:
    error = await failure(healthy(nylas), work, broken)
    assert isinstance(error, OutcomeUnresolved)
    assert nylas.sent() == [KINDS[work]]


@pytest.mark.parametrize("work", [*READS, read_grant])
@pytest.mark.parametrize("broken", [*UNSENT, *LOST], ids=lambda each: type(each).__name__)
async def test_a_read_that_broke_is_sent_three_times_and_then_unavailable(
    nylas: Nylas, work: Work, broken: Exception
) -> None:
    error = await failure(healthy(nylas), work, broken)
    assert isinstance(error, Unavailable)
    assert nylas.sent() == [KINDS[work]] * 3


async def test_a_read_that_broke_once_is_read(nylas: Nylas) -> None:
    nylas.on("GET event", httpx.ReadError("x"), reply(503), reply(data=stored()))
    await read_event(nylas)
    assert nylas.sent() == ["GET event"] * 3


async def test_what_went_wrong_with_a_connection_is_not_told(nylas: Nylas) -> None:
    error = await failure(healthy(nylas), create, httpx.ReadError("planted"))
    assert "planted" not in f"{error!r} {error.metadata}"
