"""What an operator sees of the ledger: operations as lines, pages and JSON, with nothing secret.

No reply and no marker is shown, since they hold join details and the proof of who made an event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conferencing_service.commands.telling import clean
from conferencing_service.core.ledger.entry import Entry, Step

_COLUMNS = ("OPERATION", "STEP", "METHOD", "REQUEST ID", "GRANT", "SINCE", "AGE", "WHAT NEXT")
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def table_of(entries: Collection[Entry], now: float) -> list[str]:
    """Return a line per operation below a line of headings; nothing where there is none.

    Args:
        entries: the operations.
        now: Unix seconds.
    """
    if not entries:
        return []
    rows = [_COLUMNS, *(_row(entry, now) for entry in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(entry: Entry, now: float) -> tuple[str, ...]:
    return (
        entry.operation_id,
        entry.step.value,
        entry.key.method,
        entry.key.request_id,
        clean(entry.target.grant_id),
        time_of(entry.created_at),
        duration_of(now - entry.created_at),
        outlook_of(entry),
    )


def count_of(entries: Collection[Entry], *, has_more: bool) -> str:
    """Return how many operations there are, and how many of them wait for an operator."""
    number = len(entries)
    text = "no operation" if number == 0 else counted(number, "operation")
    waiting = sum(entry.step is Step.UNRESOLVED for entry in entries)
    if waiting:
        text += f", {waiting} UNRESOLVED"
    return f"{text}; there are more, see --limit" if has_more else text


def outlook_of(entry: Entry) -> str:
    """Return what becomes of an operation if nobody does anything."""
    is_owned = entry.lease_left > 0
    match entry.step:
        case Step.CLAIMED | Step.SENDING if not is_owned:
            return "its server is gone; another one takes it over"
        case Step.CLAIMED:
            return f"under way, nothing sent; lease {entry.lease_left:.0f} s"
        case Step.SENDING:
            return f"being sent; lease {entry.lease_left:.0f} s"
        case Step.IN_DOUBT if entry.settle_left > 0:
            return f"settles by itself in {entry.settle_left:.0f} s"
        case Step.IN_DOUBT:
            return "settles by itself at the next look"
        case Step.UNRESOLVED:
            return "waits for an operator"
        case Step.DONE:
            return "repetitions get its answer"
        case Step.RELEASED:
            return "its repetition is sent anew"


def listed_facts(entry: Entry, now: float) -> dict[str, Any]:
    """Return, for JSON, what the list says of an operation."""
    return {
        "operation_id": entry.operation_id,
        "step": entry.step.value,
        "method": entry.key.method,
        "request_id": entry.key.request_id,
        "grant_id": entry.target.grant_id,
        "created_at": time_of(entry.created_at),
        "age_seconds": max(0, round(now - entry.created_at)),
        "lease_seconds_left": round(entry.lease_left),
        "settle_seconds_left": round(entry.settle_left),
    }


def facts_of(entry: Entry, now: float, marker_key: str) -> dict[str, Any]:
    """Return, for JSON, all that an operator may know of an operation.

    Args:
        entry: the operation.
        now: Unix seconds.
        marker_key: the metadata key in which events carry markers.
    """
    return {
        **listed_facts(entry, now),
        "principal": entry.key.principal,
        "calendar_id": entry.target.calendar_id,
        "event_id": entry.target.event_id,
        "fence": entry.fence,
        "owner": entry.owner,
        "error": entry.error,
        "was_in_doubt": entry.doubted,
        "was_swept": entry.swept,
        "keeps_reply": bool(entry.reply),
        "marker_key": marker_key,
        "updated_at": time_of(entry.updated_at),
        "expires_at": time_of(entry.expires_at),
    }


def page_of(facts: Mapping[str, Any], entry: Entry) -> list[str]:
    """Return a line per fact for people, with what becomes of the operation."""
    shown: dict[str, Any] = {**facts, "what_next": outlook_of(entry)}
    width = max(map(len, shown)) + 2
    return [f"{name.replace('_', ' '):{width}}{_words(value)}" for name, value in shown.items()]


def _words(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case "" | ():
            return "-"
        case tuple() | list():
            return listing_of([str(item) for item in value])
        case _:
            return clean(str(value))


def listing_of(names: Sequence[str]) -> str:
    """Return names, one after the other."""
    return ", ".join(map(clean, names))


def counted(number: int, noun: str) -> str:
    """Return a number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def time_of(seconds: float) -> str:
    """Return Unix seconds as a UTC time in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration_of(seconds: float) -> str:
    """Return seconds in the two largest units that there are."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number}{unit}")
    return "".join(parts[:2])
