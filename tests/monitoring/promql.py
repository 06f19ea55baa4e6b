"""What a PromQL expression names: metrics, labels and the values that they are compared with."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from support.tools import tool

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<name>[a-zA-Z_:][\w:]*)|(?P<range>\[[^]]*\])"""
    r"""|(?P<number>\d[\w.]*)|(?P<sign>=~|!~|!=|==|>=|<=|\S)""",
)
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True)
class Matcher:
    """A label of a selector, and the values that it is compared with."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """What an expression names.

    Attributes:
        selected: the metrics, each with its matchers.
        grouped: the labels in by (...), on (...) and their like.
    """

    selected: tuple[tuple[str, tuple[Matcher, ...]], ...]
    grouped: frozenset[str]

    @property
    def metrics(self) -> set[str]:
        """The metrics."""
        return {name for name, _matchers in self.selected}


def read(expression: str) -> Query:
    """Return what a valid expression names; whether it is valid, promtool says."""
    tokens = [(each.lastgroup or "", each[0]) for each in _TOKEN.finditer(expression)]
    selected: list[tuple[str, tuple[Matcher, ...]]] = []
    grouped: set[str] = set()
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        place += 1
        after = tokens[place][1] if place < len(tokens) else ""
        if kind != "name" or text.lower() in _WORDS:
            continue
        if text in _LISTS:
            if after == "(":
                inner = [*itertools.takewhile(lambda each: each[1] != ")", tokens[place + 1 :])]
                grouped |= {name for part, name in inner if part == "name"}
                place += len(inner) + 2
        elif after == "{":
            inner = [*itertools.takewhile(lambda each: each[1] != "}", tokens[place + 1 :])]
            selected.append((text, _matchers(inner)))
            place += len(inner) + 2
        elif after != "(" and after not in _LISTS:
            selected.append((text, ()))
    return Query(tuple(selected), frozenset(grouped))


def _matchers(tokens: list[tuple[str, str]]) -> tuple[Matcher, ...]:
    names = [text for kind, text in tokens if kind == "name"]
    values = [text[1:-1] for kind, text in tokens if kind == "string"]
    return tuple(
        Matcher(name, tuple(value.split("|")) if "(" not in value else (value,))
        for name, value in zip(names, values, strict=True)
    )


def check(expressions: Iterable[str], folder: Path) -> None:
    """Raise AssertionError with promtool's words unless every expression is PromQL."""
    rules = [{"record": f"r{n}", "expr": each} for n, each in enumerate(expressions)]
    path = folder / "expressions.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = promtool("check", "rules", path.name, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def promtool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        [tool("promtool"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


# ---- Against what is exported -------------------------------------------------------------------

Labels = Mapping[str, frozenset[str]]
"""The labels of each metric."""

OF_PROMETHEUS = frozenset({"namespace", "job", "instance"})
"""What Prometheus itself puts on every series; a namespace where it runs in Kubernetes."""


def unknown_to(exported: Labels, query: Query) -> set[str]:
    """Return the metrics and labels of a query that are not exported."""
    found = {name for name in query.metrics if name not in exported}
    known = {name: exported.get(name, frozenset()) | OF_PROMETHEUS for name in query.metrics}
    for name, matchers in query.selected:
        found |= {f"{name}{{{m.label}}}" for m in matchers if m.label not in known[name]}
    return found | (query.grouped - frozenset().union(*known.values()))
