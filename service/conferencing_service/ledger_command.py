"""The command `ledger`: an operator sees what is in doubt, and settles it.

It works on the ledger that the settings name, beside the servers that share it. It starts no server,
takes no operation over and writes nothing to a calendar but the deletes of a sweep.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import ConferencingError, NotFound
from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.settling import UPDATE
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.ledger.sweeper import Fate, Finding
from conferencing_service.core.upstream import CalendarUpstream
from conferencing_service.core.validation import Faults, check_id
from conferencing_service.ledger_display import (
    clean,
    count_of,
    counted,
    facts_of,
    listed_facts,
    listing_of,
    page_of,
    table_of,
    time_of,
)
from conferencing_service.ledger_parts import (
    LedgerParts,
    OpenStore,
    ledger_parts,
    opened_ledger,
    owner_of_process,
)
from conferencing_service.server import Vendor, nylas_upstream, vendor_of
from conferencing_service.settings import Settings, SettingsError, TracesExporter
from conferencing_service.telemetry import tracer_provider_for
from conferencing_service.upstreams.registry import SingleUpstream

Say = Callable[[str], None]

CANNOT_BE_DONE = 1
_LISTED = 100
_SWEPT = 1000
_MOST = 100_000

_ABOUT = """\
What became of writes whose answer was lost, and what is left for a person to do.

A write whose answer was lost may have arrived or not. The ledger knows each of them, looks for what
it did, and never sends it again by itself. Most settle by themselves. What is UNRESOLVED waits for
you: nothing was found until the settle window was over, and its caller is told OUTCOME_UNRESOLVED
until you say what happened.
"""
_WHAT_TO_DO = """\
what to do:
  1. conferencing-service ledger list
       UNRESOLVED needs you. SENDING and IN_DOUBT do not: a server is at it.
  2. conferencing-service ledger show OPERATION --look
       asks the calendar, and names the event that the write made if there is one.
  3. there is one:  conferencing-service ledger resolve OPERATION --done EVENT_ID
     there is none: conferencing-service ledger resolve OPERATION --not-done
  4. the caller repeats the request with the same request_id: it gets that event, or is sent anew.

settings:
  Those of `serve`, by environment variables. CONFERENCING_LEDGER_URL names the ledger. Whatever looks
  at a calendar also needs CONFERENCING_NYLAS_REGION and CONFERENCING_NYLAS_API_KEY (or its _FILE).

exit status:
  0 it is done; 1 it cannot be done like that; 2 refused to start. One line on stderr says why.
"""
_LIST = """\
The operations that are not settled, oldest first, one a line; the last line counts them. Looks at no
calendar.

  SENDING     a server sends it now, or ended while it did; then another one takes it over
  IN_DOUBT    its answer was lost, and a server looks for what it did; settles by itself
  UNRESOLVED  nothing was found until the settle window was over; waits for you
"""
_LIST_MORE = """\
With --all also those that need nobody:

  CLAIMED     a server works on it, and nothing was sent
  DONE        it did what was asked; repetitions get its answer
  RELEASED    it surely did nothing; the caller's repetition is sent anew

AGE and SINCE count from the caller's first attempt.
"""
_SHOW = """\
All that the ledger says of one operation, but for the kept answer and the event's marker, which are
secret. With --look it asks the calendar as well, and changes nothing there.
"""
_RESOLVE = """\
Say what became of an UNRESOLVED operation. Any other step is refused, since servers settle those.

  --done EVENT_ID  It was done, and this is its event. Repetitions of the request are answered with
                   it. Other events that carry the operation's marker are deleted by the sweep.
  --not-done       It was not done. The next repetition of the request is sent anew. An event of
                   it that shows up soon afterwards all the same is deleted by the sweep.

The calendar is asked first. --done is refused where there is no such event, --not-done where the
write's own event, or its update, is there: the line on stderr then says what to use.
"""
_RESOLVE_MORE = """\
A conference that was made without its event cannot be seen from here. Before --not-done of a request
that autocreates one, look at its provider (Zoom, Meet, Teams): sent anew, it makes another one.

