"""OK means done, and noted: a process that is killed right after it leaves nothing to be doubted."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from support.replica import Replica, quiet, replicas
from support.sandbox import Grant, Sandbox
from support.service import autocreate, creation, details, timespan, update

KILLS = int(os.environ.get("KILLS", "15"))

GUESTS = [e.Participant(email="guest@example.com", name="Gast Größe")]

Order = Callable[[Sandbox], tuple[Grant, Any]]


def plain(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("google")
    return grant, creation(grant.id, participants=GUESTS, description="<b>Agenda</b>\n" * 200)


def series(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("microsoft")
    when = timespan(zone="Europe/Berlin")
    rule = ["RRULE:FREQ=WEEKLY;COUNT=4"]
    return grant, creation(grant.id, participants=GUESTS, when=when, recurrence=rule)


def zoom_details(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("microsoft")
    written = details(
        c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/1234567890", meeting_code="1234567890"
    )
    return grant, creation(grant.id, written, participants=GUESTS, description="Agenda")


def zoom(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant, host = sandbox.grant("icloud", primary_calendar_id="home"), sandbox.grant("zoom")
    ordered = autocreate(c.PROVIDER_ZOOM_MEETING, host.id)
    return grant, creation(grant.id, ordered, participants=GUESTS, calendar_id="home")


def teams(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("microsoft")
    return grant, creation(grant.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS), participants=GUESTS)


def meet(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("google")
    return grant, creation(grant.id, autocreate(), participants=GUESTS)


def pending_meet(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant, request = meet(sandbox)
    grant.fault("pending_conference", value=300)
    return grant, request


def change(sandbox: Sandbox) -> tuple[Grant, Any]:
    grant = sandbox.grant("google")
    event_id = grant.created()["id"]
    return grant, update(grant.id, event_id, title="Review of it", participants=GUESTS)


ORDERS: list[Order] = [plain, series, zoom_details, zoom, teams, meet, pending_meet, change]


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_what_was_answered_is_there_and_is_answered_again_after_a_kill(
    sandbox, tmp_path, ledger_url, ledger, seed
):
    dice = random.Random(seed)
    orders = [ORDERS[number % len(ORDERS)] for number in range(KILLS)]
    dice.shuffle(orders)
    async with replicas(tmp_path, sandbox.url, ledger_url) as starter:
        owner = await starter.start()
        for order in orders:
            # The next one starts while this one works: both look at the same file.
            successor = asyncio.create_task(starter.start())
            try:
                owner = await survived(sandbox, order, owner, successor)
            except BaseException as error:
                error.add_note(f"LEDGER_SEED={seed}, {order.__name__}")
                successor.cancel()
                raise
        await quiet(ledger)


async def survived(
    sandbox: Sandbox, order: Order, owner: Replica, successor: asyncio.Task[Replica]
) -> Replica:
    """Kill the owner after its answer; what it did stands, and its successor says so."""
    grant, request = order(sandbox)
    before = Counter(grant.effects())
    first = await owner.call(request)
    owner.kill()
    event_id = first.event.id
    calendar = {"calendar_id": request.calendar_id}
    assert grant.get(event_id, **calendar).json()["data"]["title"] == request.event.title
    assert not first.replayed
    done = Counter(grant.effects()) - before
    wrote = "event_updated" if order is change else "event_created"
    assert done[wrote] == done["invitation_sent"] == 1
    assert done["conference_created"] == (order in {zoom, teams, meet, pending_meet})
    heir = await successor
    again = await heir.call(request)
    assert again.replayed
    assert again.event == first.event
    assert Counter(grant.effects()) - before == done
    return heir
