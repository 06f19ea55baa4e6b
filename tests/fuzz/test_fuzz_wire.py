"""Whatever bytes come as a request are answered, or refused by the contract, and nothing is told of them.

The bytes go through the real server: deserializer, validation, codec, operations, the sandbox,
status. What gRPC itself refuses is said here by its exact words.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from hypothesis import strategies as st

from conferencing.v1 import conferencing_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing_service.core.model import Reason
from conferencing_service.status import DOMAIN, MAX_BYTES, STATUSES
from fuzz.rounds import CANARY, HANG, SECONDS, Memory, fuzz, named, seeds
from fuzz.wire_messages import Place, Sent, Structured, mutated
from support.sandbox import Sandbox
from support.service import Service, failure_of, serving

pytestmark = [pytest.mark.security, pytest.mark.timeout(SECONDS + HANG)]

METHOD = "/conferencing.v1.ConferencingService/"
TOO_LARGE = "SERVER: Received message larger than max"
CALL_SECONDS = 30.0
AT_ONCE = 8
BATCHES = 25
"""So many times AT_ONCE requests are made of one seed."""


UNLIKELY = frozenset(
    {Reason.UPSTREAM_UNAVAILABLE, Reason.OUTCOME_UNKNOWN, Reason.LEDGER_UNAVAILABLE}
)
"""What a healthy sandbox and ledger give no reason for."""


@dataclass
class Fuzzed:
    """A server that is fuzzed, and what has come of it."""

    runner: asyncio.Runner
    service: Service
    place: Place
    endings: Counter[str]

    def send(self, batch: list[Sent]) -> None:
        """Send requests at once; each must end by the contract."""
        for ending in self.runner.run(self._sent(batch)):
            self.endings[ending] += 1

    async def _sent(self, batch: list[Sent]) -> list[str]:
        endings = await asyncio.gather(*map(self._ended, batch))
        self.service.exporter.clear()
        return list(endings)

    async def _ended(self, sent: Sent) -> str:
        call: Any = self.service.channel.unary_unary(METHOD + sent.method)
        try:
            await call(sent.data, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            failure = error
        else:
            return "OK"
        try:
            return assert_contract(failure)
        except AssertionError as error:
            error.add_note(f"{sent.method}: {sent.data[:2000]!r}")
            raise

    def assert_answers(self) -> None:
        """A good caller is answered."""
        asked = service_pb2.CheckCompatibilityRequest(grant_id=self.place.grant_id)
        answer = self.runner.run(self.service.call(asked))
        assert answer.platform == conferencing_pb2.PLATFORM_GOOGLE


def assert_contract(error: grpc.aio.AioRpcError) -> str:
    """The status is one of the contract, or gRPC's own for a message that is too large."""
    told = f"{error.details()} {error.trailing_metadata()} {error.initial_metadata()}"
    assert CANARY not in told, told
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and TOO_LARGE in (error.details() or ""):
        return "too large"
    failure = failure_of(error)
    assert failure.domain == DOMAIN, f"{error.code()}: {error.details()}"
    reason = Reason(failure.reason)
    assert STATUSES[reason] == (failure.code, failure.message)
    assert failure.size <= MAX_BYTES
    assert failure.code is not grpc.StatusCode.INTERNAL, reason.value
    assert reason not in UNLIKELY, reason.value
    if failure.code is grpc.StatusCode.UNKNOWN:
        assert reason is Reason.OUTCOME_UNRESOLVED
    trailers = dict(error.trailing_metadata() or ())
    assert CANARY.encode() not in trailers["grpc-status-details-bin"]
    return reason.value


@contextmanager
def fuzzed(sandbox: Sandbox) -> Iterator[Fuzzed]:
    """A server with a grant, a conference grant, and events in its calendar."""
    google, zoom = sandbox.grant("google"), sandbox.grant("zoom")
    meet = {"provider": "Google Meet", "autocreate": {}}
    event_ids = (google.created(conferencing=meet)["id"], google.created()["id"])
    place = Place(google.id, zoom.id, event_ids, google.created()["id"])
    with asyncio.Runner() as runner:
        context = serving(sandbox.url)
        service = runner.run(context.__aenter__())
        try:
            yield Fuzzed(runner, service, place, Counter())
        finally:
            runner.run(context.__aexit__(None, None, None))


def assert_spread(target: Fuzzed, tally: Counter[str]) -> None:
    """Some requests were right, some wrong, and both were counted."""
    print(dict(target.endings))  # noqa: T201 - shown with -s
    assert {"OK", "INVALID_FIELD"} <= set(target.endings)
    tally["fuzz inputs"] += target.endings.total()


def test_bytes_that_were_changed_are_answered_by_the_contract(
    sandbox: Sandbox, tally: Counter[str]
) -> None:
    with fuzzed(sandbox) as target:
        memory = Memory()

        def look() -> None:
            target.assert_answers()
            memory.look()

        batches = st.lists(mutated(target.place), min_size=1, max_size=AT_ONCE)
        fuzz("wire, changed bytes", batches, target.send, share=0.5, after_each=look)
        assert_spread(target, tally)


def test_fields_that_hold_anything_are_answered_by_the_contract(
    sandbox: Sandbox, tally: Counter[str]
) -> None:
    what = "wire, fields"
    with fuzzed(sandbox) as target:
        memory, next_request = Memory(), Structured(target.place)
        for number in seeds(what, 0.5):
            rng = random.Random(number)
            with named(number, what):
                for _ in range(BATCHES):
                    target.send([next_request(rng) for _ in range(AT_ONCE)])
                target.assert_answers()
                memory.look()
        assert_spread(target, tally)


def test_a_long_pin_is_not_told_with_each_number(sandbox: Sandbox) -> None:
    asked = service_pb2.ExtractConferencingRequest()
    link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d"
    numbers = [f"+1646555{number:04}" for number in range(100)]
    meeting = {"joinUrl": link, "conferenceId": "1" * 200_000, "tollFreeNumbers": numbers}
    asked.microsoft_event.update({"onlineMeeting": meeting})
    with fuzzed(sandbox) as target:
        answer = target.runner.run(target.service.call(asked))
    assert answer.conferencing.details.url == link
    assert answer.ByteSize() < 2 * asked.ByteSize()


# ---- That faults are seen -------------------------------------------------------------------


def breaks(request: Any) -> Any:
    raise ValueError(request)


@pytest.mark.parametrize(
    ("method", "function"),
    [("GetEvent", "get_event_from_proto"), ("ExtractConferencing", "extraction_from_proto")],
)
def test_a_servicer_that_breaks_is_seen(
    method: str, function: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fuzzed(sandbox) as target:
        monkeypatch.setattr(f"conferencing_service.codec.{function}", breaks)
        with pytest.raises(AssertionError, match="INTERNAL"):
            target.send([Sent(method, b"")])
