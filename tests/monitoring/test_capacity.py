"""The arithmetic of scripts/capacity.py, by hand; its figures are the code's, its tables docs/scale.md's."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import subprocess
import sys

import pytest

from conferencing_service import pulse
from conferencing_service.core import grants
from conferencing_service.sandbox.settings import SandboxSettings
from conferencing_service.settings import Settings
from conferencing_service.stores import postgresql
from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from support.documents import ROOT, blocks_of, rows_of, sections_of
from support.tools import missing

PATH = ROOT / "scripts" / "capacity.py"
SCALE = (ROOT / "docs" / "scale.md").read_text()
NYLAS = (ROOT / "docs" / "nylas.md").read_text()
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
WHOSE = ("whose", "limit", "source")


def loaded():
    """The script, which is in no package."""
    spec = importlib.util.spec_from_file_location("capacity", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["capacity"] = module
    spec.loader.exec_module(module)
    return module


capacity = loaded()


def printed(*arguments):
    return subprocess.run(
        [sys.executable, PATH, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


# Round figures, so that everything can be worked out in one's head: an event is 4 calls, 20 ms of a
# processor, and 3 seconds of connections.
ROUND = capacity.Figures(
    create_us=9000,
    postgresql_us=1000,
    get_us=4000,
    list_us=2000,
    gets=2,
    lists=1,
    busy=0.5,
    processors=4,
    write_seconds=1.5,
    read_seconds=0.5,
    statement_seconds=0.01,
    database_commits=3000,
    database_connections=80,
    row_bytes=1000,
    log_bytes=2000,
    retention_days=10,
    events_per_grant=86.4,
)


# ---- How much is needed ---------------------------------------------------------------------


def test_what_a_hundred_events_per_second_need():
    plan = capacity.plan_for(100, ROUND)
    assert plan.calls == 400
    assert plan.processors == pytest.approx(2.0)
    # Two processors at half use each are four processes: one replica, and one to spare.
    assert plan.replicas == 2
    assert plan.processes == 8
    assert plan.upstream_connections == 300
    # 3 for each event, 3 of each process in ten seconds, and a probe of each in five.
    assert plan.statements == pytest.approx(300 + 8 * 0.3 + 8 * 0.2)
    assert plan.commits == pytest.approx(300 + 8 * 0.2)
    assert plan.busy_database_connections == pytest.approx(3.04)
    assert plan.open_database_connections == 64
    assert plan.rows == 86_400_000
    assert plan.ledger_bytes_per_day == 8.64e9
    assert plan.ledger_bytes == 8.64e10
    assert plan.log_bytes_per_day == 1.728e10
    assert plan.grants == pytest.approx(100_000)
    assert plan.grant_reads == pytest.approx(0)
    assert plan.warm_up_seconds == pytest.approx(100_000 * 8 / 50)


def test_connections_can_ask_for_more_processes_than_the_processor_does():
    slow = dataclasses.replace(ROUND, write_seconds=28.5)
    assert slow.upstream_seconds == pytest.approx(30)
    # 3,000 connections are six times 512: six processes, where the processor asks for four.
    plan = capacity.plan_for(100, slow)
    assert plan.upstream_connections == pytest.approx(3000)
    assert plan.replicas == 3
    assert plan.processes == 12


def test_grants_that_are_not_remembered_are_read_again():
    plan = capacity.plan_for(400, ROUND)
    # A quarter of 400,000 grants is remembered, so three quarters of 1,600 calls read theirs first.
    assert plan.grant_reads == pytest.approx(1200)
    assert plan.warm_up_seconds == pytest.approx(100_000 * plan.processes / 50)


# ---- What gives out -------------------------------------------------------------------------


def test_what_one_of_each_carries():
    carries = {limit.one: limit.events for limit in capacity.limits_of(ROUND)}
    assert carries == pytest.approx(
        {
            "Zoom host": 100 / 86_400,
            "Microsoft mailbox at once": 4 / 3,
            "Google user": 2.5,
            "Microsoft mailbox": 100 / 24,
            "Zoom account, Pro": 20,
            "process": 25,
            "Google project": 10_000 / 60 / 4,
            "Nylas grant": 50,
            "Zoom account, Business": 60,
            # 12.5 a second of grants that nobody knows, and 100 of the 100,000 that are known.
            "Nylas application": 112.5,
            "process's connections": 512 / 3,
            "PostgreSQL's connections": 250,
            "PostgreSQL's disk": 1000,
        }
    )
    assert list(carries.values()) == sorted(carries.values())


def test_at_the_rate_that_a_limit_names_it_is_just_reached():
    limit = next(each for each in capacity.limits_of(ROUND) if each.one == "Nylas application")
    reads = capacity.plan_for(limit.events, ROUND).grant_reads
    assert reads == pytest.approx(capacity.NYLAS_APPLICATION)


def test_what_breaks_is_what_gives_out_below_the_rate_and_is_not_just_multiplied():
    def names(rate):
        return [limit.one for limit in capacity.breaking(rate, ROUND)]

    assert names(20) == []
    assert names(21) == ["Zoom account, Pro"]
    assert names(300) == [
        "Zoom account, Pro",
        "Google project",
        "Zoom account, Business",
        "Nylas application",
        "PostgreSQL's connections",
    ]


# ---- Tables ---------------------------------------------------------------------------------


def test_numbers_are_told_as_people_write_them():
    small = {0.00116: "0.0012", 2.1: "2.1", 85.4: "85", 133: "133", 1666.7: "1,670"}
    large = {40_033: "40,000", 604_800: "605,000", 1.728e6: "1.73 million", 6.05e9: "6.05 billion"}
    told = small | large
    assert {number: capacity._told(number) for number in told} == told
    sizes = {155.5e6: "156 MB", 1.09e12: "1.1 TB", 999: "999 B", 28.5e9: "28 GB"}
    assert {number: capacity._bytes(number) for number in sizes} == sizes
    times = {50: "50 seconds", 1382: "23 minutes", 8000: "2.2 hours", 200_000: "2.3 days"}
    assert {number: capacity._seconds(number) for number in times} == times


def test_the_command_prints_the_tables_of_its_figures():
    done = printed("--rates", "21", "--gets", "2", "--lists", "1", "--processors", "4")
    assert done.returncode == 0, done.stderr
    plan, limits, breaks = done.stdout.split("\n\n")
    assert "| calls per second, each one request to the upstream | 84 |" in plan.splitlines()
    assert "| Zoom account, Pro | 20 requests a second | 20 | 2 |" in limits.splitlines()
    assert "| 21 | Zoom account, Pro | 20 | a larger plan |" in breaks.splitlines()


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "x"])
@pytest.mark.parametrize("option", ["--rates", "--create-us", "--gets", "--processors"])
def test_figures_that_are_none_are_refused(option, wrong, capsys):
    if (option, wrong) == ("--gets", "0"):
        wrong = "-0.1"
    with pytest.raises(SystemExit) as ended:
        capacity.main([option, wrong])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert option in told.err.splitlines()[-1]


# ---- The code's figures, and the document's -------------------------------------------------


def test_the_services_figures_are_those_of_its_code():
    connections = inspect.signature(AiohttpTransport).parameters["connections"]
    assert connections.default == capacity.UPSTREAM_CONNECTIONS
    assert postgresql._MOST_CONNECTIONS == capacity.DATABASE_CONNECTIONS
    assert Settings.model_fields["resume_interval"].default == capacity.ROUND_SECONDS
    assert pulse._LOOK * pulse._LOOKS_PER_PROBE == capacity.PROBE_SECONDS
    assert grants._CAPACITY == capacity.KNOWN_GRANTS
    retention = Settings.model_fields["ledger_retention"].default
    assert retention == capacity.Figures().retention_days * capacity.DAY


def test_the_vendors_figures_are_those_of_the_documents_and_of_the_sandbox():
    sandbox = SandboxSettings()
    assert sandbox.events_per_second == capacity.NYLAS_GRANT
    assert sandbox.grants_per_second == capacity.NYLAS_APPLICATION
    limits = {whose: limit for whose, limit, _source in rows_of(SCALE, *WHOSE)}
    told = {
        "Nylas, calendars and events": f"{capacity.NYLAS_GRANT:g} requests per second and grant",
        "Nylas, grants": f"{capacity.NYLAS_APPLICATION:g} requests per second and application",
        "Google": f"{capacity.GOOGLE_USER * 60:g} requests per minute and user, "
        f"{capacity.GOOGLE_PROJECT * 60:,.0f} per minute and project",
        "Microsoft": f"{capacity.MICROSOFT_MAILBOX * 600:,.0f} requests in ten minutes and "
        f"{capacity.MICROSOFT_AT_ONCE} at a time, per app and mailbox",
        "Zoom, creating meetings": f"{capacity.ZOOM_PRO:g} requests per second and account on the "
        f"plan Pro, {capacity.ZOOM_BUSINESS:g} from Business up",
        "Zoom, a host": f"{capacity.ZOOM_HOST * capacity.DAY:g} meetings created or updated a day",
    }
    assert limits == told
    for whose, limit in rows_of(NYLAS, "whose", "limit"):
        assert limits[whose].replace("per minute and project", "per minute and app") == limit


def test_the_documents_tables_are_what_the_script_prints():
    done = printed()
    assert done.returncode == 0, done.stderr
    for table in done.stdout.strip().split("\n\n"):
        assert f"\n\n{table}\n\n" in SCALE


def test_the_documents_figures_are_the_scripts():
    figures = capacity.Figures()
    values = [value for _figure, value, _source in rows_of(SCALE, "figure", "value", "from")]
    assert values == [
        f"{figures.create_us:,g} µs of a processor",
        f"{figures.get_us:,g} µs",
        f"{figures.list_us:,g} µs",
        f"{figures.postgresql_us:,g} µs",
        f"{figures.row_bytes / 1000:g} kB in PostgreSQL, 4.3 kB in SQLite",
        f"{figures.log_bytes / 1000:g} kB",
        f"{figures.write_seconds:g} second",
        f"{figures.read_seconds:g} seconds",
        f"{figures.statement_seconds * 1000:g} milliseconds",
        f"{figures.database_commits:,g} per second",
        f"{figures.events_per_grant:g} a day",
    ]


def test_what_a_call_costs_is_about_what_the_benchmark_found():
    """Machines differ; a figure that is off by more than twice is of another version."""
    if not RESULTS.exists():
        missing("benchmarks/RESULTS.md", "run `make bench`")
    text = RESULTS.read_text()
    at_64 = dict(sections_of(text, 2))["CreateEvent, instant vendor, 64 in flight"]
    (create,) = re.findall(r"^\| `service-ledger-1` \|.*?\*\*(\d+)\*\*", at_64, re.MULTILINE)
    (event,) = re.findall(r"^\| `list` \|.*?\*\*([\d.]+)\*\*", text, re.MULTILINE)
    (get,) = re.findall(r"^\| [^|]*GetEvent[^|]*\| 64 \| (\d+) \|", text, re.MULTILINE)
    figures = capacity.Figures()
    measured = {
        figures.create_us: float(create),
        figures.get_us: float(get),
        figures.list_us: 50 * float(event),
    }
    for figure, found in measured.items():
        assert found / 2 < figure < found * 2


def test_the_documents_commands_work():
    (block,) = blocks_of(SCALE)
    assert block.language == "sh"
    for line in block.text.splitlines():
        _python, script, *arguments = line.split()
        assert script == "scripts/capacity.py"
        assert printed(*arguments).returncode == 0
