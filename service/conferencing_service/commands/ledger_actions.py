"""What an operator does with the ledger, beside the servers that share it.

No server is started, no operation is taken over, and nothing is written to a calendar but the
deletes of a sweep.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias, assert_never
from urllib.parse import unquote, urlsplit

from conferencing_service.access.audit import Places
from conferencing_service.commands.endings import DONE, NOT_DONE, NotDone
from conferencing_service.commands.ledger_calendars import Calendars, calendars_of
from conferencing_service.commands.ledger_display import (
    count_of,
    counted,
    facts_of,
    listed_facts,
    listing_of,
    page_of,
    table_of,
    time_of,
)
from conferencing_service.commands.progress import Progress
from conferencing_service.commands.telling import clean
from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.settling import UPDATE
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.ledger.sweeper import Fate, Finding
from conferencing_service.ledger_parts import opened_ledger, owner_of_process
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.vendor import Vendor, vendor_of

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listing:
    """Show what is not settled, or with `is_all` everything."""

    is_all: bool
    limit: int
    as_json: bool


@dataclass(frozen=True, slots=True)
class Showing:
    """Show one operation, and with `look` what the calendar has of it."""

    operation: str
    look: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """Say what became of an operation: `event_id` is its event, None says that there is none."""

    operation: str
    event_id: str | None
    looks: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """Delete what lost writes left behind, or with `is_dry` only say what."""

    is_dry: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Naming:
    """Show what audit lines call places, by kind; kinds that were not asked for are not there."""

    places: Mapping[str, str]


Action: TypeAlias = Listing | Showing | Resolution | Sweep | Naming


async def at_the_desk(settings: Settings, action: Action, *, say: Say) -> int:
    """Do what an operator asks for; return 0, or 1 where a sweep left something behind.

    Raises NotDone where it cannot be done like that, SettingsError where the ledger or the upstream
    that is needed cannot be had.

    Args:
        settings: the settings.
        action: what is asked for.
        say: tells the operator a line.
    """
    vendor = _vendor(settings, action)
    _check_that_it_exists(settings.ledger())
    try:
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(opened_ledger(settings))
            calendars = None
            if vendor is not None:
                calendars = await stack.enter_async_context(calendars_of(settings, opened, vendor))
            desk = _Desk(settings, opened.store, Places(opened.secret), calendars, say)
            return await _do(desk, action)
    except StoreUnavailable as error:
        raise SettingsError("CONFERENCING_LEDGER_URL: the ledger cannot be reached") from error


def _vendor(settings: Settings, action: Action) -> Vendor | None:
    """Return the vendor whose calendars are to be looked at, None where none is."""
    match action:
        case Showing(look=True):
            otherwise = "leave --look out to see what the ledger says"
        case Resolution(looks=True):
            otherwise = "with --without-looking your word is taken"
        case Sweep():
            otherwise = "a sweep has to look at calendars"
        case _:
            return None
    if settings.nylas_region is None:
        raise SettingsError(f"CONFERENCING_NYLAS_REGION: no upstream is set; {otherwise}")
    return vendor_of(settings)


def _check_that_it_exists(url: str) -> None:
    """Refuse a file that is not there: an empty ledger, made now, would say that all is well."""
    parts = urlsplit(url)
    path = Path("/" + unquote(parts.path).lstrip("/"))
    if parts.scheme == "sqlite" and not path.is_file():
        where = clean(str(path))
        raise SettingsError(
            f"CONFERENCING_LEDGER_URL: there is no ledger in {where}; "
            "serve --sandbox keeps a temporary one unless this is set"
        )


@dataclass(frozen=True, slots=True)
class _Desk:
    """What an action works with; `calendars` is None where none is to be looked at."""

    settings: Settings
    store: Store
    places: Places
    calendars: Calendars | None
    say: Say

    async def entry(self, operation_id: str) -> Entry:
        """Return an operation's entry; raises NotDone where there is none."""
        entry = await self.store.find(operation_id)
        if entry is None:
            raise NotDone("this ledger has no such operation")
        return entry


async def _do(desk: _Desk, action: Action) -> int:
    match action:
        case Listing():
            return await _list(desk, action)
        case Showing():
            return await _show(desk, action)
        case Resolution():
            return await _resolve(desk, action)
        case Sweep():
            return await _sweep(desk, action)
        case Naming():
            return _name(desk, action)
        case _:
            assert_never(action)


# ---- list and show ---------------------------------------------------------------------------


async def _list(desk: _Desk, action: Listing) -> int:
    steps = Step if action.is_all else (Step.SENDING, Step.IN_DOUBT, Step.UNRESOLVED)
    found = await desk.store.listing(frozenset(steps), limit=action.limit + 1)
    entries, has_more = found[: action.limit], len(found) > action.limit
    now = time.time()
    if action.as_json:
        listed = [listed_facts(entry, now) for entry in entries]
        desk.say(json.dumps({"operations": listed, "more": has_more}))
        return DONE
    for line in table_of(entries, now):
        desk.say(line)
    desk.say(count_of(entries, has_more=has_more))
    return DONE


async def _show(desk: _Desk, action: Showing) -> int:
    entry = await desk.entry(action.operation)
    facts = facts_of(entry, time.time(), desk.settings.marker_key.value)
    failure = None
    if desk.calendars is not None:
        try:
            facts["events_found"] = await desk.calendars.events_of(entry)
        except NotDone as error:
            # What the ledger says is worth reading all the same.
            failure = error
    if action.as_json:
        desk.say(json.dumps(facts))
    else:
        for line in page_of(facts, entry):
            desk.say(line)
    if failure is not None:
        raise failure
    return DONE


