"""The ledger in a SQLite file: for the server processes of one host.

One thread has the connection, so the event loop never waits for a disk. It takes the steps of a batch
in one transaction and commits once for all of them; nobody hears of a step before it is durable.

What is forgotten is overwritten: in the file by SQLite, and in its write-ahead log by emptying that.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores.batches import Batches
from conferencing_service.stores.sql import SqlStore
from conferencing_service.stores.statements import (
    CREATE,
    CREATE_META,
    GET_META,
    PUT_META,
    SCHEMA_VERSION,
    Dialect,
    Statements,
)

BUSY_SECONDS = 5.0
"""How long a transaction waits for one of another process."""

_EMPTYING_SECONDS = 0.1
"""How long emptying the log waits for those who read it, while every other step waits too."""

_MOST_QUEUED = 20_000
"""Steps that may wait for a disk that hangs."""

_OLDEST = (3, 35)
"""The first SQLite that returns the rows it wrote."""

_DIALECT = Dialect(clock="((julianday('now') - 2440587.5) * 86400.0)", skip_locked="")

_STATEMENTS = Statements(_DIALECT)

_NOTHING_WRONG_WITH_THE_CONNECTION = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL}


@dataclass(slots=True)
class _Job:
    statement: str
    values: tuple[str | float, ...]
    future: asyncio.Future[Any]
    counts: bool = False
    result: Any = None
    problem: str = ""


async def open_sqlite(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> SqlStore:
    """Open the ledger in a file, which is made when missing; raises StoreUnavailable."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreUnavailable(f"SQLite 3.35 or newer is needed, this is {sqlite3.sqlite_version}")
    try:
        await asyncio.to_thread(_make_file, path)
    except OSError as error:
        raise StoreUnavailable(f"the ledger's file cannot be made: {error.strerror}") from error
    database = SqliteDatabase(path, busy_seconds)
    try:
        await database.rows(GET_META, "schema")
    except BaseException:
        await database.aclose()
        raise
    return SqlStore(database, _STATEMENTS)


def _make_file(path: Path) -> None:
    """Make the file, for this user alone, before SQLite makes it for everybody."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One that is there is not opened: closing it would end the locks that other connections of this
    # process have on it, and whoever leaves next would take the log away from under them.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class SqliteDatabase:
    """Runs statements in a thread, as many as there are in one transaction.

    Args:
        path: an existing file.
        busy_seconds: how long a transaction waits for one of another process.
    """

    def __init__(self, path: Path, busy_seconds: float) -> None:
        file = _File(path, busy_seconds)
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self._batches = Batches[_Job](work=file.run, tell=_tell, close=file.close)

    def rows(self, statement: str, *values: str | float) -> asyncio.Future[Sequence[sqlite3.Row]]:
        """Run a statement; it is durable when this is done. Raises StoreUnavailable."""
        return self._added(_Job(statement, values, self._loop.create_future()))

    def count(self, statement: str, *values: str | float) -> asyncio.Future[int]:
        """Run a statement that returns no rows; how many it wrote. As `rows` otherwise."""
        return self._added(_Job(statement, values, self._loop.create_future(), counts=True))

    def _added(self, job: _Job) -> asyncio.Future[Any]:
        if self._is_closing:
            raise StoreUnavailable("the ledger is closed")
        if self._batches.waiting >= _MOST_QUEUED:
            raise StoreUnavailable("the ledger's disk does not keep up")
        self._batches.add(job)
        return job.future

    async def aclose(self) -> None:
        """Finish what is queued, then close the file and end the thread."""
        self._is_closing = True
        await self._batches.aclose()


def _tell(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        # Whoever was cancelled meanwhile does not want to know.
        if job.future.done():
            continue
        if job.problem:
            job.future.set_exception(StoreUnavailable(job.problem))
        else:
            job.future.set_result(job.result)


class _File:
    """The connection, as the thread sees it. It is made anew after a failure that may stick to it."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        # Nobody knows what an earlier process left in it.
        self._log_holds_forgotten = True

    def run(self, jobs: Sequence[_Job]) -> None:
        """Run jobs in one transaction: all of them are durable afterwards, or none took place."""
        try:
            self._commit(jobs)
        except Exception as error:  # noqa: BLE001 - the thread must live, whatever this was
            problem = _problem(error)
            for job in jobs:
                job.problem = problem
            self._recover(error)

    def close(self) -> None:
        """Close it; the next run opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _commit(self, jobs: Sequence[_Job]) -> None:
        if self._connection is None:
            self._connection = self._connect()
        cursor = self._connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for job in jobs:
            try:
                cursor.execute(_numbered(job.statement), job.values)
                job.result = cursor.rowcount if job.counts else cursor.fetchall()
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError, ValueError) as error:
                # The job's own fault; its statement did nothing, and the others' go on.
                job.problem = _problem(error)
        cursor.execute("COMMIT")
        forgetting = [job for job in jobs if job.statement == _STATEMENTS.forget_expired]
        if any(job.result for job in forgetting):
            self._log_holds_forgotten = True
        if forgetting and self._log_holds_forgotten:
            self._log_holds_forgotten = not self._empty_log(self._connection)

    def _empty_log(self, connection: sqlite3.Connection) -> bool:
        """Move what is in the write-ahead log into the file, and cut the log off.

        False when somebody reads it, or the disk is full: it is tried again the next time that
        something is to be forgotten. No step depends on it, so none hears of it.
        """
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(_EMPTYING_SECONDS * 1000)}")
            is_in_use = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
        except sqlite3.Error:
            self.close()
            return False
        return not is_in_use

    def _recover(self, error: Exception) -> None:
        # The low byte is the kind, the rest says more about it.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if self._connection is None or code not in _NOTHING_WRONG_WITH_THE_CONNECTION:
            self.close()
        elif self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()

    def _connect(self) -> sqlite3.Connection:
        # The file is not made here: an empty one in the place of a lost one would be a ledger that
        # has forgotten everything.
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
        )
        try:
            connection.row_factory = sqlite3.Row
            self._switch_to_wal(connection)
            # With FULL every commit is on the disk; on macOS that takes the second line.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            # FAST would leave whole pages as they were.
            connection.execute("PRAGMA secure_delete = ON")
            _make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        # SQLite does not wait here for another process that is about to write, as one does that
        # starts at the same time.
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise StoreUnavailable("SQLite: this file system has no write-ahead log")


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(CREATE_META)
    if not _run(connection, GET_META, "schema"):
        for statement in CREATE:
            connection.execute(statement)
        _run(connection, PUT_META, "schema", str(SCHEMA_VERSION))
        _run(connection, PUT_META, "secret", secrets.token_hex(32))
    version = _run(connection, GET_META, "schema")[0]["value"]
    connection.execute("COMMIT")
    if int(version) > SCHEMA_VERSION:
        raise StoreUnavailable(f"the ledger is of version {version}, newer than this server")


def _run(connection: sqlite3.Connection, statement: str, *values: str | float) -> list[sqlite3.Row]:
    return connection.execute(_numbered(statement), values).fetchall()


@functools.cache
def _numbered(statement: str) -> str:
    """Return a statement whose parameters are numbered as SQLite does it: it takes $1 for a name."""
    return re.sub(r"\$(\d+)", r"?\1", statement)


def _problem(error: Exception) -> str:
    """Say what failed; SQLite's texts hold no values."""
    if isinstance(error, StoreUnavailable):
        return str(error)
    return (
        f"SQLite: {error}"
        if isinstance(error, sqlite3.Error)
        else f"SQLite: {type(error).__name__}"
    )
