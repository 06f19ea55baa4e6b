"""How often a request is sent, and what keeps it from leaving: budget, breaker, bulkhead, limit."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import httpx
import pytest

from conferencing_service.upstreams.breaker import CircuitBreaker
from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.http import GATE, Limited, Lost, RestClient, Unsent
from conferencing_service.upstreams.retry_budget import RetryBudget
from upstreams.wire import GRANT, READ, WRITE, Out, Stream, ok

UNSENT = [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
LOST = [httpx.ReadError("x"), httpx.ReadTimeout("x"), TimeoutError()]


@pytest.fixture
def out() -> Out:
    return Out()


async def opens(
    out: Out,
    outcome: httpx.Response | Exception,
    *,
    client: RestClient | None = None,
    seconds: float = 30.0,
    write: bool = False,
) -> bool:
    """Whether that outcome of many requests, of several grants, keeps the next one from leaving."""
    client = client or out.client()
    out.wire.answers = [outcome]
    for number in range(60):
        call = out.call(seconds)
        read = dataclasses.replace(READ, grant_id=str(number % 3))
        with contextlib.suppress(Unsent, Lost):
            if write:
                await client.write(call, dataclasses.replace(WRITE, grant_id=read.grant_id), 30.0)
            else:
                await client.read(call, read)
    sent = len(out.wire.requests)
    with contextlib.suppress(Unsent, Lost):
        await client.read(out.call(), READ)
    return len(out.wire.requests) == sent


# ---- Attempts ------------------------------------------------------------------------------


async def test_a_good_answer_is_asked_for_once(out: Out) -> None:
    answer = await out.read(ok(b"body", x_request_id="u"))
    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (200, b"body", "u")
    assert (len(out.wire.requests), out.slept) == (1, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_read_is_sent_three_times_at_most_and_the_last_answer_counts(
    out: Out, status: int
) -> None:
    first, second, third = (httpx.Response(status, content=b"%d" % n) for n in range(3))
    answer = await out.read(first, second, third, ok())
    assert (answer.status, answer.body) == (status, b"2")
    assert (len(out.wire.requests), len(out.slept)) == (3, 2)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 409, 422, 501])
async def test_an_answer_that_would_be_the_same_again_is_not_asked_for_again(
    out: Out, status: int
) -> None:
    assert (await out.read(httpx.Response(status))).status == status
    assert len(out.wire.requests) == 1


async def test_a_read_that_broke_is_sent_again(out: Out) -> None:
    broken = (httpx.ConnectError("x"), httpx.ReadError("x"))
    assert (await out.read(*broken, ok())).status == 200
    assert len(out.wire.requests) == 3


@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (httpx.ConnectError("x"), Unsent),
        (httpx.ConnectTimeout("x"), Unsent),
        (httpx.PoolTimeout("x"), Unsent),
        (httpx.ReadError("x"), Lost),
        (httpx.RemoteProtocolError("x"), Lost),
    ],
)
async def test_a_read_that_stays_broken_ends_in_what_broke_it(
    out: Out, broken: Exception, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        await out.read(broken)
    assert len(out.wire.requests) == 3


async def test_the_upstreams_own_time_is_waited(out: Out) -> None:
    limited = httpx.Response(429, headers={"retry-after": "7"})
    assert (await out.read(limited, ok())).status == 200
    assert out.slept == [7.0]


async def test_without_a_time_the_wait_is_short_and_random(out: Out) -> None:
    await out.read(httpx.Response(503))
    assert len(out.slept) == 2
    assert all(0 <= seconds <= 2.0 for seconds in out.slept)


async def test_no_attempt_begins_beyond_the_deadline(out: Out) -> None:
    limited = httpx.Response(429, headers={"retry-after": "7"})
    assert (await out.read(limited, ok(), seconds=7.0)).status == 429
    assert (len(out.wire.requests), out.slept) == (1, [])


async def test_attempts_share_the_time_of_the_call(out: Out) -> None:
    limited = httpx.Response(503, headers={"retry-after": "4"})
    assert (await out.read(limited, limited, ok(), seconds=7.0)).status == 503
    assert (len(out.wire.requests), out.slept) == (2, [4.0])


async def test_nothing_is_sent_when_no_time_is_left(out: Out) -> None:
    with pytest.raises(Unsent):
        await out.read(ok(), seconds=0.0)
    assert out.wire.requests == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_write_is_sent_once_whatever_is_answered(out: Out, status: int) -> None:
    assert (await out.write(httpx.Response(status, headers={"retry-after": "0"}))).status == status
    assert (len(out.wire.requests), out.slept) == (1, [])


@pytest.mark.parametrize(
    "broken",
    [httpx.ReadError("x"), httpx.WriteError("x"), httpx.RemoteProtocolError("x"), TimeoutError()],
    ids=lambda each: type(each).__name__,
)
async def test_a_write_that_may_have_left_is_sent_once(out: Out, broken: Exception) -> None:
    with pytest.raises(Lost):
        await out.write(broken)
    assert (len(out.wire.requests), out.slept) == (1, [])


@pytest.mark.parametrize("broken", UNSENT, ids=lambda each: type(each).__name__)
async def test_a_write_that_surely_never_left_is_tried_three_times(
    out: Out, broken: Exception
) -> None:
    with pytest.raises(Unsent):
        await out.write(broken)
    assert len(out.wire.requests) == 3
    assert all(0 <= slept <= bound for slept, bound in zip(out.slept, [0.1, 0.2], strict=True))


async def test_a_write_ends_with_the_attempt_that_may_have_left(out: Out) -> None:
    with pytest.raises(Lost):
        await out.write(httpx.ConnectError("x"), httpx.ReadError("x"), ok())
    assert len(out.wire.requests) == 2
    assert (await out.write(httpx.ConnectError("x"), httpx.Response(503), ok())).status == 503
    assert (await out.write(httpx.ConnectError("x"), ok())).status == 200


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_write_is_not_sent_when_its_caller_has_stopped_waiting(
    out: Out, seconds: float
) -> None:
    out.wire.answers = [ok()]
    call = out.call(seconds)
    call.before_send = unwanted
    with pytest.raises(Unsent):
        await out.client().write(call, WRITE, 100.0)
    assert out.wire.requests == []


@pytest.mark.parametrize(
    ("patience", "limit"), [(0.25, 100.0), (100.0, 0.25), (None, 0.25)], ids=str
)
async def test_a_write_is_not_tried_again_beyond_its_callers_time_or_its_limit(
    out: Out, patience: float | None, limit: float
) -> None:
    out.chance = lambda: 1.0
    out.wire.answers = [httpx.ConnectError("x")]
    call = out.call(patience or 0.0)
    call.deadline = None if patience is None else call.deadline
    with pytest.raises(Unsent):
        await out.client().write(call, WRITE, limit)
    assert (len(out.wire.requests), out.slept) == (2, [0.1])


async def test_the_wait_is_anything_up_to_a_bound_that_doubles(out: Out) -> None:
    out.chance = lambda: 1.0
    await out.read(httpx.Response(503))
    assert out.slept == [0.1, 0.2]
    out.chance = lambda: 0.0
    await out.read(httpx.Response(503))
    assert out.slept == [0.1, 0.2, 0.0, 0.0]


# ---- The retry budget ----------------------------------------------------------------------


async def test_however_much_fails_one_attempt_in_eleven_is_a_repetition(out: Out) -> None:
    out.breaker = CircuitBreaker(min_attempts=10**9)
    client, offered = out.client(), 1000
    for _ in range(offered // 2):
        out.wire.answers = [httpx.ReadError("x")]
        with pytest.raises(Lost):
            await client.read(out.call(), READ)
        out.wire.answers = [httpx.ConnectError("x")]
        with pytest.raises(Unsent):
            await client.write(out.call(), WRITE, 30.0)
    assert 1.1 * offered < len(out.wire.requests) <= 1.1 * offered + 10


async def test_an_answer_that_the_budget_does_not_repeat_is_the_answer(out: Out) -> None:
    out.budget = RetryBudget(share=0.0, most=0)
    assert (await out.read(httpx.Response(503, content=b"x"), ok())).body == b"x"
    assert (len(out.wire.requests), out.slept) == (1, [])


async def test_an_attempt_that_has_no_time_takes_nothing_of_the_budget(out: Out) -> None:
    out.budget = RetryBudget(share=0.0, most=1)
    limited = httpx.Response(503, headers={"retry-after": "7"})
    client = out.client()
    out.wire.answers = [limited]
    assert (await client.read(out.call(5.0), READ)).status == 503
    assert out.budget.take()


# ---- The circuit breaker -------------------------------------------------------------------


async def test_while_the_breaker_is_open_nothing_is_sent_and_no_call_is_traced(out: Out) -> None:
    client = out.client()
    out.wire.answers = [httpx.ConnectError("x")]
    for _ in range(20):
        with pytest.raises(Unsent):
            await client.read(out.call(), READ)
    requests, spans, slept = len(out.wire.requests), len(out.spans()), len(out.slept)
    assert requests == spans == 20
    sends = [
        lambda call: client.read(call, READ),
        lambda call: client.write(call, WRITE, 30.0),
        lambda call: client.read(call, dataclasses.replace(READ, grant_id="another")),
    ]
    for send in sends:
        call = out.call()
        call.before_send = unwanted
        with pytest.raises(Unsent) as raised:
            await send(call)
        assert 0 < raised.value.retry_after <= 5
        assert call.attributes == {GATE: "breaker_open"}
    assert (len(out.wire.requests), len(out.spans()), len(out.slept)) == (requests, spans, slept)
    out.now += 5
    out.wire.answers = [ok()]
    call = out.call()
    assert (await client.write(call, WRITE, 30.0)).status == 200
    assert call.attributes == {}
    assert (await client.read(out.call(), READ)).status == 200


async def test_the_attempt_that_opens_the_breaker_is_the_last_and_its_outcome_counts(
    out: Out,
) -> None:
    client = out.client()
    for number in range(19):
        out.wire.answers = [httpx.Response(500)]
        await client.write(out.call(), dataclasses.replace(WRITE, grant_id=str(number)), 30.0)
    out.wire.answers = [httpx.Response(503, content=b"x")]
    call = out.call()
    assert (await client.read(call, READ)).body == b"x"
    assert (len(out.wire.requests), out.slept, call.attributes) == (20, [], {})


async def test_while_the_breaker_is_open_nobody_waits_in_line(out: Out) -> None:
    out.bulkhead = Bulkhead(under_way=1)
    client = out.client()
    stream = Stream([b"{"], forever=True)
    out.wire.answers = [httpx.Response(200, stream=stream)]
    slow = asyncio.create_task(client.read(out.call(), READ))
    await stream.started.wait()
    out.wire.answers = [httpx.ConnectError("x")]
    for _ in range(20):
        with pytest.raises(Unsent):
            await client.read(out.call(), dataclasses.replace(READ, grant_id="another"))
    call = out.call(0.5)
    with pytest.raises(Unsent):
        await client.read(call, READ)
    assert call.attributes == {GATE: "breaker_open"}
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


@pytest.mark.parametrize("status", [500, 503, 599])
async def test_the_upstreams_own_failures_open_the_breaker(out: Out, status: int) -> None:
    assert await opens(out, httpx.Response(status))


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 429, 499])
async def test_an_upstream_that_answers_is_alive(out: Out, status: int) -> None:
    assert not await opens(out, httpx.Response(status))


@pytest.mark.parametrize("broken", [*UNSENT[:2], *LOST], ids=lambda each: type(each).__name__)
async def test_lost_requests_and_missing_connections_open_the_breaker(
    out: Out, broken: Exception
) -> None:
    assert await opens(out, broken)


@pytest.mark.parametrize(
    "broken",
    [httpx.ConnectTimeout("x"), httpx.ReadTimeout("x"), TimeoutError()],
    ids=lambda each: type(each).__name__,
)
async def test_a_caller_in_a_hurry_tells_nothing_of_the_upstream(
    out: Out, broken: Exception
) -> None:
    assert not await opens(out, broken, seconds=4.9)


async def test_a_write_has_its_own_time_whatever_its_callers_hurry(out: Out) -> None:
    """Connecting ends with the caller's patience, and the rest does not."""
    assert not await opens(out, httpx.ConnectTimeout("x"), seconds=4.9, write=True)
    assert await opens(out, TimeoutError(), seconds=4.9, write=True)


