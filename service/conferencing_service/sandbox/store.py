"""The sandbox's memory: grants, events, conferences and the effect log, in one SQLite database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from conferencing_service.sandbox.conferences import Conference
from conferencing_service.sandbox.events import Event
from conferencing_service.sandbox.grants import Grant
from conferencing_service.sandbox.validation import INDEXED_KEYS
from conferencing_service.sandbox.when import span

_SCHEMA = """
CREATE TABLE IF NOT EXISTS grants (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    grant_id TEXT NOT NULL, id TEXT NOT NULL, calendar_id TEXT NOT NULL, ical_uid TEXT NOT NULL,
    starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted
    INTEGER NOT NULL, key1 TEXT, key2 TEXT, key3 TEXT, key4 TEXT, key5 TEXT, document TEXT NOT NULL,
    PRIMARY KEY (grant_id, id)); CREATE INDEX IF NOT EXISTS events_by_time ON events
    (grant_id, calendar_id, starts_at, id); CREATE INDEX IF NOT EXISTS events_by_ical_uid ON events
    (grant_id, ical_uid); CREATE INDEX IF NOT EXISTS events_by_key1
    ON events (grant_id, calendar_id, key1) WHERE
    key1 IS NOT NULL; CREATE INDEX IF NOT EXISTS events_by_key2
    ON events (grant_id, calendar_id, key2) WHERE
    key2 IS NOT NULL; CREATE INDEX IF NOT EXISTS events_by_key3
    ON events (grant_id, calendar_id, key3) WHERE
    key3 IS NOT NULL; CREATE INDEX IF NOT EXISTS events_by_key4
    ON events (grant_id, calendar_id, key4) WHERE
    key4 IS NOT NULL; CREATE INDEX IF NOT EXISTS events_by_key5
    ON events (grant_id, calendar_id, key5) WHERE
    key5 IS NOT NULL; CREATE TABLE IF NOT EXISTS conferences ( seq INTEGER PRIMARY KEY, id TEXT NOT
    NULL UNIQUE, grant_id TEXT NOT NULL, conf_grant_id TEXT, event_id TEXT, provider TEXT NOT NULL,
    settings TEXT NOT NULL, details TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0); CREATE INDEX
    IF NOT EXISTS conferences_by_event ON conferences (grant_id, event_id); CREATE TABLE IF NOT
    EXISTS effects ( seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, grant_id TEXT NOT
    NULL, calendar_id TEXT, event_id TEXT, conference_id TEXT, at REAL NOT NULL); CREATE INDEX IF
    NOT EXISTS effects_by_grant ON effects (grant_id); CREATE TRIGGER IF NOT EXISTS
    effects_are_never_changed BEFORE UPDATE ON effects BEGIN SELECT RAISE(ABORT, 'the effect log is
    append-only'); END; CREATE TRIGGER IF NOT EXISTS effects_are_never_removed BEFORE DELETE ON
    effects BEGIN SELECT RAISE(ABORT, 'the effect log is append-only'); END;
"""


@dataclass(frozen=True)
class Effect:
    """Something that really happened on the vendor's side."""

    kind: str
    grant_id: str
    calendar_id: str | None
    event_id: str | None
    conference_id: str | None
    at: float


@dataclass(frozen=True)
class Search:
    """Which events of one calendar are wanted, in the order of their start."""

    grant_id: str
    calendar_id: str
    starts_before: int | None = None
    ends_after: int | None = None
    updated_after: int | None = None
    updated_before: int | None = None
    ical_uid: str | None = None
    metadata_pair: tuple[str, str] | None = None
    with_deleted: bool = False
    beyond: tuple[int, str] | None = None
    """The start and the id of the last event of the page before."""

    @property
    def by_time(self) -> bool:
        """Whether many are wanted, and not one very event."""
        return self.ical_uid is None and self.metadata_pair is None


class Store:
    """All that outlives a request. One connection, one writer: the process that serves."""

    def __init__(self, database: str) -> None:
        # The server answers from one thread; a test may build it in another.
        self._db = sqlite3.connect(
            database, timeout=2, isolation_level=None, check_same_thread=False
        )
        self._db.row_factory = sqlite3.Row
        # A second sandbox on the same file is refused. WAL with NORMAL survives the death of the
        # process; only a power cut could take the last transactions, and that is no case of a
        # sandbox.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        rows = self._db.execute("SELECT document FROM grants ORDER BY id")
        self._grants = {
            grant.id: grant for grant in (Grant.from_document(json.loads(row[0])) for row in rows)
        }

    def close(self) -> None:
        """Leave the database."""
        self._db.close()

    @property
    def changes(self) -> int:
        """A number that grows with every write."""
        return self._db.total_changes

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def grant(self, grant_id: str) -> Grant | None:
        """The grant of this id."""
        return self._grants.get(grant_id)

    def grants(self) -> list[Grant]:
        """All grants, by id."""
        return sorted(self._grants.values(), key=lambda grant: grant.id)

    def active_grants(self) -> list[Grant]:
        """All grants, those first whose last effect is the newest, the others by id."""
        rows = self._db.execute("SELECT grant_id FROM effects GROUP BY grant_id ORDER BY MAX(seq)")
        order = {row["grant_id"]: place for place, row in enumerate(rows)}
        return sorted(self.grants(), key=lambda grant: -order.get(grant.id, -1))

    def put_grant(self, grant: Grant) -> None:
        """Add or replace a grant."""
        document = json.dumps(grant.document())
        self._db.execute("INSERT OR REPLACE INTO grants VALUES (?, ?)", (grant.id, document))
        self._grants[grant.id] = grant

    def put_event(self, event: Event) -> None:
        """Add or replace an event."""
        fields = event.fields
        metadata = fields.get("metadata", {})
        starts_at, ends_at = span(fields["when"], bool(fields.get("recurrence")))
        document = {
            "created_at": event.created_at,
            "read_only": event.read_only,
            "fields": fields,
            "conferences": [conference.document() for conference in event.conferences],
        }
        self._db.execute(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(event.grant_id, event.id, event.calendar_id, event.ical_uid),
                *(starts_at, ends_at, event.updated_at, event.deleted),
                *(metadata.get(key) for key in INDEXED_KEYS),
                json.dumps(document),
            ),
        )

    def event(self, grant_id: str, event_id: str) -> Event | None:
        """The event of this id, a deleted one too."""
        row = self._db.execute(
            "SELECT * FROM events WHERE grant_id = ? AND id = ?", (grant_id, event_id)
        ).fetchone()
        return None if row is None else _event(row)

    def events(self, search: Search) -> Iterator[tuple[tuple[int, str], Event]]:
        """The events that are searched for, each with its place; read as far as they are taken."""
        conditions, values = _conditions(search)
        where = " AND ".join(conditions)
        # The plus keeps SQLite from walking the whole calendar in order, to save a sort of few.
        order = "starts_at" if search.by_time else "+starts_at"
        # Both are written in this module; whatever a client sent is bound.
        statement = f"SELECT * FROM events WHERE {where} ORDER BY {order}, id"  # noqa: S608
        for row in self._db.execute(statement, values):
            yield (row["starts_at"], row["id"]), _event(row)

    def latest_events(self, grant_id: str, calendar_id: str, limit: int) -> tuple[list[Event], int]:
        """The events that were written last, in the order of their start; and how many there are.

        Deleted ones do not count.
        """
        of_calendar = "FROM events WHERE grant_id = ? AND calendar_id = ? AND deleted = 0"
        # A write replaces the row, so the newest write has the highest rowid. Neither statement
        # holds anything that a client sent.
        rows = self._db.execute(
            f"SELECT * {of_calendar} ORDER BY rowid DESC LIMIT ?",
            (grant_id, calendar_id, limit),
        ).fetchall()
        (count,) = self._db.execute(
            f"SELECT COUNT(*) {of_calendar}",
            (grant_id, calendar_id),
        ).fetchone()
        return [_event(row) for row in sorted(rows, key=itemgetter("starts_at", "id"))], count

    def add_conference(
        self,
        conference: Conference,
        grant_id: str,
        event_id: str | None,
        conf_grant_id: str | None,
        settings: Mapping[str, Any],
    ) -> None:
        """Keep a conference that the vendor made, with the settings that it was made with."""
        self._db.execute(
            "INSERT INTO conferences"
            " (id, grant_id, conf_grant_id, event_id, provider, settings, details)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(conference.conference_id, grant_id, conf_grant_id, event_id, conference.provider),
                *(json.dumps(settings), json.dumps(conference.details)),
            ),
        )

    def delete_conferences(
        self, grant_id: str, event_id: str, spared: Sequence[str] = ()
    ) -> list[str]:
        """Delete what was made for this event and still is there, but for the spared; the ids."""
        rows = self._db.execute(
            "SELECT id FROM conferences"
            " WHERE grant_id = ? AND event_id = ? AND deleted = 0 ORDER BY seq",
            (grant_id, event_id),
        )
        gone = [row["id"] for row in rows if row["id"] not in spared]
        self._db.executemany(
            "UPDATE conferences SET deleted = 1 WHERE id = ?",
            [(conference_id,) for conference_id in gone],
        )
        return gone

    def conferences(self, grant_id: str | None) -> list[dict[str, Any]]:
        """Every conference that was ever made, in that order."""
        rows = self._of_grant(
            "SELECT * FROM conferences ORDER BY seq",
            "SELECT * FROM conferences WHERE grant_id = ? ORDER BY seq",
            grant_id,
        )
        return [_conference(row) for row in rows]

    def stray_conferences(self, grant_id: str, limit: int) -> list[dict[str, Any]]:
        """The last conferences that were made for events which then were refused."""
        rows = self._db.execute(
            "SELECT * FROM conferences WHERE grant_id = ? AND event_id IS NULL AND deleted = 0"
            " ORDER BY seq DESC LIMIT ?",
            (grant_id, limit),
        )
        return [_conference(row) for row in rows]

    def add_effects(self, effects: Sequence[Effect]) -> None:
        """Append to the effect log; to be called in the transaction of the change itself."""
        self._db.executemany(
            "INSERT INTO effects (kind, grant_id, calendar_id, event_id, conference_id, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    effect.kind,
                    effect.grant_id,
                    effect.calendar_id,
                    effect.event_id,
                    effect.conference_id,
                    effect.at,
                )
                for effect in effects
            ],
        )

    def effects(self, grant_id: str | None) -> list[dict[str, Any]]:
        """The effect log, in its order."""
        rows = self._of_grant(
            "SELECT * FROM effects ORDER BY seq",
            "SELECT * FROM effects WHERE grant_id = ? ORDER BY seq",
            grant_id,
        )
        return [dict(row) for row in rows]

    def latest_effects(self, grant_id: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
        """The last effects, the newest first; and how many there are."""
        rows = self._of_grant(
            "SELECT * FROM effects ORDER BY seq DESC",
            "SELECT * FROM effects WHERE grant_id = ? ORDER BY seq DESC",
            grant_id,
        )
        (count,) = self._of_grant(
            "SELECT COUNT(*) FROM effects",
            "SELECT COUNT(*) FROM effects WHERE grant_id = ?",
            grant_id,
        ).fetchone()
        return [dict(row) for row in rows.fetchmany(limit)], count

    def _of_grant(self, of_all: str, of_one: str, grant_id: str | None) -> sqlite3.Cursor:
        return (
            self._db.execute(of_all) if grant_id is None else self._db.execute(of_one, (grant_id,))
        )


def _conference(row: sqlite3.Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("id", "grant_id", "conf_grant_id", "event_id", "provider")},
        "settings": json.loads(row["settings"]),
        "details": json.loads(row["details"]),
        "deleted": bool(row["deleted"]),
    }


