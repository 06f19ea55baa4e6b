"""The event loop is never held: while one call is worked at, the others get their turn."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing.v1 import event_pb2 as e
from conferencing_service.embedded import API_KEY
from support.sandbox import START, Grant, Sandbox
from support.service import SECONDS, autocreate, creation, get, update

MOST = 50.0
"""CPU milliseconds."""

PROGRAM = Path(__file__).parents[1] / "support" / "watched_server.py"
LIMITS = [("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]
INVITATION = "Join Zoom Meeting\nhttps://us05web.zoom.us/j/51576597457?pwd=abc\nPasscode: 123456\n"


async def calls(stub: Any, grant: Grant) -> None:
    """The largest and the strangest of everything that callers, and the vendor, can send."""
    people = [e.Participant(email=f"p{n}@example.com", name="N" * 256) for n in range(200)]
    big = {
        "description": INVITATION + "x" * 8000,
        "participants": people,
        "metadata": {f"k{n}": "v" * 500 for n in range(49)},
    }
    settings = {f"s{n}": "v" * 200 for n in range(60)}
    zoom = autocreate(c.PROVIDER_GOOGLE_MEET, settings=settings)
    made = await stub.CreateEvent(creation(grant.id, zoom, **big), timeout=SECONDS)
    await stub.GetEvent(get(grant.id, made.event.id), timeout=SECONDS)
    change = update(grant.id, made.event.id, participants=people, description="y" * 8000)
    await stub.UpdateEvent(change, timeout=SECONDS)
    for number in range(200):
        text = "<p>" + INVITATION * 20 + f"</p>{number}"
        grant.create(title=f"Meeting {number}", description=text, when=_when(number))
    page = s.ListEventsRequest(grant_id=grant.id, calendar_id="primary", page_size=200)
    listed = await stub.ListEvents(page, timeout=SECONDS)
    assert len(listed.events) == 200
    for text in (INVITATION * 2000, "<" * 200_000, "https://zoom.us/j/" * 14_000, "é" * 100_000):
        await stub.ExtractConferencing(s.ExtractConferencingRequest(text=text), timeout=SECONDS)
    for bad in (
        creation(grant.id, title="t" * 1_000_000),
        creation(grant.id, participants=people * 15),
        creation(grant.id, metadata={str(n): "x" for n in range(30_000)}),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateEvent(bad, timeout=SECONDS)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for kind in ("oversized_body", "malformed_body", "truncated_body"):
        grant.fault(kind, method="GET", times=3)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.ListEvents(page, timeout=SECONDS)
    many = [stub.CreateEvent(creation(grant.id), timeout=SECONDS) for _ in range(200)]
    await asyncio.gather(*many, return_exceptions=True)


def _when(number: int) -> dict[str, int]:
    return {"start_time": START + number, "end_time": START + number + 600}


async def test_no_callback_holds_the_loop(
    sandbox: Sandbox, google: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {
        "CONFERENCING_LISTEN": "127.0.0.1:0",
        "CONFERENCING_NYLAS_REGION": sandbox.url,
        "CONFERENCING_NYLAS_API_KEY": API_KEY,
        "CONFERENCING_LEDGER_URL": f"sqlite://{tmp_path}/ledger/ledger.sqlite",
    }
    with (tmp_path / "errors").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM)),
            env=os.environ | variables,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=LIMITS) as channel:
            await calls(service_grpc.ConferencingServiceStub(channel), google)
        process.stdin.close()
        slowest = json.loads(await process.stdout.readline())
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    with capsys.disabled():
        print(f"\nthe longest that a callback held the loop: {slowest[0][0]:.1f} ms", end="")  # noqa: T201
    assert [each for each in slowest if each[0] > MOST] == []