async def test_a_pool_without_a_place_tells_nothing_of_the_upstream(out: Out) -> None:
    assert not await opens(out, httpx.PoolTimeout("x"))


async def test_callers_that_leave_tell_nothing_of_the_upstream(out: Out) -> None:
    client = out.client()
    for number in range(40):
        stream = Stream([b"{"], forever=True)
        out.wire.answers = [httpx.Response(200, stream=stream)]
        request = dataclasses.replace(READ, grant_id=str(number))
        task = asyncio.create_task(client.read(out.call(), request))
        await stream.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    out.wire.answers = [ok()]
    assert (await client.read(out.call(), READ)).status == 200


async def test_a_probe_that_does_not_get_as_far_as_the_wire_leaves_it_to_the_next(
    out: Out,
) -> None:
    client = out.client()
    assert await opens(out, httpx.ReadError("x"), client=client)
    out.now += 5
    call = out.call()
    call.before_send = refusing
    with pytest.raises(NotMine):
        await client.write(call, WRITE, 30.0)
    out.wire.answers = [ok()]
    assert (await client.write(out.call(), WRITE, 30.0)).status == 200


# ---- Retry-After, per grant ----------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("write", [False, True])
async def test_until_its_time_no_request_of_the_grant_leaves(
    out: Out, status: int, write: bool
) -> None:
    client = out.client()
    out.wire.answers = [httpx.Response(status, headers={"retry-after": "7"}), ok()]
    assert (await client.write(out.call(), WRITE, 30.0)).status == status
    out.now += 2
    hurried = out.call(5.0)
    hurried.before_send = unwanted
    with pytest.raises(Limited) as raised:
        await (client.write(hurried, WRITE, 30.0) if write else client.read(hurried, READ))
    assert raised.value.seconds == 5.0
    assert hurried.attributes == {GATE: "grant_limited"}
    other = dataclasses.replace(READ, grant_id="another")
    assert (await client.read(out.call(), other)).status == 200
    assert (len(out.wire.requests), len(out.spans()), out.slept) == (2, 2, [])
    patient = out.call(5.1)
    sent = client.write(patient, WRITE, 30.0) if write else client.read(patient, READ)
    assert (await sent).status == 200
    assert (out.slept, patient.attributes) == ([5.0], {})
    assert (await client.read(out.call(), READ)).status == 200
    assert out.slept == [5.0]


