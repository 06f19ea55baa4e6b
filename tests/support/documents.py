"""Documents in Markdown: their blocks, headings and links, and their shell blocks run as by a reader."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.tools import tool

ROOT = Path(__file__).resolve().parents[2]

# What the documents use of curl, which a bare machine may lack.
_CURL = f"""#!{sys.executable}
import argparse, sys, urllib.request
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("-s", action="store_true")
parser.add_argument("-X", default="GET")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", type=str.encode)
parser.add_argument("url")
asked = parser.parse_args()
headers = dict(each.split(": ", 1) for each in asked.H)
request = urllib.request.Request(asked.url, asked.d, headers, method=asked.X)
sys.stdout.write(urllib.request.urlopen(request, timeout=30).read().decode())
"""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what it is written in.
        text: what is in it.
        line: where its first fence is, counted from 1.
        after: the next block of the document.
    """

    language: str
    text: str
    line: int
    after: Block | None = field(repr=False)

    @property
    def output(self) -> Block | None:
        """The block that shows what this one prints."""
        if self.after is not None and self.after.language in {"json", "text"}:
            return self.after
        return None


@dataclass(frozen=True)
class Output:
    """What a block printed."""

    out: str
    err: str


def blocks_of(document: str, language: str = "") -> list[Block]:
    """Return the fenced blocks of a document, or those of one language."""
    found: list[Block] = []
    fences = re.finditer(r"^```(\w*)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    for fence in reversed(list(fences)):
        line = document.count("\n", 0, fence.start()) + 1
        found.append(Block(fence[1], fence[2], line, found[-1] if found else None))
    return [block for block in reversed(found) if language in {"", block.language}]


def without_blocks(document: str) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document, flags=re.MULTILINE | re.DOTALL)


def anchors_of(document: str) -> list[str]:
    """Return where links into a document can lead, as GitHub names the headings."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(document), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles]


def links_of(document: str) -> list[str]:
    """Return the targets of a document's links."""
    return re.findall(r"\]\(([^)\s]+)\)", without_blocks(document))


def sections_of(document: str, level: int) -> list[tuple[str, str]]:
    """Return the headings of a level, each with what stands below it."""
    parts = re.split(rf"^{'#' * level} (.+)$", document, flags=re.MULTILINE)
    bodies = [re.split(rf"^#{{1,{level}}} ", body, flags=re.MULTILINE)[0] for body in parts[2::2]]
    return list(zip(parts[1::2], bodies, strict=True))


def rows_of(document: str, *header: str) -> list[tuple[str, ...]]:
    """Return the rows of the table with these columns."""
    lines = iter(document.splitlines())
    for line in lines:
        if _cells(line) == header:
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            return rows
    raise AssertionError(f"no table {header}")


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


# ---- What is shown, and what was printed --------------------------------------------------------


def check_shown(shown: Block, printed: Output) -> None:
    """Raise AssertionError unless a block's output is what is shown of it.

    `...` stands for anything. What is shown of JSON may lack fields, and elements of lists.
    """
    # grpcurl writes errors on stderr.
    text = printed.out or printed.err
    if shown.language == "text":
        wanted = ".*?".join(map(re.escape, shown.text.split("...")))
        assert re.fullmatch(wanted, text), printed
    else:
        assert _holds(_json_of(text), json.loads(shown.text)), printed


def _json_of(text: str) -> Any:
    """Return the last of the JSON documents that stand one after the other."""
    decoder, place, found = json.JSONDecoder(), 0, None
    while place < len(text):
        found, place = decoder.raw_decode(text, place)
        while text[place : place + 1].isspace():
            place += 1
    return found


def _holds(actual: Any, shown: Any) -> bool:
    match shown:
        case dict():
            return isinstance(actual, dict) and all(
                name in actual and _holds(actual[name], value) for name, value in shown.items()
            )
        case list():
            left = iter(actual)
            return all(any(_holds(each, wanted) for each in left) for wanted in shown)
        case str():
            wanted = ".+".join(map(re.escape, shown.split("...")))
            return isinstance(actual, str) and re.fullmatch(wanted, actual) is not None
        case _:
            return bool(actual == shown)


# ---- Running ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """A server that was started by its command, and the sandbox that it started."""

    address: str
    sandbox: str


@contextmanager
def served(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """Run `conferencing-service` on free ports until the block ends."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONFERENCING_", "OTEL_"))
    }
    defaults = {
        "CONFERENCING_LISTEN": "127.0.0.1:0",
        "CONFERENCING_SANDBOX_LISTEN": "127.0.0.1:0",
        "XDG_STATE_HOME": str(folder / "state"),
    }
    command = Path(sysconfig.get_path("scripts")) / "conferencing-service"
    log = folder / f"{uuid.uuid4()}.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**inherited, **defaults, **settings},
        ) as process,
    ):
        assert process.stdout is not None
        try:
            sandbox = ""
            for line in process.stdout:
                if line.startswith("sandbox "):
                    sandbox = line.split()[1]
                if line.startswith("serving "):
                    yield Running(line.split()[-1], sandbox)
                    break
            else:
                raise AssertionError(log.read_text())
        finally:
            process.terminate()


def run_blocks(
    blocks: Sequence[Block], folder: Path, places: Mapping[str, str]
) -> dict[int, Output]:
    """Run shell blocks one after the other in one shell, in the root; return outputs by line.

    A comment "exits with N" in a block is what its last command has to exit with; every other
    command has to succeed.

    Args:
        blocks: the blocks.
        folder: where files may be made.
        places: what stands in the blocks, and what is put in its place.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "curl").write_text(_CURL)
    (programs / "curl").chmod(0o755)
    path = [programs, Path(tool("grpcurl")).parent, Path(sys.executable).parent]
    mark = str(uuid.uuid4())
    ended = subprocess.run(
        ["bash", "-eu", "-c", _script(blocks, mark, places)],
        cwd=ROOT,
        env={**os.environ, "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    outs, errs = ended.stdout.split(f"{mark}\n")[1:], ended.stderr.split(f"{mark}\n")[1:]
    if ended.returncode:
        failed = blocks[len(outs) - 1]
        raise AssertionError(f"line {failed.line} ended with {ended.returncode}: {errs[-1]}")
    printed = zip(outs, errs, strict=True)
    return {block.line: Output(*each) for block, each in zip(blocks, printed, strict=True)}


def _script(blocks: Iterable[Block], mark: str, places: Mapping[str, str]) -> str:
    lines = []
    for block in blocks:
        text = block.text
        for place, real in places.items():
            text = text.replace(place, real)
        says = re.search(r"^# exits with (\d+)$", text, re.MULTILINE)
        if says is not None:
            wrong = f'{{ echo "not {says[1]}" >&2; exit 99; }}'
            text = f"set +e\n{text}test $? -eq {says[1]} || {wrong}\nset -e\n"
        lines += [f"echo {mark}; echo {mark} >&2\n", text]
    return "".join(lines)
