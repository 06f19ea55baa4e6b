"""What is installed is pinned and hashed, comes from nowhere in particular, and is listed in a bill of materials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

pytestmark = pytest.mark.security

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NPM_LOCKS = sorted(
    lock
    for folder in ("clients", "tests")
    for lock in (ROOT / folder).rglob("package-lock.json")
    if "node_modules" not in lock.parts
)
GO_SUMS = sorted((ROOT / "clients").rglob("go.sum"))
BILL = ROOT / "requirements" / "sbom.cdx.json"
BILL_SCRIPT = ROOT / "scripts" / "bill_of_materials.py"

ADDRESS = re.compile(
    r"[a-z+]+://|\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}:[0-9]+|@ ?(?:git|file|ssh)\b", re.IGNORECASE
)
REGISTRY = re.compile(
    r"\b(?:pypi\.org|pythonhosted|npmjs|yarnpkg|proxy\.golang|sum\.golang)", re.IGNORECASE
)
REQUIREMENT = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,._-]+\])?==(?P<version>[0-9][0-9a-z.+!-]*)"
    r"(?: ; [^#]+?)?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)
GO_SUM = re.compile(r"(?P<module>\S+) v[0-9]\S*?(?:/go\.mod)? h1:[A-Za-z0-9+/]{43}=")
PINNED_GO = re.compile(r"@(?:\$\((\w+)\)|v[0-9]+\.[0-9]+\.[0-9]+)$")


def of(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def requirements_in(text: str) -> Iterator[str]:
    """Yield a lock's requirements, each in one line, without comments."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in text.splitlines())
    joined = "\n".join(lines).replace("\\\n", " ")
    for line in joined.splitlines():
        if line.strip():
            yield re.sub(r"\s+", " ", line.strip())


def faults_of_lock(text: str) -> list[str]:
    """What a lock holds beside pinned requirements with hashes."""
    faults = [line[:80] for line in requirements_in(text) if not REQUIREMENT.fullmatch(line)]
    return faults + [found[0] for found in ADDRESS.finditer(text)]


# ---- Locks ----------------------------------------------------------------------------------


def test_the_locks_are_those_that_the_makefile_installs() -> None:
    installed = set(re.findall(r"-r (requirements/\S+)", (ROOT / "Makefile").read_text()))
    assert {str(lock.relative_to(ROOT)) for lock in LOCKS} == installed
    assert len(NPM_LOCKS) == 2
    assert len(GO_SUMS) == 1


@of(LOCKS)
def test_every_python_package_is_pinned_and_hashed(path: Path, tally: Counter[str]) -> None:
    text = path.read_text()
    assert faults_of_lock(text) == []
    names = [line.partition("==")[0] for line in requirements_in(text)]
    assert len(names) == len(set(names)) > 5
    tally["locked packages"] += len(names)


def test_every_install_of_a_lock_checks_the_hashes() -> None:
    for path in (ROOT / "Makefile", ROOT / "deploy" / "Dockerfile"):
        commands = re.split(r"\n|&&", path.read_text().replace("\\\n", " "))
        installs = [
            command for command in commands if re.search(r"(-r|--requirement) \S+\.txt", command)
        ]
        assert installs, path
        for command in installs:
            assert "--require-hashes" in command, command


@of(NPM_LOCKS)
def test_every_npm_package_has_its_hash_and_no_address(path: Path, tally: Counter[str]) -> None:
    lock = json.loads(path.read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
        assert re.fullmatch(r"[0-9]\S*", package["version"]), name
    assert not REGISTRY.search(path.read_text())
    tally["locked packages"] += len(packages)


@of(GO_SUMS)
def test_every_go_module_has_its_hash_and_no_address(path: Path, tally: Counter[str]) -> None:
    lines = path.read_text().splitlines()
    modules = {found["module"] for line in lines if (found := GO_SUM.fullmatch(line))}
    assert all(GO_SUM.fullmatch(line) for line in lines)
    assert not ADDRESS.search(path.read_text())
    tally["locked packages"] += len(modules)


def test_every_go_tool_is_of_one_version() -> None:
    makefile = (ROOT / "Makefile").read_text()
    tools = re.findall(r"\S+@\S+", "\n".join(_go_installs(makefile)))
    assert len(tools) >= 5
    for tool in tools:
        found = PINNED_GO.search(tool)
        assert found, tool
        if found[1]:
            assert re.search(rf"^{found[1]} := v[0-9]+\.[0-9]+\.[0-9]+$", makefile, re.MULTILINE), (
                tool
            )


def _go_installs(makefile: str) -> Iterator[str]:
    for command in re.findall(r"go install ((?:.*\\\n)*.*)", makefile):
        yield command.replace("\\\n", " ")


def test_generated_code_is_compared_with_what_makes_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    check = re.search(r"^check:(.*)##", makefile, re.MULTILINE)
    assert check
    assert "protos-check" in check[1].split()
    recipe = makefile.partition("\nprotos-check:")[2].partition("\n\n")[0]
    for what in ("clients/python", "generate-clients", "docs/reference.md"):
        assert what in recipe, what


# ---- Locks that are not as they should be ----------------------------------------------------

HASH = " \\\n    --hash=sha256:" + "a" * 64 + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "httpx==0.28.1\n",
        "httpx>=0.28.1" + HASH,
        "httpx" + HASH,
        "httpx==0.28.*" + HASH,
        "httpx==0.28.1 \\\n    --hash=md5:" + "a" * 32 + "\n",
        "httpx @ https://packages.example/httpx.whl" + HASH,
        "--index-url https://packages.example/simple\nhttpx==0.28.1" + HASH,
        "--find-links wheels\nhttpx==0.28.1" + HASH,
        "-e .\n",
        "httpx==0.28.1" + HASH + "    # from https://packages.example\n",
    ],
)
def test_a_loose_lock_is_seen(text: str) -> None:
    assert faults_of_lock(text)


