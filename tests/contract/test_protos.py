"""The contract as files: style, released image, shared numbers, and that the checks can fail."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from conferencing.v1 import conferencing_service_pb2, error_reason_pb2
from support.tools import tool

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
BASELINE = PROTOS / "baseline.binpb"


def breaking(image: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            tool("buf"),
            "breaking",
            image,
            "--against",
            BASELINE,
            "--path",
            "conferencing/v1",
            "--config",
            PROTOS / "buf.yaml",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_renamed_field_breaks_the_released_contract(tmp_path: Path) -> None:
    image = tmp_path / "image.binpb"
    files = descriptor_pb2.FileDescriptorSet.FromString(BASELINE.read_bytes())
    image.write_bytes(files.SerializeToString())
    assert breaking(image).returncode == 0
    message = next(
        each
        for file in files.file
        for each in file.message_type
        if each.name == "ConferenceDetails"
    )
    message.field[1].name = "meeting_number"
    message.field[1].json_name = "meetingNumber"
    image.write_bytes(files.SerializeToString())
    result = breaking(image)
    assert result.returncode != 0
    assert "meeting_code" in result.stdout + result.stderr


def test_the_released_image_holds_the_whole_contract() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(BASELINE.read_bytes())
    released = {file.name for file in files.file if file.package == "conferencing.v1"}
    assert released == {f"conferencing/v1/{path.name}" for path in PROTOS.rglob("*.proto")}


def messages() -> Iterator[Descriptor]:
    yield from conferencing_service_pb2.DESCRIPTOR.message_types_by_name.values()


def test_fields_that_requests_and_answers_share_have_one_number() -> None:
    numbers: dict[str, set[int]] = {}
    for message in messages():
        if message.name.endswith(("Request", "Response")):
            for field in message.fields:
                numbers.setdefault(field.name, set()).add(field.number)
    assert {name: found for name, found in numbers.items() if len(found) > 1} == {}


def test_every_rpc_has_messages_of_its_own() -> None:
    service = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
    names = [
        (method.name, method.input_type.name, method.output_type.name) for method in service.methods
    ]
    assert [name for name, _, _ in names] == [
        *("CreateEvent", "GetEvent", "ListEvents", "UpdateEvent", "DeleteEvent"),
        *("CheckCompatibility", "ExtractConferencing"),
    ]
    for name, request, response in names:
        assert (request, response) == (f"{name}Request", f"{name}Response")


def comment_before(text: str, declaration: str) -> str:
    before = text[: re.search(rf"^ *{re.escape(declaration)}\b", text, re.MULTILINE).start()]  # type: ignore[union-attr]
    return " ".join(
        line.strip().removeprefix("//").strip()
        for line in re.search(r"(?:^ *//.*\n)*\Z", before, re.MULTILINE).group(0).splitlines()  # type: ignore[union-attr]
    )


@pytest.mark.parametrize("file", sorted(PROTOS.rglob("*.proto")), ids=lambda path: path.name)
def test_comments_say_the_behaviour_that_the_annotation_says(file: Path) -> None:
    """ "Required." and "Output only." open the comment exactly where the annotation says so."""
    text = file.read_text(encoding="utf-8")
    pattern = re.compile(
        r"((?:^ *//.*\n)+) *(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+ "
        r"\[\(google\.api\.field_behavior\) = (\w+)\]",
        re.MULTILINE,
    )
    for comment, name, behaviour in pattern.findall(text):
        first = comment.strip().splitlines()[0].strip().removeprefix("//").strip()
        assert first.startswith("Required.") == (behaviour == "REQUIRED"), name
        assert first.startswith("Output only.") == (behaviour == "OUTPUT_ONLY"), name


def behaviours(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def test_every_request_field_says_its_behaviour() -> None:
    for message in messages():
        if message.name.endswith("Request"):
            for field in message.fields:
                assert behaviours(field), f"{message.name}.{field.name}"


def test_every_reason_shows_a_sample_of_itself() -> None:
    text = (PROTOS / "conferencing/v1/error_reason.proto").read_text(encoding="utf-8")
    for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name:
        if name != "ERROR_REASON_UNSPECIFIED":
            before = text[: text.index(f"  {name} =")]
            comment = before[before.rindex("\n\n") :]
            reason = name.removeprefix("ERROR_REASON_")
            assert f'"reason": "{reason}", "domain": "conferencing.v1"' in comment, name
            assert re.search(r"//\s*(FAILED_PRECONDITION|[A-Z_]+)[ ,.]", comment), name
