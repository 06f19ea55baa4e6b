"""The ledger in PostgreSQL: for server processes on many hosts.

An error of the driver may quote the URL, or values that were sent; what leaves this module names
its kind only.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg

from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores.sql import Row, SqlStore
from conferencing_service.stores.statements import (
    CREATE,
    CREATE_META,
    GET_META,
    PUT_META,
    SCHEMA_VERSION,
    Dialect,
    Statements,
)

T = TypeVar("T")

_SECONDS = 5.0
"""How long a connection may take, and a free one of the pool, and a statement."""

_MOST_CONNECTIONS = 8

_LOCK = 7_162_934_850_155_243_821
"""The advisory lock under which the tables are made; any number that nobody else takes."""

_DIALECT = Dialect(
    clock="CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    skip_locked="FOR UPDATE SKIP LOCKED",
)

# What the statements rely on, whatever the role or the database is set to: an upsert that looks at
# the newest row, and a commit that is on a disk.
_SESSION = """
    SELECT set_config('default_transaction_isolation', 'read committed', false),
           set_config('synchronous_commit', CASE current_setting('synchronous_commit')
               WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""

_FAILURES: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


async def open_postgresql(url: str) -> SqlStore:
    """Open the ledger in a database; raises StoreUnavailable, or ValueError for a wrong URL."""
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=_MOST_CONNECTIONS,
        timeout=_SECONDS,
        command_timeout=_SECONDS,
        init=_set_up,
        reset=_leave_as_it_is,
    )
    try:
        await pool
        version = await _version(pool)
    except (ValueError, KeyError):
        # The driver reads the URL when it first connects. KeyError: no user in it, and none here.
        problem: Exception = ValueError("the URL of the PostgreSQL database cannot be used")
    except _FAILURES as error:
        problem = _unavailable(error)
    except BaseException:
        pool.terminate()
        raise
    else:
        if version <= SCHEMA_VERSION:
            return SqlStore(PostgresqlDatabase(pool), Statements(_DIALECT))
        problem = StoreUnavailable(f"the ledger is of version {version}, newer than this server")
    pool.terminate()
    # Not in an except block: what the driver raised would hang on to it.
    raise problem


async def _set_up(connection: asyncpg.Connection) -> None:
    await connection.execute(_SESSION)


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Save the round trip that would reset what no statement here changes."""


async def _version(pool: asyncpg.Pool) -> int:
    """Make the tables where there are none; return the version of those that are there."""
    async with pool.acquire(timeout=_SECONDS) as connection:
        # Asked first, because a role that may not make tables may well use them.
        if not await connection.fetchval("SELECT to_regclass('ledger_meta') IS NOT NULL"):
            async with connection.transaction():
                # Even CREATE TABLE IF NOT EXISTS fails when two do it at once: they take turns.
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(CREATE_META)
                if await connection.fetchval(GET_META, "schema") is None:
                    for statement in CREATE:
                        await connection.execute(statement)
                    await connection.execute(PUT_META, "schema", str(SCHEMA_VERSION))
                    await connection.execute(PUT_META, "secret", secrets.token_hex(32))
        return int(await connection.fetchval(GET_META, "schema"))


class PostgresqlDatabase:
    """Runs statements, each in a transaction of its own, on a few connections.

    A connection that broke is replaced when the next statement needs one.

    Args:
        pool: where the connections are.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._under_way = 0
        self._idle = asyncio.Event()
        self._closing = False

    async def rows(self, statement: str, *values: str | float) -> Sequence[Row]:
        """Run a statement; it is durable when this returns. Raises StoreUnavailable."""
        return await self._ran(lambda connection: connection.fetch(statement, *values))

    async def count(self, statement: str, *values: str | float) -> int:
        """Run a statement that returns no rows, and return how many it wrote, as `rows` does."""
        tag = await self._ran(lambda connection: connection.execute(statement, *values))
        return int(tag.rpartition(" ")[2])

    async def _ran(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        if self._closing:
            raise StoreUnavailable("the ledger is closed")
        self._under_way += 1
        self._idle.clear()
        try:
            async with self._pool.acquire(timeout=_SECONDS) as connection:
                return await work(connection)
        except _FAILURES as error:
            problem = _unavailable(error)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # This server became a standby; a new connection may find the new primary.
                await self._pool.expire_connections()
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        # Not in the except block: what the driver raised would hang on to it.
        raise problem

    async def aclose(self) -> None:
        """Let the statements under way end, then leave."""
        self._closing = True
        try:
            async with asyncio.timeout(_SECONDS):
                if self._under_way:
                    await self._idle.wait()
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


def _unavailable(error: Exception) -> StoreUnavailable:
    state = getattr(error, "sqlstate", None)
    return StoreUnavailable(f"PostgreSQL: {type(error).__name__}{f' ({state})' if state else ''}")
