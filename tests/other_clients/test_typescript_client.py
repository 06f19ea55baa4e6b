"""The TypeScript package, packed and used as its callers use it: strict, on a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.tools import missing, tool

FOLDER = Path(__file__).resolve().parents[2] / "clients" / "typescript"
MODULES = FOLDER / "node_modules"
PACKAGES = {"@bufbuild", "@connectrpc", "@types", "undici-types"}
"""What a caller installs beside the package, and the types of Node."""

pytestmark = pytest.mark.timeout(600)


def done(*command, cwd):
    ended = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def installed():
    """Whether node_modules holds what the committed lock names."""
    hidden = MODULES / ".package-lock.json"
    if not hidden.is_file():
        return False
    lock = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    return all(
        lock.get(path, {}).get("integrity") == package["integrity"]
        for path, package in json.loads(hidden.read_text())["packages"].items()
    )


@dataclass(frozen=True)
class Package:
    """The package: its sources where it was built, the packed files, and a caller's project."""

    source: Path
    files: set[str]
    caller: Path

    def compiled(self):
        """Compile the caller's programs against the packed package; return where they are."""
        done(self.caller / "node_modules/.bin/tsc", cwd=self.caller)
        return self.caller / "out"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    tool("node")
    npm = tool("npm")
    if not installed():
        missing("what clients/typescript/package-lock.json names", "run `make tools`")
    folder = tmp_path_factory.mktemp("typescript")
    source, caller = folder / "source", folder / "caller"
    shutil.copytree(
        FOLDER, source, ignore=shutil.ignore_patterns("node_modules", "dist", "build", "*.tgz")
    )
    (source / "node_modules").symlink_to(MODULES)
    done(npm, "pack", "--pack-destination", folder, cwd=source)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        files = {member.name for member in archive.getmembers()}
        archive.extractall(folder, filter="data")

    modules = caller / "node_modules"
    (modules / "@conferencing").mkdir(parents=True)
    (folder / "package").rename(modules / "@conferencing" / "client")
    for name in (*PACKAGES, ".bin"):
        (modules / name).symlink_to(MODULES / name)
    (caller / "package.json").write_text('{"type": "module"}')
    options = json.loads((FOLDER / "tsconfig.json").read_text())["compilerOptions"]
    options |= {"types": ["node"], "rootDir": ".", "outDir": "out", "declaration": False}
    (caller / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "include": ["*.ts"]})
    )
    return Package(source, files, caller)


def test_the_package_holds_the_build_and_no_source(package):
    assert {
        "package/package.json",
        "package/README.md",
        "package/dist/index.js",
        "package/dist/index.d.ts",
        "package/dist/gen/conferencing/v1/conferencing_service_pb.d.ts",
    } <= package.files
    assert not [name for name in package.files if re.search(r"src/|test/|(?<!\.d)\.ts$", name)]


def test_its_own_tests_pass(package):
    assert "# fail 0" in done(tool("npm"), "test", cwd=package.source)


async def test_the_quickstart_prints_what_pythons_prints(package, server):
    shutil.copy(FOLDER / "examples" / "quickstart.ts", package.caller)
    quickstart = package.compiled() / "quickstart.js"
    await server.prints_what_python_prints(tool("node"), quickstart)


async def test_the_readmes_programs_run(package, server, run):
    blocks = re.findall(
        r"^```ts\n(.*?)^```$", (FOLDER / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    program = "".join(blocks)
    assert program.count("127.0.0.1:50051") == 1
    (package.caller / "readme.ts").write_text(program.replace("127.0.0.1:50051", server.address))
    lines = (await run(tool("node"), package.compiled() / "readme.js")).splitlines()
    assert re.fullmatch(r"https://[a-z0-9]+\.zoom\.us/j/\d+\?pwd=\w+", lines[0])
    assert lines[1].startswith("no such event")
    assert len(lines) == 2


def test_a_wrong_call_does_not_compile(package):
    (package.caller / "wrong.ts").write_text(
        'import { create } from "@bufbuild/protobuf";\n'
        'import { GetEventRequestSchema } from "@conferencing/client";\n'
        'create(GetEventRequestSchema, { grant_id: "google-demo" });\n'
    )
    try:
        with pytest.raises(AssertionError, match="grant_id"):
            package.compiled()
    finally:
        (package.caller / "wrong.ts").unlink()


def test_the_lock_names_hashes_and_no_download_address():
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages["node_modules/@connectrpc/connect-node"]["version"].startswith("2.1.")
    assert all("integrity" in package for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
