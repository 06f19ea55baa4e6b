"""How callers in TypeScript and Go say who they are: the programs of their READMEs, on a real server."""

from __future__ import annotations

import re
import shutil

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing_service.commands.check import PROVIDERS
from other_clients import test_go_client, test_typescript_client
from other_clients.test_go_client import module  # noqa: F401 - a fixture
from other_clients.test_typescript_client import package  # noqa: F401 - a fixture
from support.authority import Authority
from support.issuer import Issuer, settings_with
from support.service import serving
from support.tools import tool

pytestmark = [pytest.mark.timeout(900), pytest.mark.security]

POLICY = """
[principals.caller]
subjects = ["caller"]
rpcs = ["CheckCompatibility"]
"""
VERDICTS = len(PROVIDERS) * len(set(c.Way.values()) - {c.WAY_UNSPECIFIED})
"""How many the programs print: of each provider, every way."""


@pytest.fixture
async def server(sandbox, tmp_path):
    """A server that wants a certificate and a token, and the folder of a caller that has both."""
    authority, issuer, secrets = Authority(), Issuer(), tmp_path / "secrets"
    secrets.mkdir()
    for name in ("server", "client"):
        pair = authority.issue(name)
        (secrets / f"{name}.pem").write_bytes(pair.certificate)
        (secrets / f"{name}.key").write_bytes(pair.key)
    (secrets / "ca.pem").write_bytes(authority.pem)
    (secrets / "token").write_text(issuer.token("caller") + "\n")
    settings = settings_with(tmp_path, POLICY, issuer) | {
        "tls_cert_file": secrets / "server.pem",
        "tls_key_file": secrets / "server.key",
        "tls_client_ca_file": secrets / "ca.pem",
    }
    async with serving(sandbox.url, **settings) as service:
        yield f"localhost:{service.port}", secrets


def program(folder, language, server):
    """The program of a README, with this server's address and this caller's files."""
    address, secrets = server
    (text,) = re.findall(
        rf"^```{language}\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert text.count("conferencing.example.com:50051") == 1
    return text.replace("conferencing.example.com:50051", address).replace(
        "secrets/", f"{secrets}/"
    )


async def test_typescript_sends_a_token_and_presents_a_certificate(package, server, run):  # noqa: F811
    (package.caller / "credentials.ts").write_text(
        program(test_typescript_client.FOLDER, "typescript", server)
    )
    told = await run(tool("node"), package.compiled() / "credentials.js")
    assert told == f"{VERDICTS}\n"


async def test_go_sends_a_token_and_presents_a_certificate(module, server, run, tmp_path):  # noqa: F811
    copy = tmp_path / "module"
    shutil.copytree(module, copy)
    (copy / "credentials.go").write_text(program(module, "golang", server))
    built = tmp_path / "credentials"
    test_go_client.done("build", "-o", built, "./credentials.go", cwd=copy)
    assert await run(built) == f"{VERDICTS}\n"
    formatter = test_go_client.done("fmt", "./credentials.go", cwd=copy)
    assert formatter == ""
