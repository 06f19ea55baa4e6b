"""What the client's README says is true: its examples run, and its table of errors is the code's."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import grpc
import pytest

import conferencing
from conferencing import ConferencingError, errors
from conferencing.testing import ScriptedServer
from conferencing.v1.conferencing_service_pb2 import GetEventResponse
from support.authority import Authority
from support.sandbox import running
from support.service import serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "clients/python/README.md").read_text()
ADDRESS = "127.0.0.1:50051"
GUARD = 100.0


def blocks(title):
    """The Python examples of a chapter."""
    (chapter,) = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```python\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)


QUICKSTART, BLOCKING = blocks("Quickstart")
(ERRORS,) = blocks("Errors")
(RETRIES,) = blocks("Retries and deadlines")
(SECRETS,) = blocks("Encryption, tokens, traces")
(TESTS,) = blocks("Testing")


def test_every_example_is_run_here():
    run = {QUICKSTART, BLOCKING, ERRORS, RETRIES, SECRETS, TESTS}
    assert run == set(re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


async def output(*arguments, **more):
    """Run Python as a user would; return stdout."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **more,
    )
    async with asyncio.timeout(GUARD):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


@pytest.fixture(scope="module")
def untouched():
    """A sandbox that only the examples use."""
    with running("--events-per-second", "0", "--grants-per-second", "0") as started:
        yield started


@pytest.fixture
def run(untouched):
    async def run(program):
        async with serving(untouched.url) as service:
            return await output("-c", program.replace(ADDRESS, f"127.0.0.1:{service.port}"))

    return run


async def test_the_quickstart_joins_is_refused_and_lists(run):
    lines = (await run(QUICKSTART)).splitlines()
    assert re.fullmatch(r"join: https://[a-z0-9]+\.zoom\.us/j/\d+\?pwd=\w+", lines[0])
    assert lines[1] == "refused: CROSS_PLATFORM_AUTOCREATE"
    assert [line.partition(": ")[0] for line in lines[2:5]] == ["instead"] * 3
    assert "event: Planning" in lines[5:]


async def test_the_blocking_example_makes_changes_and_deletes(run, untouched):
    grant = untouched.demo("google-demo")
    before = len(grant.effects())
    lines = (await run(BLOCKING)).splitlines()
    assert "Open day, moved https://zoom.us/j/1234567890" in lines
    assert [each for each in grant.effects()[before:] if each != "invitation_sent"] == [
        *("event_created", "event_updated", "event_deleted"),
    ]


async def test_the_errors_are_told_apart(run):
    assert (await run(ERRORS)).splitlines() == [
        "made Planning",
        "mend event.when",
        "ask the owner to connect the account again",
        "give up: FAILED_PRECONDITION GRANT_HAS_NO_CALENDAR: A grant of this kind has no calendar.",
    ]


async def test_the_example_of_repeating_ends(run):
    assert await run(RETRIES) == "booked: Planning\n"


async def test_the_example_of_secrets_connects(tmp_path):
    authority = Authority()
    (key, certificate), token = authority.issue("caller"), "of the moment"
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "client.pem").write_bytes(certificate)
    (tmp_path / "client.key").write_bytes(key)
    (tmp_path / "token").write_text(token + "\n")
    names = {}
    exec(SECRETS, names)
    credentials = grpc.ssl_server_credentials(
        [authority.issue("server")], authority.pem, require_client_auth=True
    )
    with ScriptedServer(credentials=credentials) as server:
        server.answers(GetEventResponse())
        async with names["connect"](server.target, tmp_path) as client:
            await client.get_event(grant_id="g", calendar_id="c", event_id="e")
        assert server.calls[0].metadata["authorization"] == f"Bearer {token}"


async def test_the_tests_pass(tmp_path):
    path = tmp_path / "test_example.py"
    path.write_text(TESTS)
    said = await output(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"),
        *("-o", "asyncio_default_fixture_loop_scope=function", str(path)),
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )
    assert "3 passed" in said


def test_the_classes_of_the_table_are_the_codes():
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", README, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)[`\[]", has)) for name, has in rows}
    there = {
        name
        for name in conferencing.__all__
        if isinstance(value := getattr(conferencing, name), type)
        and issubclass(value, ConferencingError)
    }
    assert set(told) == there - {"ConferencingError"}
    error = ConferencingError(grpc.StatusCode.UNKNOWN)
    for name, attributes in told.items():
        for attribute in attributes:
            assert hasattr(error, attribute) or hasattr(getattr(errors, name), attribute)