--without-looking takes your word and asks nobody, for when the upstream is down or the grant is gone.
If you are wrong, --not-done may make the event twice, and --done may have the sweep delete the right
event. If you are not sure, leave it UNRESOLVED until the upstream is back: nothing is sent meanwhile.
"""
_SWEEP = """\
Look behind every operation that was ever in doubt, and delete the events that it left behind: those
on its own calendar that carry its verified marker and are not the event that it ended with. Guests
are told nothing where the platform allows that. Events of UNRESOLVED operations are reported, never
deleted. The servers do the same in the background.
"""
_SWEEP_MORE = """\
Begin with --dry-run: it deletes nothing and notes nothing. Nothing younger than two settle windows is
swept. Each operation is looked at once per run, the oldest first, at most --limit of them; the last
line says whether there are more.
"""


class CannotBeDoneError(Exception):
    """What an operator asked for cannot be done; the text is one line that says why."""


def add_ledger_parser(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command's arguments.

    Args:
        add_parser: makes a parser among the commands of the program.
    """
    formatted: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }
    ledger = add_parser(
        "ledger",
        help="see and settle writes whose answer was lost",
        description=_ABOUT,
        epilog=_WHAT_TO_DO,
        **formatted,
    )
    actions = ledger.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser(
        "list", help="what is not settled", description=_LIST, epilog=_LIST_MORE, **formatted
    )
    action.add_argument("--all", action="store_true", help="also what needs nobody")
    _add_limit(action, _LISTED)
    _add_json(action)
    action = actions.add_parser(
        "show", help="one operation, and with --look its event", description=_SHOW, **formatted
    )
    _add_operation(action)
    action.add_argument("--look", action="store_true", help="ask the calendar what is there")
    _add_json(action)
    action = actions.add_parser(
        "resolve",
        help="say what became of an UNRESOLVED operation",
        description=_RESOLVE,
        epilog=_RESOLVE_MORE,
        **formatted,
    )
    _add_operation(action)
    outcome = action.add_mutually_exclusive_group(required=True)
    outcome.add_argument(
        "--done", metavar="EVENT_ID", type=_event_id, help="it was done, and this is its event"
    )
    outcome.add_argument("--not-done", action="store_true", help="it was not done")
    action.add_argument("--without-looking", action="store_true", help="take my word, ask nobody")
    action = actions.add_parser(
        "sweep",
        help="delete events that lost writes left behind",
        description=_SWEEP,
        epilog=_SWEEP_MORE,
        **formatted,
    )
    action.add_argument("--dry-run", action="store_true", help="say what would be deleted")
    _add_limit(action, _SWEPT)


def _add_operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OPERATION", help="its id, as the list shows it")


def _add_limit(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=default,
        help="at most so many operations (%(default)s)",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MOST}")
    return number


def _event_id(text: str) -> str:
    faults = Faults()
    check_id(faults, "EVENT_ID", text)
    for fault in faults.found:
        raise argparse.ArgumentTypeError(f"an event's id {fault.description}")
    return text


async def ledger_command(settings: Settings, arguments: argparse.Namespace, *, say: Say) -> int:
    """Do what the arguments say; return 0, or 1 where it cannot be done (stderr says why).

    Raises SettingsError where the ledger or the upstream that is needed cannot be had.

    Args:
        settings: the settings.
        arguments: what `add_ledger_parser` made of the command line.
        say: tells the operator a line.
    """
    vendor = _vendor(settings, arguments)
    _check_that_it_exists(settings.ledger())
    try:
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(opened_ledger(settings))
            calendars = None
            if vendor is not None:
                calendars = await stack.enter_async_context(_calendars(settings, opened, vendor))
            desk = _Desk(settings, opened.store, calendars, say)
            return await _do(desk, arguments)
    except CannotBeDoneError as error:
        sys.stderr.write(f"conferencing-service: {error}\n")
        return CANNOT_BE_DONE
    except StoreUnavailable as error:
        raise SettingsError("CONFERENCING_LEDGER_URL: the ledger cannot be reached") from error


