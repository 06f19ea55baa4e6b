"""Who calls: tokens, certificates, and nobody at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing_service.settings import Settings, SettingsError
from support.authority import Authority
from support.issuer import ISSUER, Issuer, bearing, key_set, settings_with
from support.sandbox import Grant, Sandbox
from support.service import Failure, Service, creation, failure_of, serving
from support.waiting import until

pytestmark = pytest.mark.security

POLICY = """
[principals.scheduling]
subjects = ["scheduling-*"]
certificates = ["spiffe://example.org/scheduling"]
rpcs = ["*"]
grants = ["*"]
conf_grants = ["*"]
"""
QUESTION = s.CheckCompatibilityRequest(platform=c.PLATFORM_GOOGLE)
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def guarded(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path, seen_reasons: set[str]
) -> AsyncIterator[Service]:
    settings = settings_with(tmp_path, POLICY, issuer)
    async with serving(sandbox.url, reasons=seen_reasons, **settings) as service:
        yield service


def part_of(value: Any) -> str:
    """A part of a token that nobody has to have made well."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned(issuer: Issuer, algorithm: str) -> str:
    return f"{part_of({'alg': algorithm, 'typ': 'JWT'})}.{part_of(issuer.claims('scheduling-1'))}."


def signed_with_the_public_key(issuer: Issuer) -> str:
    """HS256, with what everybody knows as the secret."""
    header = {"alg": "HS256", "kid": issuer.key_id}
    said = f"{part_of(header)}.{part_of(issuer.claims('scheduling-1'))}"
    secret = json.dumps(issuer.jwk()).encode()
    return f"{said}.{part_of(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def changed(token: str, part: int) -> str:
    """A token with one character changed."""
    parts = token.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


def nested(depth: int) -> str:
    return f"{part_of(b'[' * depth + b']' * depth)}.{part_of({})}.AAAA"


NOW = int(time.time())
BAD = {
    "none": lambda i: unsigned(i, "none"),
    "None": lambda i: unsigned(i, "None"),
    "public key as a secret": signed_with_the_public_key,
    "another key of the same name": lambda _i: Issuer().token("scheduling-1"),
    "a key that nobody knows": lambda _i: Issuer(key_id="two").token("scheduling-1"),
    "an algorithm that is not taken": lambda _i: Issuer("EdDSA").token("scheduling-1"),
    "expired": lambda i: i.token("scheduling-1", exp=NOW - 600),
    "not yet valid": lambda i: i.token("scheduling-1", nbf=NOW + 600),
    "issued in the future": lambda i: i.token("scheduling-1", iat=NOW + 600),
    "for another audience": lambda i: i.token("scheduling-1", aud="mail"),
    "for some others": lambda i: i.token("scheduling-1", aud=["mail", "files"]),
    "of another issuer": lambda i: i.token("scheduling-1", iss=f"{ISSUER}/"),
    "without exp": lambda i: i.token("scheduling-1", exp=None),
    "without aud": lambda i: i.token("scheduling-1", aud=None),
    "without iss": lambda i: i.token("scheduling-1", iss=None),
    "without sub": lambda i: i.token("scheduling-1", sub=None),
    "an empty sub": lambda i: i.token(""),
    "exp as a word": lambda i: i.token("scheduling-1", exp="soon"),
    "exp without end": lambda i: i.token("scheduling-1", exp=float("inf")),
    "a critical extension": lambda i: i.token("scheduling-1", headers={"crit": ["x"], "x": 1}),
    "kid as a number": lambda i: f"{part_of({'alg': 'ES256', 'kid': 7})}.{part_of({})}.AAAA",
    "alg as a list": lambda i: f"{part_of({'alg': ['ES256']})}.{part_of({})}.AAAA",
    "a changed header": lambda i: changed(i.token("scheduling-1"), 0),
    "a changed claim": lambda i: changed(i.token("scheduling-1"), 1),
    "a changed signature": lambda i: changed(i.token("scheduling-1"), 2),
    "without a signature": lambda i: i.token("scheduling-1").rpartition(".")[0] + ".",
    "two parts": lambda i: i.token("scheduling-1").rpartition(".")[0],
    "a deep header": lambda _i: nested(2000),
    "a long one": lambda i: changed(i.token("scheduling-1", x="x" * 5000), 1),
    "no token": lambda _i: "scheduling-1",
    "empty": lambda _i: "",
}


