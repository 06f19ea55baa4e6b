"""What docs/ says is true: its examples run, its lists are the code's, the reference is the protos'."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor

from conferencing.errors import error_class
from conferencing.v1 import (
    conferencing_pb2,
    conferencing_service_pb2,
    error_reason_pb2,
    event_pb2,
)
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service.core.grants import FACTS_SECONDS
from conferencing_service.core.model import Reason
from conferencing_service.sandbox.grants import seeds
from conferencing_service.sandbox.settings import SandboxSettings
from conferencing_service.setting_checks import REGIONS
from conferencing_service.settings import MarkerKey, Settings
from conferencing_service.status import STATUSES
from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from support.documents import (
    ROOT,
    Output,
    anchors_of,
    blocks_of,
    check_shown,
    links_of,
    rows_of,
    run_blocks,
    sections_of,
    served,
    without_blocks,
)
from support.service import autocreate, creation, delete, get, timespan, update
from support.tools import tool

FOLDER = ROOT / "docs"
DOCUMENTS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
PROTOS = ROOT / "protos"
FILES = [
    each.DESCRIPTOR
    for each in (conferencing_service_pb2, conferencing_pb2, event_pb2, error_reason_pb2)
]
SERVICE = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
ADDRESS = "127.0.0.1:50051"
SANDBOX = "http://127.0.0.1:50080"
# How a caller starts the server without reflection beside the other one.
ADDRESS_WITHOUT_REFLECTION = "127.0.0.1:50052"


def readme_of(client):
    return (ROOT / "clients" / client / "README.md").read_text()


def words_of(name):
    """A document's words, without line breaks."""
    return " ".join(DOCUMENTS[name].split())


# ---- All of them ----------------------------------------------------------------------------


def test_the_index_lists_every_document():
    listed = [target for target in links_of(DOCUMENTS["README.md"]) if "/" not in target]
    assert sorted([*listed, "README.md"]) == list(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    for target in links_of(DOCUMENTS[name]):
        if target.startswith("https://"):
            continue
        file, _sharp, anchor = target.partition("#")
        path = FOLDER / file if file else FOLDER / name
        assert path.exists(), target
        if anchor:
            assert anchors_of(path.read_text()).count(anchor) == 1, target


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_heading_stands_twice(name):
    anchors = anchors_of(DOCUMENTS[name])
    assert len(anchors) == len(set(anchors))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_named_is_there(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", DOCUMENTS[name])) <= targets
    variables = {
        field.validation_alias or f"CONFERENCING_{setting.upper()}"
        for setting, field in Settings.model_fields.items()
    }
    named = set(re.findall(r"\b(?:CONFERENCING_[A-Z_]+|XDG_[A-Z_]+)\b", DOCUMENTS[name]))
    assert named - set(Reason) <= variables


@pytest.mark.parametrize("name", DOCUMENTS)
def test_lines_but_those_of_tables_are_short(name):
    long = [
        line
        for line in DOCUMENTS[name].splitlines()
        if len(line) > 130 and not line.startswith("|")
    ]
    assert long == []


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("README.md", set()),
        ("access.md", {"sh", "json", "text", "toml"}),
        ("deploy.md", {"sh", "yaml"}),
        ("errors.md", set()),
        ("grpcurl.md", {"sh", "json", "text"}),
        ("nylas.md", {"sh"}),
        ("quickstart.md", {"sh", "python", "ts", "go", "text"}),
        ("reference.md", {"json"}),
        ("runbook.md", {"yaml", "sh", "promql"}),
        ("scale.md", {"sh"}),
        ("bad-input.md", set()),
        ("hostile-vendors.md", set()),
        ("ledger-encryption.md", set()),
    ],
)
def test_there_is_no_block_that_nothing_below_runs_or_compares(name, languages):
    assert {block.language for block in blocks_of(DOCUMENTS[name])} == languages


# ---- grpcurl.md -----------------------------------------------------------------------------

COOKBOOK = blocks_of(DOCUMENTS["grpcurl.md"], "sh")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def server(folder):
    """A server as `make run` starts it."""
    with served(folder, "serve", "--sandbox") as running:
        yield running


