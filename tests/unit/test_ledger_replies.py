"""Replies: the answer comes back whole, and what its caller wrote is not kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conferencing_service.core.ledger.replies import event_from_reply, reply_from_event
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Event,
    EventStatus,
    Origin,
    Participant,
    ParticipantStatus,
    Person,
    Provider,
    Reminder,
    Reminders,
    Resource,
    State,
    Timespan,
    Visibility,
)
from unit.examples import START, autocreate, details, event
from unit.strategies import answers, events, json_values

FIELDS = [each.name for each in dataclasses.fields(Event)]
BLOCK = "\n\nJoin Zoom Meeting\nhttps://zoom.us/j/98765432101"
ADA = Participant(email="ada@example.org", name="Ada Lovelace", comment="brings cake")
BOB = Participant(email="bob@example.org", phone_number="+4930123456")
ASKED = event(
    title="Quarterly figures",
    description="Not for everybody.",
    location="Back room",
    participants=(ADA, BOB),
    metadata={"case": "4711"},
    resources=(Resource(email="room@example.org", name="Aquarium"),),
    recurrence=("RRULE:FREQ=WEEKLY",),
    conferencing=Conferencing(
        Provider.ZOOM_MEETING, Autocreate("host", {"password": "sesame", "agenda": "Secret plan"})
    ),
)
PRIVATE = (
    *("Quarterly", "everybody", "Back room", "ada@", "Lovelace", "cake", "bob@", "4930123456"),
    *("case", "4711", "room@", "Aquarium", "WEEKLY", "sesame", "Secret plan", str(START)),
)


def answered(asked: Event, **changes: Any) -> Event:
    """An answer that repeats what was asked and adds what upstreams add."""
    added = {
        "id": "e1",
        "grant_id": "g",
        "calendar_id": "work",
        "description": f"{asked.description}{BLOCK}",
        "participants": tuple(
            dataclasses.replace(each, status=ParticipantStatus.NO_REPLY)
            for each in asked.participants
        ),
        "conferencing": Conferencing(
            Provider.ZOOM_MEETING,
            Details(url="https://zoom.us/j/98765432101", meeting_code="98765432101"),
            state=State.READY,
            label="Zoom Meeting",
            origin=Origin.NATIVE,
        ),
        "organizer": Person(email="host@example.org"),
        "status": EventStatus.CONFIRMED,
        "html_link": "https://calendar.example/e1",
        "created_at": 1_893_000_000,
    }
    return dataclasses.replace(asked, **{**added, **changes})


# ---- There and back ------------------------------------------------------------------------


@given(events(), answers())
@example(Event(), Event())
@example(ASKED, answered(ASKED))
def test_an_answer_comes_back_as_it_was(asked: Event, answer: Event) -> None:
    assert event_from_reply(asked, reply_from_event(asked, answer)) == answer


@given(events(), answers(), st.sets(st.sampled_from(FIELDS)))
def test_an_answer_that_repeats_most_of_it_comes_back_as_it_was(
    asked: Event, other: Event, names: set[str]
) -> None:
    answer = dataclasses.replace(asked, **{name: getattr(other, name) for name in names})
    assert event_from_reply(asked, reply_from_event(asked, answer)) == answer


@given(events(), st.data())
def test_lists_come_back_whatever_was_added_moved_or_taken_out(
    asked: Event, data: st.DataObject
) -> None:
    more = tuple(answer.participants for answer in data.draw(st.lists(answers(), max_size=2)))
    people = [*asked.participants, *(each for several in more for each in several)]
    answer = dataclasses.replace(asked, participants=tuple(data.draw(st.permutations(people))))
    assert event_from_reply(asked, reply_from_event(asked, answer)) == answer
    assert event_from_reply(answer, reply_from_event(answer, asked)) == asked


@given(events())
def test_of_an_answer_that_adds_nothing_nothing_is_kept(asked: Event) -> None:
    assert reply_from_event(asked, asked) == "0"


EARLIER = (
    '{"in":{"id":{"is":"e1"},"grant_id":{"is":"g"},"description":{"is":{"text":[0,"\\n\\nJoin Z'
    'oom Meeting\\nhttps://zoom.us/j/98765432101"]}},"participants":{"each":[[0,{"in":{"status'
    '":{"is":{"of":{"@":"ParticipantStatus","value":"NO_REPLY"}}}},"out":[]}],{"is":{"of":{"@'
    '":"Participant","email":{"text":[6,"@example.org"]},"name":{"text":[2]}}}}]},"reminders"'
    ':{"is":{"of":{"@":"Reminders","overrides":[{"of":{"@":"Reminder","minutes":10}}]}}},"vis'
    'ibility":{"is":{"of":{"@":"Visibility","value":"PRIVATE"}}},"busy":{"is":true},"metadata'
    '":{"in":{"items":{"in":{"b":{"is":"2"}},"out":["a"]}},"out":[]},"conferencing":{"in":{"s'
    'ource":{"in":{"@":{"is":"Details"},"url":{"is":"https://zoom.us/j/98765432101"},"phone":'
    '{"is":["+11234567890"]}},"out":["conf_grant_id"]},"state":{"is":{"of":{"@":"State","valu'
    'e":"READY"}}}},"out":[]},"created_at":{"is":1893000000}},"out":["location"]}'
)
"""A reply as the first version wrote it; such replies are in people's ledgers."""


