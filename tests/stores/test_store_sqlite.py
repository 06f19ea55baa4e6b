"""The ledger in a file: its modes, its failures, and what a kill leaves behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import stat
import sys
import threading

import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores.sqlite import open_sqlite
from stores.entries import LONG, abandoned, brought_to, claimed, standing, wish

GUARD = 60.0

WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from conferencing_service.stores.sqlite import open_sqlite
from stores.entries import wish

async def writer(store, run, lane):
    number = 0
    while True:
        number += 1
        request_id = f"{run}-{lane}-{number}"
        operation_id = f"operation-{request_id}"
        entry, mine = await store.claim(wish(request_id, operation_id=operation_id))
        print("claimed", operation_id, flush=True)
        assert mine and await store.intend(entry.hold, event_id="", expected={}, lease=60)
        print("sending", operation_id, flush=True)
        assert await store.finish(entry.hold, event_id="event", reply="{}", retention=600)
        print("done", operation_id, flush=True)

async def main():
    store = await open_sqlite(Path(sys.argv[1]))
    await asyncio.gather(*(writer(store, sys.argv[2], lane) for lane in range(4)))

asyncio.run(main())
"""

MEET_A_SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores.sqlite import open_sqlite
from stores.entries import wish

async def main():
    store = await open_sqlite(Path(sys.argv[1]))
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    for number in range(3):
        try:
            await store.claim(wish("refused"))
        except StoreUnavailable as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print((await store.claim(wish("kept")))[1], await store.get(wish("refused").key))
    await store.aclose()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "ledger.db"


@pytest.fixture
async def store(path):
    store = await open_sqlite(path, busy_seconds=0.2)
    yield store
    await store.aclose()


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


async def run(script, *arguments):
    """Begin a Python process that may use what the tests use."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, *map(str, arguments)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_nobody_else_can_read_it(store, path):
    await claimed(store)
    assert mode(path.parent) == "0o700"
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert {mode(file) for file in files} == {"0o600"}


async def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir(mode=0o750)
    store = await open_sqlite(folder / "ledger.db")
    await store.aclose()
    assert mode(folder) == "0o750"


async def test_a_place_where_no_file_can_be_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "ledger.db", tmp_path):
        with pytest.raises(StoreUnavailable):
            await open_sqlite(path)


async def test_a_file_that_is_no_ledger_is_left_alone(tmp_path):
    path = tmp_path / "notes"
    path.write_text("something else " * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await open_sqlite(path)
    assert path.read_text() == "something else " * 1000


async def test_its_thread_ends_with_it(path):
    before = set(threading.enumerate())
    store = await open_sqlite(path)
    threads = {thread for thread in threading.enumerate() if thread.name == "ledger"} - before
    assert len(threads) == 1
    await store.aclose()
    assert not any(thread.is_alive() for thread in threads)


async def test_a_full_disk_refuses_every_step_until_there_is_room(store, path):
    kept = await claimed(store, wish("kept"))
    pages = (await store._database.rows("PRAGMA page_count"))[0][0]
    await store._database.rows(f"PRAGMA max_page_count = {pages}")
    refused, texts = [], set()
    for number in range(100):
        try:
            await store.claim(wish(f"request-{number}"))
        except StoreUnavailable as error:
            refused.append(wish(f"request-{number}").key)
            texts.add(str(error))
    assert len(refused) > 50
    assert texts == {"SQLite: database or disk is full"}
    assert not any([await store.get(key) for key in refused])
    assert await store.lease_left(kept.hold) > 0
    await store._database.rows(f"PRAGMA max_page_count = {pages + 1000}")
    assert await store.intend(kept.hold, event_id="", expected={}, lease=LONG)
    for number in range(100):
        await store.claim(wish(f"request-{number}"))


async def test_a_batch_that_does_not_fit_is_refused_as_a_whole(store):
    pages = (await store._database.rows("PRAGMA page_count"))[0][0]
    await store._database.rows(f"PRAGMA max_page_count = {pages}")
    steps = [store.claim(wish(f"request-{number}", marker="m" * 5000)) for number in range(20)]
    results = await asyncio.gather(*steps, return_exceptions=True)
    # Whoever was told that it was written finds it; whoever was not, does not.
    for number, result in enumerate(results):
        found = await store.get(wish(f"request-{number}").key)
        assert (found is None) == isinstance(result, StoreUnavailable)
    assert any(isinstance(result, StoreUnavailable) for result in results)


async def test_it_recovers_from_an_error_of_the_disk(path):
    process = await run(MEET_A_SMALL_DISK, path)
    async with asyncio.timeout(GUARD):
        output, errors = await process.communicate()
    assert output.decode().splitlines() == ["SQLite: disk I/O error"] * 3 + ["True None"]
    assert errors == b""


async def test_it_recovers_when_it_may_write_again(store):
    entry = await claimed(store)
    await store._database.rows("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.renew(entry.hold, lease=LONG)
    assert await store.renew(entry.hold, lease=LONG)


async def test_a_file_that_is_lost_is_not_replaced_by_an_empty_one(store, path):
    await claimed(store)
    await store._database.rows("PRAGMA query_only = ON")
    for file in path.parent.iterdir():
        file.unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.claim(wish())
    assert not path.exists()


async def test_a_step_that_cannot_be_taken_takes_no_other_with_it(store):
    steps = [store.claim(wish(f"request-{number}")) for number in range(9)]
    steps.insert(4, store.claim(wish("\ud800")))
    results = await asyncio.gather(*steps, return_exceptions=True)
    assert isinstance(results.pop(4), StoreUnavailable)
    assert all(mine for _entry, mine in results)


async def test_a_locked_file_is_waited_for_elsewhere_than_in_the_event_loop(store, path):
    entry = await claimed(store)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.renew(entry.hold, lease=LONG)
    assert ticks > 3
    waiting = asyncio.create_task(store.renew(entry.hold, lease=1))
    await asyncio.sleep(0.05)
    other.execute("COMMIT")
    assert await waiting
    other.close()
    ticking.cancel()


def commits(path):
    """How many transactions the write-ahead log holds: a frame that ends one names a size."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    frames = range(32, len(log), 24 + page)
    salt = log[16:24]
    return sum(log[at + 4 : at + 8] != bytes(4) for at in frames if log[at + 8 : at + 16] == salt)


