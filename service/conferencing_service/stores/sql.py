"""The ledger in an SQL database that can run one statement and return its rows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from conferencing_service.core.ledger.entry import Claim, Entry, Hold, Key, Step, Target
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.stores.statements import GET_META, TOUCH_META, Statements

_ATTEMPTS = 20
"""How often a key is claimed whose entry is removed each time before it can be read."""


class Row(Protocol):
    """One row, its values by the names of their columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a value."""


class Database(Protocol):
    """Runs statements, each in full and durably, or not at all."""

    def rows(self, statement: str, *values: str | float) -> Awaitable[Sequence[Row]]:
        """Run a statement with these values for $1, $2, ...; raises StoreUnavailable."""

    def count(self, statement: str, *values: str | float) -> Awaitable[int]:
        """Run a statement that returns no rows, and return how many it wrote; raises the same."""

    async def aclose(self) -> None:
        """End what was begun and close it."""


class SqlStore:
    """Fills the interface `Store`.

    Args:
        database: where the tables are.
        statements: in the words of that database.
    """

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._sql = statements

    async def secret(self) -> bytes:
        """Return the 32 random bytes that belong to this ledger."""
        rows = await self._database.rows(GET_META, "secret")
        if not rows:
            raise StoreUnavailable("the ledger has lost its secret")
        return bytes.fromhex(rows[0]["value"])

    async def claim(self, claim: Claim) -> tuple[Entry, bool]:
        """Return the entry of a key, and whether it is the claimer's to work on."""
        key, target = claim.key, claim.target
        values = (
            *(key.principal, key.method, key.request_id),
            *(claim.operation_id, claim.fingerprint, claim.owner, claim.lease),
            *(target.grant_id, target.calendar_id, target.event_id, claim.marker),
            claim.retention,
        )
        # Nearly every request is a new one.
        if rows := await self._database.rows(self._sql.insert, *values):
            return _new_entry(claim, rows[0]), True
        for _ in range(_ATTEMPTS):
            if rows := await self._database.rows(self._sql.claim, *values, claim.settle):
                return _entry(rows[0]), True
            entry = await self.get(key)
            if entry is not None:
                return entry, False
        raise StoreUnavailable("the entry is removed again and again before it can be read")

    async def intend(
        self, hold: Hold, *, event_id: str, expected: Mapping[str, str], lease: float
    ) -> bool:
        """CLAIMED -> SENDING."""
        digests = json.dumps(dict(expected)) if expected else "{}"
        return await self._wrote(self._sql.intend, hold, event_id, digests, lease)

    async def lease_left(self, hold: Hold) -> float | None:
        """Return the seconds that a lease still lasts; None when the hold is not good."""
        rows = await self._database.rows(self._sql.lease_left, hold.operation_id, hold.fence)
        return max(0.0, rows[0]["seconds"]) if rows else None

    async def renew(self, hold: Hold, *, lease: float) -> bool:
        """Make a lease last so many seconds from now."""
        return await self._wrote(self._sql.renew, hold, lease)

    async def release(self, hold: Hold, *, error: str) -> bool:
        """CLAIMED or SENDING -> RELEASED, or removed when it never was in doubt."""
        # Nobody can put it in doubt between the two without a higher fence or another step, and
        # either makes the second do nothing.
        return await self._wrote(self._sql.remove_released, hold) or await self._wrote(
            self._sql.keep_released, hold, error
        )

    async def doubt(self, hold: Hold, *, error: str, settle: float, lease: float) -> bool:
        """SENDING -> IN_DOUBT."""
        return await self._wrote(self._sql.doubt, hold, error, settle, lease)

    async def finish(self, hold: Hold, *, event_id: str, reply: str, retention: float) -> bool:
        """SENDING or IN_DOUBT -> DONE."""
        return await self._wrote(self._sql.finish, hold, event_id, reply, retention)

    async def give_up(self, hold: Hold, *, retention: float) -> bool:
        """IN_DOUBT -> UNRESOLVED."""
        return await self._wrote(self._sql.give_up, hold, retention)

    async def amend(self, operation_id: str, *, reply: str) -> None:
        """Replace the reply of an operation that is DONE."""
        await self._database.count(self._sql.amend, operation_id, reply)

    async def get(self, key: Key) -> Entry | None:
        """Return the entry of a key."""
        rows = await self._database.rows(self._sql.get, key.principal, key.method, key.request_id)
        return _entry(rows[0]) if rows else None

    async def find(self, operation_id: str) -> Entry | None:
        """Return the entry of an operation."""
        rows = await self._database.rows(self._sql.find, operation_id)
        return _entry(rows[0]) if rows else None

    async def take_over(
        self, owner: str, *, lease: float, settle: float, limit: int
    ) -> list[Entry]:
        """Take over operations whose owners are gone, oldest first."""
        rows = await self._database.rows(self._sql.take_over, owner, lease, settle, limit)
        # An UPDATE returns its rows in any order.
        return sorted(map(_entry, rows), key=lambda entry: (entry.created_at, entry.operation_id))

    async def unswept(self, *, older_than: float, limit: int) -> list[Entry]:
        """Return operations that were in doubt and not swept since, oldest first."""
        rows = await self._database.rows(self._sql.unswept, older_than, limit)
        return [_entry(row) for row in rows]

    async def mark_swept(self, operation_id: str) -> None:
        """Note that what an operation left behind was looked for."""
        await self._database.count(self._sql.mark_swept, operation_id)

    async def listing(self, steps: Collection[Step], *, limit: int) -> Sequence[Entry]:
        """Return the entries in these steps, oldest first."""
        if not steps:
            return []
        rows = await self._database.rows(self._sql.listing(steps), limit)
        return [_entry(row) for row in rows]

    async def resolve(
        self, operation_id: str, *, done: bool, event_id: str, owner: str, retention: float
    ) -> bool:
        """UNRESOLVED -> DONE with this event, or RELEASED."""
        step = Step.DONE if done else Step.RELEASED
        count = await self._database.count(
            self._sql.resolve, operation_id, step.value, event_id, owner, retention
        )
        return count > 0

    async def forget_expired(self, *, limit: int) -> int:
        """Remove entries that are at an end and expired; return how many."""
        return len(await self._database.rows(self._sql.forget_expired, limit))

    async def probe(self) -> None:
        """Commit something that changes nothing."""
        await self._database.rows(TOUCH_META, "secret")

    async def aclose(self) -> None:
        """Close it; nothing is lost."""
        await self._database.aclose()

    async def _wrote(self, statement: str, hold: Hold, *values: str | float) -> bool:
        count = await self._database.count(statement, hold.operation_id, hold.fence, *values)
        return count > 0


def _new_entry(claim: Claim, row: Row) -> Entry:
    """Return the entry that a claim made."""
    return Entry(
        key=claim.key,
        operation_id=claim.operation_id,
        fingerprint=claim.fingerprint,
        step=Step.CLAIMED,
        fence=1,
        owner=claim.owner,
        lease_left=claim.lease,
        settle_left=0.0,
        target=claim.target,
        marker=claim.marker,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
    )


def _entry(row: Row) -> Entry:
    now = row["clock"]
    return Entry(
        key=Key(row["principal"], row["method"], row["request_id"]),
        operation_id=row["operation_id"],
        fingerprint=row["fingerprint"],
        step=Step(row["step"]),
        fence=row["fence"],
        owner=row["owner"],
        lease_left=max(0.0, row["lease_until"] - now),
        settle_left=max(0.0, row["settle_until"] - now),
        target=Target(row["grant_id"], row["calendar_id"], row["event_id"]),
        marker=row["marker"],
        expected=MappingProxyType(json.loads(row["expected"])),
        reply=row["reply"],
        doubted=bool(row["doubted"]),
        swept=bool(row["swept"]),
        error=row["error"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
    )
