"""What each step writes, from which steps it may be taken, and that an old hold takes none."""

from __future__ import annotations

import json

import pytest

from conferencing_service.core.ledger.entry import Hold, Step
from stores.entries import (
    LONG,
    NEVER,
    OPEN,
    abandoned,
    brought_to,
    claimed,
    in_doubt,
    sending,
    standing,
    wish,
)

GUARD = 30.0

STEPS = {
    "intend": (
        {Step.CLAIMED},
        lambda store, hold: store.intend(hold, event_id="new", expected={"a": "1"}, lease=9),
    ),
    "renew": ({*Step}, lambda store, hold: store.renew(hold, lease=9)),
    "release": (
        {Step.CLAIMED, Step.SENDING, Step.RELEASED},
        lambda store, hold: store.release(hold, error="NEW"),
    ),
    "doubt": (
        {Step.SENDING, Step.IN_DOUBT},
        lambda store, hold: store.doubt(hold, error="NEW", settle=9, lease=9),
    ),
    "finish": (
        {Step.SENDING, Step.IN_DOUBT},
        lambda store, hold: store.finish(hold, event_id="new", reply="new", retention=9),
    ),
    "give_up": (
        {Step.IN_DOUBT, Step.UNRESOLVED},
        lambda store, hold: store.give_up(hold, retention=9),
    ),
}
"""Every method that writes for a hold: the steps that it may be taken from, and a call of it."""


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("method", STEPS)
async def test_a_step_is_taken_from_where_it_leads_on_and_from_nowhere_else(store, method, step):
    allowed, call = STEPS[method]
    entry = await brought_to(store, step)
    wrote = await call(store, entry.hold)
    assert wrote == (step in allowed)
    after = await store.find(entry.operation_id)
    assert (after is None or after != entry) if wrote else standing(after) == standing(entry)


@pytest.mark.parametrize("step", OPEN)
@pytest.mark.parametrize("method", STEPS)
@pytest.mark.parametrize("taker", ["claim", "take_over"])
async def test_what_an_earlier_owner_writes_is_refused(store, method, step, taker):
    old = await abandoned(store, step)
    if taker == "claim":
        new, mine = await store.claim(wish(owner="server-2"))
        assert mine
    else:
        (new,) = await store.take_over("server-2", lease=LONG, settle=LONG, limit=9)
    assert not await STEPS[method][1](store, old.hold)
    assert await store.lease_left(old.hold) is None
    assert standing(await store.find(old.operation_id)) == standing(new)


@pytest.mark.parametrize("method", STEPS)
async def test_a_hold_of_nothing_writes_nothing(store, method):
    entry = await claimed(store)
    for hold in (Hold(NEVER, 1), Hold(entry.operation_id, 2), Hold(entry.operation_id, 0)):
        assert not await STEPS[method][1](store, hold)
        assert await store.lease_left(hold) is None
    assert standing(await store.find(entry.operation_id)) == standing(entry)


async def test_an_intent_is_written_with_what_it_is_about(store):
    before = await claimed(store)
    digests = {"title": "8f3a", "när": 'ö"\\\n\u2028'}
    assert await store.intend(before.hold, event_id="event", expected=digests, lease=60)
    entry = await store.find(before.operation_id)
    assert (entry.step, entry.target.event_id, entry.expected) == (Step.SENDING, "event", digests)
    assert (entry.target.grant_id, entry.target.calendar_id) == ("grant", "calendar")
    assert 60 - GUARD < entry.lease_left <= 60
    assert (entry.fence, entry.owner, entry.doubted) == (1, "server-1", False)
    assert entry.updated_at >= before.updated_at


async def test_nothing_is_sent_after_the_lease(store):
    entry = await claimed(store)
    assert await store.renew(entry.hold, lease=0)
    assert not await store.intend(entry.hold, event_id="event", expected={}, lease=LONG)
    assert (await store.find(entry.operation_id)).step is Step.CLAIMED