async def test_steps_that_are_taken_together_are_committed_together(store, path):
    await claimed(store)
    before = commits(path)
    assert before > 0
    await claimed(store, wish("alone"))
    assert commits(path) == before + 1
    await asyncio.gather(*(store.claim(wish(f"request-{number}")) for number in range(64)))
    assert 1 <= commits(path) - before - 1 <= 8


async def test_what_was_told_as_written_survives_a_kill(path):
    told = set()
    for number in range(5):
        process = await run(WRITE_UNTIL_KILLED, path, number)
        lines = []
        async with asyncio.timeout(GUARD):
            while len(lines) < 50 + 40 * number:
                line = await process.stdout.readline()
                assert line, (await process.stderr.read()).decode()
                lines.append(line.decode())
            process.send_signal(signal.SIGKILL)
            rest, _errors = await process.communicate()
        lines += rest.decode().splitlines(keepends=True)
        # The kill may have cut the last line off.
        told.update(tuple(line.split()) for line in lines if line.endswith("\n"))
        database = sqlite3.connect(path)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
        store = await open_sqlite(path)
        for word, operation_id in told:
            entry = await store.find(operation_id)
            reached = {"claimed": 1, "sending": 2, "done": 3}
            assert entry is not None
            at = {Step.CLAIMED: 1, Step.SENDING: 2, Step.DONE: 3}[entry.step]
            assert at >= reached[word], (word, entry)
        await store.aclose()
    assert len(told) > 500


async def test_no_question_of_everyday_walks_through_everything(store):
    for number, step in enumerate(Step):
        await brought_to(store, step, wish(f"request-{number}"))
    sql = store._sql
    indexed = {
        sql.get: "(principal=? AND method=? AND request_id=?)",
        sql.find: "(operation_id=?)",
        sql.finish: "(operation_id=?)",
        sql.take_over: "operation_unfinished",
        sql.listing([Step.UNRESOLVED]): "operation_unfinished",
        sql.unswept: "operation_unswept",
        sql.forget_expired: "operation_expiry",
    }
    for statement, index in indexed.items():
        values = [0] * len(set(re.findall(r"\$\d+", statement)))
        rows = await store._database.rows(f"EXPLAIN QUERY PLAN {statement}", *values)
        plan = [row["detail"] for row in rows]
        assert any(index in line for line in plan), plan
        assert "SCAN operation" not in plan, plan


async def test_who_reads_before_writing_is_not_sent_away_because_another_wrote(store, path):
    other = await open_sqlite(path)
    entry = await claimed(store)
    for _ in range(50):
        steps = [
            step
            for each in (store, other)
            for step in (each.get(entry.key), each.renew(entry.hold, lease=LONG))
        ]
        results = await asyncio.gather(*steps)
        assert results[1]
        assert results[3]
    await other.aclose()


async def test_a_file_that_another_process_is_about_to_switch_to_its_log_is_waited_for(tmp_path):
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE something (name TEXT)")
    other.execute("BEGIN IMMEDIATE")
    opening = asyncio.create_task(open_sqlite(path))
    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("COMMIT")
    other.close()
    store = await opening
    await claimed(store)
    await store.aclose()


async def test_several_processes_share_it_on_one_host(store, path):
    other = await open_sqlite(path)
    entry = await abandoned(store, Step.SENDING)
    taken, mine = await other.claim(wish(owner="server-2"))
    assert mine
    assert standing(await store.find(entry.operation_id)) == standing(taken)
    await other.aclose()
