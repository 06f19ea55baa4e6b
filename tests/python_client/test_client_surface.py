"""What the client package promises to be: its methods, its exports, its types, its weight."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import conferencing
from conferencing import ConferencingClient, SyncConferencingClient, _channel
from conferencing.v1 import conferencing_pb2, conferencing_service_pb2, event_pb2
from support.tools import tool

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients/python/conferencing"
SERVICE = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
OTHERS = {"close", "raw"}
IMPORT_SECONDS = 0.3


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("client", [ConferencingClient, SyncConferencingClient])
def test_there_is_a_method_for_every_rpc_and_no_other(client):
    methods = {name for name in vars(client) if not name.startswith("_")} - OTHERS
    assert methods == {snake(method.name) for method in SERVICE.methods}


@pytest.mark.parametrize("method", [*SERVICE.methods], ids=lambda method: method.name)
def test_a_method_takes_every_field_of_its_request_by_name(method):
    fields = {field.name for field in method.input_type.fields} - {"page_token"}
    for client in (ConferencingClient, SyncConferencingClient):
        parameters = inspect.signature(getattr(client, snake(method.name))).parameters
        names = set(parameters) - {"self", "timeout", "metadata"}
        assert names == fields
        kinds = {parameter.kind for name, parameter in parameters.items() if name != "self"}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", [snake(method.name) for method in SERVICE.methods])
def test_both_clients_have_the_same_words(name):
    of_asyncio, blocking = (
        getattr(client, name) for client in (ConferencingClient, SyncConferencingClient)
    )
    assert inspect.signature(of_asyncio).parameters == inspect.signature(blocking).parameters
    assert inspect.getdoc(of_asyncio) == inspect.getdoc(blocking)
    says = inspect.signature(of_asyncio).return_annotation.removeprefix("Async")
    assert says == inspect.signature(blocking).return_annotation


def test_what_is_exported_is_what_is_named():
    own = {
        name
        for name, value in vars(conferencing).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert own | {"__version__"} == set(conferencing.__all__)
    assert sorted(conferencing.__all__) == conferencing.__all__


def test_every_message_and_enum_of_events_and_conferences_is_exported():
    for module in (conferencing_pb2, event_pb2):
        for names in (
            module.DESCRIPTOR.message_types_by_name,
            module.DESCRIPTOR.enum_types_by_name,
        ):
            for name in names:
                assert getattr(conferencing, name) is getattr(module, name)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_every_module_opens_with_its_promise(path):
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
    assert first.endswith((".", ":"))


def test_the_version_is_the_distributions():
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    assert conferencing.__version__ == project["version"]


def test_it_depends_on_four_packages():
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert names == {"googleapis-common-protos", "grpcio", "grpcio-status", "protobuf"}
    assert set(project["optional-dependencies"]) == {"otel"}


def test_the_shipped_service_config_is_the_one_beside_the_protos():
    beside = (ROOT / "protos/conferencing/v1/service_config.json").read_text()
    assert _channel.service_config() == beside
    config = json.loads(beside)
    assert [each["name"] for each in config["methodConfig"]] == [
        [{"service": SERVICE.full_name}],
        # Repeated by the client instead, which then sets allow_missing.
        [{"service": SERVICE.full_name, "method": "DeleteEvent"}],
    ]
    assert all(each["waitForReady"] for each in config["methodConfig"])
    assert not any("hedgingPolicy" in each for each in config["methodConfig"])
    assert config["healthCheckConfig"] == {"serviceName": SERVICE.full_name}
    policy = config["methodConfig"][0]["retryPolicy"]
    assert policy["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
    assert (policy["maxAttempts"], policy["initialBackoff"], policy["maxBackoff"]) == (
        *(4, "0.2s", "5s"),
    )


def test_the_typed_surface_is_what_mypy_reads():
    surface = "tests/python_client/typed_surface.py"
    result = subprocess.run(
        [tool("mypy"), "--strict", "--cache-dir", ".cache/mypy-typed-surface", surface],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_it_is_quick():
    program = (
        "import time; began = time.process_time(); "
        "from conferencing import ConferencingClient; print(time.process_time() - began)"
    )
    # CPU time, and the best of some: the machine may be busy.
    seconds = [
        float(subprocess.check_output([sys.executable, "-c", program], timeout=60))
        for _ in range(3)
    ]
    assert min(seconds) < IMPORT_SECONDS


def test_importing_it_imports_nothing_that_it_does_not_need():
    program = (
        "import sys, conferencing, conferencing.testing; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    names = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).split()
    assert {"conferencing", "grpc", "google"} <= set(names)
    assert not {"conferencing_service", "opentelemetry", "pytest", "httpx"} & set(names)