@pytest.mark.parametrize(
    ("status", "value"), [(429, "0"), (429, "soon"), (500, "7"), (502, "7"), (200, "7"), (404, "7")]
)
async def test_any_other_answer_limits_nobody(out: Out, status: int, value: str) -> None:
    client = out.client()
    out.wire.answers = [httpx.Response(status, headers={"retry-after": value}), ok()]
    assert (await client.write(out.call(), WRITE, 30.0)).status == status
    assert (await client.read(out.call(1.0), READ)).status == 200
    assert out.slept == []


# ---- The bulkhead --------------------------------------------------------------------------


async def test_a_slow_grant_has_sixteen_requests_under_way_and_others_are_not_slowed(
    out: Out,
) -> None:
    client = out.client()
    out.wire.answers = [httpx.Response(200, stream=Stream([b"{"], forever=True)) for _ in range(17)]
    slow = [asyncio.create_task(client.read(out.call(), READ)) for _ in range(80)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(out.wire.requests) == 16
    over = out.call()
    with pytest.raises(Unsent):
        await client.read(over, READ)
    assert (over.attributes, out.slept) == ({GATE: "bulkhead_full"}, [])
    out.wire.answers = [ok()]
    other = dataclasses.replace(READ, grant_id="another")
    assert (await client.read(out.call(), other)).status == 200
    slow[0].cancel()
    # Its place goes from one to the next of those in line, whose requests are quick.
    await asyncio.gather(*slow[16:])
    assert len(out.wire.requests) == 16 + 1 + 64
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_write_whose_caller_leaves_while_it_is_in_line_is_never_sent(out: Out) -> None:
    out.bulkhead = Bulkhead(under_way=1)
    client = out.client()
    out.wire.answers = [httpx.Response(200, stream=Stream([b"{"], forever=True))]
    first = asyncio.create_task(client.write(out.call(), WRITE, 30.0))
    await asyncio.sleep(0.01)
    second = out.call(0.02)
    second.before_send = unwanted
    with pytest.raises(Unsent):
        await client.write(second, WRITE, 30.0)
    assert second.attributes == {GATE: "bulkhead_full"}
    assert len(out.wire.requests) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


# ---- What has to hold before a write leaves ------------------------------------------------


class NotMine(Exception):
    """What before_send raised."""


async def unwanted() -> None:
    raise AssertionError("nothing was to be sent")


async def refusing() -> None:
    raise NotMine


async def test_a_write_asks_once_more_right_before_each_attempt(out: Out) -> None:
    story: list[str] = []
    call = out.call()

    async def ask() -> None:
        story.append("asked")

    call.before_send = ask
    out.wire.at_request = lambda: story.append("sent")
    out.wire.answers = [httpx.ConnectError("x"), httpx.ConnectError("x"), ok()]
    await out.client().write(call, WRITE, 30.0)
    assert story == ["asked", "sent"] * 3


async def test_a_read_asks_nobody(out: Out) -> None:
    call = out.call()
    call.before_send = unwanted
    out.wire.answers = [ok()]
    assert (await out.client().read(call, READ)).status == 200


@pytest.mark.parametrize("refused_at", [1, 2])
async def test_what_forbids_a_write_goes_through_and_nothing_is_sent(
    out: Out, refused_at: int
) -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked == refused_at:
            raise NotMine

    call = out.call()
    call.before_send = ask
    out.wire.answers = [httpx.ConnectError("x"), ok()]
    with pytest.raises(NotMine):
        await out.client().write(call, WRITE, 30.0)
    assert len(out.wire.requests) == len(out.spans()) == refused_at - 1


async def test_a_write_asks_after_it_waited_for_its_place_and_its_time(out: Out) -> None:
    out.bulkhead = Bulkhead(under_way=1, sleep=out.sleep)
    client, story = out.client(), []
    stream = Stream([b"{"], forever=True)
    out.wire.answers = [httpx.Response(200, stream=stream), ok()]
    first = asyncio.create_task(client.read(out.call(), READ))
    await stream.started.wait()
    call = out.call()

    async def ask() -> None:
        story.append(("asked", out.now))

    call.before_send = ask
    second = asyncio.create_task(client.write(call, WRITE, 30.0))
    await asyncio.sleep(0.01)
    assert story == []
    out.bulkhead.limit(GRANT, out.now, 7.0)
    first.cancel()
    assert (await second).status == 200
    assert story == [("asked", 1007.0)]


async def test_a_limit_that_comes_while_a_write_asks_is_waited_for_and_it_asks_again(
    out: Out,
) -> None:
    out.bulkhead = Bulkhead(sleep=out.sleep)
    asked: list[float] = []

    async def ask() -> None:
        asked.append(out.now)
        if len(asked) == 1:
            out.bulkhead.limit(GRANT, out.now, 7.0)

    call = out.call()
    call.before_send = ask
    out.wire.answers = [ok()]
    assert (await out.client().write(call, WRITE, 30.0)).status == 200
    assert asked == [1000.0, 1007.0]


async def test_a_write_whose_caller_stops_waiting_while_it_asks_is_unsent(out: Out) -> None:
    async def ask() -> None:
        out.now += 31

    call = out.call()
    call.before_send = ask
    out.wire.answers = [ok()]
    with pytest.raises(Unsent):
        await out.client().write(call, WRITE, 100.0)
    assert out.wire.requests == []
