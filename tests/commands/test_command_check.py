"""`check`: the compatibility table of a running server, for people and for programs."""

from __future__ import annotations

import json
import re
import socket

import pytest
from google.protobuf import json_format

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.commands.check import PLATFORMS, PROVIDERS

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def check(run, service):
    async def check(*arguments, **more):
        return await run(
            "check", *arguments, CONFERENCING_LISTEN=f"127.0.0.1:{service.port}", **more
        )

    return check


async def test_the_table_says_what_the_server_says(check, service, google):
    ran = await check("--grant", google.id)
    assert (ran.status, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout
    head, _blank, columns, *_rest = ran.stdout.splitlines()
    assert head == f"grant {google.id}, google"
    assert columns.split()[:3] == ["PROVIDER", "WAYS", "DECISION"]
    (meet,) = re.findall(r"^Google Meet .*$", ran.stdout, re.MULTILINE)
    assert re.fullmatch(r"Google Meet +read, details, autocreate, remove +ALLOWED", meet)
    (teams,) = re.findall(r"^Microsoft Teams .* REFUSED .*$", ran.stdout, re.MULTILINE)
    assert re.search(r" autocreate +REFUSED +CROSS_PLATFORM_AUTOCREATE: ", teams)
    answer = await service.call(s.CheckCompatibilityRequest(grant_id=google.id))
    for verdict in answer.verdicts:
        for told in (verdict, *verdict.alternatives):
            assert told.explanation in ran.stdout
        for requirement in verdict.requirements:
            assert f"needs: {requirement}\n" in ran.stdout
    assert google.effects() == []


async def test_json_is_the_contracts_answer(check, service, google, zoom):
    ran = await check(
        *("--grant", google.id, "--calendar", "primary", "--provider", "zoom"),
        *("--conf-grant", zoom.id, "--json"),
        terminal=True,
    )
    assert (ran.status, ran.stderr) == (0, "")
    asked = s.CheckCompatibilityRequest(
        grant_id=google.id,
        calendar_id="primary",
        provider=c.PROVIDER_ZOOM_MEETING,
        conf_grant_id=zoom.id,
    )
    answer = await service.call(asked)
    assert json_format.Parse(ran.stdout, s.CheckCompatibilityResponse()) == answer
    assert {each["decision"] for each in json.loads(ran.stdout)["verdicts"]} == {"DECISION_ALLOWED"}


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_platform_can_be_asked_about(check, service, platform):
    ran = await check("--platform", platform.upper())
    contracts = f"PLATFORM_{platform.upper().replace('-', '_')}"
    assert (await check("--platform", contracts)).stdout == ran.stdout
    assert ran.status == 0
    assert ran.stdout.startswith(platform.replace("-", "_") + "\n")
    answer = await service.call(s.CheckCompatibilityRequest(platform=PLATFORMS[platform]))
    names = {c.Decision.Name(each.decision).removeprefix("DECISION_") for each in answer.verdicts}
    assert set(re.findall(r" (ALLOWED|CONDITIONAL|REFUSED)\b", ran.stdout)) == names


async def test_colours_are_for_terminals(check):
    asked = ("--platform", "microsoft")
    piped = await check(*asked, FORCE_COLOR="1")
    assert "\x1b" not in piped.stdout
    shown = await check(*asked, terminal=True, COLUMNS="1000")
    assert set(COLOUR.findall(shown.stdout)) >= {"\x1b[31m", "\x1b[32m", "\x1b[33m"}
    assert COLOUR.sub("", shown.stdout).split() == piped.stdout.split()
    plain = await check(*asked, terminal=True, COLUMNS="1000", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain.stdout)
    dumb = await check(*asked, terminal=True, COLUMNS="1000", TERM="dumb")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", dumb.stdout)


@pytest.mark.parametrize("columns", [20, 60, 100])
async def test_a_narrow_terminal_loses_no_word(check, columns):
    ran = await check("--platform", "google", terminal=True, COLUMNS=str(columns))
    lines = COLOUR.sub("", ran.stdout).splitlines()
    assert all(len(line) <= columns for line in lines[1:])
    assert "REFUSED" in COLOUR.sub("", ran.stdout)


async def test_a_terminal_that_cannot_draw_gets_letters(check):
    ran = await check("--platform", "google", PYTHONIOENCODING="ascii")
    assert ran.status == 0
    assert ran.stdout.isascii()


async def test_a_refusal_is_one_line_with_its_reason(check, google):
    for arguments, reason in (
        (("--grant", "nobody"), "GRANT_NOT_FOUND"),
        (("--grant", "no body\x1b[31m"), "INVALID_FIELD: grant_id "),
        (("--grant", google.id, "--calendar", "missing"), "CALENDAR_NOT_FOUND"),
        (("--platform", "google", "--calendar", "primary"), "INVALID_FIELD: calendar_id "),
    ):
        ran = await check(*arguments, "--json")
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr.startswith(f"conferencing-service: {reason}")
        assert ran.stderr.count("\n") == 1
        assert "\x1b" not in ran.stderr


async def test_a_server_that_is_not_there_is_told(run):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        ran = await run("check", "--grant", "x", "--address", address)
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr == f"conferencing-service: no server answers at {address}\n"


async def test_what_is_asked_about_is_said_once(run):
    for arguments in (
        (),
        ("--grant", "x", "--platform", "google"),
        ("--platform", "nonsense"),
        ("--grant", "x", "--provider", "other"),
    ):
        ran = await run("check", *arguments, "--address", "127.0.0.1:9")
        assert (ran.status, ran.stdout) == (2, "")
        assert ran.stderr.startswith("Usage: conferencing-service check")


def test_the_names_are_the_contracts():
    assert set(PLATFORMS.values()) == set(c.Platform.values()) - {c.PLATFORM_UNSPECIFIED}
    assert set(PROVIDERS.values()) == set(c.Provider.values()) - {
        c.PROVIDER_UNSPECIFIED,
        c.PROVIDER_OTHER,
    }
