"""The benchmark beside the code that it measures: what would make it lie without failing."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from conferencing_service.core.ledger.store import Store

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
VARIANTS = sorted((BENCHMARKS / "variants").glob("*.py"))
MOST_LINES = 150


@pytest.fixture
def service_variant(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    path = BENCHMARKS / "variants" / "service.py"
    spec = importlib.util.spec_from_file_location("benchmarks_variant_service", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_the_store_that_keeps_nothing_has_every_step_of_a_store(service_variant: ModuleType):
    steps = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if name[0] != "_"}
    assert len(steps) > 10
    assert steps - set(dir(service_variant.NoStore)) == set()


def test_every_variant_is_short_enough_to_be_read():
    assert len(VARIANTS) >= 7
    long = {
        path.name: lines
        for path in VARIANTS
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_the_readme_tells_of_every_variant():
    catalog = (BENCHMARKS / "catalog.py").read_text()
    named = set(re.findall(r'(?:_service|_naive|Variant)\(\s*"([a-z0-9-]+)"', catalog))
    assert {"service-1", "echo", "envoy", "naive", "sdk", "list-constructor"} <= named
    assert (
        named - set(re.findall(r"`([a-z0-9-]+)`", (BENCHMARKS / "README.md").read_text())) == set()
    )


def test_the_results_are_those_of_a_whole_run():
    goals = re.findall(r'Goal\(\s*"([^"]+)"', (BENCHMARKS / "goals.py").read_text())
    assert len(goals) == 7
    results = (BENCHMARKS / "RESULTS.md").read_text()
    assert [goal for goal in goals if f"| {goal} |" not in results] == []
    assert "not measured" not in results
