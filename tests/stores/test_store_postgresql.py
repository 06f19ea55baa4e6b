"""The ledger in PostgreSQL: a server that goes and comes back, and settings that must not matter."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from urllib.parse import urlsplit

import asyncpg
import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores import open_store, postgresql
from conferencing_service.stores.sql import SqlStore
from stores.entries import LONG, abandoned, claimed, sending, standing, wish

GUARD = 60.0

UNDER_UVLOOP = """
import asyncio, sys
import uvloop
from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores import open_store
from stores.entries import brought_to, wish

async def main():
    store = await open_store(sys.argv[1])
    print(*[(await brought_to(store, step, wish(step))).step for step in Step])
    print(sum([mine for _, mine in await asyncio.gather(*(store.claim(wish()) for _ in range(64)))]))
    store._database._pool.terminate()
    try:
        await store.claim(wish())
    except StoreUnavailable as error:
        print(error)
    await store.aclose()

uvloop.run(main())
"""


@pytest.fixture
def url(postgresql_server):
    return postgresql_server.fresh()


@pytest.fixture
async def store(url):
    store = await open_store(url)
    yield store
    await store.aclose()


class OneConnection:
    """A database in the hands of a test, which commits when it wants to."""

    def __init__(self, connection):
        self.connection = connection

    async def rows(self, statement, *values):
        return await self.connection.fetch(statement, *values)


def told(error):
    """All that an error tells to whoever prints it, with everything that hangs on to it."""
    texts = []
    while error is not None:
        texts += [repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "".join(texts)


async def test_a_server_that_is_gone_is_unavailable_and_found_again(store, postgresql_server):
    entry = await sending(store)
    await asyncio.gather(*(store.get(entry.key) for _ in range(20)))
    postgresql_server.stop()
    try:
        calls = [
            store.secret,
            lambda: store.claim(wish("another")),
            lambda: store.lease_left(entry.hold),
            lambda: store.finish(entry.hold, event_id="event", reply="", retention=LONG),
            lambda: store.listing(Step, limit=9),
        ]
        for call in calls * 2:
            with pytest.raises(StoreUnavailable) as caught:
                await call()
            assert postgresql_server.password not in told(caught.value)
    finally:
        postgresql_server.start()
    async with asyncio.timeout(GUARD):
        # Each connection of the pool may have to find out for itself.
        while True:
            try:
                found = await store.find(entry.operation_id)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    assert standing(found) == standing(entry)
    assert await store.finish(entry.hold, event_id="event", reply="", retention=LONG)
    results = await asyncio.gather(*(store.claim(wish(f"request-{n}")) for n in range(64)))
    assert all(mine for _entry, mine in results)


async def test_a_server_that_goes_in_the_middle_is_unavailable(store, postgresql_server):
    steps = [asyncio.create_task(store.claim(wish(f"request-{n}"))) for n in range(200)]
    await asyncio.sleep(0.01)
    postgresql_server.stop()
    try:
        async with asyncio.timeout(GUARD):
            results = await asyncio.gather(*steps, return_exceptions=True)
    finally:
        postgresql_server.start()
    lost = [result for result in results if isinstance(result, BaseException)]
    assert {type(result) for result in lost} == {StoreUnavailable}
    for number, result in enumerate(results):
        if not isinstance(result, BaseException):
            assert await store.get(wish(f"request-{number}").key) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda url: url.replace("postgres:", "postgres:hunter2", 1),
        lambda url: url.replace("/postgres?", "/nowhere?", 1),
        lambda url: url.replace("postgres:", "stranger:", 1),
        lambda url: url.replace(f":{urlsplit(url).port}", ":1", 1),
        lambda url: url.replace("127.0.0.1", "nowhere.invalid", 1),
        lambda url: url.replace("sslmode=disable", "sslmode=require", 1),
        lambda url: url.replace("search_path%3D", "no_such_setting%3D", 1),
        lambda url: url.replace("search_path%3D", "search_path%3Dno_", 1),
    ],
)
async def test_what_cannot_be_reached_is_unavailable_and_no_password_is_told(
    url, postgresql_server, wrong, caplog
):
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(wrong(url))
    for secret in ("hunter2", postgresql_server.password):
        assert secret not in told(caught.value)
        assert secret not in caplog.text


async def test_a_statement_that_takes_too_long_is_unavailable(url, monkeypatch):
    monkeypatch.setattr(postgresql, "_SECONDS", 0.3)
    store = await open_store(url)
    entry = await claimed(store)
    other = await asyncpg.connect(url)
    lock = other.transaction()
    await lock.start()
    await other.execute("LOCK TABLE operation")
    with pytest.raises(StoreUnavailable):
        await store.renew(entry.hold, lease=1)
    # More than there are connections: some do not even get one.
    results = await asyncio.gather(
        *(store.renew(entry.hold, lease=1) for _ in range(20)), return_exceptions=True
    )
    assert {type(result) for result in results} == {StoreUnavailable}
    await lock.rollback()
    await other.close()
    assert await store.renew(entry.hold, lease=LONG)
    await store.aclose()


async def test_a_step_is_durable_and_looks_at_the_newest_row_whatever_the_role_is_set_to(url):
    options = "-csynchronous_commit%3Doff%20-cdefault_transaction_isolation%3Dserializable"
    store = await open_store(f"{url}%20{options}")
    for name, value in [
        ("synchronous_commit", "on"),
        ("transaction_isolation", "read committed"),
    ]:
        rows = await store._database.rows("SELECT current_setting($1) AS value", name)
        assert rows[0]["value"] == value
    await store.aclose()


async def test_more_than_the_usual_durability_is_left_as_it_is(url):
    store = await open_store(f"{url}%20-csynchronous_commit%3Dremote_apply")
    rows = await store._database.rows("SHOW synchronous_commit")
    assert rows[0][0] == "remote_apply"
    await store.aclose()


async def test_a_role_that_may_not_make_tables_may_use_them(store, url, postgresql_server):
    schema = url.rpartition("%3D")[2]
    postgresql_server.sql(
        f"CREATE ROLE {schema}_user LOGIN PASSWORD 'simple';"
        f" GRANT USAGE ON SCHEMA {schema} TO {schema}_user;"
        f" GRANT SELECT ON ledger_meta TO {schema}_user;"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON operation TO {schema}_user",
        url,
    )
    entry = await claimed(store)
    user = url.replace(f"postgres:{postgresql_server.password}", f"{schema}_user:simple")
    theirs = await open_store(user)
    assert await theirs.secret() == await store.secret()
    assert standing(await theirs.find(entry.operation_id)) == standing(entry)
    await sending(theirs, wish("another"))
    await theirs.aclose()


async def test_whoever_takes_over_passes_by_what_another_is_taking(store, url):
    entry = await abandoned(store, Step.SENDING)
    other = await asyncpg.connect(url)
    async with other.transaction():
        theirs = SqlStore(OneConnection(other), store._sql)
        (taken,) = await theirs.take_over("server-2", lease=LONG, settle=LONG, limit=9)
        assert taken.operation_id == entry.operation_id
        assert await store.take_over("server-3", lease=LONG, settle=LONG, limit=9) == []
        claiming = asyncio.create_task(store.claim(wish(owner="server-4")))
        await asyncio.sleep(0.1)
        assert not claiming.done()
    found, mine = await claiming
    assert (mine, found.owner, found.fence) == (False, "server-2", 2)
    await other.close()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_claim_waits_for_one_that_is_not_committed_yet(store, url, kept):
    first, second = wish(owner="server-1"), wish(owner="server-2")
    other = await asyncpg.connect(url)
    transaction = other.transaction()
    await transaction.start()
    theirs = SqlStore(OneConnection(other), store._sql)
    assert (await theirs.claim(first))[1]
    claiming = asyncio.create_task(store.claim(second))
    await asyncio.sleep(0.1)
    assert not claiming.done()
    await (transaction.commit() if kept else transaction.rollback())
    found, mine = await claiming
    winner = first if kept else second
    assert (mine, found.owner, found.operation_id) == (
        not kept,
        winner.owner,
        winner.operation_id,
    )
    await other.close()


async def test_a_standby_is_left_for_a_new_connection(store, url):
    entry = await claimed(store)
    await store._database.rows("SELECT set_config('default_transaction_read_only', 'on', false)")
    with pytest.raises(StoreUnavailable, match="ReadOnly"):
        await store.renew(entry.hold, lease=LONG)
    assert await store.renew(entry.hold, lease=LONG)


async def test_it_works_under_uvloop(url):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", UNDER_UVLOOP, url),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(GUARD):
        output, errors = await process.communicate()
    assert errors.decode() == ""
    assert output.decode().splitlines() == [
        " ".join(Step),
        "1",
        "PostgreSQL: InterfaceError",
    ]
