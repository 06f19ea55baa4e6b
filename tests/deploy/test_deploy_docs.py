"""What docs/deploy.md says is true: its commands run, its figures and tables are those of the files."""

from __future__ import annotations

import json
import re
import shlex
import ssl
import subprocess

import httpx
import pytest
import yaml

from conferencing import ConferencingClient, Event, Tls
from conferencing_service.port import check_exposure
from conferencing_service.settings import Settings
from conferencing_service.stores import postgresql
from deploy.chart import CASES, CHART, SCHEMA, case, changed, rendered
from deploy.front import CONFIGURATION, fleet
from deploy.image import Instruction
from deploy.test_chart_values import BY_VALUES_OF_THEIR_OWN
from support.authority import Authority
from support.documents import ROOT, blocks_of, rows_of, run_blocks
from support.service import timespan
from support.tools import tool

DOCUMENT = (ROOT / "docs/deploy.md").read_text()
WORDS = " ".join(DOCUMENT.split())
SHELL = {block.text.split()[0]: block for block in blocks_of(DOCUMENT, "sh")}
VALUES, CALLERS_TLS, REPLICAS_TLS = blocks_of(DOCUMENT, "yaml")


def commands(name):
    """The commands of a kind, word by word."""
    lines = "".join(block.text for block in blocks_of(DOCUMENT, "sh")).replace("\\\n", " ")
    return [shlex.split(line) for line in lines.splitlines() if line.startswith(f"{name} ")]


def test_there_is_no_block_that_nothing_below_looks_at():
    assert len(blocks_of(DOCUMENT)) == len(blocks_of(DOCUMENT, "sh")) + 3
    assert set(SHELL) == {"docker", "kubectl", "mkdir", "curl"}


def test_docker_is_told_files_and_variables_that_there_are():
    build, *runs = commands("docker")
    assert (build[:3], build[-1]) == (["docker", "build", "--file"], ".")
    assert (ROOT / build[3]).exists()
    tag = build[build.index("--tag") + 1]
    assert tag.endswith(f":{yaml.safe_load((CHART / 'Chart.yaml').read_text())['appVersion']}")
    volume = Instruction("VOLUME", '["/var/lib/conferencing"]')
    assert volume.text in (ROOT / "deploy/Dockerfile").read_text()
    variables = {f"CONFERENCING_{name.upper()}" for name in Settings.model_fields}
    for run in runs:
        assert tag in run
        assert {"--read-only", "--tmpfs"} <= set(run)
        given = [run[place + 1] for place, word in enumerate(run) if word == "--env"]
        assert {each.partition("=")[0] for each in given} <= variables
        # It listens where others reach it, and lets itself be started.
        told = {name.lower(): value for name, _is, value in (each.partition("=") for each in given)}
        fields = {name.removeprefix("conferencing_"): value for name, value in told.items()}
        check_exposure(Settings(listen="0.0.0.0:50051", **fields))
        # Where everybody may call, nobody but this host can.
        (published,) = [run[place + 1] for place, word in enumerate(run) if word == "--publish"]
        assert published.startswith("127.0.0.1:") == ("allow_unauthenticated_callers" in fields)
        # A file that is mounted alone is never replaced.
        mounted = {
            run[place + 1].split(":")[1] for place, word in enumerate(run) if word == "--volume"
        }
        files = {value for name, value in fields.items() if name.endswith("_file")}
        assert not files & mounted
        assert {file.rpartition("/")[0] for file in files} <= mounted
    assert len(runs) == 3
    for run in runs[1:]:
        assert f"conferencing:{volume.words[0]}" in run


