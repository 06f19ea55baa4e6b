"""The keys of tokens behind a URL: when they are fetched, and how long they last."""

from __future__ import annotations

import asyncio
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from conferencing_service.access.signing_keys import FileKeys, KeySet, UrlKeys
from conferencing_service.core.errors import Unavailable
from conferencing_service.settings import SettingsError
from support.issuer import Issuer, key_set

ONE, TWO = Issuer(key_id="one"), Issuer(key_id="two")
URL = "https://issuer.example/keys"


class Site:
    """What is behind the URL."""

    def __init__(self) -> None:
        self.document: bytes | None = key_set(ONE).encode()
        self.fetched = 0
        self.now = 0.0

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.fetched += 1
        await asyncio.sleep(0)
        if self.document is None:
            raise OSError("down")
        return self.document


async def find(keys: UrlKeys, key_id: str):
    """Find a key as calls do: after a look."""
    await keys.look()
    return await keys.find(key_id, "ES256")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def keys(site: Site) -> UrlKeys:
    return UrlKeys(URL, site.fetch, lambda: site.now)


async def test_many_calls_at_once_fetch_once(site: Site, keys: UrlKeys) -> None:
    found = await asyncio.gather(*(find(keys, "one") for _ in range(10)))
    assert all(found)
    assert site.fetched == 1


async def test_for_five_minutes_nothing_is_fetched_and_then_beside_the_calls(
    site: Site, keys: UrlKeys
) -> None:
    await find(keys, "one")
    site.now = 299
    assert await find(keys, "one")
    assert site.fetched == 1
    site.now, site.document = 301, key_set(TWO).encode()
    assert await find(keys, "one"), "the last keys are used while new ones are fetched"
    for _ in range(5):
        await asyncio.sleep(0)
    assert site.fetched == 2
    assert await find(keys, "two")
    assert await find(keys, "one") is None
    assert await keys.look() == 2


async def test_an_id_that_nobody_knows_has_the_keys_fetched_but_not_by_everybody(
    site: Site, keys: UrlKeys
) -> None:
    await find(keys, "one")
    site.now, site.document = 31, key_set(ONE, TWO).encode()
    assert await find(keys, "two")
    for made_up in range(20):
        assert await find(keys, str(made_up)) is None
    assert site.fetched == 2
    site.now = 62
    assert await find(keys, "x") is None
    assert site.fetched == 3


async def test_the_last_keys_are_used_for_a_day_and_no_longer(site: Site, keys: UrlKeys) -> None:
    await find(keys, "one")
    site.document = None
    site.now = 86_000
    assert await find(keys, "one")
    site.now = 86_500
    with pytest.raises(Unavailable):
        await find(keys, "one")
    site.now, site.document = 86_600, key_set(ONE).encode()
    assert await find(keys, "one")


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b'{"keys": 7}', b"\xff", b'{"keys": []}', b"null", b"[" * 100_000],
)
async def test_what_is_no_key_set_is_as_good_as_none(
    site: Site, keys: UrlKeys, document: bytes
) -> None:
    site.document = document
    with pytest.raises(Unavailable):
        await find(keys, "one")


async def test_a_caller_that_leaves_takes_the_fetch_of_the_others_with_it_not(
    site: Site, keys: UrlKeys
) -> None:
    first = asyncio.create_task(find(keys, "one"))
    second = asyncio.create_task(find(keys, "one"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert site.fetched == 1


def test_only_keys_that_may_verify_are_taken() -> None:
    small = rsa.generate_private_key(65537, 1024)
    weak = Issuer("RS256", "weak")
    weak.key = small
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}
    private = {**ONE.jwk(kid="private"), "d": "AAAA"}
    encrypting = ONE.jwk(kid="encrypting", use=None, key_ops=["encrypt"])
    document = {"keys": [shared, weak.jwk(), ONE.jwk(use="enc"), private, encrypting, TWO.jwk()]}
    keys = KeySet(json.dumps(document).encode())
    assert keys.find("two", "ES256")
    for key_id in ("shared", "weak", "one", "private", "encrypting"):
        assert keys.find(key_id, "ES256") is None
        assert keys.find(key_id, "RS256") is None


def test_a_key_is_for_its_own_algorithm_alone() -> None:
    keys = KeySet(json.dumps({"keys": [ONE.jwk(), TWO.jwk(alg=None)]}).encode())
    assert keys.find("one", "ES256")
    assert keys.find("one", "ES384") is None
    assert keys.find("two", "RS256") is None
    assert keys.find(None, "ES256") is None, "two may be meant"


def test_without_an_id_the_only_key_is_meant() -> None:
    assert KeySet(key_set(ONE).encode()).find(None, "ES256")


def test_a_file_without_keys_refuses_the_start(tmp_path) -> None:
    file = tmp_path / "keys.json"
    for text in ("", "{}", '{"keys": []}'):
        file.write_text(text)
        with pytest.raises(SettingsError, match="CONFERENCING_JWT_JWKS"):
            FileKeys(file)
    with pytest.raises(SettingsError, match="CONFERENCING_JWT_JWKS"):
        FileKeys(tmp_path / "none")


async def test_keys_that_are_taken_away_are_missed_though_nobody_looks_for_one(
    site: Site, keys: UrlKeys
) -> None:
    """What is remembered of tokens holds as long as this number does."""
    before = await keys.look()
    site.now, site.document = 301, key_set(TWO).encode()
    assert await keys.look() == before
    for _ in range(5):
        await asyncio.sleep(0)
    assert await keys.look() != before
    site.now, site.document = 700, None
    await keys.look()
    site.now = 301 + 86_500
    with pytest.raises(Unavailable):
        await keys.look()
