"""Domain values as JSON: the same for equal values alone, and back again."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conferencing_service.core.ledger.plain import digest, from_plain, to_plain
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Event,
    Participant,
    Provider,
    TimePoint,
    Timespan,
)
from unit.strategies import answers, json_objects, json_values


def canonical(event: Event) -> str:
    """What an event holds, without the code that is tested; unlike ==, it tells True from 1."""
    return json.dumps(dataclasses.asdict(event), sort_keys=True)


def shuffled(value: Any) -> Any:
    """The same value with the keys of every map the other way round."""
    match value:
        case dict():
            return {key: shuffled(item) for key, item in reversed(value.items())}
        case list():
            return list(map(shuffled, value))
        case _:
            return value


def ordered(settings: dict[str, Any]) -> Event:
    return Event(conferencing=Conferencing(None, Autocreate(conf_settings=settings)))


@given(answers())
@example(Event())
@example(Event(metadata={"@": "Event", "items": "{}", "value": "@"}))
@example(ordered({"@": "map", "list": [[1, [2]], {"@": "Provider"}, None, 0.5, False]}))
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    plain = to_plain(event)
    assert from_plain(plain) == event
    read = from_plain(json.loads(json.dumps(plain)))
    assert read == event
    assert canonical(read) == canonical(event)


@given(answers())
def test_what_has_its_default_is_left_out(event: Event) -> None:
    plain = to_plain(event)
    defaults = Event()
    given_fields = {
        field.name
        for field in dataclasses.fields(Event)
        if getattr(event, field.name) != getattr(defaults, field.name)
    }
    assert set(plain) == given_fields | {"@"}


def test_an_event_of_which_nothing_is_given_is_its_kind_alone() -> None:
    assert to_plain(Event()) == {"@": "Event"}


@given(answers(), answers(), st.sampled_from([each.name for each in dataclasses.fields(Event)]))
def test_digests_are_equal_for_equal_events_alone(one: Event, other: Event, name: str) -> None:
    changed = dataclasses.replace(one, **{name: getattr(other, name)})
    assert (digest(one) == digest(changed)) is (canonical(one) == canonical(changed))
    assert digest(one) == digest(dataclasses.replace(one))


@given(json_objects, json_objects)
def test_digests_of_settings_are_equal_for_equal_settings_alone(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(ordered(one)) == digest(ordered(other))) is same


@given(json_objects)
def test_the_order_of_a_maps_keys_does_not_matter(settings: dict[str, Any]) -> None:
    assert digest(ordered(settings)) == digest(ordered(shuffled(settings)))


def test_the_order_of_metadata_does_not_matter_and_that_of_guests_does() -> None:
    one, other = Participant(email="a@example.org"), Participant(email="b@example.org")
    assert digest(Event(metadata={"a": "1", "b": "2"})) == digest(
        Event(metadata={"b": "2", "a": "1"})
    )
    assert digest(Event(participants=(one, other))) != digest(Event(participants=(other, one)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ordered({"a": True}), ordered({"a": 1})),
        (ordered({"a": "1"}), ordered({"a": 1})),
        (ordered({"a": None}), ordered({})),
        (ordered({}), Event(conferencing=Conferencing(None, Autocreate()))),
        (Event(busy=False), Event()),
        (Event(metadata={"a": ""}), Event()),
        (Event(when=TimePoint(1)), Event(when=Timespan(1, 1))),
        (Event(title="ab"), Event(title="a", description="b")),
        (Event(title="ä"), Event(title="a\u0308")),
    ],
)
def test_what_looks_alike_has_another_digest(one: Event, other: Event) -> None:
    assert digest(one) != digest(other)


def test_a_digest_is_the_same_in_every_process() -> None:
    """A ledger outlives the server: another digest would make every repetition another request."""
    event = Event(
        title="Review",
        when=Timespan(1_893_492_000, 1_893_495_600),
        metadata={"b": "2", "a": "1"},
        conferencing=Conferencing(Provider.ZOOM_MEETING, Autocreate("host", {"duration": 60})),
    )
    written = (
        '["g",{"@":"Event","conferencing":{"@":"Conferencing","provider":{"@":"Provider",'
        '"value":"ZOOM_MEETING"},"source":{"@":"Autocreate","conf_grant_id":"host",'
        '"conf_settings":{"@":"map","items":{"duration":60}}}},"metadata":{"@":"map",'
        '"items":{"a":"1","b":"2"}},"title":"Review","when":{"@":"Timespan",'
        '"end_time":1893495600,"start_time":1893492000}}]'
    )
    assert digest(("g", event)) == hashlib.sha256(written.encode()).hexdigest()


@given(json_values)
def test_what_is_no_plain_form_is_a_value_error_and_nothing_else(value: Any) -> None:
    with contextlib.suppress(ValueError):
        from_plain(value)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"title": "x"},
        {"@": 1},
        {"@": "map"},
        {"@": "map", "items": []},
        {"@": "Meeting"},
        {"@": "Event", "colour": "red"},
        {"@": "TimePoint"},
        {"@": "Provider", "value": "TEAMSPEAK"},
        {"@": "Provider"},
        [{"@": "Event"}, {}],
        {"@": "Event", "when": {"@": "TimePoint"}},
    ],
)
def test_the_form_of_another_version_is_a_value_error(plain: Any) -> None:
    with pytest.raises(ValueError, match=r"plain|not a valid"):
        from_plain(plain)


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, 1j, Event])
def test_what_is_no_value_of_the_domain_has_no_plain_form(value: Any) -> None:
    with pytest.raises(TypeError, match="plain form"):
        to_plain(value)
