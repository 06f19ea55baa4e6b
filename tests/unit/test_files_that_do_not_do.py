"""A file that is replaced by one that does not do: told as long as that lasts, and read again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from conferencing_service.access.policy_file import PolicyFile
from conferencing_service.access.signing_keys import FileKeys
from conferencing_service.api_key import ApiKey
from conferencing_service.core.clock import Clock
from conferencing_service.settings import Settings
from support.issuer import Issuer, key_set

pytestmark = pytest.mark.security


@dataclass(frozen=True)
class Kind:
    """A kind of file: what does and does not do, and how one looks whether it changed."""

    alert: str
    first: str
    second: str
    broken: str
    watch: Callable[[Path, Clock], Callable[[], Awaitable[object]]]


def policy(name: str) -> str:
    return f'[principals.{name}]\nsubjects = ["*"]\nrpcs = ["*"]\n'


def keys(key_id: str) -> str:
    return key_set(Issuer(key_id=key_id))


def watch_policy(path: Path, clock: Clock) -> Callable[[], Awaitable[object]]:
    file = PolicyFile(path, ("GetEvent",), clock)

    async def look() -> object:
        return file.current()

    return look


def watch_keys(path: Path, clock: Clock) -> Callable[[], Awaitable[object]]:
    return FileKeys(path, clock).look


def watch_api_key(path: Path, clock: Clock) -> Callable[[], Awaitable[object]]:
    key = ApiKey.of(Settings(nylas_api_key_file=path), clock)

    async def look() -> object:
        return key.current().get_secret_value()

    return look


KINDS = (
    Kind("policy", policy("ada"), policy("bob"), "= nonsense", watch_policy),
    Kind("tokens", keys("one"), keys("two"), "{}", watch_keys),
    Kind("api_key", "first", "second", "a key with spaces", watch_api_key),
)


@dataclass
class Watched:
    """A file of a kind, a clock that is told the time, and what was told the operator."""

    kind: Kind
    path: Path
    log: pytest.LogCaptureFixture
    now: float = 0.0

    def __post_init__(self) -> None:
        self.path.write_text(self.kind.first)
        self.look = self.kind.watch(self.path, lambda: self.now)

    async def seen_for(self, seconds: int) -> list[object]:
        """What it is, second by second."""
        seen = []
        for _ in range(seconds):
            self.now += 1.0
            seen.append(await self.look())
        return seen

    def alerts(self) -> int:
        """How often the operator was told since this was asked last."""
        told = [line for line in self.log.records if getattr(line, "alert", "") == self.kind.alert]
        self.log.clear()
        return len(told)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.alert)
def watched(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Watched:
    caplog.set_level(logging.ERROR)
    return Watched(request.param, tmp_path / "file", caplog)


async def test_it_is_told_every_minute_until_it_does_again(watched: Watched) -> None:
    first = await watched.look()
    watched.path.write_text(watched.kind.broken)
    assert set(await watched.seen_for(600)) == {first}
    assert watched.alerts() == 10
    watched.path.write_text(watched.kind.second)
    assert first not in await watched.seen_for(600)
    assert watched.alerts() == 0


async def test_a_read_that_failed_by_chance_is_made_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the one that was seen then, so that nothing of it tells that it can be read now."""
    first = await watched.look()
    watched.path.write_text(watched.kind.second)

    def fails(_path: Path, *_arguments: object, **_more: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "read_bytes", fails)
        disk.setattr(Path, "read_text", fails)
        assert set(await watched.seen_for(30)) == {first}
    assert watched.alerts() == 1
    assert first not in (await watched.seen_for(61))[-30:]
    assert watched.alerts() == 0


async def test_one_that_is_gone_is_told_and_missed_no_more_when_it_is_back(
    watched: Watched,
) -> None:
    first = await watched.look()
    watched.path.unlink()
    assert set(await watched.seen_for(180)) == {first}
    assert watched.alerts() == 3
    watched.path.write_text(watched.kind.second)
    assert first not in await watched.seen_for(2)
