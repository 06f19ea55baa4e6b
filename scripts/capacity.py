"""Prints how much of everything so many events per second need, and what gives out first.

docs/scale.md shows what it prints with the figures below; give it yours:
    python scripts/capacity.py --create-us 1500 --write-seconds 1.8 --rates 5 50
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

N = TypeVar("N", int, float)

DAY = 86_400
RATES = (1.0, 100.0, 10_000.0)

# ---- What the service does, held against its code by tests/monitoring/test_capacity.py -------------

UPSTREAM_CONNECTIONS = 512
"""Of a process, to the upstream."""

DATABASE_CONNECTIONS = 8
"""Of a process, to PostgreSQL, at most."""

COMMITS_PER_CREATE = 3
"""Claimed, about to be sent, done: each on the disk before the next step."""

STATEMENTS_PER_CREATE = 3
"""Those; a fourth looks at the lease where the second took its time."""

STATEMENTS_PER_ROUND = 3
"""Of a process in the background: what is left behind, what is old, what is to be swept."""

ROUND_SECONDS = 10.0
"""CONFERENCING_RESUME_INTERVAL: the time between two looks."""

PROBE_SECONDS = 5.0
"""The time between two commits by which a process finds out whether the ledger can."""

KNOWN_GRANTS = 100_000
"""Of how many grants a process remembers what kind of account they are."""

# ---- What vendors allow, as of November 2026; docs/scale.md names the sources ----------------------

NYLAS_GRANT = 200.0
"""Requests per second and grant, for calendars and events."""

NYLAS_APPLICATION = 50.0
"""Requests per second and application, for reading grants."""

GOOGLE_USER = 600 / 60
"""Requests per second and user."""

GOOGLE_PROJECT = 10_000 / 60
"""Requests per second of everybody who uses one Google project."""

MICROSOFT_MAILBOX = 10_000 / 600
"""Requests per second, app and mailbox."""

MICROSOFT_AT_ONCE = 4
"""Requests at a time, app and mailbox."""

ZOOM_PRO = 20.0
"""Requests per second and account on the plan Pro, of the medium class, which creating a meeting is in."""

ZOOM_BUSINESS = 60.0
"""The same on the plans from Business up."""

ZOOM_HOST = 100 / DAY
"""Meetings created or updated per second and host; the limit is 100 a day."""


def _figure(default: N, text: str) -> N:
    figure: N = field(default=default, metadata={"help": text})
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What differs from place to place: each is an argument of the command."""

    create_us: float = _figure(
        1600.0, "CPU microseconds of a CreateEvent with the ledger in SQLite"
    )
    get_us: float = _figure(800.0, "CPU microseconds of a GetEvent")
    list_us: float = _figure(3500.0, "CPU microseconds of a page of ListEvents, 50 events")
    postgresql_us: float = _figure(250.0, "CPU microseconds that PostgreSQL adds to a CreateEvent")
    gets: float = _figure(1.0, "GetEvents for each event that is created")
    lists: float = _figure(0.1, "pages of ListEvents for each event that is created")
    busy: float = _figure(0.6, "share of a processor that a process is planned to use")
    processors: int = _figure(2, "processors, and so processes, of a replica")
    write_seconds: float = _figure(1.0, "seconds that the upstream takes for a write")
    read_seconds: float = _figure(0.3, "seconds that the upstream takes for a read")
    statement_seconds: float = _figure(0.003, "seconds that PostgreSQL takes for a statement")
    database_commits: float = _figure(
        5000.0, "commits per second that the PostgreSQL server can do"
    )
    database_connections: float = _figure(100.0, "max_connections of the PostgreSQL server")
    row_bytes: float = _figure(1800.0, "bytes of PostgreSQL's disk for a row of the ledger")
    log_bytes: float = _figure(3300.0, "bytes of PostgreSQL's write-ahead log for a CreateEvent")
    retention_days: float = _figure(7.0, "days for which the ledger keeps an answer")
    events_per_grant: float = _figure(5.0, "events that are created for a grant in a day")

    def __post_init__(self) -> None:
        """Raise ValueError where a figure is none."""
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            may_be_0 = each.name in {"gets", "lists", "postgresql_us"}
            if not (0 < value < math.inf or (value == 0 and may_be_0)):
                raise ValueError(f"--{each.name.replace('_', '-')}: must be above 0")

    @property
    def calls(self) -> float:
        """Return the calls that come for each event, which are as many requests to the upstream."""
        return 1 + self.gets + self.lists

    @property
    def processor_seconds(self) -> float:
        """Return what an event and its reads take of a processor."""
        create = self.create_us + self.postgresql_us
        return (create + self.gets * self.get_us + self.lists * self.list_us) / 1e6

    @property
    def upstream_seconds(self) -> float:
        """Return how long an event and its reads keep connections to the upstream."""
        return self.write_seconds + (self.gets + self.lists) * self.read_seconds


