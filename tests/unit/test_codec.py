"""Between the wire and the domain: nothing is lost, nothing is let in that is output only."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from conferencing.v1 import conferencing_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service import codec
from conferencing_service.codec import enums
from conferencing_service.codec.structs import plain_from_struct
from conferencing_service.core import model
from conferencing_service.core.errors import InvalidField
from conferencing_service.core.model import (
    WRITABLE_FIELDS,
    Autocreate,
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Event,
    EventStatus,
    Origin,
    Person,
    Provider,
    State,
    Visibility,
)
from conferencing_service.core.validation import Faults
from unit import contract, strategies

TWINS: dict[str, tuple[enums.EnumCodec[Any], Any]] = {
    "Provider": (enums.PROVIDER, model.Provider),
    "Platform": (enums.PLATFORM, model.Platform),
    "Way": (enums.WAY, model.Way),
    "Decision": (enums.DECISION, model.Decision),
    "ConferenceState": (enums.STATE, model.State),
    "Origin": (enums.ORIGIN, model.Origin),
    "EntryPointType": (enums.ENTRY_POINT, model.EntryPointType),
    "ErrorReason": (enums.REASON, model.Reason),
    "Notify": (enums.NOTIFY, model.Notify),
    "WarningReason": (enums.WARNING, model.WarningReason),
    "Visibility": (enums.VISIBILITY, model.Visibility),
    "EventStatus": (enums.EVENT_STATUS, model.EventStatus),
    "ParticipantStatus": (enums.PARTICIPANT_STATUS, model.ParticipantStatus),
    "ReminderMethod": (enums.REMINDER_METHOD, model.ReminderMethod),
}


def over_the_wire(message: Any) -> Any:
    """Return a message as the other side reads it."""
    return type(message).FromString(message.SerializeToString())


def created(event: event_pb2.Event) -> tuple[Event | None, tuple[Any, ...]]:
    """Return the event that a request asks to make, and the faults of decoding."""
    request = codec.create_event_from_proto(over_the_wire(service.CreateEventRequest(event=event)))
    return request.event, request.faults


# ---- Events --------------------------------------------------------------------------------


@given(strategies.events())
def test_an_event_comes_back_whole_from_the_wire(event: Event) -> None:
    assert created(codec.event_to_proto(event)) == (event, ())


@given(strategies.events(), st.sets(st.sampled_from(sorted(WRITABLE_FIELDS)), min_size=1))
def test_an_update_reads_the_fields_of_its_mask_whole(event: Event, mask: set[str]) -> None:
    message = codec.event_to_proto(dataclasses.replace(event, id="e"))
    request = service.UpdateEventRequest(event=message, update_mask={"paths": sorted(mask)})
    decoded = codec.update_event_from_proto(over_the_wire(request))
    assert decoded.event is not None
    assert decoded.event.id == "e"
    assert decoded.update_mask == tuple(sorted(mask))
    for name in mask:
        assert getattr(decoded.event, name) == getattr(event, name)


def test_an_update_does_not_look_at_fields_outside_its_mask() -> None:
    message = event_pb2.Event(
        when={"time": {}},
        visibility=99,
        reminders={"overrides": [{"method": 99}]},
        conferencing={"provider": 99},
    )
    request = service.UpdateEventRequest(event=message, update_mask={"paths": ["title"]})
    assert codec.update_event_from_proto(request).faults == ()


def test_everything_that_is_output_only_goes_out() -> None:
    conferencing = Conferencing(
        provider=Provider.OTHER,
        source=Details(
            url="https://example.org/room",
            entry_points=(
                EntryPoint(
                    type=EntryPointType.PHONE,
                    uri="tel:+14155550100",
                    label="+1 415-555-0100",
                    region_code="US",
                    pin="1",
                    password="2",
                    meeting_code="3",
                    toll_free=True,
                ),
            ),
        ),
        state=State.READY,
        failure_reason=model.Reason.SCOPE_MISSING,
        label="Another",
        origin=Origin.PARSED,
        source_field="location",
    )
    event = Event(
        id="e",
        grant_id="g",
        calendar_id="c",
        organizer=Person("ann@example.org", "Ann"),
        creator=Person("bob@example.org", "Bob"),
        read_only=True,
        status=EventStatus.TENTATIVE,
        html_link="https://example.org/e",
        ical_uid="u",
        master_event_id="m",
        original_start_time=0,
        created_at=1,
        updated_at=2,
        text_description="text",
        participants=(model.Participant("c@example.org", status=model.ParticipantStatus.YES),),
        resources=(model.Resource("r@example.org", "R", 3, "B", "F", "S", "4"),),
        conferencing=conferencing,
    )
    message = over_the_wire(codec.event_to_proto(event))
    read = conferencing_pb2.EntryPoint(
        type=conferencing_pb2.ENTRY_POINT_TYPE_PHONE,
        uri="tel:+14155550100",
        label="+1 415-555-0100",
        region_code="US",
        pin="1",
        password="2",
        meeting_code="3",
        toll_free=True,
    )
    assert message == event_pb2.Event(
        id="e",
        grant_id="g",
        calendar_id="c",
        organizer={"email": "ann@example.org", "name": "Ann"},
        creator={"email": "bob@example.org", "name": "Bob"},
        read_only=True,
        status=event_pb2.EVENT_STATUS_TENTATIVE,
        html_link="https://example.org/e",
        ical_uid="u",
        master_event_id="m",
        original_start_time=Timestamp(),
        created_at=Timestamp(seconds=1),
        updated_at=Timestamp(seconds=2),
        text_description="text",
        participants=[
            event_pb2.Participant(email="c@example.org", status=event_pb2.PARTICIPANT_STATUS_YES)
        ],
        resources=[
            event_pb2.Resource(
                email="r@example.org",
                name="R",
                capacity=3,
                building="B",
                floor_name="F",
                floor_section="S",
                floor_number="4",
            )
        ],
        conferencing=conferencing_pb2.Conferencing(
            provider=conferencing_pb2.PROVIDER_OTHER,
            details={"url": "https://example.org/room", "entry_points": [read]},
            state=conferencing_pb2.CONFERENCE_STATE_READY,
            failure_reason="ERROR_REASON_SCOPE_MISSING",
            provider_label="Another",
            origin=conferencing_pb2.ORIGIN_PARSED,
            source_field="location",
        ),
    )
    assert message.HasField("original_start_time")


def test_what_was_not_given_is_not_present() -> None:
    message = codec.event_to_proto(Event())
    assert message.ListFields() == []
    for name in ("when", "reminders", "conferencing", "busy", "capacity", "organizer"):
        assert not message.HasField(name)


def test_given_and_false_is_not_the_same_as_not_given() -> None:
    event, _ = created(event_pb2.Event(busy=False))
    assert event is not None
    assert event.busy is False
    assert event.capacity is None


def test_conference_settings_are_never_echoed() -> None:
    order = Autocreate("h", {"agenda": "planted"})
    message = codec.conferencing_to_proto(Conferencing(Provider.ZOOM_MEETING, order))
    assert message.WhichOneof("source") is None
    assert b"planted" not in message.SerializeToString()


def test_an_empty_autocreate_is_an_order() -> None:
    conferencing = conferencing_pb2.Conferencing(autocreate={})
    event, faults = created(event_pb2.Event(conferencing=conferencing))
    assert event is not None
    assert event.conferencing == Conferencing(None, Autocreate())
    assert faults == ()


def test_the_id_of_an_event_that_is_to_be_made_is_ignored() -> None:
    event, _ = created(event_pb2.Event(id="mine"))
    assert event == Event()


# ---- Moments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        Timestamp(seconds=1, nanos=1),
        Timestamp(seconds=strategies.FIRST_SECOND - 1),
        Timestamp(seconds=strategies.LAST_SECOND + 1),
        Timestamp(seconds=2**63 - 1),
    ],
)
def test_a_moment_is_a_whole_second_of_the_years_1_to_9999(moment: Timestamp) -> None:
    listed = codec.list_events_from_proto(
        service.ListEventsRequest(start_time=moment, end_time=moment)
    )
    assert [each.field for each in listed.faults] == ["start_time", "end_time"]
    point = event_pb2.EventTime(time={"time": moment})
    _, faults = created(event_pb2.Event(when=point))
    assert [each.field for each in faults] == ["event.when.time.time"]
    span = event_pb2.EventTime(timespan={"start_time": moment, "end_time": moment})
    _, faults = created(event_pb2.Event(when=span))
    assert [each.field for each in faults] == [
        "event.when.timespan.start_time",
        "event.when.timespan.end_time",
    ]


@pytest.mark.parametrize("seconds", [strategies.FIRST_SECOND, 0, strategies.LAST_SECOND])
def test_the_first_and_the_last_second_are_moments(seconds: int) -> None:
    moment = Timestamp(seconds=seconds)
    listed = codec.list_events_from_proto(service.ListEventsRequest(start_time=moment))
    assert (listed.start_time, listed.end_time, listed.faults) == (seconds, None, ())


# ---- Structs -------------------------------------------------------------------------------


@given(strategies.json_objects)
def test_a_struct_becomes_the_plain_json_that_it_was_made_of(value: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(value)
    plain = plain_from_struct(over_the_wire(struct))
    # As text, because to Python 60 equals 60.0.
    assert json.dumps(plain, sort_keys=True) == json.dumps(value, sort_keys=True)


def test_sixty_stays_sixty() -> None:
    struct = Struct()
    struct.update({"duration": 60, "settings": {"list": [1, 2.5, None, True, {"n": -0.0}]}})
    assert json.dumps(plain_from_struct(struct)) in {
        '{"duration": 60, "settings": {"list": [1, 2.5, null, true, {"n": 0}]}}',
        '{"settings": {"list": [1, 2.5, null, true, {"n": 0}]}, "duration": 60}',
    }


def test_a_value_of_no_kind_is_none() -> None:
    assert plain_from_struct(Struct(fields={"empty": Value()})) == {"empty": None}


def test_numbers_that_are_no_exact_integers_stay_as_they_are_for_the_rules_to_refuse() -> None:
    struct = Struct()
    struct.update({"big": 2.0**60, "huge": 1e300, "inf": math.inf, "nan": math.nan})
    plain = plain_from_struct(struct)
    assert {name: type(value) for name, value in plain.items()} == dict.fromkeys(plain, float)
    assert math.isnan(plain["nan"])


# ---- Enums ---------------------------------------------------------------------------------


def test_every_enum_of_the_contract_has_a_twin() -> None:
    assert set(TWINS) == set(contract.enums())


@pytest.mark.parametrize("name", TWINS)
def test_twins_have_the_same_members_both_ways_and_no_more(name: str) -> None:
    translator, domain = TWINS[name]
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() + "_"
    faults = Faults()
    members = {
        value.name: translator.from_proto(faults, "path", value.number)
        for value in contract.enums()[name].values
    }
    assert faults.found == ()
    assert members.pop(prefix + "UNSPECIFIED") is None
    assert {key: member.name for key, member in members.items()} == {
        prefix + member.name: member.name for member in domain
    }
    for value in contract.enums()[name].values:
        member = translator.from_proto(faults, "path", value.number)
        assert translator.to_proto(member) == value.number


def enum_paths() -> list[tuple[str, contract.Path]]:
    return [
        (name, path)
        for name in contract.request_names()
        for path in contract.fields_of(name)
        if path[-1].enum_type is not None
        and not any(contract.has_behavior(field, contract.OUTPUT_ONLY) for field in path)
    ]


@pytest.mark.parametrize(
    ("name", "path"), enum_paths(), ids=lambda each: each if isinstance(each, str) else None
)
def test_an_unknown_number_is_a_fault_at_its_field(name: str, path: contract.Path) -> None:
    request = contract.new_request(name)
    if name == "UpdateEventRequest":
        request.update_mask.paths.extend(sorted(WRITABLE_FIELDS))
    setattr(contract.parent_of(request, path), path[-1].name, 99)
    faults = contract.decode(over_the_wire(request)).faults
    assert contract.name_of(path) in [each.field for each in faults]


def test_the_other_visibility_is_output_only() -> None:
    _, faults = created(event_pb2.Event(visibility=event_pb2.VISIBILITY_OTHER))
    assert [each.field for each in faults] == ["event.visibility"]


@given(st.sampled_from(Visibility))
def test_every_visibility_goes_out(visibility: Visibility) -> None:
    message = codec.event_to_proto(Event(visibility=visibility))
    assert message.visibility == event_pb2.Visibility.Value(f"VISIBILITY_{visibility.name}")


def test_an_unspecified_notify_means_all() -> None:
    assert codec.create_event_from_proto(service.CreateEventRequest()).notify is model.Notify.ALL


# ---- Output only ---------------------------------------------------------------------------


def output_only_paths() -> list[tuple[str, contract.Path]]:
    return [
        (name, path)
        for name in contract.request_names()
        for path in contract.fields_of(name)
        if contract.has_behavior(path[-1], contract.OUTPUT_ONLY)
        and not any(contract.has_behavior(field, contract.OUTPUT_ONLY) for field in path[:-1])
    ]


def test_the_walk_finds_what_is_output_only() -> None:
    found = {contract.name_of(path) for _, path in output_only_paths()}
    assert {
        "event.grant_id",
        "event.organizer",
        "event.participants[0].status",
        "event.resources[0].capacity",
        "event.conferencing.state",
        "event.conferencing.details.entry_points",
    } <= found


@pytest.mark.parametrize(
    ("name", "path"), output_only_paths(), ids=lambda each: each if isinstance(each, str) else None
)
def test_what_is_output_only_is_ignored_on_input(name: str, path: contract.Path) -> None:
    request = contract.new_request(name)
    if name == "UpdateEventRequest":
        request.update_mask.paths.extend(sorted(WRITABLE_FIELDS))
    parent = contract.parent_of(request, path)
    before = contract.decode(over_the_wire(request))
    contract.put(parent, path[-1])
    after = over_the_wire(request)
    assert after.SerializeToString(deterministic=True) != b""
    assert contract.decode(after) == before


# ---- Requests ------------------------------------------------------------------------------


def test_every_request_of_the_service_has_a_decoder() -> None:
    assert set(contract.DECODERS) == set(contract.request_names())


def test_what_is_to_be_read_is_required() -> None:
    with pytest.raises(InvalidField) as caught:
        codec.extraction_from_proto(service.ExtractConferencingRequest())
    assert [each.field for each in caught.value.violations] == ["input"]


@pytest.mark.parametrize("kind", ["icalendar", "text"])
def test_at_most_256_kib_are_read(kind: str) -> None:
    most = service.ExtractConferencingRequest(**{kind: "x" * 262_144})
    more = service.ExtractConferencingRequest(**{kind: "x" * 262_200})
    assert codec.extraction_from_proto(most).text == "x" * 262_144
    with pytest.raises(InvalidField) as caught:
        codec.extraction_from_proto(more)
    assert [each.field for each in caught.value.violations] == [kind]


@pytest.mark.parametrize("kind", ["google_event", "microsoft_event"])
def test_native_events_are_plain_json(kind: str) -> None:
    struct = Struct()
    struct.update({"location": "here", "sequence": 1})
    asked = codec.extraction_from_proto(service.ExtractConferencingRequest(**{kind: struct}))
    assert (asked.kind, asked.event) == (kind, {"location": "here", "sequence": 1})