def test_a_reply_of_an_earlier_version_is_read_as_it_was_meant() -> None:
    asked = event(
        title="Ada Lovelace",
        description="Not for everybody.",
        location="Back room",
        participants=(ADA,),
        metadata={"a": "1"},
        conferencing=Conferencing(Provider.ZOOM_MEETING, Autocreate("host")),
    )
    answer = event_from_reply(asked, EARLIER)
    assert answer == dataclasses.replace(
        asked,
        id="e1",
        grant_id="g",
        description=f"Not for everybody.{BLOCK}",
        location="",
        participants=(
            dataclasses.replace(ADA, status=ParticipantStatus.NO_REPLY),
            Participant(email="host@example.org", name="Ada Lovelace"),
        ),
        reminders=Reminders(overrides=(Reminder(10),)),
        visibility=Visibility.PRIVATE,
        busy=True,
        metadata={"b": "2"},
        conferencing=Conferencing(
            Provider.ZOOM_MEETING,
            Details(url="https://zoom.us/j/98765432101", phone=("+11234567890",)),
            state=State.READY,
        ),
        created_at=1_893_000_000,
    )
    # The form has stayed as it is, so servers of both versions can share a ledger.
    assert event_from_reply(asked, reply_from_event(asked, answer)) == answer


# ---- What is not kept ----------------------------------------------------------------------


def test_what_the_caller_wrote_is_not_in_the_reply() -> None:
    reply = reply_from_event(ASKED, answered(ASKED))
    assert "98765432101" in reply
    assert [word for word in PRIVATE if word in reply] == []


def test_an_organizer_among_the_guests_brings_no_other_guest_into_the_reply() -> None:
    host = Participant(email="host@example.org", status=ParticipantStatus.YES)
    for guests in ((host, ADA, BOB), (ADA, BOB, host), (BOB, ADA), (BOB,), (host, BOB)):
        answer = answered(ASKED, participants=guests)
        reply = reply_from_event(ASKED, answer)
        assert [word for word in PRIVATE if word in reply] == [], guests
        assert event_from_reply(ASKED, reply) == answer


def test_an_address_that_is_kept_in_small_letters_brings_no_name_into_the_reply() -> None:
    asked = event(participants=(Participant(email="Ada@Example.org", name="Ada Lovelace"),))
    answer = answered(
        asked, participants=(Participant(email="ada@example.org", name="Ada Lovelace"),)
    )
    reply = reply_from_event(asked, answer)
    assert "Lovelace" not in reply
    assert event_from_reply(asked, reply) == answer


def literals(reply: Any) -> Iterator[str]:
    """Every text that stands in a reply."""
    match reply:
        case str():
            yield reply
        case list() | dict():
            for each in reply.values() if isinstance(reply, dict) else reply:
                yield from literals(each)
        case _:
            pass


words = st.text("abcdefgh ", min_size=4, max_size=12)


@given(st.lists(words, min_size=1, max_size=5), st.lists(words, max_size=3), st.data())
def test_no_text_of_the_callers_stands_in_the_reply_wherever_the_answer_repeats_it(
    wrote: list[str], added: list[str], data: st.DataObject
) -> None:
    asked = event(
        title=wrote[0],
        description=wrote[-1],
        participants=tuple(Participant(email="a@example.org", comment=each) for each in wrote),
        conferencing=Conferencing(Provider.ZOOM_MEETING, Details(password=wrote[0])),
    )
    mixed = "".join(data.draw(st.permutations([*wrote, *wrote, *added])))
    answer = answered(asked, location=mixed, description=mixed, text_description=wrote[-1])
    reply = reply_from_event(asked, answer)
    assert event_from_reply(asked, reply) == answer
    for text in literals(json.loads(reply)):
        assert [each for each in wrote if each in text] == []


