"""What the monitoring's tests share: the rules, and what a real server exports once it was used."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from monitoring.promql import Labels
from support.documents import ROOT, served
from support.issuer import Issuer, bearing, settings_with
from support.sandbox import Sandbox
from support.service import autocreate, creation, get

_LAST = "conferencing_sweeper_duplicates_total"
_POLICY = """
[principals.caller]
subjects = ["caller"]
rpcs = ["*"]
grants = ["*"]
conf_grants = ["*"]

[principals.hasty]
subjects = ["hasty"]
rpcs = ["CreateEvent"]
grants = ["*"]
creates_per_minute = 0
"""


@pytest.fixture(scope="session")
def rules() -> list[dict[str, Any]]:
    """The recording and the alert rules."""
    groups = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def alerts(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The alert rules by their names."""
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


@pytest.fixture(scope="package")
def metrics(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server exports its metrics, which everything befell that is counted."""
    folder = tmp_path_factory.mktemp("monitoring")
    settings = {
        "CONFERENCING_NYLAS_REGION": sandbox.url,
        "CONFERENCING_NYLAS_API_KEY": "sandbox",
        "CONFERENCING_LEDGER_URL": f"sqlite://{folder}/ledger/ledger.sqlite",
        "CONFERENCING_SETTLE_WINDOW": "2",
        "CONFERENCING_RESUME_INTERVAL": "0.5",
        "CONFERENCING_PROMETHEUS_LISTEN": f"127.0.0.1:{_any_free_port()}",
    }
    issuer = Issuer()
    callers = settings_with(folder, _POLICY, issuer)
    settings |= {f"CONFERENCING_{name.upper()}": str(value) for name, value in callers.items()}
    address = settings["CONFERENCING_PROMETHEUS_LISTEN"]
    with (
        served(folder, "serve", **settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        calls = grpc.intercept_channel(channel, _Bearing(issuer.token("caller")))
        _use(ConferencingServiceStub(calls), sandbox, lambda: _settle_as_not_done(settings))
        _try_in_vain(ConferencingServiceStub(channel), issuer)
        _wait_for(address)
        yield address


@pytest.fixture(scope="package")
def samples(metrics: str) -> list[Sample]:
    """What a server exports."""
    return _samples_at(metrics)


def _use(stub: Any, sandbox: Sandbox, settle: Callable[[], None]) -> None:
    """Have everything happen that the service counts, but what the sweeper does after a while."""
    google = sandbox.grant("google")
    request = creation(google.id, autocreate(), request_id=str(uuid.uuid4()))
    stub.CreateEvent(request, timeout=30)
    assert stub.CreateEvent(request, timeout=30).replayed
    with contextlib.suppress(grpc.RpcError):
        stub.GetEvent(get(google.id, "nothing"), timeout=30)
    with contextlib.suppress(grpc.RpcError):
        stub.CreateEvent(creation(google.id, autocreate(provider=3)), timeout=30)
    limited = sandbox.grant("google")
    limited.fault("rate_limit", value=60)
    for _ in range(2):
        with contextlib.suppress(grpc.RpcError):
            stub.GetEvent(get(limited.id, "nothing"), timeout=5)
    # Committed when nobody looks any more: unresolved, settled as not done, and swept in the end.
    late = sandbox.grant("google")
    late.fault("late_commit", value=4500)
    with pytest.raises(grpc.RpcError):
        stub.CreateEvent(creation(late.id), timeout=30)
    settle()


class _Bearing(grpc.UnaryUnaryClientInterceptor):
    """Sends a token with every call."""

    def __init__(self, token: str) -> None:
        self._metadata = bearing(token)

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return continuation(client_call_details._replace(metadata=self._metadata), request)


def _try_in_vain(stub: Any, issuer: Issuer) -> None:
    """Make calls that are not let in, and one too many."""
    for metadata in ((), bearing("x"), bearing(issuer.token("x")), bearing(issuer.token("hasty"))):
        with pytest.raises(grpc.RpcError):
            stub.CreateEvent(creation("google-demo"), timeout=30, metadata=metadata)


def _settle_as_not_done(settings: dict[str, str]) -> None:
    command = Path(sysconfig.get_path("scripts")) / "conferencing-service"

    def ledger(*arguments: str) -> str:
        return subprocess.run(
            [command, "ledger", *arguments],
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    (operation,) = json.loads(ledger("list", "--json"))["operations"]
    ledger("resolve", operation["operation_id"], "--not-done", "--without-looking")


def _wait_for(address: str) -> None:
    """Wait until the last thing was counted, which is what the sweeper deleted.

    Where it never is, the tests of whatever needs it tell.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(each.name == _LAST for each in _samples_at(address)):
            return
        time.sleep(0.2)


def _samples_at(address: str) -> list[Sample]:
    text = httpx.get(f"http://{address}/metrics").raise_for_status().text
    return [each for family in text_string_to_metric_families(text) for each in family.samples]


@pytest.fixture(scope="module")
def any_port() -> int:
    """A port that nobody listens on."""
    return _any_free_port()


def _any_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="package")
def exported(samples: list[Sample]) -> Labels:
    """The labels of every metric that is exported; of one without labels, an empty set."""
    found: dict[str, frozenset[str]] = {}
    for sample in samples:
        found[sample.name] = found.get(sample.name, frozenset()) | frozenset(sample.labels)
    return found


@pytest.fixture(scope="package")
def buckets(samples: list[Sample]) -> dict[str, set[float]]:
    """Where the buckets of every histogram end."""
    found: dict[str, set[float]] = {}
    for sample in samples:
        if "le" in sample.labels:
            found.setdefault(sample.name, set()).add(float(sample.labels["le"]))
    return found


@pytest.fixture(scope="package")
def known(exported: Labels, rules: list[dict[str, Any]]) -> Labels:
    """The labels of every metric that there is: those that are exported, and those that are recorded."""
    found = dict(exported)
    for rule in rules:
        if "record" in rule:
            named = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
            for name in re.findall(r"conferencing:[\w:]+", rule["expr"]):
                named |= found[name]
            found[rule["record"]] = frozenset(named)
    return found


@pytest.fixture(scope="session")
def runbook() -> str:
    """What to do."""
    return (ROOT / "docs" / "runbook.md").read_text()
