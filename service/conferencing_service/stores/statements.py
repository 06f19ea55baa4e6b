"""The SQL of the ledger: every step is one conditional statement, alike for SQLite and PostgreSQL.

Values are bound to numbered parameters. How many rows a statement for a hold wrote, one or none,
tells whether the hold was good, so nobody has to read first and hope. A step that the same hold
took already may be taken once more, since whoever lost the answer of the first time asks again;
only an intent may not, because a second one could send a second time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from conferencing_service.core.ledger.entry import Step

SCHEMA_VERSION = 1
"""Grows with every change of the tables; a newer one is refused."""

CREATE_META = "CREATE TABLE IF NOT EXISTS ledger_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
"""Makes the table that says of which version the others are."""

CREATE = (
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
    # Few rows are anything but DONE, so walking them in the order of their age finds the leases
    # that are over; an index on the leases themselves would be rewritten at every step.
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
"""Makes the others, one statement after the other."""

PUT_META = "INSERT INTO ledger_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
GET_META = "SELECT value FROM ledger_meta WHERE name = $1"
TOUCH_META = "UPDATE ledger_meta SET value = value WHERE name = $1"

_COLUMNS = (
    *("principal", "method", "request_id", "operation_id", "fingerprint", "step", "fence", "owner"),
    *("lease_until", "settle_until", "grant_id", "calendar_id", "event_id", "marker", "expected"),
    *("reply", "doubted", "swept", "error", "created_at", "updated_at", "expires_at"),
)
_KEY = "principal = $1 AND method = $2 AND request_id = $3"
_HOLD = "operation_id = $1 AND fence = $2"
_OPEN = "step IN ('CLAIMED', 'SENDING', 'IN_DOUBT')"
_ENDED = "step IN ('DONE', 'UNRESOLVED', 'RELEASED')"
# What nobody has settled is kept until somebody does.
_SETTLED = "step IN ('DONE', 'RELEASED')"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What SQLite and PostgreSQL say in different words.

    Attributes:
        clock: the store's clock, in Unix seconds with a fraction.
        skip_locked: locks the rows of a subquery, and leaves out those that somebody else has.
    """

    clock: str
    skip_locked: str


