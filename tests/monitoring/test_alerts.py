"""The alert rules: they fire when they should, name what is exported, and lead to the runbook."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml

from conferencing.v1 import conferencing_service_pb2
from conferencing_service.core.model import Reason
from conferencing_service.upstreams.exchange import Gate
from monitoring.promql import promtool, read, unknown_to
from support.documents import ROOT, anchors_of

MONITORING = ROOT / "deploy" / "monitoring"
SOURCES = "\n".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))
RPCS = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"].methods
VALUES = {
    "conferencing_reason": set(Reason),
    "conferencing_upstream_gate": set(Gate),
    "conferencing_alert": set(re.findall(r'"alert": "(\w+)"', SOURCES)),
}
FILES = sorted(MONITORING.glob("alerts*_test.yaml"))
TESTS = [test for file in FILES for test in yaml.safe_load(file.read_text())["tests"]]


def test_promtool_takes_the_rules():
    done = promtool("check", "rules", "alerts.yaml", cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_on_what_it_means_and_on_nothing_else():
    done = promtool("test", "rules", *[file.name for file in FILES], cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("value", "is_silent"), [("vector(1)", False), ("vector(1) > 1", True)])
def test_an_alert_that_says_always_the_same_fails(alerts, tmp_path, value, is_silent):
    """So each has a test in which it fires, and one in which it does not."""
    for file in FILES:
        shutil.copy(file, tmp_path)
    broken = [{"alert": name, "expr": value} for name in alerts]
    groups = {"groups": [{"name": "broken", "rules": broken}]}
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(groups))
    done = promtool("test", "rules", *[file.name for file in FILES], cwd=tmp_path)
    assert done.returncode != 0
    wrong = re.findall(r"alertname: (\w+), time: \S+\s+exp:(\[\])?", done.stdout + done.stderr)
    assert {name for name, was_silent in wrong if is_silent != bool(was_silent)} == set(alerts)


def test_a_test_is_called_after_the_alert_that_fires_in_it(alerts):
    firing = {
        test["name"].partition(",")[0]: [each["alertname"] for each in test["alert_rule_test"]]
        for test in TESTS
        if test["name"].startswith("Conferencing")
    }
    assert firing == {name: [name] for name in alerts}
    assert len(FILES) == 4


def test_every_alert_says_how_urgent_it_is_and_where_to_read_on(alerts, runbook):
    anchors = anchors_of(runbook)
    for name, rule in alerts.items():
        assert rule["labels"].keys() == {"severity"}, name
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert anchors.count(name.lower()) == 1, name


def test_every_metric_and_label_is_exported_or_recorded(rules, known):
    for rule in rules:
        assert unknown_to(known, read(rule["expr"])) == set(), rule


def test_everything_that_is_recorded_is_used(rules):
    used = set().union(*(read(rule["expr"]).metrics for rule in rules))
    assert {rule["record"] for rule in rules if "record" in rule} <= used


def test_every_value_is_one_that_the_service_says(rules):
    methods = [f"conferencing.v1.ConferencingService/{rpc.name}" for rpc in RPCS]
    compared = set()
    for rule in rules:
        for _name, matchers in read(rule["expr"]).selected:
            for matcher in matchers:
                compared.add(matcher.label)
                if matcher.label == "rpc_method":
                    (pattern,) = matcher.values
                    assert any(re.fullmatch(pattern, method) for method in methods), rule
                else:
                    assert set(matcher.values) <= VALUES[matcher.label], rule
    assert compared == {*VALUES, "rpc_method"}


def test_what_a_quantile_is_compared_with_is_the_end_of_a_bucket(alerts, buckets):
    """Within a bucket a quantile is a guess."""
    compared = {
        name: (
            re.search(r"\w+_bucket", rule["expr"])[0],
            re.search(r"> ([\d.]+)$", rule["expr"].strip())[1],
        )
        for name, rule in alerts.items()
        if "histogram_quantile" in rule["expr"]
    }
    assert len(compared) == 4
    for name, (metric, bound) in compared.items():
        assert float(bound) in buckets[metric], name


def test_a_wrong_name_label_or_value_is_seen(known):
    good = 'sum by (job) (rate(conferencing_errors_total{conferencing_reason="INTERNAL"}[5m])) > 0'
    assert unknown_to(known, read(good)) == set()
    for old, new in [
        ("conferencing_errors_total", "conferencing_error_total"),
        ("conferencing_reason", "reason"),
        ("by (job)", "by (jobs)"),
    ]:
        assert unknown_to(known, read(good.replace(old, new))) != set()
