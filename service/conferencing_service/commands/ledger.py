"""`ledger`: an operator sees what is in doubt, and settles it; its arguments and help."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from conferencing_service.commands.help_texts import Group
from conferencing_service.commands.ledger_actions import (
    Action,
    Listing,
    Naming,
    Resolution,
    Showing,
    Sweep,
    at_the_desk,
)
from conferencing_service.commands.running import run, settings
from conferencing_service.commands.telling import say
from conferencing_service.core.validation import Faults, check_id
from conferencing_service.logs import log_to

C = TypeVar("C", bound=Callable[..., int])

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
What to do:
  1. conferencing-service ledger list
       UNRESOLVED needs you. SENDING and IN_DOUBT do not: a server is at it.
  2. conferencing-service ledger show OPERATION --look
       asks the calendar, and names the event that the write made if there is one.
  3. there is one:  conferencing-service ledger resolve OPERATION --done EVENT_ID
     there is none: conferencing-service ledger resolve OPERATION --not-done
  4. the caller repeats the request with the same request_id: it gets that event, or is sent anew.

Settings:
  Those of `serve`, by environment variables. CONFERENCING_LEDGER_URL names the ledger. Whatever looks
  at a calendar also needs CONFERENCING_NYLAS_REGION and CONFERENCING_NYLAS_API_KEY (or its _FILE).
"""
_STATUSES = """
Exit status:
  0  it is done
  1  it cannot be done like that; one line on stderr says why
  2  refused to start: the arguments or a setting are wrong
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
_PLACES = """\
What audit lines call a grant, a calendar or an event: 16 hexadecimal digits that only this ledger's
secret makes, since addresses of people stand in ids. Look for them in the lines with the message
"audit": grant and conf_grant have the names of grants. Looks at no calendar.
"""
_PLACES_MORE = """\
A line names what its caller wrote. Of the main calendar that is mostly `primary`, whose name is not
that of the calendar's own id. Where a name is empty, the request named no place.

Example:
  conferencing-service ledger places --event EVENT_ID
  event     6f1c7a520c554d0e
  grep -F '"event": "6f1c7a520c554d0e"' conferencing.log
"""


def _event_id(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    faults = Faults()
    if value is not None:
        check_id(faults, "EVENT_ID", value)
    for fault in faults.found:
        raise click.BadParameter(f"an event's id {fault.description}", ctx, parameter)
    return value


_OPERATION = click.argument("operation", metavar="OPERATION")
_JSON = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


def _limit(default: int) -> Callable[[C], C]:
    return click.option(
        "--limit",
        metavar="N",
        type=click.IntRange(1, _MOST),
        default=default,
        show_default=True,
        help="At most so many operations.",
    )


def _done(action: Action) -> int:
    chosen = settings()
    # An action says by itself what became of each operation.
    log_to(sys.stderr, "ERROR")
    return run(at_the_desk(chosen, action, say=say))


@click.group(
    "ledger",
    cls=Group,
    help=_ABOUT,
    epilog=_WHAT_TO_DO + _STATUSES,
    subcommand_metavar="ACTION ...",
)
def command() -> None:
    """See and settle."""


@command.command(
    "list", help=_LIST + "\n" + _LIST_MORE, epilog=_STATUSES, short_help="what is not settled"
)
@click.option("--all", "is_all", is_flag=True, help="Also what needs nobody.")
@_limit(_LISTED)
@_JSON
def _list(*, is_all: bool, limit: int, as_json: bool) -> int:
    return _done(Listing(is_all=is_all, limit=limit, as_json=as_json))


@command.command(
    "show", help=_SHOW, epilog=_STATUSES, short_help="one operation, and with --look its event"
)
@_OPERATION
@click.option("--look", is_flag=True, help="Ask the calendar what is there.")
@_JSON
def _show(*, operation: str, look: bool, as_json: bool) -> int:
    return _done(Showing(operation, look=look, as_json=as_json))


@command.command(
    "resolve",
    help=_RESOLVE + "\n" + _RESOLVE_MORE,
    epilog=_STATUSES,
    short_help="say what became of an UNRESOLVED operation",
)
@_OPERATION
@click.option(
    "--done", metavar="EVENT_ID", callback=_event_id, help="It was done, and this is its event."
)
@click.option("--not-done", is_flag=True, help="It was not done.")
@click.option("--without-looking", is_flag=True, help="Take my word, ask nobody.")
def _resolve(*, operation: str, done: str | None, not_done: bool, without_looking: bool) -> int:
    if (done is not None) == not_done:
        raise click.UsageError("Say what became of it: either --done EVENT_ID or --not-done.")
    return _done(Resolution(operation, event_id=done, looks=not without_looking))


@command.command(
    "sweep",
    help=_SWEEP + "\n" + _SWEEP_MORE,
    epilog=_STATUSES,
    short_help="delete events that lost writes left behind",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted.")
@_limit(_SWEPT)
def _sweep(*, dry_run: bool, limit: int) -> int:
    return _done(Sweep(is_dry=dry_run, limit=limit))


@command.command(
    "places",
    help=_PLACES + "\n" + _PLACES_MORE,
    epilog=_STATUSES,
    short_help="what audit lines call a grant, a calendar or an event",
)
@click.option("--grant", metavar="ID", help="A grant, or one that hosts conferences.")
@click.option("--calendar", metavar="ID", help="A calendar, as callers write it.")
@click.option("--event", metavar="ID", help="An event.")
def _places(*, grant: str | None, calendar: str | None, event: str | None) -> int:
    given = {"grant": grant, "calendar": calendar, "event": event}
    places = {kind: text for kind, text in given.items() if text}
    if not places:
        raise click.UsageError("Name a place: --grant, --calendar or --event.")
    return _done(Naming(places))