class Statements:
    """The statements in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        now = dialect.clock
        # In a subquery it is read once per statement, which lets an index be used.
        once = f"(SELECT {now})"
        entry = f"{', '.join(_COLUMNS)}, {now} AS clock"
        self._entry = entry
        self.insert = _insert_if_new(now)
        self.claim = _claim(now, entry)
        self.intend = _update(
            f"step = 'SENDING', event_id = $3, expected = $4, lease_until = {now} + $5",
            now,
            f"{_HOLD} AND step = 'CLAIMED' AND lease_until > {now}",
        )
        self.lease_left = f"SELECT lease_until - {now} AS seconds FROM operation WHERE {_HOLD}"
        # At an end as well: whoever sweeps behind an operation keeps repetitions of it away.
        self.renew = _update(f"lease_until = {now} + $3", now, _HOLD)
        self.remove_released = (
            f"DELETE FROM operation WHERE {_HOLD} AND step IN ('CLAIMED', 'SENDING')"
            " AND doubted = 0"
        )
        self.keep_released = _update(
            "step = 'RELEASED', error = $3, lease_until = 0",
            now,
            f"{_HOLD} AND step IN ('CLAIMED', 'SENDING', 'RELEASED') AND doubted = 1",
        )
        self.doubt = _update(
            "step = 'IN_DOUBT', doubted = 1, swept = 0, error = $3,"
            f" settle_until = {now} + $4, lease_until = {now} + $5",
            now,
            f"{_HOLD} AND step IN ('SENDING', 'IN_DOUBT')",
        )
        self.finish = _update(
            f"step = 'DONE', event_id = $3, reply = $4, expires_at = {now} + $5, lease_until = 0",
            now,
            f"{_HOLD} AND (step IN ('SENDING', 'IN_DOUBT') OR (step = 'DONE' AND event_id = $3))",
        )
        self.give_up = _update(
            f"step = 'UNRESOLVED', expires_at = {now} + $3, lease_until = 0",
            now,
            f"{_HOLD} AND step IN ('IN_DOUBT', 'UNRESOLVED')",
        )
        self.amend = _update("reply = $2", now, "operation_id = $1 AND step = 'DONE'")
        self.resolve = _update(
            "step = $2, event_id = CASE WHEN $2 = 'DONE' THEN $3 ELSE event_id END, owner = $4,"
            f" fence = fence + 1, swept = 0, expires_at = {now} + $5, lease_until = 0",
            now,
            "operation_id = $1 AND step = 'UNRESOLVED'",
        )
        self.mark_swept = _update(
            "swept = 1", now, f"operation_id = $1 AND doubted = 1 AND {_ENDED}"
        )
        self.get = f"SELECT {entry} FROM operation WHERE {_KEY}"
        self.find = f"SELECT {entry} FROM operation WHERE operation_id = $1"
        self.unswept = (
            f"SELECT {entry} FROM operation WHERE doubted = 1 AND swept = 0 AND {_ENDED}"
            f" AND updated_at <= {once} - $1 ORDER BY created_at, operation_id LIMIT $2"
        )
        self.take_over = _take_over(now, once, entry, dialect.skip_locked)
        self.forget_expired = _forget_expired(once, dialect.skip_locked)

    def listing(self, steps: Collection[Step]) -> str:
        """Return the statement that lists the entries in these steps, of which there is one."""
        names = ", ".join(f"'{step.value}'" for step in sorted(steps))
        unfinished = "" if Step.DONE in steps else "step <> 'DONE' AND "
        return (
            f"SELECT {self._entry} FROM operation WHERE {unfinished}step IN ({names})"
            " ORDER BY created_at, operation_id LIMIT $1"
        )


def _update(changes: str, now: str, condition: str) -> str:
    return f"UPDATE operation SET {changes}, updated_at = {now} WHERE {condition}"


def _insert_if_new(now: str) -> str:
    """Return the statement that makes the entry of a key that has none, and tells its times."""
    return f"{_insert(now)} ON CONFLICT DO NOTHING RETURNING created_at, updated_at, expires_at"


def _insert(now: str) -> str:
    return (
        f"INSERT INTO operation ({', '.join(_COLUMNS)})"
        f" VALUES ($1, $2, $3, $4, $5, 'CLAIMED', 1, $6, {now} + $7, 0, $8, $9, $10, $11, '{{}}',"
        f" '', 0, 0, '', {now}, {now}, {now} + $12)"
    )


def _claim(now: str, entry: str) -> str:
    """Return the statement that makes, replaces or takes over the entry of a key.

    It returns nothing where the entry stays as it is. Times are compared with the clock of the new
    row, which is read once: were it read again for every column, a moment that passes meanwhile
    would leave half of one row and half of another.
    """
    forgettable = (
        f"operation.{_SETTLED} AND operation.expires_at <= excluded.updated_at"
        " AND (operation.doubted = 0 OR operation.swept = 1)"
    )
    workable = (
        "operation.fingerprint = excluded.fingerprint"
        " AND operation.lease_until <= excluded.updated_at"
        f" AND (operation.{_OPEN} OR operation.step = 'RELEASED')"
    )
    taken_over = {
        **_steps_of_a_taker("operation.", "excluded.updated_at + $13"),
        "owner": "excluded.owner",
        "lease_until": "excluded.lease_until",
        "updated_at": "excluded.updated_at",
        "expires_at": "excluded.expires_at",
    }
    changes = ", ".join(
        f"{column} = CASE WHEN {forgettable} THEN excluded.{column}"
        f" ELSE {taken_over.get(column, f'operation.{column}')} END"
        for column in _COLUMNS
        if column not in {"principal", "method", "request_id"}
    )
    return (
        f"{_insert(now)} ON CONFLICT (principal, method, request_id) DO UPDATE SET {changes}"
        f" WHERE ({forgettable}) OR ({workable}) RETURNING {entry}"
    )


def _take_over(now: str, once: str, entry: str, skip_locked: str) -> str:
    steps = _steps_of_a_taker("", f"{now} + $3")
    changes = ", ".join(f"{column} = {value}" for column, value in steps.items())
    return (
        "WITH orphan AS MATERIALIZED (SELECT operation_id FROM operation"
        f" WHERE step <> 'DONE' AND {_OPEN} AND lease_until <= {once}"
        f" ORDER BY created_at, operation_id LIMIT $4 {skip_locked})"
        f" UPDATE operation SET {changes}, owner = $1, lease_until = {now} + $2,"
        f" updated_at = {now} WHERE operation_id IN (SELECT operation_id FROM orphan)"
        f" RETURNING {entry}"
    )


def _forget_expired(once: str, skip_locked: str) -> str:
    return (
        "WITH due AS MATERIALIZED (SELECT operation_id FROM operation"
        f" WHERE {_SETTLED} AND expires_at <= {once} AND (doubted = 0 OR swept = 1)"
        f" ORDER BY expires_at LIMIT $1 {skip_locked})"
        " DELETE FROM operation WHERE operation_id IN (SELECT operation_id FROM due)"
        " RETURNING operation_id"
    )


def _steps_of_a_taker(row: str, settled: str) -> dict[str, str]:
    """Return what changes of an entry that gets another owner.

    What was SENDING may have been sent, so it is in doubt from now on, and is to be looked for
    again.
    """
    sending = f"CASE {row}step WHEN 'SENDING' THEN"
    return {
        "step": f"{sending} 'IN_DOUBT' WHEN 'IN_DOUBT' THEN 'IN_DOUBT' ELSE 'CLAIMED' END",
        "fence": f"{row}fence + 1",
        "settle_until": f"{sending} {settled} WHEN 'IN_DOUBT' THEN {row}settle_until ELSE 0 END",
        "doubted": f"{sending} 1 ELSE {row}doubted END",
        "swept": f"{sending} 0 ELSE {row}swept END",
    }
