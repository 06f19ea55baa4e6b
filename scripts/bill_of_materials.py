"""Writes the bill of materials of what the service installs: CycloneDX, out of the lock.

cyclonedx-py reads the lock. Here the licences are added that the installed packages declare, and who
needs whom, which the lock says; what names a registry, or repeats the lock, is left out. The same
lock gives the same bytes.
Usage: bill_of_materials.py OUTPUT, by the Python of .venv.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "runtime.txt"
VERSION = SchemaVersion.V1_6

_PINNED = re.compile(r"([A-Za-z0-9._-]+)==")
_NEEDED_BY = re.compile(r" +# (?:via |  )(\S+)")


def main(output: Path) -> int:
    """Write the bill; return 0."""
    bill = bill_of_materials()
    text = json.dumps(bill, indent=1) + "\n"
    fault = JsonStrictValidator(VERSION).validate_str(text)
    if fault is not None:
        print(f"the bill of materials is not what CycloneDX wants: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    output.write_text(text)
    return 0


def bill_of_materials() -> dict[str, Any]:
    """Return the bill of what the lock names."""
    bill = _told_by_cyclonedx("requirements", str(LOCK))
    licences = _licences(_told_by_cyclonedx("environment", sys.executable))
    references: dict[str, str] = {}
    for component in bill["components"]:
        component.pop("description")
        component["bom-ref"] = references[_normal(component["name"])] = component["purl"]
        for reference in component["externalReferences"]:
            # Where it is fetched from is up to who installs it; the hashes say what it must be.
            reference.pop("comment")
            reference["url"] = component["purl"]
        if found := licences.get(_normal(component["name"])):
            component["licenses"] = found
    for tool in bill["metadata"]["tools"]["components"]:
        tool.pop("externalReferences")
    root = bill["metadata"]["component"]
    references[_normal(root["name"])] = root["bom-ref"]
    bill["dependencies"] = _dependencies(references)
    return bill


def _told_by_cyclonedx(*arguments: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "bill.json"
        options = ("--pyproject", str(ROOT / "pyproject.toml"), "--sv", VERSION.to_version())
        # What it warns of is settled here: the bill is validated, and its graph made whole, at the end.
        done = subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *arguments, *options),
                *("--no-validate", "--short-PURLs", "--output-reproducible", "-o", str(output)),
            ],
            check=False,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        told: dict[str, Any] = json.loads(output.read_text())
    return told


def _licences(environment: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what the installed packages say of their licences, in SPDX's names where they have any."""
    licences = {}
    for component in environment["components"]:
        declared = component.get("licenses", [])
        known = [each for each in declared if "expression" in each or "id" in each["license"]]
        licences[_normal(component["name"])] = known or declared
    return licences


def _dependencies(references: dict[str, str]) -> list[dict[str, Any]]:
    """Return who needs whom: under each package the lock names those that it is there for."""
    needs: dict[str, set[str]] = {reference: set() for reference in references.values()}
    needed = ""
    for line in LOCK.read_text().splitlines():
        if pinned := _PINNED.match(line):
            needed = references[_normal(pinned[1])]
        elif by := _NEEDED_BY.match(line):
            # Of our own client's distribution, and of what builds the two, nothing is locked.
            needer = references.get(_normal(by[1]), references["conferencing-service"])
            needs[needer].add(needed)
    return [
        {"ref": reference, **({"dependsOn": sorted(needs[reference])} if needs[reference] else {})}
        for reference in sorted(needs)
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
