"""What README.md says is true: its tables are the code's, and its examples run."""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import os
import re
import shlex
import sys
import types
import typing
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.trace import SpanKind

from conferencing.v1 import conferencing_pb2, conferencing_service_pb2, error_reason_pb2
from conferencing_service.commands.ledger import command as ledger
from conferencing_service.core.compatibility import CrossPlatformPolicy, Question, evaluate
from conferencing_service.core.model import (
    Decision,
    DetailField,
    Grant,
    Notify,
    Platform,
    Provider,
    Reason,
    Way,
)
from conferencing_service.sandbox import faults
from conferencing_service.sandbox.control import Control
from conferencing_service.sandbox.grants import seeds
from conferencing_service.serving import _FIRST_CALLS
from conferencing_service.settings import Settings
from conferencing_service.status import STATUSES
from conferencing_service.upstreams import http
from conferencing_service.upstreams.breaker import CircuitBreaker
from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.exchange import Gate
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from conferencing_service.upstreams.retry_budget import RetryBudget
from support.issuer import Issuer, bearing, settings_with
from support.sandbox import running
from support.service import autocreate, creation, get, serving
from support.tools import tool

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {
    name: (ROOT / name).read_text()
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "clients/python/README.md",
        "clients/grpcurl/README.md",
    )
}
SERVICE = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
ADDRESS = "127.0.0.1:50051"
SANDBOX = "http://127.0.0.1:50080"
# What the OpenTelemetry SDK reads without us.
OF_THE_SDK = {
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_EXPORTER_OTLP_HEADERS",
}


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(*header):
    """The rows below this header, each a dict by column."""
    lines = iter(README.splitlines())
    for line in lines:
        if line.startswith("|") and cells(line)[: len(header)] == list(header):
            names = cells(line)
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    return rows
                rows.append(dict(zip(names, cells(row), strict=True)))
    raise AssertionError(f"no table {header}")


def blocks(language, document=README):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


def code(cell):
    """The words between backticks."""
    return re.findall(r"`([^`]+)`", cell)


# ---- Tables ---------------------------------------------------------------------------------


def variable_of(name):
    alias = Settings.model_fields[name].validation_alias
    return alias or f"CONFERENCING_{name.upper()}"


def default_of(name):
    default = Settings.model_fields[name].default
    match default:
        case None:
            return "not set"
        case "":
            return "empty"
        case bool():
            return f"`{str(default).lower()}`"
        case float():
            return f"`{default:g}`"
        case tuple():
            return f"`{','.join(default)}`"
        case _:
            return f"`{default}`"


