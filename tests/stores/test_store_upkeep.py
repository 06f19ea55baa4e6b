"""What is found again: abandoned work, leftovers to look for, and what may be forgotten."""

from __future__ import annotations

import asyncio

import pytest

from conferencing_service.core.ledger.entry import Step
from stores.entries import ENDED, LONG, NEVER, OPEN, abandoned, brought_to, standing, wish

GUARD = 30.0


async def in_a_row(make, count):
    """Make entries that differ in age by the store's clock; their operations, oldest first."""
    made = []
    for number in range(count):
        made.append((await make(wish(f"request-{number}"))).operation_id)
        await asyncio.sleep(0.003)
    return made


def operations(entries):
    return [entry.operation_id for entry in entries]


@pytest.mark.parametrize(
    ("step", "then"),
    [
        (Step.CLAIMED, Step.CLAIMED),
        (Step.SENDING, Step.IN_DOUBT),
        (Step.IN_DOUBT, Step.IN_DOUBT),
    ],
)
async def test_abandoned_work_is_taken_over(store, step, then):
    before = await abandoned(store, step)
    (entry,) = await store.take_over("server-2", lease=60, settle=90, limit=9)
    assert (entry.step, entry.fence, entry.owner) == (then, 2, "server-2")
    assert entry.doubted == (step is not Step.CLAIMED)
    assert 60 - GUARD < entry.lease_left <= 60
    settle = {Step.CLAIMED: 0, Step.SENDING: 90, Step.IN_DOUBT: LONG}[step]
    assert max(0, settle - GUARD) <= entry.settle_left <= settle
    for name in ("key", "operation_id", "marker", "fingerprint", "target", "expires_at"):
        assert getattr(entry, name) == getattr(before, name)
    assert standing(await store.find(before.operation_id)) == standing(entry)
    assert await store.take_over("server-3", lease=60, settle=90, limit=9) == []


@pytest.mark.parametrize("step", OPEN)
async def test_work_is_not_taken_over_while_its_lease_lasts(store, step):
    entry = await brought_to(store, step)
    assert await store.take_over("server-2", lease=LONG, settle=LONG, limit=9) == []
    assert standing(await store.find(entry.operation_id)) == standing(entry)


@pytest.mark.parametrize("step", ENDED)
async def test_what_is_at_an_end_is_not_taken_over(store, step):
    await brought_to(store, step)
    assert await store.take_over("server-2", lease=LONG, settle=LONG, limit=9) == []


async def test_what_was_swept_is_to_be_swept_again_when_it_is_taken_over_in_doubt(store):
    entry = await brought_to(store, Step.RELEASED)
    await store.mark_swept(entry.operation_id)
    entry, _mine = await store.claim(wish())
    await store.intend(entry.hold, event_id="", expected={}, lease=0)
    (entry,) = await store.take_over("server-2", lease=LONG, settle=LONG, limit=9)
    assert (entry.step, entry.doubted, entry.swept) == (Step.IN_DOUBT, True, False)


async def test_the_oldest_is_taken_over_first(store):
    made = await in_a_row(lambda claim: brought_to(store, Step.CLAIMED, claim), 5)
    # Their leases end in another order than they were made in.
    for operation_id in (made[3], made[0], made[4], made[1], made[2]):
        assert await store.renew((await store.find(operation_id)).hold, lease=0)
    first = await store.take_over("server-2", lease=LONG, settle=LONG, limit=2)
    rest = await store.take_over("server-2", lease=LONG, settle=LONG, limit=9)
    assert operations(first) == made[:2]
    assert operations(rest) == made[2:]


async def test_two_who_take_over_at_once_get_different_ones(store, reopen):
    made = await in_a_row(lambda claim: abandoned(store, Step.SENDING, claim), 30)
    stores = [store, await reopen()]
    taken = await asyncio.gather(
        *(
            stores[number % 2].take_over(f"server-{number}", lease=LONG, settle=LONG, limit=5)
            for number in range(12)
        )
    )
    # Whoever is locked is passed by, so a round may leave some; nobody has them.
    taken.append(await store.take_over("server-99", lease=LONG, settle=LONG, limit=30))
    entries = [entry for some in taken for entry in some]
    assert sorted(operations(entries)) == sorted(made)
    for entry in entries:
        assert (await store.find(entry.operation_id)).owner == entry.owner
        assert await store.lease_left(entry.hold) > 0