def _vendor(settings: Settings, arguments: argparse.Namespace) -> Vendor | None:
    """Return the vendor whose calendars are to be looked at, None where none is."""
    match arguments.action:
        case "show":
            looks, otherwise = arguments.look, "leave --look out to see what the ledger says"
        case "resolve":
            looks = not arguments.without_looking
            otherwise = "with --without-looking your word is taken"
        case "sweep":
            looks, otherwise = True, "a sweep has to look at calendars"
        case _:
            looks, otherwise = False, ""
    if not looks:
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
        raise SettingsError(f"CONFERENCING_LEDGER_URL: there is no ledger in {where}")


@asynccontextmanager
async def _calendars(
    settings: Settings, opened: OpenStore, vendor: Vendor
) -> AsyncIterator[_Calendars]:
    tracer_provider = tracer_provider_for(TracesExporter.NONE)
    upstream = nylas_upstream(vendor, settings, tracer_provider)
    try:
        yield _Calendars(
            upstream,
            ledger_parts(
                opened,
                settings,
                registry=SingleUpstream(upstream),
                settle=upstream.capabilities.settle_seconds,
                effects=Effects(),
                clock=time.monotonic,
            ),
        )
    finally:
        await upstream.aclose()
        tracer_provider.shutdown()


@dataclass(frozen=True, slots=True)
class _Calendars:
    """The calendars, and what looks at them."""

    upstream: CalendarUpstream
    parts: LedgerParts

    async def events_of(self, entry: Entry) -> tuple[str, ...]:
        """Return the events that show an operation's effect, oldest first.

        Raises CannotBeDoneError where nobody can tell.
        """
        target, settling = entry.target, self.parts.settling
        try:
            if entry.key.method == UPDATE:
                event = await settling.look(entry)
                return () if event is None else (event.id,)
            found = await self.upstream.find_events(
                settling.call(), target.grant_id, target.calendar_id, entry.marker
            )
        except ConferencingError as error:
            raise _cannot_look(error) from error
        return tuple(
            event.id for event in sorted(found, key=lambda each: (each.created_at or 0, each.id))
        )

    async def confirmed(self, entry: Entry, event_id: str) -> str:
        """Return an event's id as the calendar has it, if that can be the operation's event.

        Raises CannotBeDoneError where it is not there, or is another operation's.
        """
        target = entry.target
        try:
            event = await self.upstream.get_event(
                self.parts.settling.call(), target.grant_id, target.calendar_id, event_id
            )
        except NotFound as error:
            raise CannotBeDoneError(
                f"there is no event {event_id} on the operation's calendar ({error.reason.value})"
            ) from error
        except ConferencingError as error:
            raise _cannot_look(error) from error
        if entry.key.method != UPDATE and event.marker not in {"", entry.marker}:
            raise CannotBeDoneError(f"event {event_id} was made by another operation")
        return event.id