# ---- resolve ---------------------------------------------------------------------------------


async def _resolve(desk: _Desk, action: Resolution) -> int:
    entry = await desk.entry(action.operation)
    if entry.step is not Step.UNRESOLVED:
        raise NotDone(_why_not(entry))
    event_id = await _event_of(desk, entry, action.event_id) if action.event_id is not None else ""
    if action.event_id is None and desk.calendars is not None:
        _check_that_nothing_is_there(entry, await desk.calendars.events_of(entry))
    is_settled = await desk.store.resolve(
        entry.operation_id,
        done=action.event_id is not None,
        event_id=event_id,
        owner=f"operator@{owner_of_process()}",
        retention=desk.settings.ledger_retention,
    )
    if not is_settled:
        raise NotDone("somebody else settled it meanwhile; look at it again")
    desk.say(
        f"{entry.operation_id} is RELEASED: the request's next repetition is sent anew"
        if action.event_id is None
        else f"{entry.operation_id} is DONE: the request's repetitions get event {event_id}"
    )
    return DONE


async def _event_of(desk: _Desk, entry: Entry, event_id: str) -> str:
    """Return the id of the event that an operation is to end with."""
    target = entry.target.event_id
    if entry.key.method == UPDATE and event_id != target:
        raise NotDone(f"it is an update of event {clean(target)}: use --done with that id")
    if desk.calendars is None:
        return event_id
    return await desk.calendars.confirmed(entry, event_id)


def _check_that_nothing_is_there(entry: Entry, found: tuple[str, ...]) -> None:
    if not found:
        return
    if entry.key.method == UPDATE:
        raise NotDone(f"the update is there: use --done {listing_of(found)}")
    if len(found) == 1:
        raise NotDone(f"it made event {listing_of(found)}: use --done with that id")
    raise NotDone(f"it made events {listing_of(found)}: use --done with one of them")


def _why_not(entry: Entry) -> str:
    """Say why an operation is not an operator's to settle."""
    match entry.step:
        case Step.IN_DOUBT if entry.settle_left > 0:
            ends = datetime.now(UTC) + timedelta(seconds=entry.settle_left)
            return f"it is IN_DOUBT and settles by itself until {time_of(ends.timestamp())}"
        case Step.IN_DOUBT:
            return "it is IN_DOUBT and settles by itself as soon as a server can look"
        case Step.CLAIMED | Step.SENDING:
            return f"it is {entry.step.value}: a server works on it, or takes it over soon"
        case Step.DONE:
            return f"it is DONE already, with event {clean(entry.target.event_id)}"
        case _:
            return f"it is {entry.step.value} already"


# ---- sweep -----------------------------------------------------------------------------------


async def _sweep(desk: _Desk, action: Sweep) -> int:
    assert desk.calendars is not None  # noqa: S101 - a sweep without a vendor does not begin
    parts = desk.calendars.parts
    entries, has_more = await _to_be_swept(desk.store, 2 * parts.times.settle, action.limit)
    fates: Counter[Fate] = Counter()
    failed = 0
    progress = Progress(sys.stderr, len(entries), "operations")
    for number, entry in enumerate(entries):
        progress.at(number)
        # Nothing is deleted of these, so nothing has to be noted either.
        dry_run = action.is_dry or entry.step is Step.UNRESOLVED
        try:
            findings = await parts.sweeper.behind(entry, dry_run=dry_run)
        except ConferencingError as error:
            failed += 1
            progress.clear()
            desk.say(f"operation {entry.operation_id}  not looked behind ({error.reason.value})")
            continue
        progress.clear()
        for finding in findings:
            desk.say(_line_of(finding))
            fates[finding.fate] += 1
    desk.say(_summary(len(entries) - failed, fates, failed, has_more=has_more))
    return NOT_DONE if failed or fates[Fate.NOT_DELETED] else DONE


async def _to_be_swept(store: Store, older_than: float, limit: int) -> tuple[list[Entry], bool]:
    """Return the operations to look behind, oldest first, and whether there are more.

    What is UNRESOLVED is among them at any age, because an event that shows up helps to settle it.
    """
    unresolved = await store.listing([Step.UNRESOLVED], limit=limit + 1)
    due = await store.unswept(older_than=older_than, limit=limit + 1)
    found = {entry.operation_id: entry for entry in (*unresolved, *due)}
    entries = sorted(found.values(), key=lambda each: (each.created_at, each.operation_id))
    return entries[:limit], len(entries) > limit


def _line_of(finding: Finding) -> str:
    return (
        f"operation {finding.operation_id}  grant {clean(finding.grant_id)}"
        f"  event {clean(finding.event_id)}  {finding.fate.value}"
    )


def _summary(looked: int, fates: Counter[Fate], failed: int, *, has_more: bool) -> str:
    parts = [f"{counted(looked, 'operation')} looked behind"]
    parts += [
        f"{counted(fates[fate], 'event')} {fate.name.lower().replace('_', ' ')}"
        for fate in Fate
        if fates[fate]
    ]
    if failed:
        parts.append(f"{counted(failed, 'operation')} not looked behind")
    if has_more:
        parts.append("there are more, see --limit")
    return "; ".join(parts)


# ---- places ----------------------------------------------------------------------------------


def _name(desk: _Desk, action: Naming) -> int:
    for kind, text in action.places.items():
        desk.say(f"{kind:10}{desk.places.digest(kind, text)}")
    return DONE