def test_the_commands_of_kubernetes_make_what_the_chart_asks_for(tmp_path):
    (install,) = commands("helm")
    assert install[:3] == ["helm", "upgrade", "--install"]
    written = tmp_path / "values.yaml"
    written.write_text(VALUES.text)
    template = [tool("helm"), "template", *install[3:-1], written, "--kube-version", "1.37.0"]
    done = subprocess.run(template, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    needed = set(re.findall(r"secretName: (\S+)", done.stdout))
    needed |= {"conferencing-ledger"} & set(done.stdout.split())
    made = {each[6]: each[7] for each in commands("kubectl") if each[4:6] == ["secret", "generic"]}
    assert set(made) == needed == {"nylas", "conferencing-ledger"}
    keys = {
        name: told.removeprefix("--from-file=").partition("=")[0] for name, told in made.items()
    }
    assert keys == {"nylas": "api-key", "conferencing-ledger": "url"}
    assert f"key: {keys['conferencing-ledger']}" in done.stdout
    assert f"- key: {keys['nylas']}" in done.stdout


def test_the_examples_of_values_are_those_that_there_are():
    assert [f"`{path.name}`" for path in CASES] == sorted(
        name for name, _use in rows_of(DOCUMENT, "file", "what it is for")
    )


def test_the_table_of_values_is_that_of_the_chart():
    rows = rows_of(DOCUMENT, "value", "variable")
    named = {name for _value, told in rows for name in re.findall(r"`(CONFERENCING_\w+)`", told)}
    assert named == BY_VALUES_OF_THEIR_OWN - {"CONFERENCING_LISTEN"}
    values = case("telemetry") | {name: case("default")[name] for name in ("tokens", "policy")}
    values |= {name: case("tls")[name] for name in ("tls", "ledger")}
    values = changed(values, "upstream.hosts", ["api.us.nylas.com"])
    environment = rendered(values).environment()
    for values, told in rows[:-1]:
        for path in re.findall(r"`([a-zA-Z.]+)`", values):
            schema = SCHEMA
            for name in path.split("."):
                schema = schema["properties"][name]
        assert set(re.findall(r"`([A-Z_]+)`", told)) <= set(environment)


def test_what_is_said_in_figures_is_what_the_files_have():
    def default(name):
        return Settings.model_fields[name].default

    told = yaml.safe_load(CONFIGURATION.read_text())
    (listener,), (cluster,) = (told["static_resources"][each] for each in ("listeners", "clusters"))
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    limits = cluster["circuit_breakers"]["thresholds"][0]
    connections, heap = (
        each["typed_config"] for each in told["overload_manager"]["resource_monitors"]
    )
    outlier, (check,) = cluster["outlier_detection"], cluster["health_checks"]
    timeout = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["timeout"]
    streams = manager["http2_protocol_options"]["max_concurrent_streams"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for sentence in (
        f"at most {postgresql._MOST_CONNECTIONS} connections to PostgreSQL",
        f"`CONFERENCING_MAX_CONNECTION_AGE` sees to that, {default('max_connection_age'):g} seconds",
        f"A write may take {default('write_timeout'):g} seconds",
        f"A call gets {timeout.removesuffix('s')} seconds, above the {default('write_timeout'):g}",
        f"{connections['max_active_downstream_connections']:,} connections, {streams:,} calls on each",
        f"{limits['max_requests']:,} calls under way, and {heap['max_heap_size_bytes'] >> 20} MiB",
        f"raise it: {default('max_calls'):,} for each",
        f"`{check['grpc_health_check']['service_name']}` every {check['interval'][0]} seconds",
        f"none for {outlier['base_ejection_time'].removesuffix('s')} seconds",
        "three times in a row" if outlier["consecutive_local_origin_failure"] == 3 else "?",
        "NOT_SERVING twice" if check["unhealthy_threshold"] == 2 else "?",
        f"Kubernetes {chart['kubeVersion'][2:6]} or newer",
        f"The user is {rendered(case('default')).pod()['securityContext']['runAsUser']},",
        "Kubernetes 1.27 and 1.37 by kubeconform and kubernetes-validate",
    ):
        assert sentence in WORDS, sentence


# ---- Envoy ----------------------------------------------------------------------------------


def test_the_commands_make_a_configuration_that_envoy_takes(tmp_path):
    run_blocks([SHELL["mkdir"]], tmp_path, {"build": str(tmp_path / "build"), "$PWD/": ""})
    checked = subprocess.run(
        [tool("envoy"), "--mode", "validate", "-c", tmp_path / "build/envoy.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "127.0.0.1, port_value: 50051" in (tmp_path / "build/envoy.yaml").read_text()


async def test_the_call_in_json_is_answered(tmp_path, sandbox, postgresql_server):
    async with fleet(tmp_path, sandbox.url, postgresql_server.fresh()) as running:
        block, places = SHELL["curl"], {"127.0.0.1:8080": running.front.address}
        # In this loop nothing has to be answered meanwhile: Envoy and the servers are processes.
        printed = run_blocks([block], tmp_path, places)[block.line]
    assert json.loads(printed.out)["platform"] == "PLATFORM_GOOGLE"


@pytest.fixture
def certificates(tmp_path):
    """An authority's certificate, and one of its own for each who needs one, as files."""
    authority = Authority()
    (tmp_path / "ca").write_bytes(authority.pem)
    for name in ("server", "envoy"):
        key, certificate = authority.issue(name)
        (tmp_path / f"{name}.key").write_bytes(key)
        (tmp_path / f"{name}.crt").write_bytes(certificate)
    return tmp_path


async def test_it_speaks_tls_to_callers_and_to_replicas_with_what_is_shown(
    tmp_path, sandbox, postgresql_server, google, certificates
):
    def file(name):
        return certificates / name

    callers = CALLERS_TLS.text.replace("/etc/envoy/tls/tls.crt", str(file("envoy.crt"))).replace(
        "/etc/envoy/tls/tls.key", str(file("envoy.key"))
    )
    replicas = (
        REPLICAS_TLS.text.replace("/etc/envoy/client/tls.crt", str(file("envoy.crt")))
        .replace("/etc/envoy/client/tls.key", str(file("envoy.key")))
        .replace("/etc/envoy/client/ca.crt", str(file("ca")))
        # The name that the certificates of these tests have.
        .replace("conferencing-headless", "localhost")
    )
    more = {
        "        - filters:\n": f"        - {indented(callers, 10)}\n          filters:\n",
        "      connect_timeout: 2s\n": f"      connect_timeout: 2s\n      {indented(replicas, 6)}\n",
    }
    settings = {
        "tls_cert_file": file("server.crt"),
        "tls_key_file": file("server.key"),
        "tls_client_ca_file": file("ca"),
    }
    ledger = postgresql_server.fresh()
    async with fleet(tmp_path, sandbox.url, ledger, more, **settings) as running:
        address = running.front.address
        async with ConferencingClient(address, tls=Tls(ca=file("ca").read_bytes())) as client:
            made = await client.create_event(
                grant_id=google.id,
                calendar_id="primary",
                event=Event(title="Planning", when=timespan()),
            )
        trusted = ssl.create_default_context(cafile=str(file("ca")))
        async with httpx.AsyncClient(base_url=f"https://{address}", verify=trusted) as http:
            answer = await http.post(
                "/conferencing.v1.ConferencingService/GetEvent",
                content=json.dumps(
                    {"grantId": google.id, "calendarId": "primary", "eventId": made.event.id}
                ),
                headers={"content-type": "application/json"},
            )
    assert answer.json()["event"]["title"] == "Planning"


def indented(block, spaces):
    """A block as it stands under a line that is indented."""
    return block.rstrip().replace("\n", "\n" + " " * spaces)
