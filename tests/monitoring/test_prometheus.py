"""A real Prometheus on a real server: rules and dashboard find their data, and alerts come."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support.documents import ROOT
from support.tools import tool

MONITORING = ROOT / "deploy" / "monitoring"
PANELS = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
TARGETS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel.get("targets", ())
]
SCRAPES = 5
"""So many are awaited: rates need two, and the rules use what was recorded the round before."""


class Prometheus:
    """A running Prometheus, asked over HTTP."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **query: str) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()["data"]

    def query(self, expression: str) -> list[Any]:
        return list(self.get("/query", query=expression)["result"])

    def is_ready(self) -> bool:
        try:
            (scrapes,) = self.query("sum(count_over_time(conferencing_ledger_ready[5m]))")
        except (httpx.HTTPError, ValueError):
            return False
        return float(scrapes["value"][1]) >= SCRAPES


@pytest.fixture(scope="module")
def prometheus(
    metrics: str, tmp_path_factory: pytest.TempPathFactory, any_port: int
) -> Iterator[Prometheus]:
    """It looks at the server, and at the rules, every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules = (MONITORING / "alerts.yaml").read_text()
    (folder / "alerts.yaml").write_text(rules.replace("interval: 1m", "interval: 1s"))
    job = {"job_name": "conferencing-service", "static_configs": [{"targets": [metrics]}]}
    timing = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (folder / "prometheus.yaml").write_text(
        yaml.safe_dump({"global": timing, "rule_files": ["alerts.yaml"], "scrape_configs": [job]})
    )
    address = f"127.0.0.1:{any_port}"
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [
                *(tool("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data"),
                f"--web.listen-address={address}",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        ) as process,
        httpx.Client(base_url=f"http://{address}/api/v1", timeout=30) as http,
    ):
        try:
            running = Prometheus(http)
            deadline = time.monotonic() + 60
            while not running.is_ready():
                assert process.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline, Path(log.name).read_text()
                time.sleep(0.2)
            yield running
        finally:
            process.terminate()


def test_every_rule_can_be_evaluated(prometheus, alerts):
    groups = prometheus.get("/rules")["groups"]
    health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert set(health.values()) == {"ok"}
    assert set(alerts) <= set(health)


def test_the_alerts_of_what_happened_fire_and_no_others(prometheus):
    """A write was lost and settled by hand, and what it had left behind was swept."""
    found = {each["labels"]["alertname"]: each for each in prometheus.get("/alerts")["alerts"]}
    assert set(found) == {"ConferencingUnresolved", "ConferencingDuplicatesSwept"}
    for alert in found.values():
        assert alert["state"] == "firing"
        assert alert["labels"]["job"] == "conferencing-service"
        assert re.search(r": 1\b", alert["annotations"]["description"])


def test_everything_that_is_recorded_has_data(prometheus, rules):
    # Of faults there were: OUTCOME_UNRESOLVED.
    for rule in rules:
        if "record" in rule and "internal_errors" not in rule["record"]:
            assert prometheus.query(rule["record"]), rule["record"]


@pytest.mark.parametrize("expression", TARGETS)
def test_every_panel_has_data(prometheus, expression):
    asked = expression.replace("$__rate_interval", "1m").replace("$job", "conferencing-service")
    assert prometheus.query(re.sub(r"\$\w+", ".*", asked))
