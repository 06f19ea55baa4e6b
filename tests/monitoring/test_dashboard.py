"""The dashboard: Grafana can show it, and every expression names what is exported."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from monitoring.promql import check, read, unknown_to
from support.documents import ROOT

TEXT = (ROOT / "deploy" / "monitoring" / "dashboard.json").read_text()
DASHBOARD = json.loads(TEXT)
PANELS = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
ROWS = ["Traffic", "Verdicts", "Ledger", "Upstream", "Process", "Callers"]


def filled(expression):
    """An expression as Grafana sends it."""
    whole = expression.replace("$__rate_interval", "1m")
    for name in VARIABLES:
        whole = whole.replace(f"${name}", ".*")
    return whole


def expressions():
    return [filled(target["expr"]) for panel in SHOWN for target in panel["targets"]]


def test_it_is_of_the_form_that_grafana_reads():
    assert DASHBOARD["schemaVersion"] >= 39
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD
    for panel in SHOWN:
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == ["A", "B", "C"][: len(refs)]


def test_panels_have_ids_and_titles_of_their_own():
    for what in ("id", "title"):
        values = [panel[what] for panel in PANELS]
        assert len(values) == len(set(values))


def test_no_panel_lies_upon_another_or_outside():
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for a, b in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


def test_its_rows_are_these_and_each_has_panels():
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == ROWS
    for before, after in itertools.pairwise(PANELS):
        assert (before["type"], after["type"]) != ("row", "row")


def test_the_source_of_data_is_a_variable_everywhere():
    assert VARIABLES["datasource"]["type"] == "datasource"
    sources = [panel["datasource"] for panel in SHOWN]
    sources += [each["datasource"] for each in VARIABLES.values() if each["type"] == "query"]
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in sources)
    used = set(re.findall(r"\$\{?(\w+)", TEXT))
    assert used == {*VARIABLES, "__rate_interval", "__all"}


def test_promtool_takes_every_expression(tmp_path):
    check(expressions(), tmp_path)


def test_promtool_does_not_take_everything(tmp_path):
    with pytest.raises(AssertionError, match="parse error"):
        check([*expressions(), "sum by (rate("], tmp_path)


def test_every_metric_and_label_is_exported(exported):
    for panel in SHOWN:
        for target in panel["targets"]:
            query = read(filled(target["expr"]))
            assert unknown_to(exported, query) == set(), target
            named = set(re.findall(r"{{\s*(\w+)\s*}}", target["legendFormat"]))
            assert named <= query.grouped | {"instance"}, target


def test_every_variable_asks_for_what_is_exported(exported):
    asked = [each["query"]["query"] for each in VARIABLES.values() if each["type"] == "query"]
    for query in asked:
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
        assert unknown_to(exported, read(f"sum by ({label}) ({filled(selector)})")) == set()


def test_every_series_is_one_of_the_chosen_job():
    for expression in expressions():
        for name, matchers in read(expression).selected:
            labels = {matcher.label for matcher in matchers}
            assert {"job", "namespace", "instance"} <= labels, name


def test_everything_of_ours_that_is_exported_is_shown(exported):
    shown = set().union(*(read(each).metrics for each in expressions()))
    ours = {name for name in exported if name.startswith(("conferencing_", "rpc_", "http_"))}
    endings = r"_(bucket|count|sum)$"
    assert {re.sub(endings, "", name) for name in ours} <= {
        re.sub(endings, "", name) for name in shown
    }
