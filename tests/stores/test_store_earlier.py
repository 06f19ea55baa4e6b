"""A ledger that an earlier version made: it is opened, answered from, and gone on with."""

from __future__ import annotations

import sqlite3
import time

import asyncpg
import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.stores import open_store
from stores.entries import LONG, wish

# As version 1 wrote it. What is here is in people's files, and stays as it is for good.
TABLES_OF_VERSION_1 = (
    "CREATE TABLE IF NOT EXISTS ledger_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """
    CREATE TABLE operation (
        principal TEXT NOT NULL, method TEXT NOT NULL, request_id TEXT NOT NULL,
        operation_id TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
        step TEXT NOT NULL, fence INTEGER NOT NULL, owner TEXT NOT NULL,
        lease_until DOUBLE PRECISION NOT NULL, settle_until DOUBLE PRECISION NOT NULL,
        grant_id TEXT NOT NULL, calendar_id TEXT NOT NULL, event_id TEXT NOT NULL,
        marker TEXT NOT NULL, expected TEXT NOT NULL, reply TEXT NOT NULL,
        doubted INTEGER NOT NULL, swept INTEGER NOT NULL, error TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL, updated_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (principal, method, request_id)
    )
    """,
    """
    CREATE INDEX operation_unfinished ON operation (created_at)
        WHERE step <> 'DONE'
    """,
    """
    CREATE INDEX operation_unswept ON operation (updated_at)
        WHERE doubted = 1 AND swept = 0
    """,
    """
    CREATE INDEX operation_expiry ON operation (expires_at)
        WHERE step IN ('DONE', 'RELEASED')
    """,
)

SECRET = "5f" * 32
REPLY = '{"in":{"id":{"is":"e1"}},"out":[]}'


def rows(now):
    """One operation in each step, all of them left by their owner."""
    for step in Step:
        is_settled = step in {Step.DONE, Step.UNRESOLVED, Step.RELEASED}
        doubted = step in {Step.IN_DOUBT, Step.UNRESOLVED, Step.RELEASED}
        yield (
            *("alice", "CreateEvent", step.value, f"operation-{step.value}", "fingerprint"),
            *(step.value, 3, "server-0", 0.0 if is_settled else now - 60),
            now + 600 if doubted else 0.0,
            *("grant", "calendar", "e1" if step is Step.DONE else "", f"marker-{step.value}"),
            *('{"title": "8f3a"}', REPLY if step is Step.DONE else ""),
            *(int(doubted), 0, "TIMEOUT" if doubted else ""),
            *(now - 300, now - 200, now + 3600),
        )


@pytest.fixture
async def earlier(kind, url, tmp_path):
    """The URL of a ledger of version 1 with something in it."""
    statements = [
        *TABLES_OF_VERSION_1,
        *(
            f"INSERT INTO ledger_meta (name, value) VALUES ('{name}', '{value}')"
            for name, value in {"schema": "1", "secret": SECRET}.items()
        ),
    ]
    entries = list(rows(time.time()))
    places = range(1, len(entries[0]) + 1)
    if kind == "sqlite":
        database = sqlite3.connect(tmp_path / "ledger.db")
        for statement in statements:
            database.execute(statement)
        holes = ", ".join("?" for _ in places)
        database.executemany(f"INSERT INTO operation VALUES ({holes})", entries)
        database.commit()
        database.close()
        return url
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    holes = ", ".join(f"${place}" for place in places)
    await connection.executemany(f"INSERT INTO operation VALUES ({holes})", entries)
    await connection.close()
    return url


@pytest.fixture
async def store(earlier):
    store = await open_store(earlier)
    yield store
    await store.aclose()


async def test_what_it_holds_is_read_as_it_was_written(store):
    assert (await store.secret()).hex() == SECRET
    found = {entry.step: entry for entry in await store.listing(Step, limit=9)}
    assert set(found) == set(Step)
    for step, entry in found.items():
        assert entry.operation_id == f"operation-{step.value}"
        assert (entry.fence, entry.owner) == (3, "server-0")
        assert (entry.key.request_id, entry.marker) == (step.value, f"marker-{step.value}")
        assert entry.expected == {"title": "8f3a"}
        assert entry.reply == (REPLY if step is Step.DONE else "")
        assert entry.lease_left == 0


@pytest.mark.parametrize("step", Step)
async def test_its_requests_are_gone_on_with(store, step):
    entry, is_ours = await store.claim(wish(step.value, lease=LONG))
    assert entry.operation_id == f"operation-{step.value}"
    if step in {Step.DONE, Step.UNRESOLVED}:
        assert (is_ours, entry.step, entry.fence) == (False, step, 3)
        return
    assert (is_ours, entry.fence) == (True, 4)
    if entry.step is Step.CLAIMED:
        assert step in {Step.CLAIMED, Step.RELEASED}
        assert await store.intend(entry.hold, event_id="", expected={}, lease=LONG)
    assert await store.finish(entry.hold, event_id="e2", reply="0", retention=LONG)
    assert (await store.find(entry.operation_id)).step is Step.DONE


async def test_new_requests_stand_beside_them(store):
    entry, is_ours = await store.claim(wish("new"))
    assert (is_ours, entry.fence) == (True, 1)
    assert len(await store.listing(Step, limit=99)) == len(Step) + 1
