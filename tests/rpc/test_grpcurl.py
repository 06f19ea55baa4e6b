"""Every request file of clients/grpcurl, run with the real grpcurl."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from conferencing.v1 import conferencing_service_pb2 as service_pb2
from support.tools import tool

FOLDER = Path(__file__).resolve().parents[2] / "clients" / "grpcurl"
FILES = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.json"))}
DESCRIPTOR = service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
METHODS = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower(): method
    for method in DESCRIPTOR.methods
}
REFUSED = 64 + grpc.StatusCode.FAILED_PRECONDITION.value[0]
MADE = ["conference_created", "event_created"]
CHANGED = ["event_updated"]


def method_of(name):
    """The RPC that a file is for: its name begins with it."""
    (found,) = [
        method for snake, method in METHODS.items() if re.match(rf"{snake}(_[a-z_]+)?\.json$", name)
    ]
    return found


def is_ready(provider):
    def check(answer):
        conferencing = answer["event"]["conferencing"]
        assert conferencing["provider"] == provider
        assert conferencing["state"] == "CONFERENCE_STATE_READY"
        assert conferencing["details"]["url"].startswith("https://")

    return check


def is_zoom_with_passcode(answer):
    is_ready("PROVIDER_ZOOM_MEETING")(answer)
    assert answer["event"]["conferencing"]["details"]["password"] == "demo42"


def is_checked_and_not_written(answer):
    assert "id" not in answer["event"]
    assert answer["event"]["conferencing"]["provider"] == "PROVIDER_MICROSOFT_TEAMS"


def is_listed(answer):
    assert all("conferencing" in event for event in answer["events"])
    assert "Planning, in a new Google Meet" in {event["title"] for event in answer["events"]}


def is_moved(answer):
    assert answer["event"]["location"] == "Room 2"
    is_ready("PROVIDER_GOOGLE_MEET")(answer)


def is_without(answer):
    assert "conferencing" not in answer["event"]


def is_nothing(answer):
    assert answer == {}


def is_refused_for_teams(answer):
    decisions = {each["way"]: each["decision"] for each in answer["verdicts"]}
    assert decisions["WAY_DETAILS"] == "DECISION_ALLOWED"
    assert decisions["WAY_AUTOCREATE"] == "DECISION_REFUSED"


def is_allowed(answer):
    assert {each["decision"] for each in answer["verdicts"]} == {"DECISION_ALLOWED"}


def is_about_every_provider(answer):
    assert answer["platform"] == "PLATFORM_ICLOUD"
    assert len({each["provider"] for each in answer["verdicts"]}) == 7


def is_read(provider, **details):
    def check(answer):
        conferencing = answer["conferencing"]
        assert conferencing["provider"] == provider
        assert details.items() <= conferencing["details"].items()

    return check


# What each file answers, and what it leaves in the effect log of its grant.
EXPECTED = {
    "create_event_details.json": (
        is_zoom_with_passcode,
        ["event_created", "invitation_sent"],
    ),
    "create_event_meet.json": (is_ready("PROVIDER_GOOGLE_MEET"), MADE),
    "create_event_zoom.json": (is_zoom_with_passcode, MADE),
    "create_event_teams.json": (is_ready("PROVIDER_MICROSOFT_TEAMS"), MADE),
    "create_event_refused.json": (None, []),
    "create_event_validate_only.json": (is_checked_and_not_written, []),
    "get_event.json": (is_ready("PROVIDER_GOOGLE_MEET"), []),
    "list_events.json": (is_listed, []),
    "update_event.json": (is_moved, CHANGED),
    "update_event_replace_conferencing.json": (
        is_ready("PROVIDER_ZOOM_MEETING"),
        ["conference_created", "conference_deleted", *CHANGED],
    ),
    "update_event_remove_conferencing.json": (is_without, ["conference_deleted", *CHANGED]),
    "delete_event.json": (is_nothing, ["conference_deleted", "event_deleted"]),
    "check_compatibility.json": (is_refused_for_teams, []),
    "check_compatibility_conf_grant.json": (is_allowed, []),
    "check_compatibility_platform.json": (is_about_every_provider, []),
    "extract_conferencing.json": (
        is_read("PROVIDER_ZOOM_MEETING", meeting_code="98765432101"),
        [],
    ),
    "extract_conferencing_google.json": (
        is_read("PROVIDER_GOOGLE_MEET", pin="123456789", phone=["+14155550100"]),
        [],
    ),
    "extract_conferencing_microsoft.json": (is_read("PROVIDER_MICROSOFT_TEAMS"), []),
    "extract_conferencing_icalendar.json": (is_read("PROVIDER_MICROSOFT_TEAMS"), []),
}


async def grpcurl(service, name, event_id=""):
    """Run a file; return the exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        tool("grpcurl"),
        *("-plaintext", "-d", "@", f"127.0.0.1:{service.port}"),
        f"{DESCRIPTOR.full_name}/{method_of(name).name}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    request = FILES[name].replace("EVENT_ID", event_id)
    async with asyncio.timeout(60):
        out, err = await process.communicate(request.encode())
    return process.returncode, out.decode(), err.decode()


async def answer_of(service, name, event_id=""):
    status, out, err = await grpcurl(service, name, event_id)
    assert status == 0, err
    return json.loads(out)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_answers_as_expected(service, sandbox, name):
    check, effects = EXPECTED[name]
    event_id = ""
    if "EVENT_ID" in FILES[name] or name == "list_events.json":
        event_id = (await answer_of(service, "create_event_meet.json"))["event"]["id"]
    grant = sandbox.demo(json.loads(FILES[name]).get("grant_id", ""))
    before = len(grant.effects())
    if check is None:
        status, _out, err = await grpcurl(service, name)
        assert status == REFUSED
        assert '"reason": "CROSS_PLATFORM_AUTOCREATE"' in err
        assert "Write the details of a Microsoft Teams conference that exists." in err
    else:
        check(await answer_of(service, name, event_id))
    assert sorted(grant.effects()[before:]) == sorted(effects)


async def test_an_event_that_is_gone_is_not_found(service):
    event_id = (await answer_of(service, "create_event_meet.json"))["event"]["id"]
    await answer_of(service, "delete_event.json", event_id)
    status, out, err = await grpcurl(service, "get_event.json", event_id)
    assert (status, out) == (64 + grpc.StatusCode.NOT_FOUND.value[0], "")
    assert '"reason": "EVENT_NOT_FOUND"' in err


def test_every_file_has_its_expectation():
    assert set(EXPECTED) == set(FILES)


@pytest.mark.parametrize("snake", METHODS)
def test_every_rpc_has_a_file(snake):
    assert METHODS[snake] in {method_of(name) for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_a_request_of_its_rpc(name):
    document = json.loads(FILES[name])
    mask = document.get("update_mask")
    if mask is not None:
        # grpcurl writes a mask as the message that it is, protobuf's JSON as one string.
        document["update_mask"] = ",".join(mask["paths"])
    message = getattr(service_pb2, method_of(name).input_type.name)()
    json_format.ParseDict(document, message)
    assert message.ByteSize()


def test_the_folders_readme_lists_every_file():
    readme = (FOLDER / "README.md").read_text()
    assert re.findall(r"^\| `([a-z_]+\.json)` \|", readme, re.MULTILINE) == list(EXPECTED)
