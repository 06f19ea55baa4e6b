"""Writes outlive their callers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import (
    LedgerUnavailable,
    OutcomeUnknown,
    OutcomeUnresolved,
    RequestInProgress,
)


class Write:
    """A write that a test lets end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.started.set()
        await self.go.wait()
        self.ended.set()
        if self.error is not None:
            raise self.error
        return "written"


@pytest.fixture
async def write() -> Write:
    return Write()


async def abandoned(effects: Effects, write: Write) -> None:
    """Start a write and leave it under way."""
    waiter = asyncio.create_task(effects.run(write(), {}))
    await write.started.wait()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_write_returns_what_it_returns(write: Write) -> None:
    write.go.set()
    assert await Effects().run(write(), {}) == "written"


async def test_a_write_raises_what_it_raises(write: Write) -> None:
    write.error = OutcomeUnresolved()
    write.go.set()
    with pytest.raises(OutcomeUnresolved):
        await Effects().run(write(), {})


async def test_a_caller_that_leaves_leaves_the_write_running_to_its_end(write: Write) -> None:
    effects = Effects()
    await abandoned(effects, write)
    assert not write.ended.is_set()
    write.go.set()
    assert await effects.drain(5.0) == 0
    assert write.ended.is_set()


async def test_a_caller_whose_time_is_up_leaves_the_write_running_to_its_end(
    write: Write,
) -> None:
    effects = Effects()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await effects.run(write(), {})
    write.go.set()
    assert await effects.drain(5.0) == 0
    assert write.ended.is_set()


async def test_draining_tells_how_many_writes_are_left(write: Write) -> None:
    effects, other = Effects(), Write()
    await abandoned(effects, write)
    await abandoned(effects, other)
    assert await effects.drain(0.01) == 2
    other.go.set()
    assert await effects.drain(0.05) == 1
    write.go.set()
    assert await effects.drain(5.0) == 0


async def test_draining_nothing_is_nothing() -> None:
    assert await Effects().drain(0.0) == 0


