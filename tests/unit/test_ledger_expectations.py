"""Has an update arrived? Yes only where the event shows it, and could not have shown it before."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.ledger.expectations import expectation_of, is_met
from conferencing_service.core.model import (
    WRITABLE_FIELDS,
    Conferencing,
    Date,
    Datespan,
    Details,
    Event,
    Origin,
    Participant,
    ParticipantStatus,
    Provider,
    Reminder,
    ReminderMethod,
    Reminders,
    Resource,
    State,
    TimePoint,
    Timespan,
    Visibility,
    When,
)
from unit.examples import MEET_URL, START, autocreate, details
from unit.strategies import events

ZOOM_URL = "https://zoom.us/j/98765432101"
ZOOM = Conferencing(Provider.ZOOM_MEETING, Details(url=ZOOM_URL, password="sesame"))
MEET = Conferencing(Provider.GOOGLE_MEET, Details(url=MEET_URL), state=State.READY)
ADA = Participant(email="ada@example.org", name="Ada")
BOB = Participant(email="bob@example.org")

# Per field what is asked for, and what an event may hold that was asked for something else.
EXAMPLES: dict[str, tuple[Any, Any]] = {
    "title": ("New", "Old"),
    "description": ("New words.", "Old words."),
    "location": ("Room 2", "Room 1"),
    "when": (Timespan(START, START + 60), Timespan(START, START + 61)),
    "participants": ((ADA, BOB), (ADA,)),
    "recurrence": (("RRULE:FREQ=DAILY",), ()),
    "reminders": (Reminders(overrides=(Reminder(5),)), Reminders(overrides=(Reminder(6),))),
    "visibility": (Visibility.PRIVATE, Visibility.PUBLIC),
    "busy": (False, True),
    "metadata": ({"a": "1"}, {"a": "2"}),
    "resources": ((Resource(email="room@example.org"),), ()),
    "conferencing": (ZOOM, MEET),
    "hide_participants": (True, False),
    "capacity": (3, None),
}


def expected(current: Event | None = None, **asked: Any) -> dict[str, str]:
    """What an update that names these fields expects."""
    return dict(expectation_of(Event(**asked), frozenset(asked), current))


# ---- Every field ---------------------------------------------------------------------------


def test_every_writable_field_has_an_example() -> None:
    assert set(EXAMPLES) == WRITABLE_FIELDS


@pytest.mark.parametrize("name", sorted(WRITABLE_FIELDS))
def test_an_event_that_shows_what_was_asked_meets_it_and_another_does_not(name: str) -> None:
    new, old = EXAMPLES[name]
    for current in (None, Event(**{name: old}), Event(**{name: new})):
        wanted = expected(current, **{name: new})
        assert is_met(wanted, Event(**{name: new}))
        assert not is_met(wanted, Event(**{name: old}))
        assert not is_met(wanted, Event())


@pytest.mark.parametrize("name", sorted(WRITABLE_FIELDS - {"when", "visibility"}))
def test_a_field_that_is_cleared_has_to_be_empty(name: str) -> None:
    new, _old = EXAMPLES[name]
    empty = getattr(Event(), name)
    wanted = expected(Event(**{name: new}), **{name: empty})
    assert is_met(wanted, Event())
    assert not is_met(wanted, Event(**{name: new}))


@given(events(), st.sets(st.sampled_from(sorted(WRITABLE_FIELDS)), min_size=1))
def test_an_update_is_met_by_the_event_that_it_asked_for(asked: Event, names: set[str]) -> None:
    wanted = expectation_of(asked, names, None)
    noted = names - ({"visibility"} if asked.visibility is None else set())
    assert is_met(wanted, asked) is bool(noted)


@given(events(), events(), st.sets(st.sampled_from(sorted(WRITABLE_FIELDS)), min_size=1))
def test_fields_that_were_not_named_do_not_matter(
    asked: Event, other: Event, names: set[str]
) -> None:
    others = WRITABLE_FIELDS - names - {"conferencing"}
    event = dataclasses.replace(asked, **{name: getattr(other, name) for name in others})
    wanted = expectation_of(asked, names - {"visibility"} | {"busy"}, None)
    assert is_met(wanted, dataclasses.replace(event, busy=asked.busy))


def test_every_named_field_has_to_show() -> None:
    wanted = expected(title="New", location="Room 2")
    assert is_met(wanted, Event(title="New", location="Room 2"))
    assert not is_met(wanted, Event(title="New", location="Room 1"))
    assert not is_met(wanted, Event(title="Old", location="Room 2"))


def test_nothing_expected_is_never_met() -> None:
    assert not is_met({}, Event())
    assert expected(visibility=None) == {}


def test_what_another_version_expected_is_never_met() -> None:
    assert not is_met({"colour": "x"}, Event())


# ---- What upstreams do with what they are given --------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "kept"),
    [
        ("title", " New ", "New"),
        ("location", "Room 2 ", "Room 2"),
        ("description", "One.\r\n\r\nTwo.", "One.\n\nTwo."),
        ("busy", None, True),
        ("reminders", None, Reminders(use_default=True)),
        (
            "reminders",
            Reminders(overrides=(Reminder(5), Reminder(60))),
            Reminders(
                overrides=(Reminder(5, ReminderMethod.POPUP), Reminder(60, ReminderMethod.EMAIL))
            ),
        ),
        ("participants", (ADA, BOB), (BOB, ADA)),
        (
            "participants",
            (Participant(email="Ada@Example.org"),),
            (Participant(email="ada@example.org", status=ParticipantStatus.YES),),
        ),
        # Where no name was given, some upstreams give the address.
        (
            "participants",
            (Participant(email="Bob@example.org"),),
            (Participant(email="bob@example.org", name="bob@Example.org"),),
        ),
        (
            "resources",
            (Resource(email="Room@example.org", name="Aquarium"),),
            (Resource(email="room@example.org", name="Aquarium", capacity=8, building="B"),),
        ),
    ],
)
def test_what_upstreams_tidy_up_is_still_what_was_asked(name: str, asked: Any, kept: Any) -> None:
    assert is_met(expected(**{name: asked}), Event(**{name: kept}))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (Timespan(1, 2), Timespan(1, 2, "UTC", "UTC")),
        (TimePoint(1), TimePoint(1, "Europe/Berlin")),
        (Timespan(1, 2, "UTC", "UTC"), Timespan(1, 2, "UTC", "UTC")),
        (Date("2030-02-27"), Date("2030-02-27")),
        (Datespan("2030-02-27", "2030-02-28"), Datespan("2030-02-27", "2030-02-28")),
    ],
)
def test_a_zone_that_nobody_asked_for_does_not_matter(asked: When, kept: When) -> None:
    assert is_met(expected(when=asked), Event(when=kept))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (Timespan(1, 2), Timespan(1, 3)),
        (TimePoint(1), Timespan(1, 1)),
        (Timespan(1, 2, "UTC", "UTC"), Timespan(1, 2, "Asia/Tokyo", "Asia/Tokyo")),
        (Timespan(1, 2, "UTC", "UTC"), Timespan(1, 2)),
        (Date("2030-02-27"), Datespan("2030-02-27", "2030-02-27")),
        (TimePoint(1), None),
    ],
)
def test_another_time_is_another_time(asked: When, kept: When | None) -> None:
    assert not is_met(expected(when=asked), Event(when=kept))


def test_the_text_of_a_kept_conference_does_not_matter() -> None:
    block = f"\n\nJoin Zoom Meeting\n{ZOOM_URL}\nPasscode: sesame"
    before = Event(description=f"Old.{block}", conferencing=ZOOM)
    after = Event(description=f"New.{block}", conferencing=ZOOM)
    wanted = expected(before, description="New.")
    assert is_met(wanted, after)
    assert not is_met(wanted, before)


def test_the_text_of_a_new_conference_does_not_matter() -> None:
    block = f"\n\nJoin Zoom Meeting\n{ZOOM_URL}\nPasscode: sesame"
    before = Event(description="Old.")
    wanted = expected(before, description="New.", conferencing=ZOOM)
    assert is_met(wanted, Event(description=f"New.{block}", conferencing=ZOOM))
    assert not is_met(wanted, Event(description="New."))
    assert not is_met(wanted, Event(description=f"Old.{block}", conferencing=ZOOM))


@pytest.mark.parametrize(
    "kept",
    [
        (Reminder(5, ReminderMethod.POPUP),),
        (Reminder(5),),
        (Reminder(6, ReminderMethod.EMAIL),),
        (Reminder(5, ReminderMethod.EMAIL), Reminder(6, ReminderMethod.EMAIL)),
        (),
    ],
)
def test_a_method_of_reminding_that_was_asked_for_has_to_show(kept: tuple[Reminder, ...]) -> None:
    asked = Reminders(overrides=(Reminder(5, ReminderMethod.EMAIL),))
    assert is_met(expected(reminders=asked), Event(reminders=asked))
    assert not is_met(expected(reminders=asked), Event(reminders=Reminders(overrides=kept)))


# ---- What was so before is no sign ---------------------------------------------------------


def renamed(*guests: Participant) -> tuple[Participant, ...]:
    return tuple(dataclasses.replace(each, name="Another") for each in guests)


@pytest.mark.parametrize("change", ["name", "comment", "phone_number"])
@pytest.mark.parametrize("current", [None, Event(participants=(ADA, BOB))])
def test_of_guests_who_were_there_before_everything_has_to_show(
    change: str, current: Event | None
) -> None:
    asked = (dataclasses.replace(ADA, **{change: "Another"}), BOB)
    wanted = expected(current, participants=asked)
    assert is_met(wanted, Event(participants=asked))
    assert not is_met(wanted, Event(participants=(ADA, BOB)))


def test_of_guests_who_were_not_there_before_the_addresses_are_enough() -> None:
    wanted = expected(Event(participants=(ADA,)), participants=(ADA, BOB))
    assert is_met(wanted, Event(participants=renamed(ADA, BOB)))


@pytest.mark.parametrize("current", [None, Event(resources=(Resource("room@example.org", "Old"),))])
def test_of_resources_that_were_there_before_the_name_has_to_show(current: Event | None) -> None:
    wanted = expected(current, resources=(Resource("room@example.org", "New"),))
    assert is_met(wanted, Event(resources=(Resource("room@example.org", "New"),)))
    assert not is_met(wanted, Event(resources=(Resource("room@example.org", "Old"),)))


@pytest.mark.parametrize(
    "change", [{"password": "new"}, {"meeting_code": "1"}, {"pin": "1"}, {"phone": ("+49",)}]
)
def test_of_a_link_that_was_there_before_all_details_have_to_show(change: dict[str, Any]) -> None:
    assert isinstance(ZOOM.source, Details)
    asked = dataclasses.replace(ZOOM, source=dataclasses.replace(ZOOM.source, **change))
    wanted = expected(Event(conferencing=ZOOM), conferencing=asked)
    kept = dataclasses.replace(asked, state=State.READY, label="Zoom", origin=Origin.NATIVE)
    assert is_met(wanted, Event(conferencing=kept))
    assert not is_met(wanted, Event(conferencing=ZOOM))


def test_of_a_link_that_was_not_there_before_the_link_is_enough() -> None:
    wanted = expected(Event(conferencing=MEET), conferencing=ZOOM)
    told = Conferencing(Provider.ZOOM_MEETING, Details(url=ZOOM_URL, meeting_code="98765432101"))
    assert is_met(wanted, Event(conferencing=told))


# ---- Autocreate ----------------------------------------------------------------------------


def test_an_autocreated_conference_is_one_that_was_not_there_before() -> None:
    wanted = expected(Event(conferencing=MEET), conferencing=autocreate())
    assert not is_met(wanted, Event(conferencing=MEET))
    assert not is_met(wanted, Event())
    assert not is_met(wanted, Event(conferencing=Conferencing(state=State.PENDING)))
    assert is_met(wanted, Event(conferencing=ZOOM))


@pytest.mark.parametrize("before", [Event(), Event(conferencing=Conferencing())])
def test_where_there_was_none_before_any_conference_will_do(before: Event) -> None:
    wanted = expected(before, conferencing=autocreate())
    assert not is_met(wanted, before)
    assert is_met(wanted, Event(conferencing=MEET))


# ---- What is kept --------------------------------------------------------------------------


def test_nothing_that_anybody_wrote_is_kept() -> None:
    before = Event(conferencing=details(), participants=(ADA,))
    asked = {name: new for name, (new, _old) in EXAMPLES.items()}
    kept = json.dumps([expected(before, **asked), expected(before, conferencing=autocreate())])
    for words in ("New", "Room", "ada@", "bob@", "Ada", "zoom.us", "sesame", "RRULE", "meet"):
        assert words not in kept
