"""What every test may ask for: a sandbox, fresh grants, and the server in process."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import hypothesis  # noqa: F401 - it asks the collector who holds what, so it comes before what is below
import pytest

from conferencing_service.memory import keep_what_is_there
from support.canaries import WATCH
from support.postgresql import PostgreSql, postgresql
from support.sandbox import Grant, Sandbox, running
from support.service import Service, serving
from support.tally import HEADING, counts_of, lines


def pytest_collection_finish() -> None:
    """Let the collector leave out what is there by now, thousands of tests among it.

    Each of its whole rounds took up to half a second, in which servers and callers stood still
    that have 0.3 s for what is told before a deadline.
    """
    keep_what_is_there()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if counts := counts_of(config):
        terminalreporter.section(HEADING)
        for line in lines(counts):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Counter[str]:
    """What this run counts, by name; printed at its end."""
    return counts_of(pytestconfig)


@pytest.fixture(autouse=True)
def _no_secret_leaves(tally: Counter[str]) -> Iterator[None]:
    """After each test: what its callers said in confidence, its servers told to nobody."""
    with WATCH.listening():
        yield
    planted, leaks = len(WATCH.private), WATCH.leaks()
    WATCH.forget()
    if planted:
        tally["canaries planted"] += planted
        tally["canaries found"] += len(leaks)
    assert leaks == []


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    # Without rate limits: the calls of many tests share the second.
    with running("--events-per-second", "0", "--grants-per-second", "0") as started:
        yield started


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSql]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def seen_reasons() -> set[str]:
    """The reasons that callers saw in the RPC tests of this run."""
    return set()


@pytest.fixture
async def service(sandbox: Sandbox, seen_reasons: set[str]) -> AsyncIterator[Service]:
    async with serving(sandbox.url, reasons=seen_reasons) as started:
        yield started


@pytest.fixture
def google(sandbox: Sandbox) -> Grant:
    return sandbox.grant("google")


@pytest.fixture
def microsoft(sandbox: Sandbox) -> Grant:
    return sandbox.grant("microsoft")


@pytest.fixture
def icloud(sandbox: Sandbox) -> Grant:
    return sandbox.grant("icloud", primary_calendar_id="home")


@pytest.fixture
def zoom(sandbox: Sandbox) -> Grant:
    return sandbox.grant("zoom")


@pytest.fixture
def virtual(sandbox: Sandbox) -> Grant:
    return sandbox.grant("virtual-calendar")