def _cannot_look(error: ConferencingError) -> CannotBeDoneError:
    return CannotBeDoneError(
        f"the calendar cannot be asked ({error.reason.value}), so nothing was changed"
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """What an action works with; `calendars` is None where none is to be looked at."""

    settings: Settings
    store: Store
    calendars: _Calendars | None
    say: Say

    async def entry(self, operation_id: str) -> Entry:
        """Return an operation's entry; raises CannotBeDoneError where there is none."""
        entry = await self.store.find(operation_id)
        if entry is None:
            raise CannotBeDoneError("this ledger has no such operation")
        return entry


async def _do(desk: _Desk, arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "list":
            return await _list(desk, arguments)
        case "show":
            return await _show(desk, arguments)
        case "resolve":
            return await _resolve(desk, arguments)
        case _:
            return await _sweep(desk, arguments)


# ---- list and show ---------------------------------------------------------------------------


async def _list(desk: _Desk, arguments: argparse.Namespace) -> int:
    steps = Step if arguments.all else (Step.SENDING, Step.IN_DOUBT, Step.UNRESOLVED)
    found = await desk.store.listing(frozenset(steps), limit=arguments.limit + 1)
    entries, has_more = found[: arguments.limit], len(found) > arguments.limit
    now = time.time()
    if arguments.json:
        listed = [listed_facts(entry, now) for entry in entries]
        desk.say(json.dumps({"operations": listed, "more": has_more}))
        return 0
    for line in table_of(entries, now):
        desk.say(line)
    desk.say(count_of(entries, has_more=has_more))
    return 0


async def _show(desk: _Desk, arguments: argparse.Namespace) -> int:
    entry = await desk.entry(arguments.operation)
    facts = facts_of(entry, time.time(), desk.settings.marker_key.value)
    failure = None
    if desk.calendars is not None:
        try:
            facts["events_found"] = await desk.calendars.events_of(entry)
        except CannotBeDoneError as error:
            # What the ledger says is worth reading all the same.
            failure = error
    if arguments.json:
        desk.say(json.dumps(facts))
    else:
        for line in page_of(facts, entry):
            desk.say(line)
    if failure is not None:
        raise failure
    return 0


# ---- resolve ---------------------------------------------------------------------------------


async def _resolve(desk: _Desk, arguments: argparse.Namespace) -> int:
    entry = await desk.entry(arguments.operation)
    if entry.step is not Step.UNRESOLVED:
        raise CannotBeDoneError(_why_not(entry))
    event_id = "" if arguments.not_done else await _event_of(desk, entry, arguments.done)
    if arguments.not_done and desk.calendars is not None:
        _check_that_nothing_is_there(entry, await desk.calendars.events_of(entry))
    is_settled = await desk.store.resolve(
        entry.operation_id,
        done=not arguments.not_done,
        event_id=event_id,
        owner=f"operator@{owner_of_process()}",
        retention=desk.settings.ledger_retention,
    )
    if not is_settled:
        raise CannotBeDoneError("somebody else settled it meanwhile; look at it again")
    desk.say(
        f"{entry.operation_id} is RELEASED: the request's next repetition is sent anew"
        if arguments.not_done
        else f"{entry.operation_id} is DONE: the request's repetitions get event {event_id}"
    )
    return 0


async def _event_of(desk: _Desk, entry: Entry, event_id: str) -> str:
    """Return the id of the event that an operation is to end with."""
    target = entry.target.event_id
    if entry.key.method == UPDATE and event_id != target:
        raise CannotBeDoneError(
            f"it is an update of event {clean(target)}: use --done with that id"
        )
    if desk.calendars is None:
        return event_id
    return await desk.calendars.confirmed(entry, event_id)


def _check_that_nothing_is_there(entry: Entry, found: tuple[str, ...]) -> None:
    if not found:
        return
    if entry.key.method == UPDATE:
        raise CannotBeDoneError(f"the update is there: use --done {listing_of(found)}")
    if len(found) == 1:
        raise CannotBeDoneError(f"it made event {listing_of(found)}: use --done with that id")
    raise CannotBeDoneError(f"it made events {listing_of(found)}: use --done with one of them")


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


async def _sweep(desk: _Desk, arguments: argparse.Namespace) -> int:
    assert desk.calendars is not None  # noqa: S101 - a sweep without a vendor does not begin
    parts = desk.calendars.parts
    entries, has_more = await _to_be_swept(desk.store, 2 * parts.times.settle, arguments.limit)
    fates: Counter[Fate] = Counter()
    failed = 0
    for entry in entries:
        # Nothing is deleted of these, so nothing has to be noted either.
        dry_run = arguments.dry_run or entry.step is Step.UNRESOLVED
        try:
            findings = await parts.sweeper.behind(entry, dry_run=dry_run)
        except ConferencingError as error:
            failed += 1
            desk.say(f"operation {entry.operation_id}  not looked behind ({error.reason.value})")
            continue
        for finding in findings:
            desk.say(_line_of(finding))
            fates[finding.fate] += 1
    desk.say(_summary(len(entries) - failed, fates, failed, has_more=has_more))
    return CANNOT_BE_DONE if failed or fates[Fate.NOT_DELETED] else 0


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
