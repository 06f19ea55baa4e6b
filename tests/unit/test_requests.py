"""Whole requests: which rule stands at which field, and that all faults come at once."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from conferencing_service.core.errors import InvalidField, Violation
from conferencing_service.core.model import (
    WRITABLE_FIELDS,
    Conferencing,
    Date,
    Datespan,
    DetailField,
    Event,
    Participant,
    Platform,
    Provider,
    Reminder,
    Reminders,
    Resource,
    TimePoint,
    Timespan,
)
from conferencing_service.core.requests import (
    CheckCompatibility,
    CreateEvent,
    DeleteEvent,
    GetEvent,
    ListEvents,
    UpdateEvent,
)
from unit.examples import (
    MEET_URL,
    RULES,
    START,
    autocreate,
    creation,
    details,
    event,
    faulty,
    update,
    violations,
)

CANARY = "canary-7d1f\n"
ZONE = "Europe/Berlin"

STORED = {
    Provider.GOOGLE_MEET: {"phone", "pin"},
    Provider.ZOOM_MEETING: {"meeting_code", "password"},
    Provider.MICROSOFT_TEAMS: set(),
    Provider.SKYPE_FOR_BUSINESS: set(),
    Provider.SKYPE_FOR_CONSUMER: set(),
    Provider.WEBEX: {"password", "pin", "phone"},
    Provider.GOTOMEETING: {"meeting_code", "password", "phone"},
}


# ---- Where and which -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        (creation(grant_id=""), ["grant_id"]),
        (creation(grant_id="a/b"), ["grant_id"]),
        (creation(calendar_id="a\nb"), ["calendar_id"]),
        (creation(request_id=""), ["request_id"]),
        (creation(request_id="", validate_only=True), []),
        (creation(request_id="x", validate_only=True), ["request_id"]),
        (creation(event=None), ["event"]),
        (update("title", grant_id=".."), ["grant_id"]),
        (update("title", calendar_id=""), ["calendar_id"]),
        (update("title", request_id=""), ["request_id"]),
        (update("title", event=None), ["event"]),
        (update("title", event=Event(id="a#b")), ["event.id"]),
        (update("title", event=Event()), ["event.id"]),
        (GetEvent("", "", ""), ["grant_id", "calendar_id", "event_id"]),
        (GetEvent("g", "primary", "e%2e"), ["event_id"]),
        (DeleteEvent("", "", ""), ["grant_id", "calendar_id", "event_id"]),
        (DeleteEvent("g", "primary", ".."), ["event_id"]),
        (ListEvents("", ""), ["grant_id", "calendar_id"]),
    ],
)
def test_a_fault_of_a_name_is_told_at_its_field(request_: Any, paths: list[str]) -> None:
    assert faulty(request_) == paths


def test_requests_that_are_right_have_no_faults() -> None:
    assert creation().validate(RULES) == event()
    assert update("title", title="New").validate(RULES) == (
        Event(id="e", title="New"),
        frozenset({"title"}),
    )
    GetEvent("g", "primary", "e").validate()
    DeleteEvent("g", "primary", "e").validate()
    ListEvents("g", "primary").validate()


def test_faults_of_decoding_are_told_with_the_others() -> None:
    seen = (Violation("notify", "must be a value that the contract names"),)
    requests = (
        creation(grant_id="", faults=seen),
        update("title", grant_id="", faults=seen),
        DeleteEvent("", "primary", "e", faults=seen),
        ListEvents("", "primary", faults=seen),
        CheckCompatibility(grant_id="", faults=seen),
    )
    for request in requests:
        assert faulty(request) == ["notify", "grant_id"]


# ---- The update mask -----------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(WRITABLE_FIELDS - {"when"}))
def test_every_writable_field_can_be_named_alone_and_cleared(path: str) -> None:
    assert faulty(update(path)) == []


def test_a_when_that_is_named_cannot_be_cleared() -> None:
    assert faulty(update("when")) == ["event.when"]


@pytest.mark.parametrize(
    "path",
    [
        "*",
        "id",
        "grant_id",
        "calendar_id",
        "organizer",
        "status",
        "read_only",
        "created_at",
        "text_description",
        "conferencing.details",
        "when.timespan.start_time",
        "event.title",
        "Title",
        "title ",
        "unheard_of",
        "",
    ],
)
def test_another_path_in_the_mask_is_refused(path: str) -> None:
    assert faulty(update(path)) == ["update_mask"]
    assert faulty(update("title", path)) == ["update_mask"]


def test_an_empty_mask_is_refused() -> None:
    assert faulty(update()) == ["update_mask"]


def test_fields_outside_the_mask_are_not_looked_at() -> None:
    wrong = {"description": "x" * 9000, "capacity": 0, "when": Date("never")}
    assert faulty(update("title", title="New", **wrong)) == []


# ---- The event -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "longest"), [("title", 1024), ("description", 8192), ("location", 255)]
)
def test_texts_are_bounded(field: str, longest: int) -> None:
    assert faulty(creation(**{field: "ä" * longest})) == []
    assert faulty(creation(**{field: "x" * (longest + 1)})) == [f"event.{field}"]


def test_only_the_description_has_line_breaks() -> None:
    assert faulty(creation(description="a\nb")) == []
    assert faulty(creation(title="a\nb")) == ["event.title"]
    assert faulty(creation(location="a\nb")) == ["event.location"]


SPAN = "event.when.timespan"
WHENS: list[tuple[Any, list[str]]] = [
    (None, ["event.when"]),
    (TimePoint(START), []),
    (TimePoint(START, ZONE), []),
    (TimePoint(START, "Nowhere"), ["event.when.time.timezone"]),
    (Timespan(START, START + 1), []),
    (Timespan(START, START + 1, ZONE, "UTC"), []),
    (Timespan(START, START), [f"{SPAN}.end_time"]),
    (Timespan(START, START - 1), [f"{SPAN}.end_time"]),
    (Timespan(START, START + 1, ZONE), [f"{SPAN}.end_timezone"]),
    (Timespan(START, START + 1, "", ZONE), [f"{SPAN}.start_timezone"]),
    (
        Timespan(START, START + 1, "Nowhere", "Else"),
        [f"{SPAN}.start_timezone", f"{SPAN}.end_timezone"],
    ),
    (Date("2030-02-28"), []),
    (Date("2030-02-30"), ["event.when.date.date"]),
    (Date("2030-W01-1"), ["event.when.date.date"]),
    (Date(""), ["event.when.date.date"]),
    (Datespan("2030-02-27", "2030-02-28"), []),
    (Datespan("2030-02-28", "2030-02-28"), []),
    (Datespan("2030-02-28", "2030-02-27"), ["event.when.datespan.end_date"]),
    (Datespan("", ""), ["event.when.datespan.start_date", "event.when.datespan.end_date"]),
    (Datespan("2030-02-28", "2030-02-30"), ["event.when.datespan.end_date"]),
]


@pytest.mark.parametrize(("when", "paths"), WHENS)
def test_a_when_is_checked_by_its_kind(when: Any, paths: list[str]) -> None:
    assert faulty(creation(when=when)) == paths


@pytest.mark.parametrize(
    ("when", "paths"),
    [
        (TimePoint(START, ZONE), []),
        (TimePoint(START), ["event.when.time.timezone"]),
        (Timespan(START, START + 1, ZONE, ZONE), []),
        (Timespan(START, START + 1), ["event.when.timespan.start_timezone"]),
        (Date("2030-02-28"), []),
        (Datespan("2030-02-27", "2030-02-28"), []),
    ],
)
def test_recurrence_asks_for_a_time_zone_where_there_are_times(when: Any, paths: list[str]) -> None:
    assert faulty(creation(when=when, recurrence=("RRULE:FREQ=DAILY",))) == paths


def test_recurrence_is_checked_line_by_line() -> None:
    lines = ("RRULE:FREQ=DAILY", "RDATE:x", "EXDATE:20300101T000000Z", "RRULE:FREQ=NEVER")
    when = Timespan(START, START + 1, ZONE, ZONE)
    assert faulty(creation(when=when, recurrence=lines)) == [
        "event.recurrence[1]",
        "event.recurrence[3]",
    ]


def test_participants_are_checked_one_by_one() -> None:
    good = Participant("ann@example.org", "Ann", None, "a\nnote", "+1 415 555 0100")
    bad = Participant("nobody", "n" * 257, None, "c" * 1025, "p" * 65)
    path = "event.participants[1]"
    assert faulty(creation(participants=(good, bad))) == [
        f"{path}.email",
        f"{path}.name",
        f"{path}.comment",
        f"{path}.phone_number",
    ]
    assert faulty(creation(participants=(good,) * 200)) == []
    assert faulty(creation(participants=(good,) * 201)) == ["event.participants"]


def test_resources_are_checked_one_by_one() -> None:
    good, bad = Resource("room@example.org", "Room"), Resource("", "n" * 257)
    assert faulty(creation(resources=(good, bad))) == [
        "event.resources[1].email",
        "event.resources[1].name",
    ]
    assert faulty(creation(resources=(good,) * 200)) == []
    assert faulty(creation(resources=(good,) * 201)) == ["event.resources"]


@pytest.mark.parametrize(
    ("reminders", "paths"),
    [
        (None, []),
        (Reminders(use_default=True), []),
        (Reminders(overrides=(Reminder(0), Reminder(40_320))), []),
        (
            Reminders(overrides=(Reminder(-1), Reminder(40_321))),
            ["event.reminders.overrides[0].minutes", "event.reminders.overrides[1].minutes"],
        ),
        (
            Reminders(use_default=True, overrides=(Reminder(5),)),
            ["event.reminders.overrides"],
        ),
        (Reminders(overrides=(Reminder(5),) * 20), []),
        (Reminders(overrides=(Reminder(5),) * 21), ["event.reminders.overrides"]),
    ],
)
def test_reminders_are_minutes_before_the_start(
    reminders: Reminders | None, paths: list[str]
) -> None:
    assert faulty(creation(reminders=reminders)) == paths


def test_capacity_is_one_at_least() -> None:
    assert faulty(creation(capacity=1)) == []
    assert faulty(creation(capacity=0)) == ["event.capacity"]
    assert faulty(creation(capacity=-1)) == ["event.capacity"]


def test_metadata_is_checked() -> None:
    assert faulty(creation(metadata={"key": "value"})) == []
    assert faulty(creation(metadata={"k" * 41: "value"})) == ["event.metadata"]


# ---- The conference ------------------------------------------------------------------------


def test_a_conference_needs_details_or_autocreate() -> None:
    assert faulty(creation(conferencing=Conferencing(Provider.WEBEX))) == ["event.conferencing"]
    assert faulty(creation(conferencing=Conferencing())) == ["event.conferencing"]


def test_details_need_a_provider_and_autocreate_does_not() -> None:
    assert faulty(creation(conferencing=details(None))) == ["event.conferencing.provider"]
    assert faulty(creation(conferencing=autocreate())) == []


def test_the_other_provider_is_output_only() -> None:
    path = "event.conferencing.provider"
    assert faulty(creation(conferencing=details(Provider.OTHER))) == [path]
    assert faulty(creation(conferencing=autocreate(Provider.OTHER))) == [path]


VALUES: dict[str, Any] = {
    "meeting_code": "123",
    "password": "word",
    "pin": "456",
    "phone": ("+14155550100",),
}


@pytest.mark.parametrize(("provider", "field"), list(itertools.product(STORED, DetailField)))
def test_a_detail_that_nylas_would_drop_is_named(provider: Provider, field: DetailField) -> None:
    conferencing = details(provider, **{field.value: VALUES[field.value]})
    dropped = field.value not in STORED[provider]
    path = f"event.conferencing.details.{field.value}"
    assert faulty(creation(conferencing=conferencing)) == [path] * dropped


@pytest.mark.parametrize("provider", STORED)
def test_the_link_alone_is_stored_for_every_provider(provider: Provider) -> None:
    assert faulty(creation(conferencing=details(provider))) == []


def test_meet_stores_one_telephone_number_and_others_twenty() -> None:
    phone = "event.conferencing.details.phone"
    meet = Provider.GOOGLE_MEET
    assert faulty(creation(conferencing=details(meet, phone=("+1", "+2")))) == [phone]
    assert faulty(creation(conferencing=details(Provider.WEBEX, phone=("+1",) * 20))) == []
    assert faulty(creation(conferencing=details(Provider.WEBEX, phone=("+1",) * 21))) == [phone]


def test_details_are_short_lines() -> None:
    path = "event.conferencing.details"
    zoom, webex = Provider.ZOOM_MEETING, Provider.WEBEX
    assert faulty(creation(conferencing=details(zoom, password="x" * 128))) == []
    for wrong in ("x" * 129, "ä" * 65, "a\nb"):
        request = creation(conferencing=details(zoom, password=wrong))
        assert set(faulty(request)) == {f"{path}.password"}
        request = creation(conferencing=details(zoom, meeting_code=wrong))
        assert set(faulty(request)) == {f"{path}.meeting_code"}
        request = creation(conferencing=details(webex, pin=wrong))
        assert set(faulty(request)) == {f"{path}.pin"}
    for wrong in ("", "+" + "1" * 64, "+1\n"):
        request = creation(conferencing=details(webex, phone=("+1", wrong)))
        assert faulty(request) == [f"{path}.phone[1]"]


def test_a_link_that_nobody_should_click_is_refused_in_details() -> None:
    for url in ("", "http://zoom.us/j/123456789", "javascript:alert(1)", "https://a@b.example/"):
        request = creation(conferencing=details(url=url))
        assert faulty(request) == ["event.conferencing.details.url"]


def test_a_conference_grant_id_is_an_id_and_an_empty_one_is_none() -> None:
    path = "event.conferencing.autocreate.conf_grant_id"
    assert faulty(creation(conferencing=autocreate(conf_grant_id=""))) == []
    assert faulty(creation(conferencing=autocreate(conf_grant_id="a/b"))) == [path]


def test_conference_settings_are_checked() -> None:
    path = "event.conferencing.autocreate.conf_settings"
    assert faulty(creation(conferencing=autocreate(conf_settings={}))) == []
    assert faulty(creation(conferencing=autocreate(conf_settings={"duration": 60}))) == []
    for wrong in ({"x": math.nan}, {"x": 2.0**54}, {"x": "y" * 20_000}):
        assert faulty(creation(conferencing=autocreate(conf_settings=wrong))) == [path]


# ---- Lists and verdicts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"start_time": 5, "end_time": 6}, []),
        ({"start_time": 5}, []),
        ({"end_time": 5}, []),
        ({"start_time": 5, "end_time": 5}, ["end_time"]),
        ({"start_time": 5, "end_time": 4}, ["end_time"]),
        ({"page_size": 100_000}, []),
        ({"page_size": -1}, ["page_size"]),
        ({"ical_uid": "u" * 1024}, []),
        ({"ical_uid": "u" * 1025}, ["ical_uid"]),
        ({"ical_uid": "ü"}, ["ical_uid"]),
        ({"ical_uid": "a\r\nb"}, ["ical_uid"]),
    ],
)
def test_a_list_is_bounded_the_right_way_round(values: dict[str, Any], paths: list[str]) -> None:
    assert faulty(ListEvents("g", "primary", **values)) == paths


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"grant_id": "g"}, []),
        ({"grant_id": "g", "calendar_id": "primary", "conf_grant_id": "h"}, []),
        ({"platform": Platform.GOOGLE, "provider": Provider.WEBEX}, []),
        ({}, ["subject"]),
        ({"grant_id": ""}, ["grant_id"]),
        ({"grant_id": "a/b"}, ["grant_id"]),
        ({"grant_id": "g", "calendar_id": "a\nb"}, ["calendar_id"]),
        ({"platform": Platform.GOOGLE, "calendar_id": "primary"}, ["calendar_id"]),
        ({"grant_id": "g", "conf_grant_id": "a/b"}, ["conf_grant_id"]),
        ({"grant_id": "g", "provider": Provider.OTHER}, ["provider"]),
    ],
)
def test_a_check_asks_about_a_grant_or_a_platform(values: dict[str, Any], paths: list[str]) -> None:
    assert faulty(CheckCompatibility(**values)) == paths


# ---- All at once, and no echo --------------------------------------------------------------


def full_of_canaries() -> dict[str, Any]:
    """Return the fields of an event in which every value is wrong and says so."""
    return {
        "title": CANARY,
        "description": CANARY + "\x00",
        "location": CANARY,
        "when": Timespan(START, START - 1, CANARY, CANARY),
        "recurrence": (CANARY,),
        "participants": (Participant(CANARY, CANARY, None, CANARY + "\x00", CANARY),),
        "resources": (Resource(CANARY, CANARY),),
        "metadata": {CANARY: CANARY + "\x00"},
        "capacity": -7,
        "conferencing": details(
            Provider.MICROSOFT_TEAMS,
            url=f"javascript:{CANARY}",
            meeting_code=CANARY,
            password=CANARY,
            pin=CANARY,
            phone=(CANARY,),
        ),
    }


CANARIES = [
    CreateEvent(CANARY, CANARY, Event(**full_of_canaries()), request_id=CANARY),
    UpdateEvent(
        CANARY, CANARY, Event(id=CANARY, **full_of_canaries()), (CANARY,), request_id=CANARY
    ),
    update(*sorted(WRITABLE_FIELDS), **full_of_canaries()),
    creation(
        conferencing=autocreate(conf_grant_id=CANARY, conf_settings={CANARY: CANARY + "\x00"})
    ),
    creation(when=Date(CANARY)),
    creation(when=Datespan(CANARY, CANARY)),
    creation(when=TimePoint(START, CANARY)),
    GetEvent(CANARY, CANARY, CANARY),
    DeleteEvent(CANARY, CANARY, CANARY),
    ListEvents(CANARY, CANARY, ical_uid=CANARY, page_size=-1),
    CheckCompatibility(grant_id=CANARY, calendar_id=CANARY, conf_grant_id=CANARY),
]


@pytest.mark.parametrize("request_", CANARIES, ids=lambda each: type(each).__name__)
def test_values_are_never_echoed(request_: Any) -> None:
    arguments = (RULES,) if isinstance(request_, CreateEvent | UpdateEvent) else ()
    with pytest.raises(InvalidField) as caught:
        request_.validate(*arguments)
    error = caught.value
    told = [str(error), repr(error), repr(error.args), repr(error.metadata)]
    told += [repr(violation) for violation in error.violations]
    assert "canary" not in " ".join(told)


def test_all_faults_come_at_once() -> None:
    paths = faulty(
        creation(
            grant_id="a/b",
            calendar_id="",
            request_id="1",
            title="a\nb",
            when=Timespan(START, START),
            capacity=0,
            conferencing=details(Provider.ZOOM_MEETING, url="", pin="1"),
        )
    )
    assert paths == [
        "grant_id",
        "calendar_id",
        "request_id",
        "event.title",
        "event.when.timespan.end_time",
        "event.capacity",
        "event.conferencing.details.url",
        "event.conferencing.details.pin",
    ]


def test_no_more_than_twenty_faults_come() -> None:
    bad = Participant("nobody", "n" * 257)
    assert len(violations(creation(participants=(bad,) * 50))) == 20


def test_what_may_hold_a_secret_stands_in_no_repr() -> None:
    told = repr(
        creation(
            title="planted-title",
            description="planted-description",
            participants=(Participant("planted@example.org", "planted"),),
            metadata={"planted": "planted"},
            conferencing=details(
                url=f"{MEET_URL}?planted", password="planted", pin="planted", phone=("planted",)
            ),
        )
    ) + repr(autocreate(conf_settings={"planted": "planted"}))
    assert "planted" not in told
