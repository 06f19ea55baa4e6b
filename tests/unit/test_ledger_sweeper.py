"""The sweeper, against a real store and an upstream that shows what no sandbox does."""

from __future__ import annotations

import dataclasses
import time

import pytest

from conferencing_service.core.compatibility import Capabilities
from conferencing_service.core.errors import Unavailable
from conferencing_service.core.ledger.entry import Step, Target
from conferencing_service.core.ledger.markers import Markers
from conferencing_service.core.ledger.settling import Settling, Times
from conferencing_service.core.ledger.sweeper import Fate, Sweeper
from conferencing_service.core.model import Event, Grant, Notify, Platform
from conferencing_service.stores import open_store
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from conferencing_service.upstreams.registry import SingleUpstream
from stores.entries import brought_to, wish

TIMES = Times(write=5.0, lease=10.0, settle=0.0, retention=60.0)


@dataclasses.dataclass
class Calendar:
    """An upstream with these events."""

    events: list[Event]
    platform: Platform = Platform.GOOGLE
    deleted: list[tuple[str, Notify]] = dataclasses.field(default_factory=list)
    fails: frozenset[str] = frozenset()
    seen: object = None
    capabilities: Capabilities = NYLAS

    async def find_events(self, _call, grant_id, calendar_id, marker):
        if self.seen is not None:
            await self.seen()
        return tuple(self.events)

    async def get_grant(self, _call, grant_id):
        return Grant(grant_id, self.platform)

    async def delete_event(self, _call, grant_id, calendar_id, event_id, notify):
        if event_id in self.fails:
            raise Unavailable
        self.deleted.append((event_id, notify))


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite://{tmp_path}/ledger.db")
    yield store
    await store.aclose()


@pytest.fixture
async def markers(store):
    return Markers(await store.secret())


@pytest.fixture
def claim(markers):
    claim = wish(target=Target("grant", "calendar"))
    marker = markers.mint(claim.operation_id, "grant", "calendar")
    return dataclasses.replace(claim, marker=marker)


def sweeper(store, markers, calendar):
    registry = SingleUpstream(calendar)
    settling = Settling(store=store, registry=registry, times=TIMES, clock=time.monotonic)
    return Sweeper(store=store, markers=markers, registry=registry, settling=settling, times=TIMES)


async def test_a_changed_occurrence_of_the_winner_stays(store, markers, claim):
    entry = await brought_to(store, Step.DONE, claim, doubted=True)
    winner = Event(id=entry.target.event_id, marker=entry.marker)
    occurrence = Event(id="event_20300101", marker=entry.marker, master_event_id=winner.id)
    calendar = Calendar([winner, occurrence])
    assert await sweeper(store, markers, calendar).sweep(dry_run=False) == []
    assert calendar.deleted == []
    assert (await store.find(entry.operation_id)).swept


async def test_the_series_of_a_winner_that_is_an_occurrence_stays(store, markers, claim):
    entry = await brought_to(store, Step.DONE, claim, doubted=True)
    series = Event(id="series", marker=entry.marker)
    winner = Event(id=entry.target.event_id, marker=entry.marker, master_event_id=series.id)
    another = Event(id="another", marker=entry.marker)
    calendar = Calendar([winner, series, another])
    (finding,) = await sweeper(store, markers, calendar).sweep(dry_run=False)
    assert (finding.event_id, finding.fate) == ("another", Fate.DELETED)
    assert [event_id for event_id, _notify in calendar.deleted] == ["another"]


async def test_no_repetition_begins_while_what_was_released_is_swept(store, markers, claim):
    entry = await brought_to(store, Step.RELEASED, claim)
    begun = []

    async def repeat():
        begun.append((await store.claim(claim))[1])

    calendar = Calendar([Event(id="late", marker=entry.marker)], seen=repeat)
    (finding,) = await sweeper(store, markers, calendar).sweep(dry_run=False)
    assert (finding.event_id, finding.fate) == ("late", Fate.DELETED)
    assert begun == [False]
    _entry, mine = await store.claim(claim)
    assert mine


@pytest.mark.parametrize("dry_run", [True, False])
async def test_nothing_of_a_repetition_that_began_first_is_deleted(store, markers, claim, dry_run):
    await brought_to(store, Step.RELEASED, claim)
    (released,) = await store.unswept(older_than=0, limit=9)
    entry, mine = await store.claim(claim)
    assert mine
    calendar = Calendar([Event(id="new", marker=entry.marker)])
    await sweeper(store, markers, calendar).behind(released, dry_run=dry_run)
    assert calendar.deleted == []
    assert not (await store.find(entry.operation_id)).swept


async def test_one_that_resists_keeps_no_other_and_is_tried_again(store, markers, claim):
    entry = await brought_to(store, Step.DONE, claim, doubted=True)
    calendar = Calendar(
        [Event(id=name, marker=entry.marker) for name in ("first", "second")],
        platform=Platform.MICROSOFT,
        fails=frozenset({"first"}),
    )
    sweeping = sweeper(store, markers, calendar)
    findings = await sweeping.sweep(dry_run=False)
    assert [finding.fate for finding in findings] == [Fate.NOT_DELETED, Fate.DELETED]
    assert calendar.deleted == [("second", Notify.ALL)]
    assert not (await store.find(entry.operation_id)).swept
    calendar.fails = frozenset()
    await sweeping.sweep(dry_run=False)
    assert ("first", Notify.ALL) in calendar.deleted
    assert (await store.find(entry.operation_id)).swept


async def test_an_operation_with_a_foreign_marker_deletes_nothing(store, markers):
    entry = await brought_to(store, Step.DONE, doubted=True)
    calendar = Calendar([Event(id="any", marker=entry.marker)])
    assert await sweeper(store, markers, calendar).sweep(dry_run=False) == []
    assert calendar.deleted == []


@pytest.mark.parametrize("marker", ["", "other.0123"])
async def test_an_answer_to_another_question_deletes_nothing(store, markers, claim, marker):
    await brought_to(store, Step.DONE, claim, doubted=True)
    calendar = Calendar([Event(id="any", marker=marker)])
    assert await sweeper(store, markers, calendar).sweep(dry_run=False) == []
    assert calendar.deleted == []
