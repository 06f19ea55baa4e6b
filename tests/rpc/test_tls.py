"""TLS at the server's port: who is answered, certificates that are replaced, and health beside it."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from conferencing import ConferencingClient, Platform, Tls
from conferencing.v1.conferencing_service_pb2 import CheckCompatibilityRequest
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing_service.certificates import Certificates
from conferencing_service.settings import SettingsError
from support.authority import Authority, Pair
from support.service import creation, serving

GUARD = 30.0
"""Seconds after which something hangs."""

QUESTION = CheckCompatibilityRequest(platform=Platform.PLATFORM_GOOGLE)
SERVING = health_pb2.HealthCheckResponse.SERVING
TLS_VARIABLES = (
    *("CONFERENCING_TLS_CERT_FILE", "CONFERENCING_TLS_KEY_FILE"),
    "CONFERENCING_TLS_CLIENT_CA_FILE",
)


@dataclass
class Files:
    """The files that a server has its certificate from, and what stands in them."""

    folder: Path
    authority: Authority = field(default_factory=Authority)
    pair: Pair | None = None

    def __post_init__(self):
        self.replace(self.authority.issue("server"))
        self.client_ca.write_bytes(self.authority.pem)

    @property
    def cert(self):
        return self.folder / "tls.crt"

    @property
    def key(self):
        return self.folder / "tls.key"

    @property
    def client_ca(self):
        return self.folder / "ca.crt"

    def replace(self, pair):
        self.pair = pair
        self.cert.write_bytes(pair.certificate)
        self.key.write_bytes(pair.key)

    @property
    def settings(self):
        return {"tls_cert_file": self.cert, "tls_key_file": self.key}

    @property
    def mutual(self):
        return {**self.settings, "tls_client_ca_file": self.client_ca}


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@asynccontextmanager
async def calling(port, ca=None, pair=None):
    """A stub on a channel of its own: encrypted, and with a certificate, where they are given."""
    target = f"127.0.0.1:{port}"
    # Otherwise a channel with the same arguments takes up another one's connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if ca is None:
        made = grpc.aio.insecure_channel(target, options)
    else:
        key, certificate = pair or (None, None)
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        made = grpc.aio.secure_channel(target, credentials, options)
    async with made as channel:
        yield ConferencingServiceStub(channel)


async def is_answered(stub):
    """Whether a call gets an answer; when it does not, there is no connection."""
    try:
        answer = await stub.CheckCompatibility(QUESTION, timeout=GUARD)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return False
        raise
    return bool(answer.verdicts)


async def serial_at(port):
    """The number of the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    async with asyncio.timeout(GUARD):
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


