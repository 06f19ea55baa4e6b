"""The small messages that callers build, and the requests that their arguments become."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.json_format import MessageToDict

from conferencing import EventTime, Provider, autocreate, details, when
from conferencing.v1 import conferencing_service_pb2 as s
from python_client.both_clients import event_of

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
START = dt.datetime(2030, 1, 7, 14, 0, 0, 999_999, tzinfo=BERLIN)
END = dt.datetime(2030, 1, 7, 15, tzinfo=NEW_YORK)
SECONDS = 1_894_021_200


def test_details_have_every_field_that_can_be_written():
    made = details(
        url="https://webex.example/1",
        provider=Provider.PROVIDER_WEBEX,
        meeting_code="1",
        password="2",
        pin="3",
        phone=["+1", "+2"],
    )
    assert MessageToDict(made, preserving_proto_field_name=True) == {
        "provider": "PROVIDER_WEBEX",
        "details": {
            "url": "https://webex.example/1",
            "meeting_code": "1",
            "password": "2",
            "pin": "3",
            "phone": ["+1", "+2"],
        },
    }


def test_one_phone_is_one_phone():
    made = details(url="https://u", provider=Provider.PROVIDER_WEBEX, phone="+14155550100")
    assert list(made.details.phone) == ["+14155550100"]


def test_autocreate_is_an_order_even_when_it_is_empty():
    made = autocreate()
    assert made.WhichOneof("source") == "autocreate"
    assert made.provider == Provider.PROVIDER_UNSPECIFIED
    assert not made.autocreate.HasField("conf_settings")


def test_autocreate_hands_on_settings_as_they_are():
    settings = {"agenda": "Plan", "duration": 30, "settings": {"jbh_time": 5, "tags": ["a", None]}}
    made = autocreate(Provider.PROVIDER_ZOOM_MEETING, conf_grant_id="zoom", **settings)
    assert made.provider == Provider.PROVIDER_ZOOM_MEETING
    assert made.autocreate.conf_grant_id == "zoom"
    assert MessageToDict(made.autocreate.conf_settings) == settings


def test_two_moments_are_a_span_with_their_zones():
    span = when(START, END).timespan
    assert (span.start_time.seconds, span.start_time.nanos) == (SECONDS, 0)
    assert span.end_time.seconds == SECONDS + 7 * 3600
    assert (span.start_timezone, span.end_timezone) == ("Europe/Berlin", "America/New_York")


def test_one_moment_is_a_moment():
    assert when(START).time.timezone == "Europe/Berlin"
    assert when(START).time.time.seconds == SECONDS


def test_utc_is_a_zone_and_an_offset_is_none():
    utc = START.astimezone(dt.UTC)
    assert when(utc, utc).timespan.start_timezone == "UTC"
    offset = START.astimezone(dt.timezone(dt.timedelta(hours=5)))
    assert when(offset, offset).timespan.start_timezone == ""
    assert when(offset).time.time.seconds == SECONDS


def test_days_are_whole_days():
    first, last = dt.date(2030, 2, 27), dt.date(2030, 2, 28)
    assert when(first).date.date == "2030-02-27"
    span = when(first, last).datespan
    assert (span.start_date, span.end_date) == ("2030-02-27", "2030-02-28")


def test_times_before_the_epoch_are_whole_seconds_too():
    old = dt.datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=dt.UTC)
    assert when(old).time.time.seconds == -1


@pytest.mark.parametrize("values", [("2030-01-01",), (dt.date(2030, 1, 1), "2030-01-02")])
def test_a_text_is_no_when(values):
    with pytest.raises(TypeError, match="are dates, or datetimes"):
        when(*values)


def test_what_is_no_when_is_refused():
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        when(naive)
    with pytest.raises(ValueError, match="time zone"):
        when(naive, naive)
    with pytest.raises(ValueError, match="IANA"):
        when(START, END.astimezone(dt.timezone(dt.timedelta(hours=5))))
    with pytest.raises(TypeError, match="two datetimes or two dates"):
        when(START, END.date())
    with pytest.raises(TypeError, match="two datetimes or two dates"):
        when(START.date(), END)


@pytest.mark.parametrize("moment", [when(START, END), when(START), when(START.date())])
async def test_the_service_takes_what_is_built(caller, google, moment):
    answer = await caller.create(google.id, event={"when": moment})
    assert answer.event.when.WhichOneof("kind") == moment.WhichOneof("kind")
    assert isinstance(answer.event.when, EventTime)


async def test_a_question_is_about_a_grant_or_a_platform(scripted, script):
    script.answers(s.CheckCompatibilityResponse())
    await scripted("check_compatibility", grant_id="grant", calendar_id="c", conf_grant_id="zoom")
    await scripted("check_compatibility", platform=1, provider=Provider.PROVIDER_WEBEX)
    first, second = script.requests
    assert (first.WhichOneof("subject"), first.grant_id) == ("grant_id", "grant")
    assert (first.calendar_id, first.conf_grant_id) == ("c", "zoom")
    assert (second.WhichOneof("subject"), second.platform) == ("platform", 1)
    assert second.provider == Provider.PROVIDER_WEBEX
    for wrong in ({}, {"grant_id": "grant", "platform": 1}):
        with pytest.raises(ValueError, match="exactly one of grant_id, platform"):
            await scripted("check_compatibility", **wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("google_event", {"id": "1", "conferenceData": {"entryPoints": [{"uri": "https://u"}]}}),
        ("google_event", {}),
        ("microsoft_event", {"onlineMeeting": None, "isAllDay": False}),
        ("microsoft_event", {}),
        ("icalendar", "BEGIN:VEVENT"),
        ("text", ""),
    ],
)
async def test_an_input_is_one_of_four(scripted, script, name, value):
    script.answers(s.ExtractConferencingResponse())
    await scripted("extract_conferencing", **{name: value})
    (request,) = script.requests
    assert request.WhichOneof("input") == name
    sent = getattr(request, name)
    assert (sent if isinstance(value, str) else MessageToDict(sent)) == value


async def test_two_inputs_or_none_are_refused(scripted):
    for wrong in ({}, {"text": "a", "icalendar": "b"}):
        with pytest.raises(ValueError, match="exactly one of"):
            await scripted("extract_conferencing", **wrong)


async def test_a_mask_is_a_path_or_several(scripted, script):
    script.answers(s.UpdateEventResponse())
    for mask in ("title", ["title"], ("title",)):
        await scripted(
            "update_event",
            grant_id="grant",
            calendar_id="primary",
            event=event_of(id="1"),
            update_mask=mask,
        )
    assert [list(request.update_mask.paths) for request in script.requests] == [["title"]] * 3


async def test_a_range_needs_time_zones(scripted):
    with pytest.raises(ValueError, match="time zone"):
        await scripted(
            "list_events",
            grant_id="grant",
            calendar_id="primary",
            start_time=START.replace(tzinfo=None),
        )


async def test_the_whole_way_with_a_real_calendar(caller, google):
    there = {"grant_id": google.id, "calendar_id": "primary"}
    made = (await caller.create(google.id, event={"conferencing": autocreate()})).event
    assert made.conferencing.details.url.startswith("https://meet.google.com/")
    read = (await caller.get(google.id, made.id)).event
    assert read.conferencing.details == made.conferencing.details
    read.title = "Another"
    changed = await caller("update_event", event=read, update_mask="title", **there)
    assert changed.event.title == "Another"
    read.ClearField("conferencing")
    changed = await caller("update_event", event=read, update_mask="conferencing", **there)
    assert not changed.event.HasField("conferencing")
    found = await caller("list_events", only_with_conferencing=True, **there)
    assert found == []
    await caller.delete(google.id, made.id)
    await caller.delete(google.id, made.id, allow_missing=True)
    read = await caller("extract_conferencing", text="Join https://meet.google.com/abc-defg-hij")
    assert read.conferencing.details.meeting_code == "abc-defg-hij"