@pytest.fixture(scope="module")
def cookbook(folder):
    """What each block of the cookbook printed, by its line, and what then was in the calendar."""
    tool("grpcurl")
    with (
        served(folder, "serve", "--sandbox") as server,
        served(folder, "serve", "--sandbox", CONFERENCING_REFLECTION="false") as other,
    ):
        places = {
            ADDRESS: server.address,
            SANDBOX: server.sandbox,
            ADDRESS_WITHOUT_REFLECTION: other.address,
        }
        printed = run_blocks(COOKBOOK, folder, places)
        with httpx.Client(base_url=server.sandbox) as http:
            effects = http.get("/_sandbox/effects", params={"grant_id": "google-demo"}).json()
        return printed, [each["kind"] for each in effects["effects"]]


@pytest.mark.parametrize("block", COOKBOOK, ids=lambda block: f"line-{block.line}")
def test_a_block_of_the_cookbook_prints_what_stands_under_it(cookbook, block):
    printed, _effects = cookbook
    if block.output is not None:
        check_shown(block.output, printed[block.line])


def test_the_cookbook_does_what_it_says(cookbook):
    _printed, effects = cookbook
    assert effects == [
        *("conference_created", "event_created"),
        *("conference_created", "event_created"),
        *("event_created", "invitation_sent"),
        "event_updated",
        *("conference_created", "conference_deleted", "event_updated"),
        *("conference_deleted", "event_updated"),
        "event_deleted",
    ]


def test_every_output_in_the_cookbook_is_that_of_a_block():
    outputs = [each for each in blocks_of(DOCUMENTS["grpcurl.md"]) if each.language != "sh"]
    assert outputs == [block.output for block in COOKBOOK if block.output]


def test_the_cookbook_calls_every_rpc_and_health():
    script = "\n".join(block.text for block in COOKBOOK)
    assert set(re.findall(r"\$SERVICE/(\w+)", script)) == {each.name for each in SERVICE.methods}
    assert "grpc.health.v1.Health/Check" in script


def test_the_cookbook_names_the_sandboxs_grants():
    (named,) = re.findall(r"The sandbox has the grants (.+?); each", words_of("grpcurl.md"))
    assert re.findall(r"`([^`]+)`", named) == [grant.id for grant in seeds(0)]


def test_what_is_shown_is_compared():
    shown, text = blocks_of('```json\n{"a": [{"b": "x..."}]}\n```\n```text\na ... c\n```\n')
    check_shown(shown, Output('{"z": 1}\n{"a": [{"b": "y"}, {"b": "xyz", "c": 1}], "d": 2}', ""))
    check_shown(text, Output("a b c\n", ""))
    for wrong in ('{"a": [{"b": "x"}]}', '{"a": []}', '{"b": 1}', '{"a": [{"b": 1}]}'):
        with pytest.raises(AssertionError):
            check_shown(shown, Output(wrong, ""))
    with pytest.raises(AssertionError):
        check_shown(text, Output("a b d\n", ""))


def test_a_block_that_ends_otherwise_than_it_says_fails(folder):
    for text in ("false\n", "# exits with 3\ntrue\n"):
        with pytest.raises(AssertionError, match="line 1 ended"):
            run_blocks(blocks_of(f"```sh\n{text}```\n"), folder, {})


# ---- quickstart.md --------------------------------------------------------------------------


def printed_by(*arguments):
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return Output(ended.stdout, ended.stderr)


def test_the_python_program_prints_what_stands_under_it(server):
    (program,) = blocks_of(DOCUMENTS["quickstart.md"], "python")
    text = program.text.replace(ADDRESS, server.address)
    assert program.output is not None
    check_shown(program.output, printed_by("-c", text))


@pytest.mark.parametrize(("client", "language"), [("typescript", "ts"), ("go", "go")])
def test_the_programs_are_those_of_the_clients_readmes(client, language):
    """Which the clients' own tests compile and run."""
    told = [block.text for block in blocks_of(DOCUMENTS["quickstart.md"], language)]
    assert told == [block.text for block in blocks_of(readme_of(client), language)]


def test_the_commands_are_those_of_the_clients():
    start, *installs, examples = [
        block.text for block in blocks_of(DOCUMENTS["quickstart.md"], "sh")
    ]
    assert start == "make run\n"
    clients = ("python", "typescript", "go")
    for client, install in zip(clients, installs, strict=True):
        assert install in [block.text for block in blocks_of(readme_of(client), "sh")]
    assert examples.splitlines() == [
        ".venv/bin/python clients/python/examples/quickstart.py",
        "(cd clients/typescript && npm run quickstart)",
        "(cd clients/go && go run ./examples/quickstart)",
    ]
    package = json.loads((ROOT / "clients/typescript/package.json").read_text())
    assert "quickstart" in package["scripts"]
    assert f"Node {package['engines']['node'].removeprefix('>=')} or newer" in words_of(
        "quickstart.md"
    )
    (version,) = re.findall(
        r"^go (\d+\.\d+)", (ROOT / "clients/go/go.mod").read_text(), re.MULTILINE
    )
    assert f"Go {version} or newer" in words_of("quickstart.md")