async def test_how_an_abandoned_write_failed_is_logged_by_its_reason(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    effects = Effects()
    write.error = OutcomeUnresolved({"request_id": "planted"})
    await abandoned(effects, write)
    write.go.set()
    await effects.drain(5.0)
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.__dict__["reason"] == "OUTCOME_UNRESOLVED"
    assert "planted" not in record.getMessage()


async def test_how_an_abandoned_write_broke_is_logged_as_an_error(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    effects = Effects()
    write.error = RuntimeError("broken")
    await abandoned(effects, write)
    write.go.set()
    await effects.drain(5.0)
    await asyncio.sleep(0)
    broke, left = caplog.records
    assert broke.levelno == logging.ERROR
    assert left.__dict__["reason"] == "OUTCOME_UNRESOLVED"


async def test_a_write_that_somebody_waits_for_is_not_logged(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write.error = OutcomeUnresolved()
    write.go.set()
    with pytest.raises(OutcomeUnresolved):
        await Effects().run(write(), {})
    await asyncio.sleep(0)
    assert caplog.records == []


async def test_what_nobody_foresaw_may_have_been_written(write: Write) -> None:
    write.error = RuntimeError("broken")
    write.go.set()
    with pytest.raises(OutcomeUnresolved):
        await Effects().run(write(), {})


async def test_whoever_waits_at_the_end_is_told_that_nobody_will_know(write: Write) -> None:
    effects = Effects()
    waiter = asyncio.create_task(effects.run(write(), {}))
    await write.started.wait()
    effects.abandon()
    with pytest.raises(OutcomeUnresolved):
        await waiter
    write.go.set()
    assert await effects.drain(5.0) == 0
    assert write.ended.is_set()


# ---- A write that answers before its end ---------------------------------------------------


def waiter() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


async def test_a_write_may_answer_its_caller_before_its_own_end(write: Write) -> None:
    effects, waits = Effects(), waiter()
    call = asyncio.create_task(effects.run(write(), {}, waiter=waits))
    await write.started.wait()
    waits.set_exception(RequestInProgress())
    with pytest.raises(RequestInProgress):
        await call
    assert not write.ended.is_set()
    assert await effects.drain(0.01) == 1, "the write goes on"
    write.go.set()
    assert await effects.drain(5.0) == 0
    assert write.ended.is_set()


async def test_how_a_write_ended_that_had_answered_before_is_logged(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    effects, waits = Effects(), waiter()
    call = asyncio.create_task(effects.run(write(), {"rpc": "CreateEvent"}, waiter=waits))
    await write.started.wait()
    waits.set_exception(RequestInProgress())
    with pytest.raises(RequestInProgress):
        await call
    write.go.set()
    await effects.drain(5.0)
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.getMessage() == "a write succeeded after its caller had left"
    assert record.__dict__["rpc"] == "CreateEvent"


async def test_a_write_answers_the_waiter_that_it_was_given(write: Write) -> None:
    waits = waiter()
    write.go.set()
    assert await Effects().run(write(), {}, waiter=waits) == "written"
    assert waits.result() == "written"


async def test_a_caller_that_leaves_gives_its_waiter_up(write: Write) -> None:
    effects, waits = Effects(), waiter()
    call = asyncio.create_task(effects.run(write(), {}, waiter=waits))
    await write.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert waits.cancelled()
    write.go.set()
    assert await effects.drain(5.0) == 0
    assert write.ended.is_set()


# ---- Last words ----------------------------------------------------------------------------


class Words:
    """Last words, and what they were asked about."""

    def __init__(self, word: Exception) -> None:
        self.word = word
        self.asked: list[Exception | None] = []

    def __call__(self, broken_by: Exception | None) -> Exception:
        self.asked.append(broken_by)
        return self.word


async def test_what_broke_is_told_in_the_last_words_about_it(write: Write) -> None:
    write.error = RuntimeError("broken")
    words = Words(OutcomeUnknown(retry_after=1.0))
    write.go.set()
    with pytest.raises(OutcomeUnknown):
        await Effects().run(write(), {}, last_words=words)
    assert words.asked == [write.error]


async def test_last_words_may_say_that_it_was_a_fault_of_ours(write: Write) -> None:
    write.error = RuntimeError("broken")
    words = Words(write.error)
    write.go.set()
    with pytest.raises(RuntimeError, match="broken"):
        await Effects().run(write(), {}, last_words=words)


async def test_an_error_of_the_core_needs_no_last_words(write: Write) -> None:
    write.error = LedgerUnavailable()
    words = Words(OutcomeUnknown(retry_after=1.0))
    write.go.set()
    with pytest.raises(LedgerUnavailable):
        await Effects().run(write(), {}, last_words=words)
    assert words.asked == []


async def test_whoever_waits_at_the_end_is_told_the_last_words_of_its_own_write(
    write: Write,
) -> None:
    effects, other = Effects(), Write()
    unknown, busy = Words(OutcomeUnknown(retry_after=1.0)), Words(RequestInProgress())
    calls = [
        asyncio.create_task(effects.run(write(), {}, last_words=unknown)),
        asyncio.create_task(effects.run(other(), {}, last_words=busy)),
    ]
    await write.started.wait()
    await other.started.wait()
    effects.abandon()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert ended == [unknown.word, busy.word]
    assert (unknown.asked, busy.asked) == ([None], [None])
    write.go.set()
    other.go.set()
    assert await effects.drain(5.0) == 0


async def test_a_write_that_is_cancelled_is_told_the_last_words_of_what_is_cut_off() -> None:
    words = Words(OutcomeUnknown(retry_after=1.0))

    async def cut_off() -> str:
        raise asyncio.CancelledError

    with pytest.raises(OutcomeUnknown):
        await Effects().run(cut_off(), {}, last_words=words)
    assert words.asked == [None]


# ---- Cut off -------------------------------------------------------------------------------


async def test_what_is_cut_off_ends_and_its_caller_is_told(write: Write) -> None:
    effects, words = Effects(), Words(OutcomeUnknown(retry_after=1.0))
    call = asyncio.create_task(effects.run(write(), {}, last_words=words))
    await write.started.wait()
    await effects.cut_off(5.0)
    with pytest.raises(OutcomeUnknown):
        await call
    assert not write.ended.is_set()
    assert await effects.drain(0.0) == 0


async def test_what_is_cut_off_may_note_that_it_was() -> None:
    effects, started, noted = Effects(), asyncio.Event(), asyncio.Event()

    async def careful() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            noted.set()
            raise

    call = asyncio.create_task(effects.run(careful(), {}))
    await started.wait()
    await effects.cut_off(5.0)
    assert noted.is_set()
    with pytest.raises(OutcomeUnresolved):
        await call


async def test_what_does_not_end_when_it_is_cut_off_is_waited_for_no_longer() -> None:
    effects, started, go = Effects(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        started.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        return "written"

    call = asyncio.create_task(effects.run(stubborn(), {}))
    await started.wait()
    await effects.cut_off(0.01)
    assert not call.done()
    go.set()
    assert await call == "written"


async def test_cutting_off_nothing_is_nothing() -> None:
    await Effects().cut_off(0.0)