# ---- How much is needed ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What so many events per second need."""

    calls: float
    processors: float
    processes: int
    replicas: int
    upstream_connections: float
    statements: float
    commits: float
    busy_database_connections: float
    open_database_connections: int
    rows: float
    ledger_bytes_per_day: float
    ledger_bytes: float
    log_bytes_per_day: float
    grants: float
    grant_reads: float
    warm_up_seconds: float


def plan_for(events: float, figures: Figures) -> Plan:
    """Return what so many events per second need.

    A replica more than the work needs, so that one may be away. What is under way is the rate times
    the time that it takes (Little's law).
    """
    processors = events * figures.processor_seconds
    under_way = events * figures.upstream_seconds
    processes = max(
        math.ceil(processors / figures.busy), math.ceil(under_way / UPSTREAM_CONNECTIONS)
    )
    replicas = math.ceil(processes / figures.processors) + 1
    everywhere = replicas * figures.processors
    statements = (
        events * STATEMENTS_PER_CREATE
        + everywhere * STATEMENTS_PER_ROUND / ROUND_SECONDS
        + everywhere / PROBE_SECONDS
    )
    row_bytes_per_day = events * DAY * figures.row_bytes
    grants = events * DAY / figures.events_per_grant
    known = min(grants, KNOWN_GRANTS)
    return Plan(
        calls=events * figures.calls,
        processors=processors,
        processes=everywhere,
        replicas=replicas,
        upstream_connections=under_way,
        statements=statements,
        commits=events * COMMITS_PER_CREATE + everywhere / PROBE_SECONDS,
        busy_database_connections=statements * figures.statement_seconds,
        open_database_connections=everywhere * DATABASE_CONNECTIONS,
        rows=events * DAY * figures.retention_days,
        ledger_bytes_per_day=row_bytes_per_day,
        ledger_bytes=row_bytes_per_day * figures.retention_days,
        log_bytes_per_day=events * DAY * figures.log_bytes,
        grants=grants,
        grant_reads=events * figures.calls * (1 - known / grants),
        warm_up_seconds=known * everywhere / NYLAS_APPLICATION,
    )


