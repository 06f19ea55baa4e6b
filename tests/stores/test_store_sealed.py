"""Entries at rest: with a key nothing of an answer can be read off them, and nothing can be moved.

What is at rest is read as a thief would: the file with its write-ahead log, or a dump of the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import re
import sqlite3
import typing
from pathlib import Path

import pytest

from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.expectations import is_met
from conferencing_service.core.ledger.store import Store
from conferencing_service.core.model import Event
from conferencing_service.stores import open_store
from conferencing_service.stores.sealed import Seal, id_of_key, sealed
from conferencing_service.stores.sqlite import open_sqlite
from conferencing_service.stores.statements import CREATE
from stores.entries import LONG, OPEN, abandoned, brought_to, claimed, in_doubt, standing, wish
from support.documents import ROOT, rows_of

pytestmark = pytest.mark.security

GUARD = 60.0
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
LINK = "https://us05web.zoom.us/j/98989898981?pwd=canary-passcode"
REPLY = json.dumps({"is": {"of": {"url": LINK, "title": "Café"}}}, ensure_ascii=False)
DIGESTS = {"title": "canary-digest-1", "conferencing.whole": "canary-digest-2"}
CANARIES = (b"canary-passcode", b"98989898981", b"canary-digest", "Café".encode())
ALERT = "what an entry of the ledger holds cannot be opened"


class Rest:
    """A ledger at rest, and doors to it with other keys."""

    def __init__(self, url, postgresql, stack):
        self.url = url
        self._postgresql = postgresql
        self._stack = stack
        self.plain = None

    async def door(self, *keys):
        """Open the ledger as a server with these keys does."""
        store = await open_store(self.url)
        self._stack.push_async_callback(store.aclose)
        return sealed(store, Seal(keys))

    async def raw(self, statement, *values):
        """Run a statement without any seal."""
        if self.plain is None:
            self.plain = await open_store(self.url)
            self._stack.push_async_callback(self.plain.aclose)
        return await self.plain._database.rows(statement, *values)

    async def column(self, name, operation_id):
        (row,) = await self.raw(
            f"SELECT {name} AS kept FROM operation WHERE operation_id = $1", operation_id
        )
        return row["kept"]

    async def put(self, name, operation_id, text):
        await self.raw(
            f"UPDATE operation SET {name} = $2 WHERE operation_id = $1 RETURNING operation_id",
            operation_id,
            text,
        )

    def content(self):
        """All that a thief gets."""
        if self._postgresql is not None:
            return self._postgresql.sql("SELECT * FROM operation", self.url).encode()
        path = Path(self.url.removeprefix("sqlite://"))
        # Written until now only to the log; where a checkpoint took place, to the file as well.
        return path.read_bytes() + Path(f"{path}-wal").read_bytes()

    def found(self):
        content = self.content()
        return [canary for canary in CANARIES if canary in content]


@pytest.fixture
async def rest(kind, url, request):
    postgresql = request.getfixturevalue("postgresql_server") if kind == "postgresql" else None
    async with contextlib.AsyncExitStack() as stack:
        yield Rest(url, postgresql, stack)


async def answered(store, request_id="request", reply=REPLY, retention=LONG):
    """An update that is DONE, with what it expected and what it was answered."""
    entry = await claimed(store, wish(request_id, method="UpdateEvent", retention=retention))
    assert await store.intend(entry.hold, event_id="event", expected=DIGESTS, lease=LONG)
    assert await store.finish(entry.hold, event_id="event", reply=reply, retention=retention)
    return await store.find(entry.operation_id)


async def repeated(store, request_id="request"):
    """The entry that a repetition of a request gets."""
    entry, is_ours = await store.claim(wish(request_id, method="UpdateEvent"))
    assert not is_ours
    return entry


def alerts(caplog):
    """What the operator was told."""
    told = [record for record in caplog.records if record.message == ALERT]
    assert all(
        (record.levelno, record.alert) == (logging.ERROR, "ledger") and record.problem
        for record in told
    )
    return [(record.operation_id, record.column) for record in told]


def all_told(caplog):
    return "".join(str(record.__dict__) for record in caplog.records)


# ---- At rest ---------------------------------------------------------------------------------


async def test_without_a_key_the_thief_reads_it(rest):
    await answered(await rest.door())
    assert rest.found() == [*CANARIES]


async def test_with_a_key_the_thief_reads_nothing_and_the_server_everything(rest, caplog, tally):
    store = await rest.door(KEY)
    entry = await answered(store)
    amended = REPLY.replace("98989898981", "98989898981#2")
    assert (entry.reply, entry.expected) == (REPLY, DIGESTS)
    await store.amend(entry.operation_id, reply=amended)
    assert rest.found() == []
    assert id_of_key(KEY).encode() in rest.content()
    for door in (store, await rest.door(KEY), await rest.door(OTHER, KEY)):
        for seen in (
            await repeated(door),
            await door.get(entry.key),
            await door.find(entry.operation_id),
            *await door.listing(Step, limit=9),
        ):
            assert (seen.reply, seen.expected) == (amended, DIGESTS)
    assert alerts(caplog) == []
    tally["canaries planted in the ledger and not found at rest"] += len(CANARIES)


async def test_what_is_in_doubt_is_sealed_and_taken_over_as_it_was(rest):
    store = await rest.door(KEY)
    entry = await claimed(store)
    await store.intend(entry.hold, event_id="event", expected=DIGESTS, lease=0)
    assert rest.found() == []
    (taken,) = await (await rest.door(KEY)).take_over("other", lease=LONG, settle=LONG, limit=9)
    assert (taken.step, taken.expected) == (Step.IN_DOUBT, DIGESTS)


@pytest.mark.parametrize("step", Step)
async def test_a_sealed_store_says_what_a_plain_one_says(rest, step):
    store, plain = await rest.door(KEY), await open_store(rest.url)
    entry = await brought_to(store, step)
    seen = await plain.find(entry.operation_id)
    await plain.aclose()
    assert standing(entry) == standing(seen)


@pytest.mark.parametrize("step", OPEN)
async def test_abandoned_work_is_taken_over_through_the_seal(rest, step):
    store = await rest.door(KEY)
    before = await abandoned(store, step)
    (entry,) = await store.take_over("server-2", lease=LONG, settle=LONG, limit=9)
    assert (entry.operation_id, entry.fence) == (before.operation_id, 2)
    # The ledger's own secret is no entry: whatever the keys are, markers stay what they were.
    assert await store.secret() == await (await rest.door(OTHER)).secret()


async def test_many_at_once_get_their_own(rest):
    first, second = await rest.door(KEY), await rest.door(KEY)

    async def one(number):
        store, other = (first, second) if number % 2 else (second, first)
        reply = json.dumps({"is": f"canary-passcode-{number}"})
        entry = await answered(store, f"request-{number}", reply)
        assert entry.reply == reply
        assert (await repeated(other, f"request-{number}")).reply == reply
        return entry.operation_id

    async with asyncio.timeout(GUARD):
        operations = await asyncio.gather(*(one(number) for number in range(100)))
    assert len(set(operations)) == 100
    assert rest.found() == []


def test_no_step_that_carries_or_returns_what_is_sealed_is_forgotten():
    sealing = vars(type(sealed(None, Seal())))
    for name, step in inspect.getmembers(Store, inspect.isfunction):
        if name.startswith("_"):
            continue
        hints = typing.get_type_hints(step)
        returns = hints.pop("return")
        handles = {"reply", "expected"} & set(hints) or Entry.__name__ in str(returns)
        assert (name in sealing) == bool(handles), name


def test_the_page_tells_of_every_column_and_whether_it_is_sealed():
    page = (ROOT / "docs" / "ledger-encryption.md").read_text()
    columns = [row[0] for row in sqlite_columns()]
    told = {
        name: kept
        for names, _what, kept in rows_of(page, "column", "holds", "with keys")
        for name in re.findall(r"`(\w+)`", names)
    }
    assert sorted(told) == sorted(columns)
    assert {name for name, kept in told.items() if kept == "encrypted"} == {"reply", "expected"}
    assert set(told.values()) == {"encrypted", "as it is"}


def sqlite_columns():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(CREATE[0])
        return connection.execute("SELECT name FROM pragma_table_info('operation')").fetchall()


# ---- Keys that change ------------------------------------------------------------------------


async def test_what_was_kept_before_there_was_a_key_is_read(rest, caplog):
    entry = await answered(await rest.door())
    store = await rest.door(KEY)
    assert await repeated(store) == entry
    await store.amend(entry.operation_id, reply=REPLY)
    assert (await rest.column("reply", entry.operation_id)).startswith("sealed:1:")
    assert alerts(caplog) == []


async def test_a_new_key_seals_and_the_old_one_still_opens(rest, caplog):
    await answered(await rest.door(KEY), "old")
    store = await rest.door(OTHER, KEY)
    new = await answered(store, "new")
    assert (await repeated(store, "old")).reply == REPLY
    kept = await rest.column("reply", new.operation_id)
    assert kept.startswith(f"sealed:1:{id_of_key(OTHER)}:")
    after = await rest.door(OTHER)
    assert (await repeated(after, "new")).reply == REPLY
    assert alerts(caplog) == []
    lost = await repeated(after, "old")
    assert (lost.step, lost.reply, lost.expected) == (Step.DONE, "", {})
    assert alerts(caplog) == [(lost.operation_id, "reply")]


@pytest.mark.parametrize("keys", [(), (OTHER,)])
async def test_without_its_key_an_entry_has_no_answer_and_the_operator_is_told_once(
    rest, keys, caplog
):
    entry = await answered(await rest.door(KEY))
    store = await rest.door(*keys)
    assert [each.reply for each in await store.listing(Step, limit=9)] == [""]
    assert alerts(caplog) == []
    for _ in range(3):
        seen = await repeated(store)
        assert (seen.step, seen.reply, seen.expected) == (Step.DONE, "", {})
        assert seen.target.event_id == "event"
    assert alerts(caplog) == [(entry.operation_id, "reply")]
    assert "its key is not among those of this process" in all_told(caplog)
    # What was answered first stays for whoever has the key; other entries are written as ever.
    await store.amend(entry.operation_id, reply='{"is":"canary-passcode"}')
    assert rest.found() == []
    assert (await repeated(await rest.door(KEY))).reply == REPLY
    other = await answered(store, "other", "0")
    await store.amend(other.operation_id, reply="{}")
    assert (await repeated(store, "other")).reply == "{}"


async def test_an_update_in_doubt_whose_digests_cannot_be_opened_expects_nothing(rest, caplog):
    entry = await claimed(store := await rest.door(KEY))
    await store.intend(entry.hold, event_id="event", expected=DIGESTS, lease=0)
    store = await rest.door()
    (taken,) = await store.take_over("other", lease=LONG, settle=LONG, limit=9)
    # Nothing is what no event meets: it ends with an operator.
    assert (taken.step, taken.expected) == (Step.IN_DOUBT, {})
    assert alerts(caplog) == [(entry.operation_id, "expected")]


# ---- Hands that should not -------------------------------------------------------------------


def flipped(kept):
    """The text with another letter in its middle."""
    middle = (len(kept) + len("sealed:1:00000000:")) // 2
    return kept[:middle] + ("B" if kept[middle] == "A" else "A") + kept[middle + 1 :]


CHANGES = {
    "a flipped byte": flipped,
    "cut off": lambda kept: kept[:-8],
    "cut off to its head": lambda kept: kept[: len("sealed:1:00000000:")],
    "longer": lambda kept: kept + "AAAA",
    "another key's name": lambda kept: kept.replace(id_of_key(KEY), id_of_key(OTHER)),
    "another version": lambda kept: kept.replace("sealed:1:", "sealed:9:"),
    "no base64": lambda kept: kept + "*",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_reply_that_was_changed_is_none(rest, change, caplog, tally):
    store = await rest.door(KEY, OTHER)
    entry = await answered(store)
    kept = await rest.column("reply", entry.operation_id)
    await rest.put("reply", entry.operation_id, change(kept))
    seen = await repeated(store)
    assert (seen.reply, seen.expected) == ("", DIGESTS)
    assert alerts(caplog) == [(entry.operation_id, "reply")]
    await store.amend(entry.operation_id, reply=REPLY)
    assert (await repeated(store)).reply == REPLY
    told = all_told(caplog)
    assert kept not in told
    assert kept[len("sealed:1:00000000:") :][:16] not in told
    tally["sealed replies tampered with and refused"] += 1


async def test_replies_that_were_swapped_are_refused_both(rest, caplog, tally):
    store = await rest.door(KEY)
    first, second = await answered(store, "first"), await answered(store, "second", "0")
    kept = await rest.column("reply", first.operation_id)
    await rest.put("reply", first.operation_id, await rest.column("reply", second.operation_id))
    await rest.put("reply", second.operation_id, kept)
    assert [(await repeated(store, each)).reply for each in ("first", "second")] == ["", ""]
    assert alerts(caplog) == [(each.operation_id, "reply") for each in (first, second)]
    tally["sealed replies tampered with and refused"] += 2


async def test_what_was_expected_is_no_reply_and_the_other_way_round(rest, caplog):
    store = await rest.door(KEY)
    entry = await answered(store)
    reply = await rest.column("reply", entry.operation_id)
    expected = json.loads(await rest.column("expected", entry.operation_id))
    assert [*expected] == ["sealed"]
    await rest.put("reply", entry.operation_id, expected["sealed"])
    await rest.put("expected", entry.operation_id, json.dumps({"sealed": reply}))
    seen = await repeated(store)
    assert (seen.reply, seen.expected) == ("", {})
    assert alerts(caplog) == [(entry.operation_id, "reply")]


@pytest.mark.parametrize("kept", [5, None, "", "{}", ["sealed:1:"], {"title": "x"}])
async def test_what_only_looks_like_a_seal_is_met_by_nothing(rest, kept):
    store = await rest.door(KEY)
    entry = await answered(store)
    await rest.put("expected", entry.operation_id, json.dumps({"sealed": kept}))
    seen = await repeated(store)
    assert (seen.reply, seen.expected) == (REPLY, {"sealed": kept})
    assert not is_met(seen.expected, Event())


# ---- What is forgotten -----------------------------------------------------------------------


def at_rest(path):
    """The bytes of a SQLite ledger, the write-ahead log included."""
    log = Path(f"{path}-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
async def forgetful(path):
    store = await open_sqlite(path, busy_seconds=5)
    yield store
    await store.aclose()


LONG_REPLY = json.dumps({"is": "canary-passcode " * 60})


async def fill(store, count, retention, name="expired"):
    """Entries with replies of a size that fills pages, changed and unchanged."""

    async def one(number):
        entry = await answered(store, f"{name}-{number}", "canary-passcode " * 3, retention)
        await store.amend(entry.operation_id, reply=LONG_REPLY)

    for first in range(0, count, 50):
        await asyncio.gather(*(one(number) for number in range(first, first + 50)))


@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_expired_entries_go_sealed_or_not(rest, keys):
    store = await rest.door(*keys)
    await answered(store, retention=-1)
    kept = await answered(store, "kept")
    assert await store.forget_expired(limit=9) == 1
    assert [each.operation_id for each in await store.listing(Step, limit=9)] == [kept.operation_id]


async def test_forgotten_is_not_in_the_file_any_more(path, forgetful):
    """Also without a key: neither in free pages nor in the write-ahead log."""
    await fill(forgetful, 200, -1)
    assert b"canary-passcode" in at_rest(path)
    assert await forgetful.forget_expired(limit=1000) == 200
    assert b"canary-passcode" not in at_rest(path)
    # Only what is forgotten goes.
    await fill(forgetful, 50, LONG, "kept")
    assert await forgetful.forget_expired(limit=1000) == 0
    assert b"canary-passcode" in at_rest(path)
    entry = await repeated(forgetful, "kept-7")
    assert entry.reply == LONG_REPLY


async def test_a_log_that_is_read_is_emptied_as_soon_as_it_is_not(path, forgetful):
    await fill(forgetful, 50, -1)
    # Like a backup: it reads, and does not let go.
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM operation").fetchone()
        async with asyncio.timeout(GUARD):
            assert await forgetful.forget_expired(limit=1000) == 50
            # Nobody waits for the reader.
            await answered(forgetful, "meanwhile", "{}")
        assert b"canary-passcode" in at_rest(path)
        reader.execute("COMMIT")
    finally:
        reader.close()
    assert await forgetful.forget_expired(limit=1000) == 0
    assert b"canary-passcode" not in at_rest(path)


async def test_what_an_earlier_process_left_in_the_log_is_removed(path, forgetful):
    """A process that was killed between forgetting and emptying does not keep it for good."""
    await fill(forgetful, 50, -1)
    rows = await forgetful._database.rows("DELETE FROM operation RETURNING operation_id")
    assert len(rows) == 50
    assert b"canary-passcode" in at_rest(path)
    other = await open_sqlite(path)
    try:
        assert await other.forget_expired(limit=1000) == 0
        assert b"canary-passcode" not in at_rest(path)
    finally:
        await other.aclose()


async def test_in_doubt_stays_until_it_is_settled_whatever_its_seal(rest):
    store = await rest.door(KEY)
    entry = await in_doubt(store, wish("doubt", retention=-1))
    assert await store.forget_expired(limit=9) == 0
    assert standing(await store.find(entry.operation_id)) == standing(entry)