def type_of(name):
    """The words for a type; None where the type says less than the table."""
    field = Settings.model_fields[name]
    kind, bounds_of = field.annotation, field.metadata
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:
        (kind,) = set(typing.get_args(kind)) - {types.NoneType}
    if typing.get_origin(kind) is typing.Annotated:
        kind, inner = typing.get_args(kind)
        bounds_of = inner.metadata
    if kind is bool:
        return "`true`, `false`"
    if issubclass(kind, enum.Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    if kind is float:
        bounds = {type(each).__name__: each for each in bounds_of}
        low = f"above {bounds['Gt'].gt}" if "Gt" in bounds else f"from {bounds['Ge'].ge}"
        return f"seconds, {low}" + (f", up to {bounds['Le'].le}" if "Le" in bounds else "")
    return None


def test_every_setting_is_in_the_table_with_its_default():
    rows = table("variable", "type", "default", "meaning")
    assert [(row["variable"], row["default"]) for row in rows] == [
        (f"`{variable_of(name)}`", default_of(name)) for name in Settings.model_fields
    ]
    assert all(row["meaning"] for row in rows)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_settings_type_is_the_codes(name):
    rows = table("variable", "type", "default", "meaning")
    (said,) = [row["type"] for row in rows if row["variable"] == f"`{variable_of(name)}`"]
    assert said == (type_of(name) or said)
    assert said


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_names_a_setting_that_is_not_there(name):
    named = set(re.findall(r"\b(?:CONFERENCING|OTEL)_[A-Z_]+\b", DOCUMENTS[name]))
    assert named <= {variable_of(each) for each in Settings.model_fields} | OF_THE_SDK


def test_every_reason_is_in_the_table_with_its_code():
    reasons = [
        name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()[1:]
    ]
    rows = table("reason", "code", "what to do")
    assert [(row["reason"], row["code"]) for row in rows] == [
        (f"`{reason}`", STATUSES[Reason(reason)][0].name) for reason in reasons
    ]
    assert all(row["what to do"] for row in rows)


def verdict(provider, platform, way=Way.AUTOCREATE, policy=CrossPlatformPolicy.REFUSE, host=None):
    conf_grant = None if host is None else Grant("host", host)
    question = Question(platform, provider, way, conf_grant=conf_grant)
    return evaluate(NYLAS, policy, question)


def autocreate_cell(provider, platform):
    reached = verdict(provider, platform)
    if reached.reason is Reason.CONF_GRANT_REQUIRED:
        hosts = [
            host
            for host in Platform
            if verdict(provider, platform, host=host).decision is Decision.ALLOWED
        ]
        return f"ALLOWED with a {' or '.join(host.value.lower() for host in hosts)} grant"
    return reached.reason if reached.decision is Decision.REFUSED else reached.decision


def test_the_compatibility_table_is_what_the_rules_answer():
    rows = table("provider", "read, details, remove")
    assert [row["provider"] for row in rows] == [f"`PROVIDER_{each}`" for each in NYLAS.providers]
    columns = {
        name: [Platform(each.strip().upper()) for each in name.split(" on ")[1].split(",")]
        for name in rows[0]
        if name.startswith("autocreate on ")
    }
    in_columns = [platform for platforms in columns.values() for platform in platforms]
    assert set(in_columns) == set(Platform) - NYLAS.without_calendar
    for provider, row in zip(NYLAS.providers, rows, strict=True):
        for platform in in_columns:
            for way in set(Way) - {Way.AUTOCREATE}:
                assert row["read, details, remove"] == verdict(provider, platform, way).decision
        for name, platforms in columns.items():
            for platform in platforms:
                assert row[name] == autocreate_cell(provider, platform)


def test_platforms_without_a_calendar_are_named():
    (named,) = re.findall(r"A grant of the platforms ([a-z, ]+) has no calendar", README)
    platforms = {Platform(each.strip().upper()) for each in named.split(" and ")}
    assert platforms == NYLAS.without_calendar
    for platform in platforms:
        for provider in NYLAS.providers:
            for way in Way:
                assert verdict(provider, platform, way).reason is Reason.GRANT_HAS_NO_CALENDAR


def test_the_other_policy_lets_through_what_the_readme_says():
    passed = set()
    for provider, capability in NYLAS.providers.items():
        for platform in set(Platform) - NYLAS.without_calendar:
            if verdict(provider, platform).reason is Reason.CROSS_PLATFORM_AUTOCREATE:
                host = capability.autocreate.host
                allowed = verdict(provider, platform, policy=CrossPlatformPolicy.ALLOW, host=host)
                refused = verdict(provider, platform, host=host)
                assert allowed.decision is not Decision.REFUSED
                assert refused.decision is Decision.REFUSED
                passed.add(provider)
    assert passed == {Provider.GOOGLE_MEET, Provider.MICROSOFT_TEAMS}


def test_the_notices_are_what_the_upstream_declares():
    platforms = [each for each in Platform if each not in NYLAS.without_calendar]
    can = {
        notice: {
            each for each in platforms if notice in NYLAS.notify.get(each, NYLAS.default_notify)
        }
        for notice in Notify
    }
    (without,) = re.findall(r"NOTIFY_NONE not on ([a-z]+ and [a-z]+);", README)
    assert can[Notify.ALL] == set(platforms)
    assert can[Notify.EXTERNAL_ONLY] == set()
    assert set(platforms) - can[Notify.NONE] == {
        Platform(each.upper()) for each in without.split(" and ")
    }


def stored_cell(capability):
    phones = "one" if capability.phones == 1 else f"up to {capability.phones}"
    names = [
        f"`{name.value}` ({phones})" if name is DetailField.PHONE else f"`{name.value}`"
        for name in DetailField
        if name in capability.details
    ]
    return ", ".join(names) or "none"


def test_the_stored_fields_are_what_the_upstream_declares():
    rows = table("provider", "fields beside `url`")
    assert [(row["provider"], row["fields beside `url`"]) for row in rows] == [
        (f"`PROVIDER_{provider}`", stored_cell(capability))
        for provider, capability in NYLAS.providers.items()
    ]


def befalls(kind):
    if kind.autocreate_only:
        return "writes that autocreate"
    if kind.methods == faults.WRITES:
        return "writes"
    if kind.unnamed == faults.WRITES:
        return "writes; reads when `method` is GET"
    return "reads and writes"


def test_every_kind_of_fault_is_in_the_table_with_its_value():
    rows = table("kind", "what happens", "value", "default", "befalls")
    assert [(row["kind"], row["value"], row["default"], row["befalls"]) for row in rows] == [
        (f"`{name}`", kind.meaning, json.dumps(kind.default), befalls(kind))
        for name, kind in faults.KINDS.items()
    ]
    assert all(row["what happens"] for row in rows)


def test_the_demo_grants_are_the_sandboxs():
    rows = table("grant", "provider", "what it is for")
    assert [(row["grant"], row["provider"]) for row in rows] == [
        (f"`{grant.id}`", f"`{grant.provider}`") for grant in seeds(0)
    ]


def test_the_sandboxs_own_paths_are_in_the_table():
    told = {}
    for row in table("path", "what it does"):
        method, path = code(row["path"])[0].split()
        told[path] = {method} | ({"GET", "PUT", "DELETE"} & set(code(row["what it does"])))
    offered = Control(None, None, None, None, None)._actions
    assert told == {path: set(methods) for path, methods in offered.items()}


def test_what_make_run_prints_is_what_the_readme_shows():
    shown = next(block for block in blocks("text") if block.startswith("sandbox "))
    first, second, rest = shown.split("\n", 2)
    assert first == f"sandbox  {SANDBOX}  (API key: sandbox)"
    assert second == f"serving  {SERVICE.full_name} on {ADDRESS}"
    assert rest == _FIRST_CALLS.format(address=ADDRESS)
    assert Settings.model_fields["listen"].default == ADDRESS
    assert f"http://{Settings.model_fields['sandbox_listen'].default}" == SANDBOX


def words_of(title):
    """The words below a heading, without line breaks."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return " ".join(section.split())


def default_in(signature_of, name):
    return inspect.signature(signature_of).parameters[name].default


def test_what_is_said_of_retries_and_gates_is_what_the_code_does():
    promised = words_of("What is promised")
    attempts = {3: "three"}[http._ATTEMPTS]
    assert f"Reads get up to {attempts} attempts within the deadline" in promised
    told = ", ".join(str(status) for status in sorted(http.RETRIED_STATUSES))
    assert f"after {told} or a broken connection" in promised
    waits = [http._JITTER_FIRST * 2**number for number in range(http._ATTEMPTS - 1)]
    assert f"at most {waits[0]:g}, then {waits[1]:g} seconds" in promised
    assert max(waits) <= http._JITTER_MOST
    assert default_in(RetryBudget, "share") == 0.1
    assert default_in(RetryBudget, "most") == 10
    assert "All retries together are at most a tenth of the requests, plus ten." in promised
    assert default_in(Bulkhead, "longest_pause") == 3600
    assert "until its Retry-After is over, at most an hour" in promised
    under_way, in_line = default_in(Bulkhead, "under_way"), default_in(Bulkhead, "in_line")
    assert f"at most {under_way} calls at the upstream and {in_line} in line" in promised
    assert default_in(CircuitBreaker, "failed_share") == 0.5
    assert default_in(CircuitBreaker, "min_grants") == 3
    enough, window = (
        default_in(CircuitBreaker, "min_attempts"),
        default_in(CircuitBreaker, "window"),
    )
    assert f"half of at least {enough} attempts within {window:g} seconds fail" in promised
    assert "for at least three grants or for want of a connection" in promised
    assert f"at once for {default_in(CircuitBreaker, 'open_seconds'):g} seconds" in promised
    (gates,) = re.findall(
        r"kept a request from leaving: ([^.]+)\.", words_of("Traces, logs and metrics")
    )
    assert set(code(gates)) == set(Gate)


def test_what_is_said_of_the_ledger_is_what_the_code_does(tmp_path):
    promised = words_of("At most once")
    assert f"{NYLAS.settle_seconds:g} seconds with Nylas" in promised
    key = Settings.model_fields["marker_key"].default
    assert f"in its metadata, under `{key}`" in promised
    assert Settings.model_fields["ledger_retention"].default == 7 * 86_400
    assert "a week after the answer" in promised
    (place,) = re.findall(r"`([^`]+)` below `XDG_STATE_HOME` or `~/([^`]+)`", promised)
    assert Settings(XDG_STATE_HOME=tmp_path).ledger() == f"sqlite://{tmp_path}/{place[0]}"
    assert Settings(XDG_STATE_HOME=None).ledger() == f"sqlite://{Path.home()}/{place[1]}/{place[0]}"


def test_what_a_caller_does_is_said_of_endings_that_there_are():
    rows = table("the call ended with", "what to do")
    named = {
        word for row in rows for cell in row.values() for word in re.findall(r"[A-Z_]{6,}", cell)
    }
    assert named <= set(Reason) | {each.name for each in grpc.StatusCode}
    repeated = set(re.findall(r"[A-Z_]{6,}", rows[0]["the call ended with"]))
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert repeated == {each for each in Reason if STATUSES[each][0] is unavailable}


def test_the_operators_commands_are_taken():
    script = "\n".join(blocks("sh"))
    lines = re.findall(r"^\.venv/bin/conferencing-service ledger (.+)$", script, re.MULTILINE)
    actions = set()
    for line in lines:
        name, *words = shlex.split(line)
        ledger.commands[name].make_context(name, words)
        actions.add(name)
    assert actions == set(ledger.commands) == {"list", "show", "resolve", "sweep", "places"}
    assert any("--dry-run" in line for line in lines)


async def test_the_spans_have_the_attributes_of_the_table(service, sandbox, google, zoom, tmp_path):
    await service.call(
        creation(google.id, autocreate(conferencing_pb2.PROVIDER_ZOOM_MEETING, zoom.id))
    )
    await service.failure(
        creation(google.id, autocreate(conferencing_pb2.PROVIDER_MICROSOFT_TEAMS))
    )
    google.fault("server_error", method="GET", times=3)
    await service.failure(get(google.id, "any"))
    sandbox.arm(
        {"grant_id": google.id, "kind": "pending_conference"},
        {"grant_id": google.id, "kind": "server_error", "method": "GET", "times": 3},
    )
    request = creation(google.id, autocreate())
    await service.call(request)
    await service.call(request)
    google.fault("rate_limit", method="GET", value=60)
    for _ in range(2):
        await service.failure(get(google.id, "any"))
    issuer, spans = Issuer(), list(service.spans())
    policy = "[principals.ada]\nsubjects = ['*']\nrpcs = ['*']\ngrants = ['*']"
    async with serving(sandbox.url, **settings_with(tmp_path, policy, issuer)) as known:
        await known.call(creation(google.id), metadata=bearing(issuer.token("ada")))
        spans += known.spans()
    seen = {}
    for span in spans:
        seen.setdefault(span.kind, set()).update(span.attributes)
    told = {
        SpanKind[row["kind"]]: set(code(row["attributes"]))
        for row in table("span", "kind", "attributes")
    }
    assert seen == told


# ---- Commands and examples ------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENTS[name]):
        if target.startswith("#"):
            titles = re.findall(r"^#+ (.+)$", DOCUMENTS[name], re.MULTILINE)
            anchors = {title.lower().replace(" ", "-") for title in titles}
            assert target.removeprefix("#") in anchors
        elif not target.startswith("https://"):
            assert (folder / target).exists(), target


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_that_is_named_is_there(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", DOCUMENTS[name])) <= targets


def test_the_layout_names_what_is_there():
    layout = next(block for block in blocks("text") if block.startswith("protos/"))
    for line in layout.splitlines():
        folder = ROOT / "service/conferencing_service" if line.startswith("  ") else ROOT
        for entry in line.strip().split("  ")[0].split():
            assert (folder / entry).exists(), entry


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_shell_blocks_are_shell(name):
    process = await asyncio.create_subprocess_exec(
        *("bash", "-n"), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    script = "\n".join(blocks("sh", DOCUMENTS[name]))
    _out, err = await process.communicate(script.encode())
    assert (process.returncode, err) == (0, b"")


def of_grpcurl(document):
    return [block for block in blocks("sh", document) if "grpcurl " in block]


def with_status(block):
    """The block, and after it a check of the exit status that it says."""
    says = re.search(r"^# exits with (\d+)$", block, re.MULTILINE)
    if says is None:
        return block
    return f'set +e\n{block}test $? -eq {says[1]} || {{ echo "not {says[1]}" >&2; exit 99; }}\nset -e\n'


async def shell(script, port):
    """Run a script in the root of the repository against a port; return stdout."""
    path = f"{Path(tool('grpcurl')).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, f"127.0.0.1:{port}")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
    )
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def test_there_is_a_grpcurl_example_of_every_rpc():
    script = "\n".join(of_grpcurl(README))
    called = set(re.findall(rf"{re.escape(SERVICE.full_name)}/(\w+)", script))
    assert called == {method.name for method in SERVICE.methods}


@pytest.fixture(scope="module")
def untouched():
    """A sandbox that only the examples use."""
    with running("--events-per-second", "0", "--grants-per-second", "0") as started:
        yield started


async def test_the_grpcurl_examples_run_in_their_order(untouched):
    before = len(untouched.demo("google-demo").effects())
    async with serving(untouched.url) as service:
        out = await shell("\n".join(map(with_status, of_grpcurl(README))), service.port)
    assert "conferencing-upstream: sandbox" in out
    assert '"status": "SERVING"' in out
    assert untouched.demo("google-demo").effects()[before:] == [
        *("event_created", "invitation_sent"),
        *("conference_created", "event_created"),
        *("conference_created", "event_created"),
        "event_updated",
        *("conference_created", "conference_deleted", "event_updated"),
        *("conference_deleted", "event_updated"),
        "event_deleted",
    ]


async def test_the_grpcurl_examples_of_the_folder_run(untouched):
    script = "\n".join(of_grpcurl(DOCUMENTS["clients/grpcurl/README.md"]))
    async with serving(untouched.url) as service:
        out = await shell(script, service.port)
    assert out.count('"conferencing"') == 2


def request_of(command):
    """A curl command line as a request."""
    words = iter(shlex.split(command)[1:])
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        match word:
            case "-s":
                pass
            case "-X":
                method = next(words)
            case "-H":
                name, value = next(words).split(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case _:
                url = word
    return method, url, headers, body


async def test_the_curl_examples_do_what_they_say(untouched):
    script = "\n".join(block for block in blocks("sh") if block.startswith("curl "))
    answers = {}
    async with httpx.AsyncClient(timeout=30) as http:
        for command in script.replace("\\\n", " ").splitlines():
            method, url, headers, body = request_of(command)
            assert url.startswith(SANDBOX)
            url = url.replace(SANDBOX, untouched.url)
            answer = await http.request(method, url, headers=headers, content=body)
            assert answer.status_code == 200, answer.text
            answers[method, httpx.URL(url).path] = answer.json()
    assert answers["POST", "/_sandbox/grants"]["data"]["id"] == "ada"
    (armed,) = answers["GET", "/_sandbox/faults"]["faults"]
    assert (armed["grant_id"], armed["kind"]) == ("ada", "reset_after_commit")
    assert answers["DELETE", "/_sandbox/faults"]["faults"] == []
    assert "effects" in answers["GET", "/_sandbox/effects"]


async def python(program, port):
    """Run a program as a user would; return stdout."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program.replace(ADDRESS, f"127.0.0.1:{port}")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_python_example_joins_and_explains_a_refusal(untouched):
    (program,) = blocks("python")
    async with serving(untouched.url) as service:
        lines = (await python(program, service.port)).splitlines()
    assert re.fullmatch(r"join: https://[a-z0-9]+\.zoom\.us/j/\d+\?pwd=\w+", lines[0])
    assert lines[1] == "reason: CROSS_PLATFORM_AUTOCREATE"
    assert lines[2] == "why: Microsoft Teams cannot be autocreated on Google calendars."
    assert [line.partition(": ")[0] for line in lines[3:]] == ["instead"] * 3
