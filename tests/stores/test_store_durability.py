"""What is written stays: across closing, opening, and several processes that begin at once."""

from __future__ import annotations

import asyncio
import sys

import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores import open_store
from stores.entries import LONG, brought_to, claimed, standing, wish

GUARD = 60.0

SHOW_SECRET = """
import asyncio, sys
from conferencing_service.stores import open_store

async def main():
    store = await open_store(sys.argv[1])
    print((await store.secret()).hex())
    await store.aclose()

input()
asyncio.run(main())
"""

CLAIM = """
import asyncio, sys
from conferencing_service.core.ledger.entry import Claim, Key, Target
from conferencing_service.stores import open_store

async def main():
    store = await open_store(sys.argv[1])
    key = Key("alice", "CreateEvent", "elsewhere")
    await store.claim(Claim(key, "there", "f", "server", Target("g", "c"), "m", 9, 9, 9))
    await store.aclose()

asyncio.run(main())
"""


async def test_whoever_opens_it_again_finds_what_was_there(url):
    store = await open_store(url)
    before = [await brought_to(store, step, wish(step.value)) for step in Step]
    secret = await store.secret()
    await store.aclose()
    store = await open_store(url)
    after = [await store.find(entry.operation_id) for entry in before]
    assert await store.secret() == secret
    await store.aclose()
    assert [standing(entry) for entry in after] == [standing(entry) for entry in before]
    assert all(entry.lease_left > LONG - GUARD for entry in after[:3])


async def test_the_secret_is_random_and_the_same_for_everybody(store, reopen, tmp_path):
    other = await open_store(f"sqlite://{tmp_path}/another.db")
    secret = await store.secret()
    assert len(secret) == 32
    assert await (await reopen()).secret() == secret != await other.secret()
    await other.aclose()


async def test_what_is_under_way_when_it_closes_is_finished(url):
    store = await open_store(url)
    steps = [asyncio.create_task(store.claim(wish(f"request-{n}"))) for n in range(6)]
    await asyncio.sleep(0)
    await store.aclose()
    assert all(mine for _entry, mine in await asyncio.gather(*steps))
    store = await open_store(url)
    assert len(await store.listing(Step, limit=99)) == 6
    await store.aclose()


async def test_nothing_can_be_done_once_it_is_closed(url):
    store = await open_store(url)
    await store.aclose()
    with pytest.raises(StoreUnavailable):
        await store.claim(wish())
    await store.aclose()


async def test_whoever_stops_waiting_disturbs_nobody(store):
    for number in range(20):
        steps = [asyncio.create_task(store.claim(wish(f"{number}-{n}"))) for n in range(8)]
        await asyncio.sleep(number / 10_000)
        for step in steps[::2]:
            step.cancel()
        results = await asyncio.gather(*steps, return_exceptions=True)
        assert all(mine for _entry, mine in results[1::2])
    await claimed(store)


async def test_several_processes_may_begin_at_once(url):
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SHOW_SECRET, url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]
    async with asyncio.timeout(GUARD):
        # They wait for this line, so that all of them have their imports behind them.
        ends = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    assert [errors for _secret, errors in ends] == [b""] * 4
    assert len({secret for secret, _errors in ends}) == 1
    store = await open_store(url)
    assert (await store.secret()).hex() == ends[0][0].decode().strip()
    await store.aclose()


async def test_a_second_store_of_a_process_takes_nothing_from_the_first(url):
    # What SQLite locks a file with belongs to the process, and ends with any of its descriptors.
    store = await open_store(url)
    await (await open_store(url)).aclose()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CLAIM, url)
    assert await asyncio.wait_for(process.wait(), GUARD) == 0
    assert [entry.operation_id for entry in await store.listing(Step, limit=9)] == ["there"]
    await claimed(store)
    late = await open_store(url)
    assert len(await late.listing(Step, limit=9)) == 2
    await late.aclose()
    await store.aclose()


async def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(url):
    store = await open_store(url)
    rows = store._database.rows
    await rows("UPDATE ledger_meta SET value = '2' WHERE name = 'schema'")
    await rows("ALTER TABLE operation RENAME TO operation_of_version_2")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="version 2"):
            await open_store(url)
    with pytest.raises(StoreUnavailable):
        await rows("SELECT * FROM operation")
    await store.aclose()
