"""What is known about grants: read once, shared, and never believed blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from conferencing_service.core import grants as grants_module
from conferencing_service.core.errors import (
    FailedPrecondition,
    NotFound,
    Unavailable,
)
from conferencing_service.core.grants import FACTS_SECONDS, GrantDirectory
from conferencing_service.core.model import Grant, Platform, Reason
from conferencing_service.core.upstream import CalendarUpstream, Call


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Vendor:
    """An upstream that has grants and counts how often it is asked for them."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.answers: dict[str, list[Grant | Exception]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.on_read: Callable[[Call], Awaitable[None]] | None = None

    def knows(self, grant_id: str, *answers: Grant | Exception) -> None:
        """Answer so, one after the other; the last one for good."""
        self.answers[grant_id] = list(answers)

    async def get_grant(self, call: Call, grant_id: str) -> Grant:
        self.reads.append(grant_id)
        if self.on_read is not None:
            await self.on_read(call)
        await self.gate.wait()
        answers = self.answers.get(grant_id) or [Grant(grant_id, Platform.GOOGLE)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


VALID = Grant("g", Platform.GOOGLE)
INVALID = Grant("g", Platform.GOOGLE, valid=False)


class Story:
    """A directory in front of a vendor, and calls that ask it."""

    def __init__(self) -> None:
        self.time = Time()
        self.vendor = Vendor()
        self.directory = GrantDirectory(self.time, read_seconds=20.0)

    def call(self) -> Call:
        now = self.time.now
        return Call(self.time, now, now + 1.0, now + 1.0)

    async def find(self, grant_id: str = "g", *, call: Call | None = None, **more: object) -> Grant:
        upstream: CalendarUpstream = self.vendor
        return await self.directory.find(call or self.call(), upstream, grant_id, **more)

    async def find_fresh(self, *, call: Call) -> Grant:
        upstream: CalendarUpstream = self.vendor
        return await self.directory.find_fresh(call, upstream, "g")


@pytest.fixture
async def story() -> Story:
    return Story()


# ---- Once for everybody --------------------------------------------------------------------


async def test_fifty_finds_at_once_are_one_read(story: Story) -> None:
    story.vendor.gate.clear()
    finds = [asyncio.create_task(story.find()) for _ in range(50)]
    await asyncio.sleep(0)
    story.vendor.gate.set()
    assert await asyncio.gather(*finds) == [VALID] * 50
    assert story.vendor.reads == ["g"]


async def test_what_a_grant_is_stays_known_for_good(story: Story) -> None:
    await story.find()
    story.time.now += 10**9
    assert await story.find() == VALID
    assert story.vendor.reads == ["g"]


async def test_every_grant_is_read_by_itself(story: Story) -> None:
    await asyncio.gather(story.find("g"), story.find("h"))
    assert sorted(story.vendor.reads) == ["g", "h"]


async def test_a_waiter_that_leaves_does_not_end_the_read_of_the_others(story: Story) -> None:
    story.vendor.gate.clear()
    first = asyncio.create_task(story.find())
    second = asyncio.create_task(story.find())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    story.vendor.gate.set()
    assert await second == VALID
    assert story.vendor.reads == ["g"]


async def test_a_read_that_everybody_left_is_kept_all_the_same(story: Story) -> None:
    story.vendor.gate.clear()
    only = asyncio.create_task(story.find())
    await asyncio.sleep(0)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    story.vendor.gate.set()
    assert await story.find() == VALID
    assert story.vendor.reads == ["g"]


async def test_a_shared_read_has_its_own_time_and_not_a_callers(story: Story) -> None:
    seen: list[Call] = []

    async def look(call: Call) -> None:
        seen.append(call)

    story.vendor.on_read = look
    await story.find()
    assert seen[0].deadline is None
    assert seen[0].read_seconds() == 20.0


# ---- Errors --------------------------------------------------------------------------------


async def test_an_error_is_told_to_all_who_wait_and_not_kept(story: Story) -> None:
    story.vendor.knows("g", Unavailable(), VALID)
    story.vendor.gate.clear()
    finds = [asyncio.create_task(story.find()) for _ in range(3)]
    await asyncio.sleep(0)
    story.vendor.gate.set()
    answers = await asyncio.gather(*finds, return_exceptions=True)
    assert [type(each) for each in answers] == [Unavailable] * 3
    assert await story.find() == VALID
    assert story.vendor.reads == ["g", "g"]


async def test_an_error_that_nobody_waits_for_any_more_is_no_one_elses_trouble(
    story: Story,
) -> None:
    story.vendor.knows("g", Unavailable(), VALID)
    story.vendor.gate.clear()
    only = asyncio.create_task(story.find())
    await asyncio.sleep(0)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    story.vendor.gate.set()
    await asyncio.sleep(0.01)
    assert await story.find() == VALID


async def test_a_grant_that_is_not_there_is_told_by_the_field_that_names_it(
    story: Story,
) -> None:
    story.vendor.knows("g", NotFound(Reason.GRANT_NOT_FOUND))
    with pytest.raises(NotFound) as caught:
        await story.find(field="conf_grant_id")
    assert caught.value.reason is Reason.GRANT_NOT_FOUND
    assert caught.value.metadata == {"grant_field": "conf_grant_id"}


# ---- Expired -------------------------------------------------------------------------------


async def test_a_grant_known_as_invalid_is_read_again_before_anybody_is_told(
    story: Story,
) -> None:
    story.vendor.knows("g", INVALID, VALID)
    with pytest.raises(FailedPrecondition):
        await story.find()
    story.time.now += 1
    assert await story.find() == VALID
    assert story.vendor.reads == ["g", "g"]


async def test_a_grant_that_is_still_invalid_is_expired(story: Story) -> None:
    story.vendor.knows("g", INVALID)
    for _ in range(2):
        story.time.now += 1
        with pytest.raises(FailedPrecondition) as caught:
            await story.find(field="event.conferencing.autocreate.conf_grant_id")
        assert caught.value.reason is Reason.GRANT_EXPIRED
        assert caught.value.metadata == {
            "grant_field": "event.conferencing.autocreate.conf_grant_id"
        }
    assert len(story.vendor.reads) == 2


async def test_what_was_read_during_the_call_is_not_read_twice(story: Story) -> None:
    story.vendor.knows("g", INVALID)
    call = story.call()
    with pytest.raises(FailedPrecondition):
        await story.find(call=call)
    assert story.vendor.reads == ["g"]


async def test_a_grant_that_expires_later_is_believed_until_somebody_looks(story: Story) -> None:
    story.vendor.knows("g", VALID, INVALID)
    await story.find()
    assert await story.find() == VALID
    with pytest.raises(FailedPrecondition):
        await story.find(max_age=-1.0)


# ---- Age -----------------------------------------------------------------------------------


async def test_facts_are_read_again_when_they_are_older_than_asked(story: Story) -> None:
    scoped = Grant("g", Platform.GOOGLE, scopes=frozenset({"s"}))
    story.vendor.knows("g", VALID, scoped)
    await story.find()
    story.time.now += FACTS_SECONDS
    assert await story.find(max_age=FACTS_SECONDS) == VALID
    story.time.now += 1
    assert await story.find(max_age=FACTS_SECONDS) == scoped
    assert story.vendor.reads == ["g", "g"]


async def test_fresh_means_read_during_this_call(story: Story) -> None:
    await story.find()
    story.time.now += 1
    call = story.call()
    await story.find_fresh(call=call)
    story.time.now += 1
    await story.find_fresh(call=call)
    assert story.vendor.reads == ["g", "g"]


# ---- What a call learns --------------------------------------------------------------------


async def test_a_call_learns_the_reads_request_id_and_whether_the_sandbox_answered(
    story: Story,
) -> None:
    async def answer(call: Call) -> None:
        call.upstream_request_id = "u"
        call.sandbox = True

    story.vendor.on_read = answer
    reader, later = story.call(), story.call()
    await story.find(call=reader)
    await story.find(call=later)
    assert (reader.upstream_request_id, reader.sandbox) == ("u", True)
    assert (later.upstream_request_id, later.sandbox) == ("", True)


# ---- Capacity ------------------------------------------------------------------------------


async def test_beyond_its_capacity_the_longest_known_is_forgotten(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants_module, "_CAPACITY", 3)
    for grant_id in ("a", "b", "c", "d"):
        await story.find(grant_id)
    story.vendor.reads.clear()
    for grant_id in ("b", "c", "d", "a"):
        await story.find(grant_id)
    assert story.vendor.reads == ["a"]