def test_a_text_that_grew_is_kept_as_what_was_added() -> None:
    reply = json.loads(reply_from_event(ASKED, answered(ASKED)))
    (own, added) = reply["in"]["description"]["is"]["text"]
    assert isinstance(own, int)
    assert added == BLOCK


def test_a_conferences_text_in_the_description_does_not_bring_its_passcode_into_the_reply() -> None:
    zoom = Details(url="https://zoom.us/j/98765432101", password="sesame", pin="424277771")
    asked = event(conferencing=Conferencing(Provider.ZOOM_MEETING, zoom))
    entries = (EntryPoint(EntryPointType.VIDEO, uri=zoom.url, password="sesame", pin="424277771"),)
    answer = answered(
        asked,
        description=f"{BLOCK}\nPasscode: sesame",
        conferencing=Conferencing(
            Provider.ZOOM_MEETING, dataclasses.replace(zoom, entry_points=entries)
        ),
    )
    reply = reply_from_event(asked, answer)
    assert event_from_reply(asked, reply) == answer
    for word in ("sesame", "zoom.us", "98765432101", "424277771"):
        assert word not in reply


def test_what_the_answer_says_otherwise_is_kept() -> None:
    reply = reply_from_event(ASKED, answered(ASKED, title="Figures"))
    assert "Figures" in reply
    assert "Quarterly" not in reply


def test_details_of_the_callers_own_are_not_in_the_reply() -> None:
    asked = event(conferencing=details(pin="424277771"))
    own = asked.conferencing
    assert own is not None
    answer = answered(asked, conferencing=dataclasses.replace(own, state=State.READY))
    reply = reply_from_event(asked, answer)
    assert "424277771" not in reply
    assert "meet.google.com" not in reply
    assert event_from_reply(asked, reply) == answer


# ---- What does not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "{",
        "nonsense",
        "1",
        "null",
        '"0"',
        "[]",
        "{}",
        '{"each": []}',
        '{"is": {"@": "Event"}}',
        '{"is": {"of": {"@": "Meeting"}}}',
        '{"is": {"of": []}}',
        '{"is": {"text": [0]}}',
        '{"in": {}}',
        '{"in": {"title": {"each": []}}, "out": []}',
        '{"in": {"location": {"is": {"text": "x"}}}, "out": []}',
        '{"in": {"location": {"is": {"text": [99]}}}, "out": []}',
        '{"in": {"location": {"is": {"text": [-1]}}}, "out": []}',
        '{"in": {"location": {"is": {"text": [0.5]}}}, "out": []}',
        '{"in": {"when": {"each": [[0, 0]]}}, "out": []}',
        '{"in": {"participants": {"each": [[1, 0]]}}, "out": []}',
        '{"in": {"participants": {"each": [[-1, 0]]}}, "out": []}',
        '{"in": {"participants": {"each": [0]}}, "out": []}',
        '{"in": {"colour": {"is": "red"}}, "out": []}',
        '{"in": {"@": {"is": "Meeting"}}, "out": []}',
        '{"in": {"@": {"is": "Timespan"}}, "out": []}',
        '{"in": {}, "out": ["@"]}',
        '{"in": {"when": {"in": {}, "out": ["start_time"]}}, "out": []}',
        '{"is": {"of": {"@": "Provider", "value": "WEBEX"}}}',
        '{"is": "an event"}',
        '{"is": [{"of": {"@": "Event"}}]}',
    ],
)
def test_a_reply_that_does_not_fit_is_a_value_error(reply: str) -> None:
    asked = event(participants=(Participant(email="a@example.org"),), conferencing=autocreate())
    assert asked.when == Timespan(START, START + 3600)
    with pytest.raises(ValueError, match=r"reply|plain|valid|JSON|Expecting"):
        event_from_reply(asked, reply)


@given(events(), json_values)
def test_whatever_a_reply_holds_it_makes_an_event_or_a_value_error(
    asked: Event, value: Any
) -> None:
    try:
        made = event_from_reply(asked, json.dumps(value))
    except ValueError:
        return
    assert isinstance(made, Event)