@pytest.mark.parametrize(
    ("before", "method"),
    [
        (Step.SENDING, "doubt"),
        (Step.SENDING, "finish"),
        (Step.IN_DOUBT, "finish"),
        (Step.IN_DOUBT, "give_up"),
    ],
)
async def test_whoever_lost_the_answer_may_take_the_step_again(store, before, method):
    entry = await brought_to(store, before)
    assert await STEPS[method][1](store, entry.hold)
    once = await store.find(entry.operation_id)
    assert await STEPS[method][1](store, entry.hold)
    twice = await store.find(entry.operation_id)
    for name in ("step", "fence", "target", "reply", "error", "doubted", "swept"):
        assert getattr(twice, name) == getattr(once, name)


async def test_nobody_may_send_twice_because_an_answer_was_lost(store):
    entry = await claimed(store)
    assert await store.intend(entry.hold, event_id="", expected={}, lease=LONG)
    assert not await store.intend(entry.hold, event_id="", expected={}, lease=LONG)


async def test_what_is_done_does_not_become_another_event(store):
    entry = await brought_to(store, Step.DONE)
    assert not await store.finish(entry.hold, event_id="other", reply="other", retention=LONG)
    assert standing(await store.find(entry.operation_id)) == standing(entry)


async def test_what_is_released_is_nobody_elses_while_somebody_holds_a_lease_on_it(store):
    entry = await brought_to(store, Step.RELEASED)
    assert await store.renew(entry.hold, lease=LONG)
    found, mine = await store.claim(wish(owner="server-2"))
    assert not mine
    assert found.lease_left > LONG - GUARD
    assert await store.renew(entry.hold, lease=0)
    found, mine = await store.claim(wish(owner="server-2"))
    assert mine


async def test_a_lease_is_made_longer_and_ended(store):
    entry = await claimed(store, wish(lease=1))
    assert await store.renew(entry.hold, lease=60)
    assert 60 - GUARD < await store.lease_left(entry.hold) <= 60
    assert await store.renew(entry.hold, lease=0)
    assert await store.lease_left(entry.hold) == 0
    assert (await store.find(entry.operation_id)).lease_left == 0


async def test_a_lease_that_is_over_still_is_its_owners_to_renew(store):
    entry = await abandoned(store, Step.SENDING)
    assert await store.renew(entry.hold, lease=LONG)
    _found, mine = await store.claim(wish(owner="server-2"))
    assert not mine


@pytest.mark.parametrize("step", [Step.CLAIMED, Step.SENDING])
async def test_what_surely_did_nothing_is_removed(store, step):
    entry = await brought_to(store, step)
    assert await store.release(entry.hold, error="REFUSED")
    assert await store.find(entry.operation_id) is None
    assert await store.lease_left(entry.hold) is None
    _new, mine = await store.claim(wish(fingerprint="another"))
    assert mine


@pytest.mark.parametrize("step", [Step.CLAIMED, Step.SENDING])
async def test_what_was_in_doubt_once_is_kept_when_it_did_nothing(store, step):
    await brought_to(store, Step.RELEASED)
    before, mine = await store.claim(wish())
    assert mine
    if step is Step.SENDING:
        assert await store.intend(before.hold, event_id="event", expected={"a": "b"}, lease=LONG)
    assert await store.release(before.hold, error="REFUSED")
    entry = await store.find(before.operation_id)
    assert (entry.step, entry.error, entry.lease_left) == (Step.RELEASED, "REFUSED", 0)
    assert (entry.doubted, entry.swept) == (True, False)
    _entry, mine = await store.claim(wish(owner="server-2"))
    assert mine


async def test_a_lost_answer_puts_it_in_doubt(store):
    before = await sending(store)
    assert await store.doubt(before.hold, error="TIMEOUT", settle=120, lease=60)
    entry = await store.find(before.operation_id)
    assert (entry.step, entry.error) == (Step.IN_DOUBT, "TIMEOUT")
    assert (entry.doubted, entry.swept, entry.fence) == (True, False, 1)
    assert 120 - GUARD < entry.settle_left <= 120
    assert 60 - GUARD < entry.lease_left <= 60


