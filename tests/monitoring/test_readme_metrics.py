"""The README's table of metrics is what a server exports."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
OURS = ("conferencing_", "rpc_", "http_")
ENDINGS = re.compile(r"_(?:bucket|sum|count)$")


def told() -> dict[str, frozenset[str]]:
    """Names and labels of the table, as Prometheus gets them."""
    table = README.partition("| metric | kind | attributes |\n|---|---|---|\n")[2]
    found = {}
    for row in table.partition("\n\n")[0].splitlines():
        name, kind, attributes = row.strip().strip("|").split("|")
        ending = {"h": "_seconds", "c": "_total", "g": ""}[kind.strip()[0]]
        words = re.findall(r"`([^`]+)`", attributes)
        found[name.strip(" `").replace(".", "_") + ending] = frozenset(
            word.replace(".", "_") for word in words
        )
    return found


def test_the_table_has_every_metric_and_its_labels(exported):
    found: dict[str, frozenset[str]] = {}
    for name, labels in exported.items():
        if name.startswith(OURS) and not name.endswith("_created"):
            found[ENDINGS.sub("", name)] = labels - {"le"}
    assert told() == found
