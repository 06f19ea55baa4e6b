"""How the server is reached: TLS, mutual TLS, tokens, and who is told them."""

from __future__ import annotations

import grpc
import pytest

from conferencing import ConferencingClient, ConferencingError, Tls, Unavailable
from conferencing._channel import channel_options, is_local
from conferencing.testing import ScriptedServer
from conferencing.v1.conferencing_service_pb2 import GetEventRequest, GetEventResponse
from python_client.both_clients import calling
from support.authority import Authority

GUARD = 20.0


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def encrypted(authority):
    """A server with a certificate."""
    credentials = grpc.ssl_server_credentials([authority.issue("server")])
    with ScriptedServer(credentials=credentials) as server:
        yield server.answers(GetEventResponse())


@pytest.fixture
def mutual(authority):
    """A server with a certificate that wants one of its callers too."""
    credentials = grpc.ssl_server_credentials(
        [authority.issue("server")], authority.pem, require_client_auth=True
    )
    with ScriptedServer(credentials=credentials) as server:
        yield server.answers(GetEventResponse())


async def test_tls(kind, encrypted, authority):
    async with calling(kind, encrypted.target, tls=Tls(ca=authority.pem)) as caller:
        await caller.get(timeout=GUARD)
    assert len(encrypted.calls) == 1


async def test_a_server_that_nobody_vouches_for_is_not_called(kind, encrypted):
    async with calling(kind, encrypted.target, tls=True) as caller:
        with pytest.raises(ConferencingError, match="no connection"):
            await caller.get(timeout=1)
    assert encrypted.calls == ()


async def test_mutual_tls(kind, mutual, authority):
    key, certificate = authority.issue("caller")
    tls = Tls(ca=authority.pem, certificate=certificate, key=key)
    async with calling(kind, mutual.target, tls=tls) as caller:
        await caller.get(timeout=GUARD)
    assert len(mutual.calls) == 1


async def test_mutual_tls_without_a_certificate_is_refused(kind, mutual, authority):
    async with calling(kind, mutual.target, tls=Tls(ca=authority.pem)) as caller:
        with pytest.raises(ConferencingError):
            await caller.get(timeout=1)
    assert mutual.calls == ()


async def test_a_token_goes_along_with_tls_and_with_the_raw_stub(kind, encrypted, authority):
    tls = Tls(ca=authority.pem)
    async with calling(kind, encrypted.target, tls=tls, token="secret") as caller:
        await caller.get(timeout=GUARD)
        answer = caller.client.raw.GetEvent(GetEventRequest(), timeout=GUARD)
        if kind == "asyncio":
            await answer
    assert [call.metadata["authorization"] for call in encrypted.calls] == ["Bearer secret"] * 2


@pytest.mark.parametrize("with_tls", [True, False])
async def test_a_token_that_changes_is_asked_for_every_call(
    kind, encrypted, authority, script, with_tls
):
    script.answers(GetEventResponse())
    server = encrypted if with_tls else script
    tls = Tls(ca=authority.pem) if with_tls else False
    tokens = iter(["first", "second"])
    async with calling(kind, server.target, tls=tls, token=lambda: next(tokens)) as caller:
        await caller.get(timeout=GUARD)
        await caller.get(timeout=GUARD)
    sent = [call.metadata["authorization"] for call in server.calls]
    assert sent == ["Bearer first", "Bearer second"]


async def test_a_token_that_cannot_be_had_ends_the_call_and_its_trouble_stays_here(
    kind, encrypted, authority
):
    def fetched():
        raise OSError("https://user:password@tokens.example")

    tls = Tls(ca=authority.pem)
    async with calling(kind, encrypted.target, tls=tls, token=fetched) as caller:
        with pytest.raises(Unavailable, match="the token function failed: OSError") as caught:
            await caller.get(timeout=GUARD)
    assert "password" not in str(caught.value)
    assert encrypted.calls == ()


async def test_a_token_in_the_clear_stays_on_this_machine(kind, script):
    script.answers(GetEventResponse())
    with pytest.raises(ValueError, match="tls"):
        async with calling(kind, "conferencing:50051", token="secret"):
            pass
    async with calling(kind, "conferencing:50051", token="secret", plaintext_token=True):
        pass
    async with calling(kind, script.target, token="secret") as caller:
        await caller.get()
    assert script.calls[0].metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("target", "here"),
    [
        ("127.0.0.1:50051", True),
        ("127.8.8.8:50051", True),
        ("localhost:50051", True),
        ("localhost", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.1:50051", True),
        ("unix:/run/conferencing.sock", True),
        ("unix-abstract:conferencing", True),
        ("10.0.0.1:50051", False),
        ("conferencing:50051", False),
        ("localhost.example.org:50051", False),
        ("127.0.0.1.example.org:50051", False),
        ("dns:///conferencing:50051", False),
        ("dns://127.0.0.1/conferencing:50051", False),
        ("ipv4:127.0.0.1:50051,10.0.0.1:50051", False),
    ],
)
def test_what_is_on_this_machine(target, here):
    assert is_local(target) is here


def test_a_certificate_has_its_key_and_neither_shows():
    with pytest.raises(ValueError, match="belong together"):
        Tls(certificate=b"PEM")
    assert "SECRET" not in repr(Tls(certificate=b"SECRET", key=b"SECRET"))


async def test_the_callers_options_win(kind, script):
    script.answers(GetEventResponse())
    options = [("grpc.primary_user_agent", "calendar-sync/2")]
    async with calling(kind, script.target) as caller:
        await caller.get()
    async with calling(kind, script.target, options=options) as caller:
        await caller.get()
    agents = [call.metadata["user-agent"] for call in script.calls]
    assert agents[0].startswith("conferencing-client/")
    assert agents[1].startswith("calendar-sync/2")
    assert channel_options(options).count(options[0]) == 1


async def test_metadata_of_the_callers_goes_along(scripted, script):
    script.answers(GetEventResponse())
    await scripted.get(metadata=[("x-request-id", "42")])
    assert script.calls[0].metadata["x-request-id"] == "42"


def test_the_client_for_asyncio_wants_its_loop():
    with pytest.raises(RuntimeError, match="event loop"):
        ConferencingClient("127.0.0.1:50051")
