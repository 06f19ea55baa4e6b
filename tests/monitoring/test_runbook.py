"""The runbook: an entry for every alert and every reason, and commands that work."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import grpc
import httpx
import pytest

from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing_service.core.grants import _CAPACITY
from conferencing_service.core.model import Reason
from conferencing_service.stores.postgresql import _MOST_CONNECTIONS, _SECONDS
from conferencing_service.upstreams.bodies import MAX_REPLY
from conferencing_service.upstreams.breaker import CircuitBreaker
from conferencing_service.upstreams.bulkhead import Bulkhead
from monitoring.promql import check, promtool, read, unknown_to
from support.documents import (
    ROOT,
    Block,
    anchors_of,
    blocks_of,
    links_of,
    run_blocks,
    sections_of,
    served,
    without_blocks,
)
from support.service import creation

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PROSE = without_blocks(RUNBOOK)
ERRORS = anchors_of((ROOT / "docs" / "errors.md").read_text())
COMMAND = ROOT / ".venv" / "bin" / "conferencing-service"
PARTS = dict(sections_of(RUNBOOK, 2))
ALERTS = {
    name: text
    for part, body in PARTS.items()
    if part.startswith("Alerts")
    for name, text in sections_of(body, 3)
}
REASONS = dict(sections_of(PARTS["Error reasons"], 3))


def items_of(entry):
    """The items of an entry by their names."""
    found = re.findall(r"^- (\w+): (.+(?:\n  .+)*)", entry, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


# ---- Entries --------------------------------------------------------------------------------


def test_every_alert_has_its_entry_in_the_order_of_the_rules(alerts):
    assert list(ALERTS) == list(alerts)


def test_every_reason_has_its_entry():
    assert sorted(REASONS) == sorted(Reason)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alerts_entry_says_what_it_means_and_what_to_do(alerts, name):
    told = items_of(ALERTS[name])
    assert list(told) == ["Means", "See", "Do", "Escalate"]
    assert told["Means"].startswith(f"{alerts[name]['labels']['severity']}. ")


@pytest.mark.parametrize("reason", REASONS)
def test_a_reasons_entry_says_whose_it_is_and_what_to_do(reason):
    told = items_of(REASONS[reason])
    assert list(told) == ["Whose", "See", "Do", "Escalate"]
    link = re.fullmatch(r".+\. \[For callers\]\(errors\.md#(\w+)\)\.", told["Whose"])
    assert link is not None
    assert link[1] == reason.lower()
    assert link[1] in ERRORS


def test_the_service_is_to_blame_for_what_burns_its_budget(rules):
    (faults,) = [each for each in rules if each.get("record") == "conferencing:faults:rate5m"]
    (matcher,) = [m for _name, matchers in read(faults["expr"]).selected for m in matchers]
    ours = {
        name
        for name, text in REASONS.items()
        if items_of(text)["Whose"].startswith("the service's")
    }
    assert set(matcher.values) == ours


def test_the_reasons_of_the_budget_are_named_where_it_burns(rules):
    (faults,) = [each for each in rules if each.get("record") == "conferencing:faults:rate5m"]
    (matcher,) = [m for _name, matchers in read(faults["expr"]).selected for m in matchers]
    linked = [link for link in links_of(ALERTS["ConferencingBudgetBurnsFast"]) if link[0] == "#"]
    assert linked == [f"#{reason.lower()}" for reason in sorted(matcher.values)]


# ---- What it names --------------------------------------------------------------------------


def test_its_queries_are_promql_and_name_what_is_exported(known, tmp_path):
    blocks = [line for block in blocks_of(RUNBOOK, "promql") for line in block.text.splitlines()]
    labels = frozenset().union(*known.values())
    spans = {span for span in re.findall(r"`([^`]+)`", PROSE) if METRIC.match(span)} - labels
    assert len(blocks) > 2
    assert len(spans) > 15
    check([*blocks, *spans], tmp_path)
    for expression in [*blocks, *spans]:
        assert unknown_to(known, read(expression)) == set(), expression


METRIC = re.compile(r"(rate\(|changes\()?(conferencing[_:]|process_|rpc_|http_)\w")


def test_panels_that_it_sends_to_are_on_the_dashboard():
    dashboard = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
    titles = [panel["title"] for panel in dashboard["panels"]]
    named = set(re.findall(r"(?<![*\w])\*([A-Z][^*]+)\*(?!\*)", RUNBOOK)) - {"Page", "Whose", "See"}
    assert len(named) > 8
    for name in named:
        assert any(title.startswith(name) for title in titles), name


def test_log_lines_that_it_names_are_written():
    sources = "\n".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))
    messages = set(re.findall(r"_log\.\w+\(\s*\"([^\"]+)\"", sources))
    named = re.findall(r"`((?:a|an|the) [a-z' ]+)`", PROSE)
    assert len(named) > 4
    assert set(named) <= messages
    alerts = re.findall(r'`"alert": "(\w+)"`', RUNBOOK)
    assert set(alerts) == set(re.findall(r'"alert": "(\w+)"', sources))


NAMED = {
    (named[1], option)
    for named in re.finditer(
        r"\b(ledger (?:list|show|resolve)|healthcheck|check)\b([^`\n]*)", RUNBOOK
    )
    for option in re.findall(r"--[a-z-]+", named[2])
}


@pytest.mark.parametrize("command", sorted({command for command, _option in NAMED}))
def test_options_that_it_names_are_there(command):
    shown = subprocess.run(
        [COMMAND, *command.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    there = set(re.findall(r"--[a-z-]+", shown))
    assert {option for named, option in NAMED if named == command} <= there


def test_there_is_no_block_that_nothing_here_checks():
    assert {block.language for block in blocks_of(RUNBOOK)} == {"yaml", "sh", "promql"}


def test_promtool_takes_the_configuration(tmp_path):
    (configuration,) = blocks_of(RUNBOOK, "yaml")
    (tmp_path / "prometheus.yaml").write_text(configuration.text)
    shutil.copy(ROOT / "deploy" / "monitoring" / "alerts.yaml", tmp_path)
    done = promtool("check", "config", "prometheus.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


# ---- Its commands ---------------------------------------------------------------------------


class Operated(NamedTuple):
    """A server as its operator has it."""

    run: Callable[[list[Block], str], dict[int, str]]
    lose_a_write: Callable[[], str]


@pytest.fixture
def operated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_port: int):
    """A server that finds nothing of lost writes, and says so at once."""
    metrics = f"127.0.0.1:{any_port}"
    ledger = f"sqlite://{tmp_path}/ledger/ledger.sqlite"
    settings = {
        "CONFERENCING_LEDGER_URL": ledger,
        "CONFERENCING_PROMETHEUS_LISTEN": metrics,
        "CONFERENCING_SETTLE_WINDOW": "0",
    }
    with (
        served(tmp_path, "serve", "--sandbox", **settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        (log,) = tmp_path.glob("*.log")
        monkeypatch.setenv("CONFERENCING_LISTEN", server.address)
        monkeypatch.setenv("CONFERENCING_LEDGER_URL", ledger)
        monkeypatch.setenv("CONFERENCING_NYLAS_REGION", server.sandbox)
        monkeypatch.setenv("CONFERENCING_NYLAS_API_KEY", "sandbox")
        stub = ConferencingServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.CreateEvent(creation("google-demo", title="x" * 2000), timeout=30)

        def run(blocks: list[Block], operation: str) -> dict[int, str]:
            places = {
                "127.0.0.1:9464": metrics,
                "conferencing.log": str(log),
                "OPERATION": operation,
            }
            return {n: each.out for n, each in run_blocks(blocks, tmp_path, places).items()}

        def lose_a_write() -> str:
            fault = {"kind": "reset_before_commit", "method": "POST", "resource": "events"}
            httpx.put(f"{server.sandbox}/_sandbox/faults", json={"faults": [fault]})
            with pytest.raises(grpc.RpcError):
                stub.CreateEvent(creation("google-demo"), timeout=30)
            (line,) = [each for each in log.read_text().splitlines() if '"unresolved"' in each]
            return str(json.loads(line)["operation_id"])

        yield Operated(run, lose_a_write)


def test_its_commands_work_and_the_last_ones_settle_a_write(operated):
    *looking, settling = blocks_of(RUNBOOK, "sh")
    printed = "".join(operated.run(looking, "").values())
    for told in ("conferencing_errors_total{", '"code": "INVALID_ARGUMENT"', "is SERVING", "Zoom"):
        assert told in printed
    assert "UNRESOLVED" not in printed
    operation = operated.lose_a_write()
    (told,) = operated.run([settling], operation).values()
    assert told.count("UNRESOLVED") > 0
    assert operation in told
    (told,) = operated.run([looking[-1]], "").values()
    assert operation not in told


def test_figures_are_those_of_the_code():
    words = " ".join(RUNBOOK.split())
    lanes = inspect.signature(Bulkhead).parameters
    under_way, in_line = lanes["under_way"].default, lanes["in_line"].default
    assert f"{under_way} requests of their grant under way and {in_line} in line" in words
    breaker = inspect.signature(CircuitBreaker).parameters
    assert breaker["open_seconds"].default == 5
    assert "no more than an attempt in five seconds" in words
    assert f"larger than {MAX_REPLY // 2**20} MiB" in words
    assert words.count(f"{_MOST_CONNECTIONS} for each process") == 2
    assert _SECONDS == 5
    assert "A statement has five seconds" in words
    assert f"remembers up to {_CAPACITY:,} grants" in words