async def test_a_call_without_credentials_is_told_so_and_does_nothing(
    guarded: Service, google: Grant
) -> None:
    failure = await guarded.failure(creation(google.id))
    assert (failure.code, failure.reason) == (UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert google.requests() == []


@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_is_not_good_is_refused_and_not_told_why(
    guarded: Service, google: Grant, issuer: Issuer, tally: Counter[str], name: str
) -> None:
    token = BAD[name](issuer)
    failure = await guarded.failure(creation(google.id), metadata=bearing(token))
    assert (failure.code, failure.reason) == (UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert (failure.metadata, failure.retry_after) == ({}, None)
    assert failure.message == "The bearer token is not good; fetch a new one."
    assert google.requests() == []
    tally["bad credentials refused"] += 1


@pytest.mark.parametrize(
    "told",
    [
        ["Basic c2NoZWR1bGluZzp4"],
        ["Bearer"],
        ["scheduling-1"],
        ["Bearer one", "Bearer two"],
    ],
)
async def test_what_is_no_bearer_token_is_refused(
    guarded: Service, google: Grant, told: list[str]
) -> None:
    metadata = tuple(("authorization", value) for value in told)
    failure = await guarded.failure(creation(google.id), metadata=metadata)
    assert (failure.code, failure.reason) == (UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def test_a_second_token_does_not_hide_behind_a_good_one(
    guarded: Service, issuer: Issuer
) -> None:
    good = bearing(issuer.token("scheduling-1"))
    failure = await guarded.failure(QUESTION, metadata=(*good, *bearing("other")))
    assert failure.reason == "CREDENTIALS_INVALID"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_a_good_token_lets_through(sandbox: Sandbox, tmp_path: Path, algorithm: str) -> None:
    issuer = Issuer(algorithm)
    settings = settings_with(tmp_path, POLICY, Issuer(key_id="another"), issuer)
    async with serving(sandbox.url, jwt_algorithms=(algorithm,), **settings) as service:
        answer = await service.call(QUESTION, metadata=bearing(issuer.token("scheduling-1")))
        assert answer.verdicts
        lower = (
            ("authorization", f"bearer {issuer.token('scheduling-1', aud=['x', 'conferencing'])}"),
        )
        assert (await service.call(QUESTION, metadata=lower)).verdicts


async def test_clocks_may_differ_by_so_much_and_no_more(guarded: Service, issuer: Issuer) -> None:
    now = time.time()
    late, early = (
        issuer.token("scheduling-1", exp=now - 1),
        issuer.token("scheduling-1", nbf=now + 30),
    )
    for token in (late, early):
        assert (await guarded.call(QUESTION, metadata=bearing(token))).verdicts


async def test_a_token_that_was_good_ends_all_the_same(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, POLICY, issuer)
    async with serving(sandbox.url, jwt_leeway=0.0, **settings) as service:
        metadata = bearing(issuer.token("scheduling-1", exp=time.time() + 1.0))
        await service.call(QUESTION, metadata=metadata)
        await asyncio.sleep(1.1)
        assert (await service.failure(QUESTION, metadata=metadata)).reason == "CREDENTIALS_INVALID"


async def test_keys_are_replaced_without_a_restart_and_what_they_signed_ends_with_them(
    guarded: Service, issuer: Issuer, tmp_path: Path
) -> None:
    old, new = bearing(issuer.token("scheduling-1")), Issuer(key_id="two")
    assert (await guarded.call(QUESTION, metadata=old)).verdicts
    (tmp_path / "keys.json").write_text(key_set(new))
    renewed = bearing(new.token("scheduling-1"))

    async def is_let_through() -> bool:
        try:
            await guarded.call(QUESTION, metadata=renewed)
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(is_let_through)
    assert (await guarded.failure(QUESTION, metadata=old)).reason == "CREDENTIALS_INVALID"


async def test_a_key_that_is_taken_away_closes_the_door_to_tokens_that_are_known(
    guarded: Service, issuer: Issuer, tmp_path: Path
) -> None:
    old = bearing(issuer.token("scheduling-1"))
    assert (await guarded.call(QUESTION, metadata=old)).verdicts
    (tmp_path / "keys.json").write_text(key_set(Issuer(key_id="two")))

    async def is_refused() -> bool:
        try:
            await guarded.call(QUESTION, metadata=old)
        except grpc.aio.AioRpcError as error:
            return failure_of(error).reason == "CREDENTIALS_INVALID"
        return False

    await until(is_refused)


async def test_files_that_are_broken_are_told_though_nobody_calls(
    guarded: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "keys.json").write_text("nonsense")
    (tmp_path / "policy.toml").write_text("nonsense")

    def are_told() -> bool:
        alerts = {getattr(line, "alert", "") for line in caplog.records}
        return alerts >= {"policy", "tokens"}

    await until(are_told)
    assert (await guarded.failure(QUESTION)).reason == "CREDENTIALS_MISSING"


async def test_another_token_of_the_same_caller_gets_the_first_ones_answer(
    guarded: Service, google: Grant, issuer: Issuer
) -> None:
    """The ledger knows the policy's names, so that a change of credentials changes nothing."""
    request = creation(google.id)
    first = await guarded.call(request, metadata=bearing(issuer.token("scheduling-1")))
    again = await guarded.call(request, metadata=bearing(issuer.token("scheduling-2")))
    assert again == s.CreateEventResponse(event=first.event, replayed=True)
    assert Counter(google.effects())["event_created"] == 1


async def test_malformed_bytes_of_a_stranger_are_not_looked_at(guarded: Service) -> None:
    raw = guarded.channel.unary_unary("/conferencing.v1.ConferencingService/GetEvent")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw(b"\xff", timeout=10)
    assert failure_of(raised.value).reason == "CREDENTIALS_MISSING"


async def test_health_is_for_everybody(guarded: Service) -> None:
    assert await guarded.health("readiness") == "SERVING"


async def test_where_the_keys_cannot_be_had_the_caller_is_to_come_again(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, POLICY, issuer) | {"jwt_jwks": "http://127.0.0.1:9/keys"}
    async with serving(sandbox.url, **settings) as service:
        failure = await service.failure(QUESTION, metadata=bearing(issuer.token("scheduling-1")))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "UPSTREAM_UNAVAILABLE",
    )
    assert failure.retry_after


async def test_keys_are_fetched_from_a_url_once_for_many_calls(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        body = key_set(issuer).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = settings_with(tmp_path, POLICY, issuer) | {"jwt_jwks": f"http://127.0.0.1:{port}/k"}
    async with server, serving(sandbox.url, **settings) as service:
        tokens = [issuer.token("scheduling-1", jti=str(number)) for number in range(20)]
        await asyncio.gather(*(service.call(QUESTION, metadata=bearing(t)) for t in tokens))
        await service.failure(QUESTION, metadata=bearing(Issuer(key_id="x").token("scheduling-1")))
    assert len(asked) == 1
    assert asked[0].startswith(b"GET /k HTTP/1.1\r\n")
    assert b"authorization" not in asked[0].lower()


# ---- Certificates --------------------------------------------------------------------------


class Mutual:
    """Files of a server that asks for certificates, and channels of callers that have some."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        server = self.authority.issue("server")
        (folder / "cert.pem").write_bytes(server.certificate)
        (folder / "key.pem").write_bytes(server.key)
        (folder / "ca.pem").write_bytes(self.authority.pem)
        self.settings = {
            "tls_cert_file": folder / "cert.pem",
            "tls_key_file": folder / "key.pem",
            "tls_client_ca_file": folder / "ca.pem",
        }

    def channel(self, port: int, *uris: str) -> grpc.aio.Channel:
        caller = self.authority.issue("caller", *uris)
        return grpc.aio.secure_channel(
            f"localhost:{port}",
            grpc.ssl_channel_credentials(self.authority.pem, caller.key, caller.certificate),
        )


async def asked_by(channel: grpc.aio.Channel, metadata: Any = ()) -> Failure | None:
    async with channel:
        stub: Any = service_grpc.ConferencingServiceStub(channel)
        try:
            await stub.CheckCompatibility(QUESTION, timeout=30, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return failure_of(error)
    return None


async def test_a_certificate_is_who_calls_by_its_alternative_names_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    mutual = Mutual(tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = mutual.settings | {"policy_file": tmp_path / "policy.toml"}
    async with serving(sandbox.url, **settings) as service:
        port = service.port
        assert await asked_by(mutual.channel(port, "spiffe://example.org/scheduling")) is None
        # A new certificate of the same name is the same caller.
        assert await asked_by(mutual.channel(port, "spiffe://example.org/scheduling")) is None
        for uris in (
            (),
            ("spiffe://example.org/scheduling/x",),
            ("spiffe://example.com/scheduling",),
        ):
            failure = await asked_by(mutual.channel(port, *uris))
            assert failure is not None
            assert (failure.code, failure.reason) == (
                grpc.StatusCode.PERMISSION_DENIED,
                "RPC_NOT_ALLOWED",
            )


async def test_a_token_counts_more_than_the_certificate_of_whoever_brings_it(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path
) -> None:
    mutual = Mutual(tmp_path)
    settings = mutual.settings | settings_with(tmp_path, POLICY, issuer)
    named = "spiffe://example.org/scheduling"
    async with serving(sandbox.url, **settings) as service:
        port = service.port
        assert await asked_by(mutual.channel(port, named)) is None
        stranger = bearing(issuer.token("stranger"))
        failure = await asked_by(mutual.channel(port, named), stranger)
        assert failure is not None
        assert failure.reason == "RPC_NOT_ALLOWED"
        failure = await asked_by(mutual.channel(port, named), bearing("x"))
        assert failure is not None
        assert failure.reason == "CREDENTIALS_INVALID"
        good = bearing(issuer.token("scheduling-1"))
        assert await asked_by(mutual.channel(port), good) is None


# ---- Nobody at all -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
async def test_off_loopback_callers_have_to_be_known(
    sandbox: Sandbox, tmp_path: Path, host: str
) -> None:
    with pytest.raises(SettingsError, match="ALLOW_UNAUTHENTICATED_CALLERS"):
        async with serving(sandbox.url, listen=f"{host}:0"):
            pass
    # Encrypted for everybody is still for everybody.
    mutual = Mutual(tmp_path)
    encrypted = {**mutual.settings, "tls_client_ca_file": None}
    with pytest.raises(SettingsError, match="ALLOW_UNAUTHENTICATED_CALLERS"):
        async with serving(sandbox.url, listen=f"{host}:0", **encrypted):
            pass


async def test_off_loopback_is_served_where_callers_are_known_or_the_setting_says_so(
    sandbox: Sandbox, issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    everywhere = "0.0.0.0:0"
    async with serving(sandbox.url, listen=everywhere, allow_unauthenticated_callers=True) as any_:
        assert (await any_.call(QUESTION)).verdicts
    settings = settings_with(tmp_path, POLICY, issuer)
    async with serving(sandbox.url, listen=everywhere, **settings) as service:
        assert (await service.failure(QUESTION)).reason == "CREDENTIALS_MISSING"
    assert "come without TLS" in caplog.text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"jwt_issuer": "i"}, "CONFERENCING_JWT_AUDIENCE"),
        ({"jwt_issuer": "i", "jwt_audience": "a"}, "CONFERENCING_JWT_JWKS"),
        ({"jwt_issuer": "i", "jwt_audience": "a", "jwt_jwks": "k"}, "CONFERENCING_POLICY_FILE"),
        ({"policy_file": "p"}, "CONFERENCING_POLICY_FILE"),
        ({"jwt_algorithms": "HS256"}, "must be some of"),
        ({"jwt_algorithms": "none"}, "must be some of"),
        ({"jwt_algorithms": "ES256,HS512"}, "must be some of"),
        ({"jwt_jwks": "http://issuer.example/keys"}, "https"),
        ({"jwt_jwks": "https://user@issuer.example/keys"}, "https"),
        ({"jwt_jwks": "ftp://issuer.example/keys"}, "https"),
    ],
)
def test_half_an_authentication_is_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings(**settings)


def test_the_test_can_tell_a_certificate() -> None:
    """Without this, a caller without a name could be one whose name was not made."""
    pair = Authority().issue("caller", "spiffe://example.org/x")
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    assert b"spiffe://example.org/x" in der