async def test_what_was_swept_is_to_be_swept_again_after_another_doubt(store):
    before = await brought_to(store, Step.RELEASED)
    await store.mark_swept(before.operation_id)
    entry, _mine = await store.claim(wish())
    assert await store.intend(entry.hold, event_id="", expected={}, lease=LONG)
    assert (await store.find(entry.operation_id)).swept
    assert await store.doubt(entry.hold, error="TIMEOUT", settle=LONG, lease=LONG)
    assert not (await store.find(entry.operation_id)).swept


@pytest.mark.parametrize("step", [Step.SENDING, Step.IN_DOUBT])
async def test_what_was_done_is_kept_with_its_event_and_reply(store, step):
    before = await brought_to(store, step)
    reply = json.dumps({"url": "https://zoom.us/j/1", "text": "ü" * 20_000}, ensure_ascii=False)
    assert await store.finish(before.hold, event_id="event-1", reply=reply, retention=900)
    entry = await store.find(before.operation_id)
    assert (entry.step, entry.target.event_id, entry.reply) == (Step.DONE, "event-1", reply)
    assert entry.lease_left == 0
    assert entry.doubted == (step is Step.IN_DOUBT)
    assert entry.expires_at == pytest.approx(entry.updated_at + 900, abs=0.1)


async def test_what_nobody_found_is_unresolved(store):
    before = await in_doubt(store)
    assert await store.give_up(before.hold, retention=900)
    entry = await store.find(before.operation_id)
    assert (entry.step, entry.error, entry.lease_left) == (Step.UNRESOLVED, "TIMEOUT", 0)
    assert entry.expires_at == pytest.approx(entry.updated_at + 900, abs=0.1)


@pytest.mark.parametrize("step", Step)
async def test_a_reply_is_amended_when_it_is_done(store, step):
    entry = await brought_to(store, step)
    await store.amend(entry.operation_id, reply="more")
    await store.amend(NEVER, reply="more")
    after = await store.find(entry.operation_id)
    assert after.reply == ("more" if step is Step.DONE else "")
    assert (after.step, after.fence, after.target) == (entry.step, entry.fence, entry.target)


@pytest.mark.parametrize("done", [True, False])
async def test_an_operator_resolves_what_is_unresolved(store, done):
    entry = await sending(store)
    await store.doubt(entry.hold, error="TIMEOUT", settle=LONG, lease=LONG)
    await store.give_up(entry.hold, retention=LONG)
    await store.mark_swept(entry.operation_id)
    assert await store.resolve(
        entry.operation_id, done=done, event_id="found", owner="operator", retention=900
    )
    after = await store.find(entry.operation_id)
    assert after.step is (Step.DONE if done else Step.RELEASED)
    assert after.target.event_id == ("found" if done else "")
    assert (after.fence, after.owner, after.swept) == (entry.fence + 1, "operator", False)
    assert after.expires_at == pytest.approx(after.updated_at + 900, abs=0.1)
    assert await store.lease_left(entry.hold) is None


async def test_an_update_that_did_nothing_still_says_which_event(store):
    entry = await claimed(store)
    await store.intend(entry.hold, event_id="event", expected={}, lease=LONG)
    await store.doubt(entry.hold, error="TIMEOUT", settle=LONG, lease=LONG)
    await store.give_up(entry.hold, retention=LONG)
    await store.resolve(entry.operation_id, done=False, event_id="", owner="me", retention=LONG)
    assert (await store.find(entry.operation_id)).target.event_id == "event"


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.UNRESOLVED])
async def test_an_operator_resolves_nothing_else(store, step):
    entry = await brought_to(store, step)
    for operation_id in (entry.operation_id, NEVER):
        assert not await store.resolve(
            operation_id, done=True, event_id="found", owner="operator", retention=LONG
        )
    assert standing(await store.find(entry.operation_id)) == standing(entry)
