"""The image: linted, its steps done, and what they make run as its user on a read-only root."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import socket
import subprocess
import tomllib
import uuid
from pathlib import PurePosixPath

import pytest

from conferencing import Event, Platform, SyncConferencingClient, Tls, autocreate, when
from deploy.chart import case, rendered
from deploy.image import GUARD, Build, instructions_of, is_ignored
from support.authority import Authority
from support.documents import ROOT
from support.tools import tool

DOCKERFILE = ROOT / "deploy/Dockerfile"
INSTRUCTIONS = instructions_of(DOCKERFILE.read_text())
MOMENT = when(dt.datetime(2030, 1, 7, 14, tzinfo=dt.UTC))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What the Dockerfile's steps make."""
    return Build(DOCKERFILE, ROOT, tmp_path_factory.mktemp("image")).image()


@contextlib.contextmanager
def running(image, folder, *arguments, **settings):
    """The image's server; tells where it listens, and ends it as Docker does."""
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            image.started(*arguments),
            env=image.environment(CONFERENCING_LISTEN="127.0.0.1:0", **settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            for line in process.stdout:
                if line.startswith("serving "):
                    yield line.split()[-1]
                    break
            else:
                raise AssertionError((folder / "errors").read_text())
        finally:
            process.terminate()
            assert process.wait(GUARD) == 0, (folder / "errors").read_text()


def only(keyword):
    (told,) = [each for each in INSTRUCTIONS if each.keyword == keyword]
    return told


def test_hadolint_has_nothing_to_say_and_nothing_is_kept_from_it():
    linted = subprocess.run(
        [tool("hadolint"), "--no-color", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")
    assert "hadolint" not in DOCKERFILE.read_text()


def test_the_base_is_a_slim_debian_image_pinned_by_its_tag():
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-[a-z]+", only("ARG").text)
    stages = [each.words[0] for each in INSTRUCTIONS if each.keyword == "FROM"]
    assert stages == ["${PYTHON_IMAGE}"] * 2


def test_the_user_is_a_number_and_the_server_is_told_to_stop_by_sigterm():
    uid, _colon, gid = only("USER").text.partition(":")
    assert int(uid) > 0 < int(gid)
    assert only("STOPSIGNAL").text == "SIGTERM"
    assert only("ENTRYPOINT").words == ["conferencing-service"]
    assert only("CMD").words == ["serve"]


def test_the_label_has_the_packages_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = only("LABEL").text
    assert f'version="{project["version"]}"' in labels
    assert f'licenses="{project["license"]}"' in labels


def test_what_is_copied_is_let_through_and_nothing_else():
    rules = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    kept = ("service/conferencing_service/server.py", "requirements/runtime.txt", "README.md")
    left = (
        *(".git/config", ".venv/bin/python", "requirements/dev.txt", "tests/conftest.py"),
        *("clients/go/go.mod", "service/conferencing_service/__pycache__/server.pyc"),
    )
    assert not [path for path in kept if is_ignored(PurePosixPath(path), rules)]
    assert [path for path in left if is_ignored(PurePosixPath(path), rules)] == [*left]


@pytest.mark.timeout(GUARD)
def test_the_command_starts(image):
    done = image.run("--help")
    assert done.returncode == 0, done.stderr
    assert "healthcheck" in done.stdout


def test_as_it_is_it_lets_nobody_in_who_is_not_known(image):
    """It listens on all addresses, and does not say that everybody may call."""
    assert "CONFERENCING_LISTEN=0.0.0.0:50051" in only("ENV").text
    assert "UNAUTHENTICATED" not in only("ENV").text
    done = image.run("serve", "--sandbox", CONFERENCING_SANDBOX_LISTEN="127.0.0.1:0")
    assert done.returncode == 2
    assert "CONFERENCING_ALLOW_UNAUTHENTICATED_CALLERS=true" in done.stderr


def test_what_runs_is_not_root_and_may_write_to_its_volume_and_tmp_alone(image):
    places = ("/", "/opt/conferencing", "/etc", "/usr", "/tmp", *image.stage.volumes)
    wanted = "for place in {}; do touch $place/x 2>/dev/null && echo $place; done; id -u; id -g"
    done = subprocess.run(
        image.started("-c", wanted.format(" ".join(places)), entrypoint=["/bin/sh"]),
        env=image.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["/tmp", *image.stage.volumes, "65532", "65532"]


def test_what_built_it_is_not_in_it(image):
    installed = {
        path.name.partition("-")[0].lower().replace("_", "-")
        for path in image.stage.inside("/opt/conferencing").glob("lib/*/site-packages/*.dist-info")
    }
    locked = set(
        re.findall(r"^([\w.-]+)==", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    )
    built = {"hatchling", "editables"}
    assert built < locked
    assert {"grpcio", "conferencing-service", "conferencing-client"} < installed
    assert installed - locked == {"conferencing-service", "conferencing-client"}
    assert not installed & (built | {"pip", "setuptools"})


def test_it_serves_with_the_sandbox_and_is_found_healthy(image, tmp_path):
    sandbox = {"CONFERENCING_SANDBOX_LISTEN": "127.0.0.1:0"}
    with (
        running(image, tmp_path, "serve", "--sandbox", **sandbox) as address,
        SyncConferencingClient(address) as client,
    ):
        answer = client.create_event(
            grant_id="google-demo",
            calendar_id="primary",
            event=Event(title="Planning", when=MOMENT, conferencing=autocreate()),
        )
        assert answer.event.conferencing.details.url
        health = image.run("healthcheck", CONFERENCING_LISTEN=address)
        assert (health.returncode, health.stdout) == (0, f"{address} is SERVING\n")
    assert image.run("healthcheck", CONFERENCING_LISTEN=address).returncode == 1


def test_what_it_wrote_once_it_remembers_in_its_volume(image, tmp_path, sandbox, google):
    upstream = {"CONFERENCING_NYLAS_REGION": sandbox.url, "CONFERENCING_NYLAS_API_KEY": "sandbox"}
    request = {
        "grant_id": google.id,
        "calendar_id": "primary",
        "event": Event(title="Planning", when=MOMENT),
        "request_id": str(uuid.uuid4()),
    }
    answers = []
    for _start in range(2):
        with (
            running(image, tmp_path, **upstream) as address,
            SyncConferencingClient(address) as client,
        ):
            answers.append(client.create_event(**request))
    assert [answer.replayed for answer in answers] == [False, True]
    assert google.effects() == ["event_created"]
    (ledger,) = image.volume.rglob("ledger.sqlite")
    assert (ledger.stat().st_uid, ledger.stat().st_mode & 0o777) == (65532, 0o600)


def test_with_tls_it_is_asked_in_plaintext_on_a_port_of_its_own(image, tmp_path, sandbox):
    """By the names that the chart's probes ask for."""
    authority = Authority()
    key, certificate = authority.issue("server")
    for name, content in (("tls.key", key), ("tls.crt", certificate)):
        (image.volume / name).write_bytes(content)
        os.chown(image.volume / name, 65532, 65532)
    with socket.create_server(("127.0.0.1", 0)) as found:
        health = "127.0.0.1:{1}".format(*found.getsockname())
    settings = {
        "CONFERENCING_NYLAS_REGION": sandbox.url,
        "CONFERENCING_NYLAS_API_KEY": "sandbox",
        "CONFERENCING_TLS_CERT_FILE": "/var/lib/conferencing/tls.crt",
        "CONFERENCING_TLS_KEY_FILE": "/var/lib/conferencing/tls.key",
        "CONFERENCING_HEALTH_LISTEN": health,
    }
    container = rendered(case("tls")).container()
    probes = {container[f"{each}Probe"]["grpc"]["service"] for each in ("liveness", "readiness")}
    with (
        running(image, tmp_path, **settings) as address,
        SyncConferencingClient(address, tls=Tls(ca=authority.pem)) as client,
    ):
        assert client.check_compatibility(platform=Platform.PLATFORM_GOOGLE).verdicts
        for service in probes:
            asked = image.run("healthcheck", "--address", health, "--service", service)
            assert asked.returncode == 0, asked.stderr
