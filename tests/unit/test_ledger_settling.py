"""Settling: which of the events with an operation's marker is what it did."""

from __future__ import annotations

import dataclasses
import time

import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.settling import Settling, Times
from conferencing_service.core.model import Event
from conferencing_service.stores import open_store
from conferencing_service.upstreams.registry import SingleUpstream
from stores.entries import brought_to

TIMES = Times(write=5.0, lease=10.0, settle=0.0, retention=60.0)
MASTER = Event(id="series")
OCCURRENCE = Event(id="occurrence", master_event_id="series")


class Calendar:
    """An upstream with these events."""

    def __init__(self, events):
        self.events = events

    async def find_events(self, _call, grant_id, calendar_id, marker):
        return tuple(self.events)


async def adopted(tmp_path, *events):
    """What a look finds among these events."""
    store = await open_store(f"sqlite://{tmp_path}/ledger.db")
    try:
        entry = await brought_to(store, Step.IN_DOUBT)
        settling = Settling(
            store=store,
            registry=SingleUpstream(Calendar(events)),
            times=TIMES,
            clock=time.monotonic,
        )
        return await settling.look(entry)
    finally:
        await store.aclose()


def made_at(event, created_at):
    return dataclasses.replace(event, created_at=created_at)


@pytest.mark.parametrize(
    ("master", "occurrence"),
    [(None, None), (5, 5), (5, None), (5, 4)],
    ids=["no times", "a tie", "one without a time", "an older one"],
)
async def test_a_series_is_adopted_and_not_its_changed_occurrence(tmp_path, master, occurrence):
    series, changed = made_at(MASTER, master), made_at(OCCURRENCE, occurrence)
    # So that the smaller id does not decide it.
    assert changed.id < series.id
    assert await adopted(tmp_path, changed, series) == series


@pytest.mark.parametrize("created_at", [None, 5])
async def test_an_occurrence_alone_is_not_adopted(tmp_path, created_at):
    assert await adopted(tmp_path, made_at(OCCURRENCE, created_at)) is None


async def test_of_two_events_the_first_one_counts(tmp_path):
    first, second = Event(id="b", created_at=4), Event(id="a", created_at=5)
    assert await adopted(tmp_path, second, first) == first


async def test_an_event_that_does_not_say_when_it_was_made_is_not_the_first(tmp_path):
    first, untold = Event(id="b", created_at=4), Event(id="a")
    assert await adopted(tmp_path, untold, first) == first