def test_the_whole_example_prints_what_is_shown(server):
    """The clients' own tests prove that TypeScript and Go print the same lines."""
    shown = blocks_of(DOCUMENTS["quickstart.md"], "text")[-1]
    check_shown(shown, printed_by("clients/python/examples/quickstart.py", server.address))


# ---- errors.md ------------------------------------------------------------------------------

ITEMS = ["Code", "Means", "Do", "Repeat", "Metadata"]
TOLD = [
    (reason, dict(re.findall(r"^- (\w+): (.+?)(?=^- |\Z)", body, re.MULTILINE | re.DOTALL)))
    for reason, body in sections_of(DOCUMENTS["errors.md"], 3)
]
REASONS = {name: told for name, told in TOLD if name == name.upper()}


def samples():
    """The sample of every reason in the comments of error_reason.proto."""
    text = (PROTOS / "conferencing/v1/error_reason.proto").read_text()
    for comment, name in re.findall(
        r"((?:^  //.*\n)+)  ERROR_REASON_(\w+) = [1-9]", text, re.MULTILINE
    ):
        words = re.sub(r"^  // ?", "", comment, flags=re.MULTILINE)
        yield name, json.loads(words[words.index('{"reason"') :])


SAMPLES = dict(samples())


def test_every_reason_is_told_once():
    declared = [
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    ]
    names = [name for name, _told in TOLD if name == name.upper()]
    assert len(names) == len(set(names))
    assert set(names) == set(declared) - {"UNSPECIFIED"} == set(SAMPLES)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_told_as_it_is(reason):
    told = {name: " ".join(text.split()) for name, text in REASONS[reason].items()}
    assert list(told) == ITEMS
    code = STATUSES[Reason(reason)][0]
    raised = error_class(code, reason).__name__
    assert told["Code"] == f"{code.name}. Python: `{raised}`."
    sample = SAMPLES[reason]
    (metadata,) = re.findall(r"^`(\{.*?\})`", told["Metadata"])
    assert json.loads(metadata) == sample["metadata"]
    assert (sample["reason"], sample["domain"]) == (reason, "conferencing.v1")


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_said_of_repeating_goes_with_the_code(reason):
    helps = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
    answer = re.match(r"yes|no|once", REASONS[reason]["Repeat"])[0]
    if reason == "UPSTREAM_MALFORMED":
        assert answer == "once"
    else:
        assert (answer == "yes") == (STATUSES[Reason(reason)][0].name in helps)


def test_other_words_in_capitals_are_names_of_the_contract():
    names = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", without_blocks(DOCUMENTS["errors.md"])))
    values = {
        value
        for file in FILES
        for enum in file.enum_types_by_name.values()
        for value in enum.values_by_name
    }
    known = values | set(Reason) | {code.name for code, _text in STATUSES.values()}
    said_by_samples = {
        value for sample in SAMPLES.values() for value in sample["metadata"].values()
    }
    assert names <= known | said_by_samples


# ---- nylas.md -------------------------------------------------------------------------------


def test_the_vendors_wants_are_those_of_the_readme():
    rows = rows_of(DOCUMENTS["nylas.md"], "for", "needed")
    assert rows == rows_of((ROOT / "README.md").read_text(), "for", "needed")
    for rule in (capability.autocreate for capability in NYLAS.providers.values()):
        for scope in rule.scopes if rule else ():
            assert any(f"`{scope}`" in needed for _name, needed in rows)


def test_what_is_said_in_figures_is_what_the_code_has():
    said = words_of("nylas.md")
    for name, url in REGIONS.items():
        assert f"`{name}` (`{url}`)" in said
    key, *others = sorted(MarkerKey, key=lambda each: each is not MarkerKey("key4"))
    assert Settings.model_fields["marker_key"].default is key
    assert f"`CONFERENCING_MARKER_KEY` to `{others[0]}`, `{others[1]}` or `{others[2]}`" in said
    limits = dict(rows_of(DOCUMENTS["nylas.md"], "whose", "limit"))
    sandbox = SandboxSettings()
    assert limits["Nylas, calendars and events"].startswith(f"{sandbox.events_per_second} requests")
    assert limits["Nylas, grants"].startswith(f"{sandbox.grants_per_second} requests")
    lanes = inspect.signature(Bulkhead).parameters
    assert f"at most {lanes['under_way'].default} requests at a time for one grant" in said
    assert f"keeps {lanes['in_line'].default} in line" in said
    assert f"for up to {NYLAS.settle_seconds:g} seconds" in said
    assert f"at most {Settings.model_fields['write_timeout'].default:g} seconds" in said
    assert FACTS_SECONDS == 300
    assert "after five minutes" in said