# ---- What gives out --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """Something of which one carries so many events per second.

    Attributes:
        one: one of what.
        events: how many events per second it carries.
        why: what it is short of then.
        remedy: what to do; "" where more grants, hosts or processes are all that is needed.
    """

    one: str
    events: float
    why: str
    remedy: str = ""


_KNOW_LESS = "have the limit raised; send a grant's calls to the same process"
_ASK_GOOGLE = "have the quota raised, or several projects"
_MORE = "raise max_connections"
_DIVIDE = "several deployments with a ledger each, grants divided among them"


def limits_of(figures: Figures) -> list[Limit]:
    """Return what gives out, the first one first."""
    calls = figures.calls
    per_process = figures.busy / figures.processor_seconds
    most_processes = math.floor(figures.database_connections / DATABASE_CONNECTIONS)
    # Grants that no process remembers come at calls minus those to remembered ones.
    remembered = KNOWN_GRANTS * figures.events_per_grant / DAY
    application = NYLAS_APPLICATION / calls + remembered
    connections = UPSTREAM_CONNECTIONS / figures.upstream_seconds
    at_once = MICROSOFT_AT_ONCE / figures.upstream_seconds
    commits = figures.database_commits / COMMITS_PER_CREATE
    database = (
        f"{figures.database_connections:g} connections, {DATABASE_CONNECTIONS} for each process"
    )
    limits = [
        Limit("Zoom host", ZOOM_HOST, f"{ZOOM_HOST * DAY:g} meetings a day"),
        Limit("Google user", GOOGLE_USER / calls, f"{GOOGLE_USER * 60:g} requests a minute"),
        Limit("Microsoft mailbox", MICROSOFT_MAILBOX / calls, "10,000 requests in ten minutes"),
        Limit("Microsoft mailbox at once", at_once, f"{MICROSOFT_AT_ONCE} requests at a time"),
        Limit("Nylas grant", NYLAS_GRANT / calls, f"{NYLAS_GRANT:g} requests a second"),
        Limit("process", per_process, f"{figures.busy:.0%} of a processor"),
        Limit("process's connections", connections, f"{UPSTREAM_CONNECTIONS} to the upstream"),
        Limit("Nylas application", application, "50 reads of unknown grants a second", _KNOW_LESS),
        Limit("Zoom account, Pro", ZOOM_PRO, f"{ZOOM_PRO:g} requests a second", "a larger plan"),
        Limit("Zoom account, Business", ZOOM_BUSINESS, "60 requests a second", "several accounts"),
        Limit("Google project", GOOGLE_PROJECT / calls, "10,000 requests a minute", _ASK_GOOGLE),
        Limit("PostgreSQL's connections", per_process * most_processes, database, _MORE),
        Limit(
            "PostgreSQL's disk",
            commits,
            f"{figures.database_commits:,.0f} commits a second",
            _DIVIDE,
        ),
    ]
    return sorted(limits, key=lambda limit: limit.events)


def breaking(events: float, figures: Figures) -> list[Limit]:
    """Return what gives out below a rate and is not mended by more of the same."""
    return [limit for limit in limits_of(figures) if limit.remedy and limit.events < events]


# ---- Tables ----------------------------------------------------------------------------------------

_ROWS: Sequence[tuple[str, Callable[[Plan], str]]] = (
    ("calls per second, each one request to the upstream", lambda plan: _told(plan.calls)),
    ("processors in use", lambda plan: _told(plan.processors)),
    ("processes", lambda plan: _told(plan.processes)),
    ("replicas, one of them to spare", lambda plan: _told(plan.replicas)),
    ("connections to the upstream in use", lambda plan: _told(plan.upstream_connections)),
    ("PostgreSQL: statements per second", lambda plan: _told(plan.statements)),
    ("PostgreSQL: commits per second", lambda plan: _told(plan.commits)),
    ("PostgreSQL: connections in use", lambda plan: _told(plan.busy_database_connections)),
    ("PostgreSQL: connections at most", lambda plan: _told(plan.open_database_connections)),
    ("ledger: rows kept", lambda plan: _told(plan.rows)),
    ("ledger: growth per day", lambda plan: _bytes(plan.ledger_bytes_per_day)),
    ("ledger: size", lambda plan: _bytes(plan.ledger_bytes)),
    ("ledger: write-ahead log per day", lambda plan: _bytes(plan.log_bytes_per_day)),
    ("grants", lambda plan: _told(plan.grants)),
    ("reads of grants that no process remembers, per second", lambda plan: _told(plan.grant_reads)),
    ("all processes know their grants after", lambda plan: _seconds(plan.warm_up_seconds)),
)


def plan_table(rates: Sequence[float], figures: Figures) -> str:
    """Return, in Markdown, what is needed at each rate."""
    plans = [plan_for(rate, figures) for rate in rates]
    rows = [[name, *map(tell, plans)] for name, tell in _ROWS]
    return _table(["events per second", *map(_told, rates)], rows)


def limit_table(rates: Sequence[float], figures: Figures) -> str:
    """Return, in Markdown, what one of each carries, and how many are needed at each rate."""
    rows = [
        [
            limit.one,
            limit.why,
            _told(limit.events),
            *(_told(math.ceil(rate / limit.events)) for rate in rates),
        ]
        for limit in limits_of(figures)
    ]
    needed = [f"needed for {_told(rate)}" for rate in rates]
    return _table(["one", "has", "carries, events per second", *needed], rows)


def breaking_table(rates: Sequence[float], figures: Figures) -> str:
    """Return, in Markdown, what gives out at each rate, and what to do about it."""
    rows = [
        [_told(rate), limit.one, _told(limit.events), limit.remedy]
        for rate in rates
        for limit in breaking(rate, figures) or [Limit("nothing", math.nan, "", "")]
    ]
    return _table(["events per second", "what gives out", "at", "what to do"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _told(number: float) -> str:
    """Return a number as people write it: two digits of what is small, three of what is large."""
    if math.isnan(number):
        return ""
    for word, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{float(f'{number:.3g}'):,.10g}" if number >= 100 else f"{number:.2g}"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{_told(number)} {unit}"
        number /= 1000
    return f"{_told(number)} TB"


def _seconds(number: float) -> str:
    for unit, size in (("seconds", 60), ("minutes", 60), ("hours", 24)):
        if number < 2 * size:
            return f"{_told(number)} {unit}"
        number /= size
    return f"{_told(number)} days"


# ---- The command -----------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Print the three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--rates",
        type=float,
        nargs="+",
        default=RATES,
        metavar="EVENTS",
        help="events per second",
    )
    for each in dataclasses.fields(Figures):
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=type(each.default),
            default=each.default,
            metavar="N",
            help=f"{each.metadata['help']} ({each.default:g})",
        )
    given = vars(parser.parse_args(arguments))
    rates = given.pop("rates")
    try:
        figures = Figures(**given)
    except ValueError as error:
        parser.error(str(error))
    if not all(0 < rate < math.inf for rate in rates):
        parser.error("--rates: must be above 0")
    tables = [table(rates, figures) for table in (plan_table, limit_table, breaking_table)]
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
