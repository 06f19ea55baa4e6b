"""Who calls through Envoy, with the shipped configuration: tokens go through it as they are."""

from __future__ import annotations

import httpx
import pytest
import pytest_asyncio

from conferencing import ConferencingClient, ConferencingError, Platform
from conferencing.v1 import conferencing_service_pb2 as s
from deploy.front import fleet
from support.issuer import Issuer, settings_with

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.security]

POLICY = """
[principals.scheduling]
subjects = ["scheduling"]
rpcs = ["CheckCompatibility"]
"""
RPC = "/conferencing.v1.ConferencingService/CheckCompatibility"
QUESTION = '{"platform": "PLATFORM_GOOGLE"}'


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(tmp_path_factory, sandbox, postgresql_server, issuer):
    """Where Envoy is, in front of servers that want tokens and yet are found healthy."""
    folder = tmp_path_factory.mktemp("front")
    settings = settings_with(folder, POLICY, issuer)
    async with fleet(folder, sandbox.url, postgresql_server.fresh(), **settings) as running:
        yield running.front.address


def clients(address, issuer, subject):
    token = None if subject is None else issuer.token(subject)
    return ConferencingClient(address, token=token)


async def test_the_shipped_client_is_who_its_token_says(address, issuer):
    async with clients(address, issuer, "scheduling") as client:
        assert (await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE)).verdicts
    for subject, reason in ((None, "CREDENTIALS_MISSING"), ("stranger", "RPC_NOT_ALLOWED")):
        async with clients(address, issuer, subject) as client:
            with pytest.raises(ConferencingError) as refused:
                await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("subject", "status", "reason"),
    [
        ("scheduling", 200, None),
        ("stranger", 403, "RPC_NOT_ALLOWED"),
        (None, 401, "CREDENTIALS_MISSING"),
        ("", 401, "CREDENTIALS_INVALID"),
    ],
)
async def test_so_is_a_request_in_json(address, issuer, subject, status, reason):
    headers = {"content-type": "application/json"}
    if subject is not None:
        headers["authorization"] = f"Bearer {issuer.token(subject)}"
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=60) as http:
        answer = await http.post(RPC, content=QUESTION, headers=headers)
    assert answer.status_code == status
    if reason is not None:
        (info,) = [each for each in answer.json()["details"] if each["@type"].endswith("ErrorInfo")]
        assert info["reason"] == reason


@pytest.mark.parametrize(("subject", "status"), [("scheduling", b"0"), (None, b"16")])
async def test_so_is_a_browsers_page(address, issuer, subject, status):
    raw = s.CheckCompatibilityRequest(platform=1).SerializeToString()
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    if subject is not None:
        headers["authorization"] = f"Bearer {issuer.token(subject)}"
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=60) as http:
        answer = await http.post(
            RPC, content=b"\0" + len(raw).to_bytes(4, "big") + raw, headers=headers
        )
    told = answer.headers.get("grpc-status", "").encode() + answer.content
    assert (b"grpc-status:" + status in told) or told.startswith(status)
