"""Claims, and entries brought to the step that a test is about."""

from __future__ import annotations

import dataclasses
import itertools

from conferencing_service.core.ledger.entry import Claim, Key, Step, Target

OPEN = (Step.CLAIMED, Step.SENDING, Step.IN_DOUBT)
ENDED = (Step.DONE, Step.UNRESOLVED, Step.RELEASED)
LONG = 600.0
"""A lease that outlasts every test."""

NEVER = "no-such-operation"

_numbers = itertools.count(1)


def wish(request_id="request", *, principal="alice", method="CreateEvent", **changes):
    """A claim of an operation that is new each time."""
    number = next(_numbers)
    return Claim(
        **{
            "key": Key(principal, method, request_id),
            "operation_id": f"operation-{number}",
            "fingerprint": "fingerprint",
            "owner": "server-1",
            "target": Target("grant", "calendar"),
            "marker": f"marker-{number}",
            "lease": LONG,
            "settle": LONG,
            "retention": LONG,
            **changes,
        }
    )


async def claimed(store, claim=None):
    """A new entry, CLAIMED."""
    entry, mine = await store.claim(wish() if claim is None else claim)
    assert mine
    return entry


async def sending(store, claim=None):
    """A new entry, SENDING."""
    entry = await claimed(store, claim)
    assert await store.intend(entry.hold, event_id="", expected={}, lease=LONG)
    return await store.find(entry.operation_id)


async def in_doubt(store, claim=None):
    """A new entry, IN_DOUBT."""
    entry = await sending(store, claim)
    assert await store.doubt(entry.hold, error="TIMEOUT", settle=LONG, lease=LONG)
    return await store.find(entry.operation_id)


async def brought_to(store, step, claim=None, *, doubted=False, retention=LONG):
    """A new entry in a step, its owner holding the lease while it is open."""
    if step is Step.RELEASED or (doubted and step is Step.DONE):
        # Only by an operator does one that was in doubt surely have done nothing.
        entry = await brought_to(store, Step.UNRESOLVED, claim)
        done = step is Step.DONE
        assert await store.resolve(
            entry.operation_id, done=done, event_id="event", owner="operator", retention=retention
        )
        return await store.find(entry.operation_id)
    match step:
        case Step.CLAIMED:
            return await claimed(store, claim)
        case Step.SENDING:
            return await sending(store, claim)
        case Step.DONE:
            entry = await sending(store, claim)
            assert await store.finish(entry.hold, event_id="event", reply="", retention=retention)
        case _:
            entry = await in_doubt(store, claim)
            if step is Step.UNRESOLVED:
                assert await store.give_up(entry.hold, retention=retention)
    return await store.find(entry.operation_id)


async def abandoned(store, step, claim=None):
    """A new entry in a step, its lease over."""
    entry = await brought_to(store, step, claim)
    if step in OPEN:
        assert await store.renew(entry.hold, lease=0)
    return entry


def standing(entry):
    """An entry without what runs while nobody touches it."""
    return dataclasses.replace(entry, lease_left=0.0, settle_left=0.0)