async def rest_calls(service, grant, request):
    """The REST calls of an RPC, as the sandbox saw them."""
    before = len(grant.requests())
    await service.call(request)
    told = []
    for each in grant.requests()[before:]:
        path = re.sub(r"(?<=/grants/)[^/]+", "{grant_id}", each["path"])
        path = re.sub(r"(?<=/events/)[^/]+", "{event_id}", path)
        path = re.sub(r"(?<=/calendars/)[^/]+", "{calendar_id}", path)
        told.append(f"`{each['method']} {path}`")
    return ", ".join(told) or "none"


async def test_the_rest_calls_are_those_that_are_made(service, google):
    # What is known of the grant is read by the first call.
    event = (await service.call(creation(google.id, when=timespan(zone="UTC")))).event
    daily = ["RRULE:FREQ=DAILY;COUNT=2"]
    requests = {
        "CreateEvent": creation(google.id, autocreate()),
        "CreateEvent with `validate_only`": creation(google.id, validate_only=True),
        "GetEvent": get(google.id, event.id),
        "ListEvents, a page": s.ListEventsRequest(grant_id=google.id, calendar_id="primary"),
        "UpdateEvent": update(google.id, event.id, title="New", location="Room", busy=False),
        "UpdateEvent of `conferencing`": update(google.id, event.id, conferencing=autocreate()),
        "UpdateEvent of `description`": update(google.id, event.id, description="New"),
        "UpdateEvent of `metadata`": update(google.id, event.id, metadata={"key": "value"}),
        "UpdateEvent of `recurrence` without `when`": update(google.id, event.id, recurrence=daily),
        "UpdateEvent with `validate_only`": update(
            google.id, event.id, title="Newer", validate_only=True
        ),
        "DeleteEvent": delete(google.id, event.id),
        "CheckCompatibility": s.CheckCompatibilityRequest(grant_id=google.id),
        "CheckCompatibility with `calendar_id`": s.CheckCompatibilityRequest(
            grant_id=google.id, calendar_id="primary"
        ),
        "ExtractConferencing": s.ExtractConferencingRequest(text="https://zoom.us/j/98765432101"),
    }
    assert rows_of(DOCUMENTS["nylas.md"], "RPC", "REST calls") == [
        (name, await rest_calls(service, google, request)) for name, request in requests.items()
    ]
    assert {name.split()[0].strip(",") for name in requests} == {
        method.name for method in SERVICE.methods
    }


def test_the_commands_serve_what_the_region_has(folder, server):
    """The sandbox stands in for the region: it speaks the same API."""
    start, call = blocks_of(DOCUMENTS["nylas.md"], "sh")
    settings = dict(re.findall(r"^export (\w+)=(.+)$", start.text, re.MULTILINE))
    *_exports, command = start.text.splitlines()
    assert command == ".venv/bin/conferencing-service serve"
    key = folder / "key"
    key.write_text("sandbox\n")
    assert settings["CONFERENCING_NYLAS_REGION"] in REGIONS
    settings["CONFERENCING_NYLAS_REGION"] = server.sandbox
    settings["CONFERENCING_NYLAS_API_KEY_FILE"] = str(key)
    with served(folder, "serve", **settings) as running:
        places = {ADDRESS: running.address, "GRANT_ID": "google-demo"}
        (printed,) = run_blocks([call], folder, places).values()
    assert json.loads(printed.out)["platform"] == "PLATFORM_GOOGLE"


# ---- reference.md ---------------------------------------------------------------------------


