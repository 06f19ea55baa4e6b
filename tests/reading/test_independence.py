"""The invitations test the reader only as long as they know nothing of how it reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("**/*.py"))
READER = "conferencing_service.core.reading"
ALLOWED = {("conferencing_service.core", "reading"), ("conferencing_service.core", "model")}
CALLED = {
    "conferencing_from_google",
    "conferencing_from_icalendar",
    "conferencing_from_microsoft",
    "conferencing_from_text",
}
BACKWAYS = {"importlib", "runpy", "pkgutil", "inspect", "sys"}


def _faults(tree: ast.AST) -> Iterator[str]:
    called = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CALLED
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                if root == "conferencing_service" or root in BACKWAYS:
                    yield f"import {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            root = module.partition(".")[0]
            if node.level or root in BACKWAYS:
                yield f"from {'.' * node.level}{module} import"
            elif root == "conferencing_service" and module != "conferencing_service.core.model":
                for alias in node.names:
                    if (module, alias.name) not in ALLOWED or alias.asname:
                        yield f"from {module} import {alias.name}"
        elif isinstance(node, ast.Name) and node.id == "reading" and node not in called:
            yield "the reader, used but not called by a known name"
        elif isinstance(node, ast.Name) and node.id in {"__import__", "eval", "exec", "globals"}:
            yield node.id


def _reads_sources(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.replace("/", ".")
            if READER in text or "core.reading" in text:
                yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_here_imports_what_the_reader_is_made_of(path: Path):
    assert list(_faults(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if path != Path(__file__)], ids=lambda path: path.name
)
def test_nothing_here_names_the_readers_files(path: Path):
    assert list(_reads_sources(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        f"from {READER} import conferencing_from_text",
        f"from {READER}.anything import TABLE",
        f"import {READER}.anything",
        "import conferencing_service.core",
        "from conferencing_service import core",
        "from conferencing_service.core import reading as reader",
        "from importlib import import_module",
        "import sys",
        "from . import x",
        "reading.labels",
        "getattr(reading, 'labels')",
        "__import__('x')",
    ],
)
def test_the_ways_round_are_seen(code: str):
    assert list(_faults(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "from conferencing_service.core import reading",
        "from conferencing_service.core.model import Provider",
        "from conferencing_service.core import model",
        "reading.conferencing_from_text('')",
    ],
)
def test_the_reader_itself_may_be_called(code: str):
    assert list(_faults(ast.parse(code))) == []