def test_a_right_lock_is_taken() -> None:
    text = "cffi==2.1.1 ; implementation_name != 'PyPy'" + HASH + "    # via\n    #   httpx\n"
    assert faults_of_lock(text) == []


# ---- The bill of materials -------------------------------------------------------------------


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(BILL.read_text())
    return told


def test_the_bill_is_what_cyclonedx_wants() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(BILL.read_text()) is None


def test_the_bill_names_every_package_that_the_service_installs(bill: dict[str, Any]) -> None:
    locked = {}
    for line in requirements_in((ROOT / "requirements" / "runtime.txt").read_text()):
        found = REQUIREMENT.fullmatch(line)
        assert found
        hashes = set(re.findall(r"sha256:([0-9a-f]{64})", found["hashes"]))
        locked[found["name"]] = (found["version"], hashes)
    listed = {
        component["name"]: (
            component["version"],
            {each["content"] for each in component["externalReferences"][0]["hashes"]},
        )
        for component in bill["components"]
    }
    assert listed == locked


def test_the_bill_says_the_licence_of_every_package_that_declares_one(bill: dict[str, Any]) -> None:
    without = {each["name"] for each in bill["components"] if not each.get("licenses")}
    assert without <= {"protobuf"}  # its wheel declares none


def test_the_bill_says_who_needs_whom(bill: dict[str, Any]) -> None:
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in bill["dependencies"]}
    references = {each["name"]: each["bom-ref"] for each in bill["components"]}
    root = bill["metadata"]["component"]["bom-ref"]
    assert needs.keys() == {root, *references.values()}
    assert references["grpcio"] in needs[root]
    assert references["h11"] in needs[references["uvicorn"]]
    assert set(references.values()) == set().union(*needs.values())


def test_the_bill_names_no_registry_no_machine_and_no_moment() -> None:
    text = BILL.read_text()
    addresses = set(re.findall(r"[a-z]+://[^\s\"]*", text))
    assert addresses == {"http://cyclonedx.org/schema/bom-1.6.schema.json"}
    assert not REGISTRY.search(text)
    assert "timestamp" not in text
    assert "serialNumber" not in text
    assert str(ROOT) not in text


def test_the_bill_is_fresh_and_made_the_same_each_time(tmp_path: Path) -> None:
    made = tmp_path / "bill.json"
    subprocess.run([sys.executable, str(BILL_SCRIPT), str(made)], check=True)
    assert made.read_text() == BILL.read_text(), "run `make sbom`"


# ---- The implementation of protobuf ----------------------------------------------------------


def started_with(implementation: str | None) -> subprocess.CompletedProcess[str]:
    """What the check says in a process of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
    }
    if implementation is not None:
        environment["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = implementation
    check = """
from conferencing_service.protobuf_runtime import check_protobuf_runtime
from conferencing_service.settings import SettingsError
try:
    check_protobuf_runtime()
except SettingsError as error:
    print(error)
"""
    return subprocess.run(
        [sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("implementation", [None, "upb"])
def test_protobuf_in_c_is_taken(implementation: str | None) -> None:
    assert started_with(implementation).stdout == ""


def test_protobuf_in_python_is_refused_in_one_line() -> None:
    told = started_with("python").stdout
    assert told.startswith("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: ")
    assert told.count("\n") == 1
