"""The program as a whole: its help, its exit statuses, and what it does not load."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

import click
import pytest

from conferencing_service.commands.program import COMMANDS, program
from conferencing_service.commands.progress import Progress
from conferencing_service.sandbox.command import _parser

LEDGER = ("list", "show", "resolve", "sweep", "places")
PATHS = [(), *((name,) for name in COMMANDS), *(("ledger", name) for name in LEDGER)]


def command_of(path):
    """The command at the end of a path."""
    command = program
    for name in path:
        command = command.get_command(click.Context(command), name)
    return command


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_says_how_it_is_called_and_how_it_ends(path):
    command = command_of(path)
    with click.Context(command, info_name=" ".join(["conferencing-service", *path])) as context:
        text = command.get_help(context)
    assert text.startswith(" ".join(["Usage: conferencing-service", *path]))
    assert all(len(line) <= 103 for line in text.splitlines())
    if path[:1] != ("ledger",):
        assert re.search(r"^Examples?:\n", text, re.MULTILINE)
    assert re.search(r"^Exit status:\n  0 ", text, re.MULTILINE)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help


def examples():
    """The command lines that help texts show."""
    for path in PATHS:
        text = command_of(path).epilog or ""
        lines = re.sub(r"\\\n *", "", text)
        found = re.findall(r"^  .*?\bconferencing-service ([a-z].*)$", lines, re.MULTILINE)
        yield from found
    yield "healthcheck"


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_examples_are_taken(line):
    words = shlex.split(line.partition(" <")[0])
    command = program
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    command.make_context(command.name, words)


async def test_every_help_is_printed(run):
    for arguments in (("--help",), ("-h",), ("check", "--help"), ("ledger", "sweep", "-h")):
        ran = await run(*arguments)
        assert (ran.status, ran.stderr) == (0, "")
        assert ran.stdout.startswith("Usage: conferencing-service")


async def test_arguments_that_say_nothing_are_refused(run):
    for arguments in ((), ("srve",), ("serve", "--nonsense"), ("ledger",), ("sandbox", "x")):
        ran = await run(*arguments)
        assert (ran.status, ran.stdout) == (2, "")
        assert ran.stderr.startswith("Usage: conferencing-service")


async def test_what_is_listed_is_there():
    for name, line in COMMANDS.items():
        assert command_of((name,)).name == name
        assert line == line.strip()
        assert len(line) < 70
    assert set(_parser()._option_string_actions) - {"-h", "--help"} == {
        option for parameter in command_of(("sandbox",)).params for option in parameter.opts
    }


@pytest.mark.parametrize(
    "name", ["serve", "demo", "ledger", "healthcheck", "extract", "check", "policy"]
)
def test_nobody_pays_for_tables_that_draws_none(name):
    script = f"""
import sys
from conferencing_service.commands.progress import Progress
from conferencing_service.commands.program import program
program.get_command(None, {name!r})
print(*sorted({{"rich", "pygments", "asyncpg", "aiohttp", "pydantic"}} & sys.modules.keys()))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(ran.stdout.split())
    assert not loaded & {"rich", "pygments"}
    if name in {"healthcheck", "extract", "check"}:
        assert loaded == set()


def test_a_reader_that_has_seen_enough_is_no_failure(environment):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for arguments in (["--help"], ["extract", "/dev/stdin", "--json"]):
            ran = subprocess.run(
                [sys.executable, "-m", "conferencing_service", *arguments],
                input=b"https://meet.google.com/kqx-bwtn-hop",
                stdout=writing,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=60,
                check=False,
            )
            assert (ran.returncode, ran.stderr) == (0, b"")
    finally:
        os.close(writing)


async def test_ctrl_c_ends_with_130(start):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = await start("check", "--grant", "x", "--address", address)
        silent.setblocking(True)
        silent.settimeout(30)
        connection, _address = silent.accept()
        with connection:
            command.process.send_signal(signal.SIGINT)
            assert await command.end() == 130
    assert command.stderr == ""


def test_progress_is_for_terminals():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((io.StringIO(), ""), (Terminal(), "\r1 of 3 operations\x1b[K\r\x1b[K")):
        progress = Progress(stream, 3, "operations")
        progress.at(1)
        progress.clear()
        assert stream.getvalue() == shown