def _event(row: sqlite3.Row) -> Event:
    document = json.loads(row["document"])
    return Event(
        id=row["id"],
        grant_id=row["grant_id"],
        calendar_id=row["calendar_id"],
        ical_uid=row["ical_uid"],
        created_at=document["created_at"],
        updated_at=row["updated_at"],
        fields=document["fields"],
        conferences=tuple(Conference(**conference) for conference in document["conferences"]),
        read_only=document["read_only"],
        deleted=bool(row["deleted"]),
    )


def _conditions(search: Search) -> tuple[list[str], list[Any]]:
    conditions = ["grant_id = ?", "calendar_id = ?"]
    values: list[Any] = [search.grant_id, search.calendar_id]
    optional: list[tuple[str, Any]] = [
        ("starts_at < ?", search.starts_before),
        ("ends_at > ?", search.ends_after),
        ("updated_at > ?", search.updated_after),
        ("updated_at < ?", search.updated_before),
        ("ical_uid = ?", search.ical_uid),
        ("deleted = ?", None if search.with_deleted else 0),
    ]
    if search.metadata_pair is not None:
        key, value = search.metadata_pair
        optional.append((f"{INDEXED_KEYS[INDEXED_KEYS.index(key)]} = ?", value))
    for condition, wanted in optional:
        if wanted is not None:
            conditions.append(condition)
            values.append(wanted)
    if search.beyond is not None:
        conditions.append("(starts_at, id) > (?, ?)")
        values.extend(search.beyond)
    return conditions, values