def free_port():
    """A port that nobody gets by chance meanwhile: below those that are handed out."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def alerts(caplog):
    return [record.alert for record in caplog.records if hasattr(record, "alert")]


# ---- Who is answered ------------------------------------------------------------------------


async def test_a_caller_who_trusts_the_authority_is_answered(sandbox, files):
    async with serving(sandbox.url, **files.settings) as service:
        async with ConferencingClient(
            f"127.0.0.1:{service.port}", tls=Tls(ca=files.authority.pem)
        ) as client:
            answer = await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE)
        assert answer.verdicts
        assert await serial_at(service.port) == files.pair.serial


async def test_without_tls_or_with_another_authority_there_is_no_answer(sandbox, files):
    async with serving(sandbox.url, **files.settings) as service:
        for ca, is_let_in in ((None, False), (Authority().pem, False), (files.authority.pem, True)):
            async with calling(service.port, ca) as stub:
                assert await is_answered(stub) is is_let_in


async def test_where_callers_need_a_certificate_it_is_one_of_the_authoritys(sandbox, files):
    known, unknown = files.authority.issue("caller"), Authority().issue("caller")
    async with serving(sandbox.url, **files.mutual) as service:
        for pair, is_let_in in ((None, False), (unknown, False), (known, True)):
            async with calling(service.port, files.authority.pem, pair) as stub:
                assert await is_answered(stub) is is_let_in


# ---- Files that change ----------------------------------------------------------------------


async def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    sandbox, files, google, caplog
):
    google.fault("latency", method="POST", value=1500)
    renewed = Authority()
    async with serving(sandbox.url, **files.settings) as service:
        old = files.pair.serial
        # It could not connect again: the new certificate is of an authority that it does not trust.
        async with calling(service.port, files.authority.pem) as stub:
            assert await is_answered(stub)
            under_way = stub.CreateEvent(creation(google.id), timeout=GUARD)
            await under_way.wait_for_connection()
            files.replace(renewed.issue("server"))
            assert await serial_at(service.port) == files.pair.serial != old
            assert (await under_way).event.id
            assert await is_answered(stub)
        async with calling(service.port, files.authority.pem) as stub:
            assert not await is_answered(stub)
        async with calling(service.port, renewed.pem) as stub:
            assert await is_answered(stub)
    assert google.effects() == ["event_created"]
    assert alerts(caplog) == []


async def test_authorities_of_callers_are_read_anew_too(sandbox, files):
    caller, renewed = files.authority.issue("caller"), Authority()
    async with serving(sandbox.url, **files.mutual) as service:
        files.client_ca.write_bytes(renewed.pem)
        for pair, is_let_in in ((caller, False), (renewed.issue("caller"), True)):
            async with calling(service.port, files.authority.pem, pair) as stub:
                assert await is_answered(stub) is is_let_in


BREAKAGES = {
    "the key is the last one's": lambda files: files.cert.write_bytes(
        files.authority.issue("server").certificate
    ),
    "the certificate is the last one's": lambda files: files.key.write_bytes(
        files.authority.issue("server").key
    ),
    "the certificate is half written": lambda files: files.cert.write_bytes(
        files.pair.certificate[: len(files.pair.certificate) // 2]
    ),
    "the key is empty": lambda files: files.key.write_bytes(b""),
    "the certificate is gone": lambda files: files.cert.unlink(),
    "the authorities are no certificates": lambda files: files.client_ca.write_text("none"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_files_that_do_not_do_are_told_once_and_the_last_ones_still_serve(
    sandbox, files, caplog, breakage
):
    caller = files.authority.issue("caller")
    async with serving(sandbox.url, **files.mutual) as service:
        before = files.pair.serial
        BREAKAGES[breakage](files)
        for _ in range(3):
            assert await serial_at(service.port) == before
        async with calling(service.port, files.authority.pem, caller) as stub:
            assert await is_answered(stub)
        assert alerts(caplog) == ["certificate"]
        (line,) = (record for record in caplog.records if hasattr(record, "alert"))
        assert line.levelname == "ERROR"
        files.replace(files.authority.issue("server"))
        files.client_ca.write_bytes(files.authority.pem)
        assert await serial_at(service.port) == files.pair.serial != before
        BREAKAGES[breakage](files)
        assert await serial_at(service.port) == files.pair.serial
        assert alerts(caplog) == ["certificate"] * 2


# ---- At the start ---------------------------------------------------------------------------


def encrypted(key):
    """The same key, with a password that nobody tells the server."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


UNUSABLE = {
    **BREAKAGES,
    "the key is gone": lambda files: files.key.unlink(),
    "the key has a password": lambda files: files.key.write_bytes(encrypted(files.pair.key)),
    "the authorities are gone": lambda files: files.client_ca.unlink(),
    "the certificate is a folder": lambda files: (files.cert.unlink(), files.cert.mkdir()),
}


@pytest.mark.parametrize("why", UNUSABLE)
@pytest.mark.parametrize("health", [{}, {"health_listen": "127.0.0.1:0"}])
async def test_files_that_do_not_do_refuse_the_start_by_their_variables(
    sandbox, files, why, health
):
    UNUSABLE[why](files)
    with pytest.raises(SettingsError) as caught:
        async with serving(sandbox.url, **files.mutual, **health):
            pass
    assert all(variable in str(caught.value) for variable in TLS_VARIABLES)
    assert str(files.folder) not in str(caught.value)


# ---- Health on a port of its own ------------------------------------------------------------


async def test_health_is_told_in_plaintext_beside_tls_and_nothing_else_is(sandbox, files, google):
    port = free_port()
    async with (
        serving(sandbox.url, **files.mutual, health_listen=f"127.0.0.1:{port}") as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        for name in ("", "liveness", "readiness", "conferencing.v1.ConferencingService"):
            request = health_pb2.HealthCheckRequest(service=name)
            answer = await HealthStub(channel).Check(request, timeout=GUARD)
            assert answer.status == SERVING, name
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ConferencingServiceStub(channel).CreateEvent(creation(google.id), timeout=GUARD)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        asked = ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=GUARD
        )
        assert await asked.code() is grpc.StatusCode.UNIMPLEMENTED
        async with calling(service.port) as stub:
            assert not await is_answered(stub)
    assert google.effects() == []


async def test_a_port_for_health_that_is_taken_refuses_the_start(sandbox):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"CONFERENCING_HEALTH_LISTEN: .*{address}"):
            async with serving(sandbox.url, health_listen=address):
                pass


def test_a_certificate_that_is_not_read_is_told_as_long_as_that_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = Authority().issue("server")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    now = [100.0]
    certificates = Certificates(cert, key, None, clock=lambda: now[0])
    certificates.credentials()
    cert.write_text("nonsense")
    for _minute in range(20):
        for _handshake in range(3):
            assert certificates._changed() is None
        now[0] += 60.0
    assert sum(getattr(line, "alert", "") == "certificate" for line in caplog.records) == 20
