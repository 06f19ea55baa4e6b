"""The chart, rendered by helm: what it makes of values, and why it refuses some."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support.documents import ROOT
from support.tools import tool

CHART = ROOT / "deploy/chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE, NAMESPACE = "conferencing", "calls"
OLDEST, NEWEST = "1.27.0", "1.37.0"
"""Versions of Kubernetes: the first that the chart says it wants, and the newest whose schemas we have."""


@dataclass(frozen=True)
class Refusal(Exception):
    """Values that the chart does not take, and what helm says of them."""

    text: str


class NotTogether(Refusal):
    """Each of the values is right, and the chart says that together they are not."""


@dataclass(frozen=True)
class Manifests:
    """What a rendering consists of."""

    text: str

    @property
    def all(self) -> list[dict[str, Any]]:
        """Every object."""
        return [each for each in yaml.safe_load_all(self.text) if each]

    def one(self, kind: str, name: str = RELEASE) -> dict[str, Any]:
        """The object of a kind and a name."""
        (found,) = [
            each for each in self.all if (each["kind"], each["metadata"]["name"]) == (kind, name)
        ]
        return found

    def kinds(self) -> set[str]:
        """The kinds that there are."""
        return {each["kind"] for each in self.all}

    def pod(self) -> dict[str, Any]:
        """The pod's specification."""
        spec: dict[str, Any] = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    def container(self) -> dict[str, Any]:
        """Its only container."""
        (container,) = self.pod()["containers"]
        return dict(container)

    def environment(self) -> dict[str, Any]:
        """The server's variables; those out of Secrets and of the pod are given as their source."""
        own = {
            each["name"]: each.get("value", each.get("valueFrom"))
            for each in self.container()["env"]
        }
        return {**self.one("ConfigMap")["data"], **own}


def values_of(case: Path) -> dict[str, Any]:
    """The values of one of the shipped cases."""
    return dict(yaml.safe_load(case.read_text()))


def case(name: str) -> dict[str, Any]:
    """The values of a shipped case by its name."""
    return values_of(CHART / f"ci/{name}-values.yaml")


def changed(values: Mapping[str, Any], path: str, content: object) -> dict[str, Any]:
    """Values with one of them, named by its path, set to something else."""
    first, _dot, rest = path.partition(".")
    inner = values.get(first)
    made = changed(inner if isinstance(inner, dict) else {}, rest, content) if rest else content
    return {**values, first: made}


def rendered(values: Mapping[str, Any], kubernetes: str = NEWEST) -> Manifests:
    """Render the chart; raises Refusal."""
    return _rendered(json.dumps(values, sort_keys=True), kubernetes)


@cache
def _rendered(values: str, kubernetes: str) -> Manifests:
    return Manifests(_template(CHART, values, kubernetes))


def _template(chart: Path, values: str, kubernetes: str, *more: str) -> str:
    done = subprocess.run(
        [
            *(tool("helm"), "template", RELEASE, chart, "--namespace", NAMESPACE),
            *("--kube-version", kubernetes, "--values", "-", *more),
        ],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # What a template says by `fail`; the rest is the schema's.
        raise (NotTogether if "execution error" in done.stderr else Refusal)(done.stderr)
    return done.stdout


def notes(values: Mapping[str, Any], folder: Path) -> str:
    """What helm tells whoever installs it; helm renders that for a cluster only."""
    copy = folder / "chart"
    shutil.copytree(CHART, copy)
    text = (CHART / "templates/NOTES.txt").read_text()
    (copy / "templates/notes.yaml").write_text(
        f'{{{{- define "notes" }}}}{text}{{{{ end }}}}notes: {{{{ include "notes" . | quote }}}}\n'
    )
    only = ("--show-only", "templates/notes.yaml")
    return str(yaml.safe_load(_template(copy, json.dumps(values), NEWEST, *only))["notes"])


def leaves(schema: Mapping[str, Any] = SCHEMA, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every value that the schema knows, with its examples."""
    for name, told in schema["properties"].items():
        place = f"{path}.{name}" if path else name
        if "examples" in told:
            yield place, told["examples"]
        elif place != "global":
            yield from leaves(told, place)
