"""Writes outlive their callers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import OutcomeUnresolved


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