async def test_one_of_a_claimer_and_one_who_takes_over_gets_it(store, reopen):
    other = await reopen()
    for number in range(10):
        await abandoned(store, Step.IN_DOUBT, wish(f"request-{number}"))
        (entry, mine), taken = await asyncio.gather(
            store.claim(wish(f"request-{number}", owner="claimer")),
            other.take_over("taker", lease=LONG, settle=LONG, limit=9),
        )
        assert mine == (not taken)
        assert (await store.get(entry.key)).owner == ("claimer" if mine else "taker")


@pytest.mark.parametrize("step", ENDED)
async def test_what_was_in_doubt_is_to_be_swept(store, step):
    entry = await brought_to(store, step, doubted=True)
    assert operations(await store.unswept(older_than=0, limit=9)) == [entry.operation_id]
    assert await store.unswept(older_than=60, limit=9) == []
    await store.mark_swept(entry.operation_id)
    assert (await store.find(entry.operation_id)).swept
    assert await store.unswept(older_than=0, limit=9) == []


@pytest.mark.parametrize("step", [*OPEN, Step.DONE])
async def test_what_never_was_in_doubt_or_is_under_way_is_not_to_be_swept(store, step):
    entry = await brought_to(store, step)
    assert await store.unswept(older_than=0, limit=9) == []
    await store.mark_swept(entry.operation_id)
    await store.mark_swept(NEVER)
    assert standing(await store.find(entry.operation_id)) == standing(entry)


async def test_the_oldest_is_swept_first(store):
    made = await in_a_row(lambda claim: brought_to(store, Step.UNRESOLVED, claim), 4)
    assert operations(await store.unswept(older_than=0, limit=3)) == made[:3]


async def test_what_somebody_tries_to_sweep_counts_as_written(store):
    # Whoever sweeps holds a lease meanwhile, so what resists does not stand in the others' way.
    entry = await brought_to(store, Step.UNRESOLVED)
    await asyncio.sleep(0.003)
    assert await store.renew(entry.hold, lease=0)
    assert (await store.find(entry.operation_id)).updated_at > entry.updated_at


@pytest.mark.parametrize("step", [Step.DONE, Step.RELEASED])
async def test_what_expired_is_forgotten_once_it_was_swept(store, step):
    entry = await brought_to(store, step, doubted=True, retention=0)
    assert await store.forget_expired(limit=9) == 0
    await store.mark_swept(entry.operation_id)
    assert await store.forget_expired(limit=9) == 1
    assert await store.find(entry.operation_id) is None


async def test_what_never_was_in_doubt_is_forgotten_when_it_expires(store):
    await brought_to(store, Step.DONE, wish("kept"))
    for number in range(5):
        await brought_to(store, Step.DONE, wish(f"request-{number}"), retention=0)
    assert await store.forget_expired(limit=3) == 3
    assert await store.forget_expired(limit=3) == 2
    assert await store.forget_expired(limit=3) == 0
    assert [entry.key.request_id for entry in await store.listing(Step, limit=9)] == ["kept"]


async def test_what_nobody_settled_is_not_forgotten(store):
    entry = await brought_to(store, Step.UNRESOLVED, retention=0)
    await store.mark_swept(entry.operation_id)
    assert await store.forget_expired(limit=9) == 0
    assert await store.resolve(
        entry.operation_id, done=False, event_id="", owner="operator", retention=0
    )
    await store.mark_swept(entry.operation_id)
    assert await store.forget_expired(limit=9) == 1


@pytest.mark.parametrize("step", OPEN)
async def test_work_under_way_is_not_forgotten(store, step):
    entry = await abandoned(store, step, wish(retention=0))
    assert await store.forget_expired(limit=9) == 0
    assert await store.find(entry.operation_id) is not None


async def test_two_who_forget_at_once_count_each_once(store, reopen):
    for number in range(20):
        await brought_to(store, Step.DONE, wish(f"request-{number}"), retention=0)
    stores = [store, await reopen()]
    counts = await asyncio.gather(*(stores[n % 2].forget_expired(limit=5) for n in range(6)))
    assert sum(counts) + await store.forget_expired(limit=99) == 20


async def test_entries_are_listed_by_their_steps_oldest_first(store):
    made = []
    for number, step in enumerate([*Step, *Step]):
        made.append(await brought_to(store, step, wish(f"request-{number}")))
        await asyncio.sleep(0.003)
    for steps in [*([step] for step in Step), {Step.UNRESOLVED, Step.CLAIMED}, {*Step}]:
        wanted = operations(entry for entry in made if entry.step in steps)
        assert operations(await store.listing(steps, limit=99)) == wanted
        assert operations(await store.listing(steps, limit=1)) == wanted[:1]
    assert await store.listing([], limit=99) == []