def generated(image, output):
    return subprocess.run(
        [sys.executable, ROOT / "scripts/generate_reference.py", image, output],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def image(folder):
    """The contract with its comments, made by buf; `make protos` has protoc make it."""
    workspace = folder / "workspace"
    for path in PROTOS.rglob("*.proto"):
        copy = workspace / "protos" / path.relative_to(PROTOS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    google = workspace / "google"
    for proto in ("google/api/field_behavior.proto",):
        copy = google / proto
        copy.parent.mkdir(parents=True)
        site = Path(field_behavior_pb2.__file__).parents[2]
        copy.write_bytes((site / proto).read_bytes())
    (workspace / "buf.yaml").write_text("version: v2\nmodules: [{path: protos}, {path: google}]\n")
    made = folder / "image.binpb"
    subprocess.run(
        [tool("buf"), "build", "-o", made],
        cwd=workspace,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return made


def test_the_reference_is_what_the_comments_say(image, tmp_path):
    fresh = tmp_path / "reference.md"
    assert generated(image, fresh).stderr == ""
    assert fresh.read_text() == DOCUMENTS["reference.md"], "run `make protos`"


def test_a_name_without_a_comment_has_no_reference(image, tmp_path):
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    for file in files.file:
        for location in file.source_code_info.location:
            if file.name == "conferencing/v1/event.proto" and location.path == [4, 0, 2, 3]:
                location.ClearField("leading_comments")
    bare = tmp_path / "bare.binpb"
    bare.write_bytes(files.SerializeToString())
    output = tmp_path / "reference.md"
    failed = generated(bare, output)
    assert failed.returncode != 0
    assert "conferencing/v1/event.proto: nothing is said of (4, 0, 2, 3)" in failed.stderr
    assert not output.exists()


BEHAVIOURS = {
    field_behavior_pb2.REQUIRED: "required",
    field_behavior_pb2.OPTIONAL: "optional",
    field_behavior_pb2.OUTPUT_ONLY: "output only",
}
SCALARS = {
    FieldDescriptor.TYPE_STRING: "`string`",
    FieldDescriptor.TYPE_BOOL: "`bool`",
    FieldDescriptor.TYPE_INT32: "`int32`",
}


def type_of(field):
    kind = field.message_type or field.enum_type
    if kind is None:
        name = SCALARS[field.type]
    elif kind.has_options and kind.GetOptions().map_entry:
        return "map of `string` to `string`"
    elif kind.file in FILES:
        name = f"[{kind.name}](#{kind.name.lower()})"
    else:
        name = f"`{kind.full_name}`"
    return f"repeated {name}" if field.is_repeated else name


def behaviour_of(field):
    # The fields of answers need no annotation.
    (behaviour,) = field.GetOptions().Extensions[field_behavior_pb2.field_behavior] or [
        field_behavior_pb2.OUTPUT_ONLY
    ]
    oneof = field.containing_oneof
    with_presence = oneof is not None and oneof.name == f"_{field.name}"
    return BEHAVIOURS[behaviour] + (", with presence" if with_presence else "")


def test_the_reference_has_every_field_with_number_type_and_behaviour():
    sections = dict(sections_of(DOCUMENTS["reference.md"], 3))
    for file in FILES:
        for message in file.message_types_by_name.values():
            told = re.findall(
                r"^ *- \*\*`(\w+)`\*\* \((\d+), (.+?), ((?:required|optional|output only)[\w ,]*)\): \S",
                sections[message.name],
                re.MULTILINE,
            )
            assert told == [
                (field.name, str(field.number), type_of(field), behaviour_of(field))
                for field in message.fields
            ], message.name
            for oneof in message.oneofs:
                if not oneof.name.startswith("_"):
                    assert f"- `{oneof.name}`, one of these: " in sections[message.name]


def test_the_reference_has_every_rpc_and_every_value():
    sections = dict(sections_of(DOCUMENTS["reference.md"], 3))
    assert set(sections) == {SERVICE.name} | {
        name for file in FILES for name in (*file.message_types_by_name, *file.enum_types_by_name)
    }
    shorter = dict(sections_of(DOCUMENTS["reference.md"], 4))
    for method in SERVICE.methods:
        asked, answered = method.input_type.name, method.output_type.name
        takes = f"Takes [{asked}](#{asked.lower()}), answers [{answered}](#{answered.lower()})."
        assert takes in " ".join(shorter.pop(method.name).split())
    for file in FILES:
        for enum in file.enum_types_by_name.values():
            for value in enum.values:
                if enum.name == "ErrorReason":
                    short = shorter.pop(value.name.removeprefix("ERROR_REASON_"))
                    assert f"`{value.name}` = {value.number}\n" in short
                else:
                    assert f"- **`{value.name}`** = {value.number}: " in sections[enum.name]
    assert shorter == {}
