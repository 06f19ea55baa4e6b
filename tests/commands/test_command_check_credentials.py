"""`check` of a server that knows its callers: by TLS, with a certificate, with a token."""

from __future__ import annotations

import pytest

from support.authority import Authority
from support.issuer import Issuer, settings_with
from support.service import serving

pytestmark = pytest.mark.security

POLICY = """
[principals.operator]
subjects = ["operator"]
certificates = ["spiffe://example.org/operator"]
rpcs = ["CheckCompatibility"]
"""
QUESTION = ("check", "--platform", "google")


@pytest.fixture
def files(tmp_path):
    """What a server and whoever asks it have, and what does not do."""
    authority, folder = Authority(), tmp_path / "files"
    folder.mkdir()
    for name, uris in (("server", ()), ("operator", ("spiffe://example.org/operator",))):
        pair = authority.issue(name, *uris)
        (folder / f"{name}.pem").write_bytes(pair.certificate)
        (folder / f"{name}.key").write_bytes(pair.key)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "other.pem").write_bytes(Authority().pem)
    (folder / "nonsense").write_text("no certificate, and no token")
    (folder / "empty").write_text("")
    return folder


@pytest.fixture
def issuer(files):
    made = Issuer()
    (files / "token").write_text(made.token("operator") + "\n")
    (files / "stranger").write_text(made.token("stranger"))
    return made


@pytest.fixture
def settings(files, issuer, tmp_path):
    """Of a server that takes tokens."""
    return settings_with(tmp_path, POLICY, issuer)


def tls(files, *, asks_for_certificates):
    told = {"tls_cert_file": files / "server.pem", "tls_key_file": files / "server.key"}
    return told | ({"tls_client_ca_file": files / "ca.pem"} if asks_for_certificates else {})


def told(options, files):
    """Options whose files are those of the test."""
    words = options.split()
    return [
        word if word.startswith("--") or before == "--tls-name" else str(files / word)
        for before, word in zip(["", *words], words, strict=False)
    ]


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ("--token-file token", 0, ""),
        ("", 1, "CREDENTIALS_MISSING"),
        ("--token-file stranger", 1, "RPC_NOT_ALLOWED"),
        ("--token-file ca.pem", 2, "--token-file: the file holds no bearer token"),
        ("--token-file empty", 2, "--token-file: the file holds no bearer token"),
        ("--token-file nonsense", 2, "--token-file: the file holds no bearer token"),
        ("--token-file missing", 2, "--token-file: the file cannot be read"),
    ],
)
async def test_a_token_is_sent_on_this_machine(
    run, sandbox, files, settings, options, status, says
):
    async with serving(sandbox.url, **settings) as service:
        address = f"127.0.0.1:{service.port}"
        ran = await run(*QUESTION, "--address", address, *told(options, files))
    assert ran.status == status, ran.stderr
    assert ran.stderr.startswith(f"conferencing-service: {says}" if status else "")
    assert ran.stderr.count("\n") == (1 if status else 0)
    assert ("Google Meet" in ran.stdout) == (status == 0)
    for name in ("token", "stranger"):
        assert (files / name).read_text().strip() not in ran.stdout + ran.stderr


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "calls.example.com:50051"])
async def test_a_token_does_not_leave_this_machine_in_plaintext(run, files, issuer, address):
    ran = await run(*QUESTION, "--address", address, "--token-file", files / "token")
    assert (ran.status, ran.stdout) == (2, "")
    assert "--tls-ca" in ran.stderr


@pytest.mark.parametrize(
    ("options", "host", "is_answered"),
    [
        ("--tls-ca ca.pem --token-file token", "localhost", True),
        ("--tls-ca other.pem --token-file token", "localhost", False),
        ("--token-file token", "127.0.0.1", False),
        ("--tls-ca ca.pem --tls-name localhost --token-file token", "127.0.0.1", True),
        ("--tls-ca ca.pem --tls-name other.example --token-file token", "127.0.0.1", False),
    ],
)
async def test_tls_is_with_a_server_that_the_authority_vouches_for(
    run, sandbox, files, settings, options, host, is_answered
):
    encrypted = settings | tls(files, asks_for_certificates=False)
    async with serving(sandbox.url, **encrypted) as service:
        address = f"{host}:{service.port}"
        ran = await run(*QUESTION, "--address", address, "--timeout", "5", *told(options, files))
    assert (ran.status == 0) == is_answered, ran.stderr
    if not is_answered:
        assert ran.status == 1
        assert ran.stderr.startswith("conferencing-service: no server ")
        assert ("--tls-ca" in ran.stderr) == ("--tls-ca" in options)
        assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ("--tls-ca ca.pem --tls-cert operator.pem --tls-key operator.key", 0, ""),
        # A certificate that the policy does not name.
        ("--tls-ca ca.pem --tls-cert server.pem --tls-key server.key", 1, "RPC_NOT_ALLOWED"),
        ("--tls-ca ca.pem", 1, "no server "),
        ("--tls-ca ca.pem --tls-cert operator.pem --tls-key server.key", 2, "--tls-cert, --tls-"),
        ("--tls-ca ca.pem --tls-cert missing --tls-key operator.key", 2, "--tls-cert, --tls-key"),
        ("--tls-ca nonsense", 2, "--tls-ca: cannot be read"),
        ("--tls-ca missing", 2, "--tls-ca: cannot be read"),
    ],
)
async def test_a_certificate_is_presented(run, sandbox, files, tmp_path, options, status, says):
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = {"policy_file": tmp_path / "policy.toml", **tls(files, asks_for_certificates=True)}
    async with serving(sandbox.url, **settings) as service:
        address = f"localhost:{service.port}"
        ran = await run(*QUESTION, "--address", address, "--timeout", "5", *told(options, files))
    assert ran.status == status, ran.stderr
    assert ran.stderr.startswith(f"conferencing-service: {says}" if status else "")


@pytest.mark.parametrize(
    "options",
    ["--tls-cert operator.pem", "--tls-key operator.key", "--tls-name localhost"],
)
async def test_half_of_it_is_refused(run, files, options):
    for more in ("", " --tls-ca ca.pem") if "name" not in options else ("",):
        ran = await run(*QUESTION, *told(options + more, files))
        assert (ran.status, ran.stdout) == (2, "")
        assert "--tls-" in ran.stderr.splitlines()[-1]
