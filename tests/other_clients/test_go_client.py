"""The Go module, built and run with the Go toolchain on a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.tools import missing, tool

FOLDER = Path(__file__).resolve().parents[2] / "clients" / "go"
FLAGS = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
"""Tests fetch nothing: `make tools` has."""

pytestmark = pytest.mark.timeout(900)


def go(*arguments, cwd=FOLDER):
    return subprocess.run(
        [tool("go"), *arguments],
        cwd=cwd,
        env=os.environ | FLAGS,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def done(*arguments, cwd=FOLDER):
    ended = go(*arguments, cwd=cwd)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def module():
    """The module's folder, where the toolchain is new enough and has what go.sum names."""
    needed = re.search(r"^go (\d+)\.(\d+)", (FOLDER / "go.mod").read_text(), re.MULTILINE).groups()
    found = re.search(r"go(\d+)\.(\d+)", go("version").stdout).groups()
    if tuple(map(int, found)) < tuple(map(int, needed)):
        missing(f"Go {'.'.join(needed)}", f"install a newer one than {'.'.join(found)}")
    if go("list", "-deps", "./...").returncode:
        missing("what clients/go/go.sum names", "run `make tools`")
    return FOLDER


def test_vet_and_the_formatter_have_nothing_to_say(module):
    done("vet", "./...")
    formatter = Path(done("env", "GOROOT").strip()) / "bin" / "gofmt"
    ended = subprocess.run(
        [formatter, "-l", module], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr) == ("", "")


async def test_the_quickstart_prints_what_pythons_prints(module, server, tmp_path):
    done("build", "-o", tmp_path / "quickstart", "./examples/quickstart")
    await server.prints_what_python_prints(tmp_path / "quickstart")


async def test_the_readmes_program_runs(module, server, run, tmp_path):
    (program,) = re.findall(
        r"^```go\n(.*?)^```$", (module / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert program.count("127.0.0.1:50051") == 1
    copy = tmp_path / "module"
    shutil.copytree(module, copy)
    (copy / "readme.go").write_text(program.replace("127.0.0.1:50051", server.address))
    done("build", "-o", tmp_path / "readme", "./readme.go", cwd=copy)
    refused, reason, verdict = (await run(tmp_path / "readme")).splitlines()
    assert refused.startswith("FailedPrecondition ")
    assert reason.startswith("CROSS_PLATFORM_AUTOCREATE map[")
    assert verdict.startswith("Microsoft Teams cannot be autocreated on Google calendars.")
    assert await server.effects() == []


def test_go_sum_holds_hashes_only(module):
    lines = (module / "go.sum").read_text().splitlines()
    assert all(re.fullmatch(r"[\w./-]+ v\S+ h1:[\w+/]{43}=", line) for line in lines)
    assert "replace" not in (module / "go.mod").read_text()
