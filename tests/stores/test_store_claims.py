"""Who gets to work on a request: one at a time, and nobody on what is at an end."""

from __future__ import annotations

import asyncio

import pytest

from conferencing_service.core.ledger.entry import Key, Step, Target
from stores.entries import (
    ENDED,
    LONG,
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


async def test_a_new_request_is_its_claimers(store):
    claim = wish(target=Target("grant", "calendar", "event"), lease=60, settle=30, retention=900)
    entry, mine = await store.claim(claim)
    assert mine
    assert (entry.key, entry.operation_id, entry.owner) == (
        claim.key,
        claim.operation_id,
        claim.owner,
    )
    assert (entry.fingerprint, entry.target, entry.marker) == (
        claim.fingerprint,
        claim.target,
        claim.marker,
    )
    assert (entry.step, entry.fence) == (Step.CLAIMED, 1)
    assert 60 - GUARD < entry.lease_left <= 60
    assert entry.settle_left == 0
    assert (entry.expected, entry.reply, entry.error) == ({}, "", "")
    assert (entry.doubted, entry.swept) == (False, False)
    assert entry.created_at == pytest.approx(entry.updated_at, abs=0.1)
    assert entry.expires_at == pytest.approx(entry.created_at + 900, abs=0.1)
    assert standing(await store.get(claim.key)) == standing(entry)
    assert standing(await store.find(claim.operation_id)) == standing(entry)


async def test_there_is_nothing_under_a_key_that_nobody_claimed(store):
    await claimed(store)
    assert await store.get(Key("alice", "CreateEvent", "another")) is None
    assert await store.find("another") is None


@pytest.mark.parametrize("step", OPEN)
async def test_nobody_else_gets_it_while_the_lease_lasts(store, step):
    entry = await brought_to(store, step)
    found, mine = await store.claim(wish(owner="server-2"))
    assert not mine
    assert found.lease_left > LONG - GUARD
    assert standing(found) == standing(entry) == standing(await store.get(entry.key))


@pytest.mark.parametrize("step", OPEN)
async def test_not_even_its_owner_gets_it_twice(store, step):
    entry = await brought_to(store, step)
    found, mine = await store.claim(wish())
    assert not mine
    assert standing(found) == standing(entry)


@pytest.mark.parametrize("step", Step)
async def test_another_payload_never_gets_it(store, step):
    entry = standing(await store.find((await abandoned(store, step)).operation_id))
    found, mine = await store.claim(wish(fingerprint="another", owner="server-2"))
    assert not mine
    assert standing(found) == entry == standing(await store.get(entry.key))


@pytest.mark.parametrize(
    ("step", "then"),
    [
        (Step.CLAIMED, Step.CLAIMED),
        (Step.SENDING, Step.IN_DOUBT),
        (Step.IN_DOUBT, Step.IN_DOUBT),
        (Step.RELEASED, Step.CLAIMED),
    ],
)
async def test_a_lease_that_is_over_makes_it_the_next_ones(store, step, then):
    before = await store.find((await abandoned(store, step)).operation_id)
    claim = wish(owner="server-2", lease=60, settle=30, retention=900)
    entry, mine = await store.claim(claim)
    assert mine
    assert (entry.step, entry.fence, entry.owner) == (then, before.fence + 1, "server-2")
    assert 60 - GUARD < entry.lease_left <= 60
    assert entry.doubted == (step is not Step.CLAIMED)
    assert entry.expires_at == pytest.approx(entry.updated_at + 900, abs=0.1)
    for name in ("key", "operation_id", "marker", "fingerprint", "target", "created_at"):
        assert getattr(entry, name) == getattr(before, name)
    assert standing(await store.get(entry.key)) == standing(entry)


async def test_a_settle_window_begins_when_a_request_comes_into_doubt(store):
    await abandoned(store, Step.SENDING)
    entry, _mine = await store.claim(wish(settle=100))
    assert 100 - GUARD < entry.settle_left <= 100


async def test_a_settle_window_goes_on_when_another_takes_over(store):
    await abandoned(store, Step.IN_DOUBT)
    entry, _mine = await store.claim(wish(settle=1))
    assert LONG - GUARD < entry.settle_left <= LONG


async def test_what_was_looked_for_is_looked_for_again_after_the_next_doubt(store):
    entry = await brought_to(store, Step.RELEASED)
    await store.mark_swept(entry.operation_id)
    entry, _mine = await store.claim(wish())
    assert (entry.doubted, entry.swept) == (True, True)
    await store.intend(entry.hold, event_id="", expected={}, lease=0)
    entry, mine = await store.claim(wish())
    assert mine
    assert (entry.step, entry.doubted, entry.swept) == (Step.IN_DOUBT, True, False)


@pytest.mark.parametrize("step", [Step.DONE, Step.UNRESOLVED])
async def test_what_is_at_an_end_comes_back_as_it_is(store, step):
    entry = await brought_to(store, step)
    found, mine = await store.claim(wish(owner="server-2"))
    assert not mine
    assert standing(found) == standing(entry) == standing(await store.get(entry.key))


@pytest.mark.parametrize("step", [Step.DONE, Step.RELEASED])
@pytest.mark.parametrize("fingerprint", ["fingerprint", "another"])
async def test_what_may_be_forgotten_is_replaced(store, step, fingerprint):
    old = await brought_to(store, step, retention=0)
    await store.mark_swept(old.operation_id)
    claim = wish(fingerprint=fingerprint, owner="server-2", target=Target("other", "one"))
    entry, mine = await store.claim(claim)
    assert mine
    assert (entry.operation_id, entry.fence, entry.step) == (claim.operation_id, 1, Step.CLAIMED)
    assert (entry.fingerprint, entry.owner, entry.target, entry.marker) == (
        fingerprint,
        "server-2",
        claim.target,
        claim.marker,
    )
    assert (entry.expected, entry.reply, entry.error) == ({}, "", "")
    assert (entry.doubted, entry.swept, entry.settle_left) == (False, False, 0)
    assert entry.created_at == pytest.approx(entry.updated_at, abs=0.1)
    assert entry.created_at > old.created_at
    assert entry.expires_at == pytest.approx(entry.created_at + LONG, abs=0.1)
    assert await store.find(old.operation_id) is None
    assert standing(await store.get(claim.key)) == standing(entry)


@pytest.mark.parametrize("step", ENDED)
async def test_what_was_in_doubt_is_not_replaced_before_it_was_swept(store, step):
    old = await brought_to(store, step, doubted=True, retention=0)
    found, mine = await store.claim(wish(fingerprint="another"))
    assert not mine
    assert standing(found) == standing(old)
    found, mine = await store.claim(wish())
    assert mine == (step is Step.RELEASED)
    assert found.operation_id == old.operation_id


async def test_what_nobody_settled_is_not_replaced(store):
    old = await brought_to(store, Step.UNRESOLVED, retention=0)
    await store.mark_swept(old.operation_id)
    for fingerprint in ("fingerprint", "another"):
        found, mine = await store.claim(wish(fingerprint=fingerprint))
        assert not mine
        assert found.operation_id == old.operation_id


@pytest.mark.parametrize("step", OPEN)
async def test_what_is_under_way_is_never_forgotten(store, step):
    old = await abandoned(store, step, wish(retention=0))
    found, mine = await store.claim(wish(fingerprint="another"))
    assert not mine
    assert found.operation_id == old.operation_id


async def test_the_same_id_of_another_caller_or_method_is_another_request(store):
    claims = [
        wish(),
        wish(principal="bob"),
        wish(principal=""),
        wish(method="UpdateEvent"),
        wish("another"),
    ]
    for claim in claims:
        _entry, mine = await store.claim(claim)
        assert mine
    for claim in claims:
        assert (await store.get(claim.key)).operation_id == claim.operation_id


async def test_a_lease_runs_out_by_itself(store):
    entry = await claimed(store, wish(lease=0.3))
    assert await store.lease_left(entry.hold) <= 0.3
    async with asyncio.timeout(GUARD):
        while True:
            found, mine = await store.claim(wish(owner="server-2"))
            if mine:
                break
            assert standing(found) == standing(entry)
            await asyncio.sleep(0.02)
    assert found.fence == 2


async def race(stores, count=50):
    """Claim one key many times at once; the entries of those who got it, and of the others."""
    answers = await asyncio.gather(
        *(
            stores[number % len(stores)].claim(wish(owner=f"server-{number}"))
            for number in range(count)
        )
    )
    return [entry for entry, mine in answers if mine], [
        entry for entry, mine in answers if not mine
    ]


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("before", [None, *OPEN, Step.RELEASED, Step.DONE])
async def test_of_many_claims_at_once_one_gets_it(store, reopen, servers, before):
    if before is Step.DONE:
        await brought_to(store, before, retention=0)
    elif before is not None:
        await abandoned(store, before)
    winners, losers = await race([store, await reopen()][:servers])
    assert len(winners) == 1
    assert len(losers) == 49
    assert all(standing(entry) == standing(winners[0]) for entry in losers)
    assert await store.lease_left(winners[0].hold) > 0


async def test_a_request_that_is_released_while_others_claim_it_is_never_two_peoples(store, reopen):
    stores = [store, await reopen()]
    working = set()

    async def work(number):
        """Claim, work a little, give it back; nobody else may be at it meanwhile."""
        got = 0
        for _ in range(10):
            entry, mine = await stores[number % 2].claim(wish(owner=f"server-{number}"))
            if mine:
                assert not working
                working.add(number)
                await asyncio.sleep(0)
                working.remove(number)
                assert await stores[number % 2].release(entry.hold, error="REFUSED")
                got += 1
        return got

    assert sum(await asyncio.gather(*(work(number) for number in range(8)))) > 0


async def test_an_old_hold_does_not_fit_the_request_that_took_its_key(store):
    old = await sending(store)
    assert await store.release(old.hold, error="REFUSED")
    new = await in_doubt(store)
    assert new.fence == old.fence
    assert not await store.finish(old.hold, event_id="event", reply="", retention=LONG)
    assert standing(await store.get(new.key)) == standing(new)
