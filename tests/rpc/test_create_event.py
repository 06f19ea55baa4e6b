"""CreateEvent: both sources of a conference, verdicts, and what the sandbox's log says of them."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant, Sandbox
from support.service import START, Service, autocreate, creation, details, get, serving, timespan

ZOOM_URL = "https://us05web.zoom.us/j/98765432101?pwd=abc"


async def test_details_are_written_as_given_and_no_conference_is_made(
    service: Service, google: Grant
) -> None:
    asked = details(
        c.PROVIDER_ZOOM_MEETING, ZOOM_URL, meeting_code="98765432101", password="sesame"
    )
    event = (await service.call(creation(google.id, asked))).event
    assert event.id
    assert event.grant_id == google.id
    assert event.conferencing.provider == c.PROVIDER_ZOOM_MEETING
    assert event.conferencing.state == c.CONFERENCE_STATE_READY
    assert event.conferencing.origin == c.ORIGIN_NATIVE
    assert event.conferencing.details.url == ZOOM_URL
    assert event.conferencing.details.meeting_code == "98765432101"
    assert event.conferencing.details.password == "sesame"
    assert google.effects() == ["event_created"]


async def test_an_event_without_a_conference_has_none(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    assert not event.HasField("conferencing")
    assert google.effects() == ["event_created"]


@pytest.mark.parametrize("provider", [c.PROVIDER_UNSPECIFIED, c.PROVIDER_GOOGLE_MEET])
async def test_meet_is_autocreated_on_google_also_without_naming_it(
    service: Service, google: Grant, provider: int
) -> None:
    event = (await service.call(creation(google.id, autocreate(provider)))).event
    assert event.conferencing.provider == c.PROVIDER_GOOGLE_MEET
    assert event.conferencing.details.url.startswith("https://meet.google.com/")
    assert {point.type for point in event.conferencing.details.entry_points} == {
        c.ENTRY_POINT_TYPE_VIDEO,
        c.ENTRY_POINT_TYPE_PHONE,
    }
    assert sorted(google.effects()) == ["conference_created", "event_created"]


@pytest.mark.parametrize("provider", [c.PROVIDER_UNSPECIFIED, c.PROVIDER_MICROSOFT_TEAMS])
async def test_teams_is_autocreated_on_microsoft_also_without_naming_it(
    service: Service, microsoft: Grant, provider: int
) -> None:
    event = (await service.call(creation(microsoft.id, autocreate(provider)))).event
    assert event.conferencing.provider == c.PROVIDER_MICROSOFT_TEAMS
    assert event.conferencing.details.url.startswith("https://teams.microsoft.com/l/meetup-join/")
    assert sorted(microsoft.effects()) == ["conference_created", "event_created"]


async def test_zoom_settings_reach_zoom_as_its_own_parameters(
    service: Service, google: Grant, zoom: Grant
) -> None:
    settings = {"password": "p4ss", "duration": 45, "settings": {"waiting_room": True}}
    asked = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)
    event = (await service.call(creation(google.id, asked))).event
    assert event.conferencing.details.password == "p4ss"
    (conference,) = google.conferences()
    assert conference["settings"] == settings
    assert isinstance(conference["settings"]["duration"], int)
    assert conference["conf_grant_id"] == zoom.id


async def test_a_platform_without_a_provider_of_its_own_wants_one_named(
    service: Service, virtual: Grant
) -> None:
    failure = await service.failure(creation(virtual.id, autocreate()))
    assert failure.reason == "INVALID_FIELD"
    assert "event.conferencing.provider" in failure.violations


async def test_a_refusal_leaves_the_effect_log_as_it_was_and_an_allowed_call_does_not(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id, autocreate()))
    before = google.effects()
    assert sorted(before) == ["conference_created", "event_created"]
    failure = await service.failure(creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS)))
    assert failure.reason == "CROSS_PLATFORM_AUTOCREATE"
    assert google.effects() == before


async def test_a_refusal_carries_the_verdict_with_its_ways_out(
    service: Service, google: Grant
) -> None:
    failure = await service.failure(creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS)))
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.domain == "conferencing.v1"
    assert failure.metadata == {
        "provider": "MICROSOFT_TEAMS",
        "platform": "GOOGLE",
        "way": "AUTOCREATE",
    }
    assert failure.verdict is not None
    assert failure.verdict.decision == c.DECISION_REFUSED
    ways_out = {
        (each.provider, each.way, each.needs_conf_grant) for each in failure.verdict.alternatives
    }
    assert ways_out == {
        (c.PROVIDER_MICROSOFT_TEAMS, c.WAY_DETAILS, False),
        (c.PROVIDER_ZOOM_MEETING, c.WAY_AUTOCREATE, True),
        (c.PROVIDER_GOOGLE_MEET, c.WAY_AUTOCREATE, False),
    }


@pytest.mark.parametrize(
    ("platform", "provider", "conf_grant", "reason"),
    [
        ("microsoft", c.PROVIDER_GOOGLE_MEET, "", "CROSS_PLATFORM_AUTOCREATE"),
        ("icloud", c.PROVIDER_MICROSOFT_TEAMS, "", "CROSS_PLATFORM_AUTOCREATE"),
        ("google", c.PROVIDER_MICROSOFT_TEAMS, "microsoft", "CROSS_PLATFORM_AUTOCREATE"),
        ("google", c.PROVIDER_WEBEX, "", "AUTOCREATE_UNSUPPORTED"),
        ("google", c.PROVIDER_GOTOMEETING, "zoom", "AUTOCREATE_UNSUPPORTED"),
        ("google", c.PROVIDER_ZOOM_MEETING, "", "CONF_GRANT_REQUIRED"),
        ("google", c.PROVIDER_ZOOM_MEETING, "microsoft", "CONF_GRANT_MISMATCH"),
        ("google", c.PROVIDER_GOOGLE_MEET, "zoom", "CONF_GRANT_MISMATCH"),
    ],
)
async def test_what_cannot_be_autocreated_is_refused_before_anything_is_sent(
    service: Service,
    sandbox: Sandbox,
    platform: str,
    provider: int,
    conf_grant: str,
    reason: str,
) -> None:
    grant = sandbox.grant(platform)
    host = sandbox.grant(conf_grant).id if conf_grant else ""
    failure = await service.failure(
        creation(grant.id, autocreate(provider, host), calendar_id="team")
    )
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
    assert failure.verdict is not None
    assert failure.verdict.alternatives
    assert grant.effects() == []
    assert [each["method"] for each in grant.requests()] == ["GET"]


async def test_the_other_policy_lets_a_matching_host_serve_a_foreign_calendar(
    sandbox: Sandbox, google: Grant, microsoft: Grant, zoom: Grant
) -> None:
    async with serving(sandbox.url, cross_platform_autocreate="allow") as service:
        asked = autocreate(c.PROVIDER_MICROSOFT_TEAMS, microsoft.id)
        event = (await service.call(creation(google.id, asked))).event
        assert event.conferencing.provider == c.PROVIDER_MICROSOFT_TEAMS
        without = await service.failure(creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS)))
        assert without.reason == "CROSS_PLATFORM_AUTOCREATE"
        wrong = await service.failure(
            creation(google.id, autocreate(c.PROVIDER_MICROSOFT_TEAMS, zoom.id))
        )
        assert wrong.reason == "CONF_GRANT_MISMATCH"


async def test_a_host_of_the_calendars_own_platform_is_accepted(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    host = sandbox.grant("google")
    asked = autocreate(c.PROVIDER_GOOGLE_MEET, host.id)
    event = (await service.call(creation(google.id, asked))).event
    assert event.conferencing.state == c.CONFERENCE_STATE_READY


async def test_a_missing_scope_is_refused_only_after_the_grant_was_read_again(
    service: Service, sandbox: Sandbox
) -> None:
    grant = sandbox.grant("microsoft", scope=["Calendars.ReadWrite"])
    failure = await service.failure(creation(grant.id, autocreate()))
    assert failure.reason == "SCOPE_MISSING"
    assert failure.verdict is not None
    assert any("OnlineMeetings.ReadWrite" in each for each in failure.verdict.requirements)
    # The owner connects again with the scope: the next call must not rest on the old answer.
    http = sandbox.http.post(
        "/_sandbox/grants",
        json={
            "id": grant.id,
            "provider": "microsoft",
            "scope": ["https://graph.microsoft.com/OnlineMeetings.ReadWrite"],
        },
    )
    assert http.status_code == 200
    event = (await service.call(creation(grant.id, autocreate()))).event
    assert event.conferencing.state == c.CONFERENCE_STATE_READY


async def test_a_grant_without_a_scope_list_is_let_through(
    service: Service, sandbox: Sandbox
) -> None:
    grant = sandbox.grant("microsoft", scope=None)
    answer = await service.call(
        s.CheckCompatibilityRequest(grant_id=grant.id, provider=c.PROVIDER_MICROSOFT_TEAMS)
    )
    verdict = next(each for each in answer.verdicts if each.way == c.WAY_AUTOCREATE)
    assert verdict.decision == c.DECISION_CONDITIONAL
    assert len(verdict.requirements) == 2


async def test_validate_only_checks_everything_and_writes_nothing(
    service: Service, google: Grant
) -> None:
    answer = await service.call(
        creation(google.id, autocreate(), validate_only=True, request_id="")
    )
    assert answer.event.title == "Review"
    assert answer.event.conferencing.provider == c.PROVIDER_GOOGLE_MEET
    assert answer.event.conferencing.WhichOneof("source") is None
    failure = await service.failure(
        creation(google.id, autocreate(c.PROVIDER_WEBEX), validate_only=True, request_id="")
    )
    assert failure.reason == "AUTOCREATE_UNSUPPORTED"
    assert google.effects() == []


async def test_conf_settings_are_never_echoed(
    service: Service, sandbox: Sandbox, google: Grant, zoom: Grant
) -> None:
    google.fault("pending_conference", value=None)
    asked = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, {"agenda": "canary-agenda"})
    answer = await service.call(creation(google.id, asked), timeout=2.0)
    assert answer.event.conferencing.state == c.CONFERENCE_STATE_PENDING
    assert answer.event.conferencing.WhichOneof("source") is None
    assert "canary-agenda" not in str(answer)


async def test_details_that_come_late_are_waited_for(service: Service, google: Grant) -> None:
    google.fault("pending_conference", value=400)
    event = (await service.call(creation(google.id, autocreate()))).event
    assert event.conferencing.state == c.CONFERENCE_STATE_READY
    assert event.conferencing.details.url
    assert sorted(google.effects()) == ["conference_created", "event_created"]


async def test_a_look_that_fails_while_waiting_does_not_fail_the_write(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    sandbox.arm(
        {"grant_id": google.id, "kind": "pending_conference", "value": 400},
        {"grant_id": google.id, "kind": "server_error", "method": "GET", "times": 3},
    )
    event = (await service.call(creation(google.id, autocreate()))).event
    assert event.conferencing.state == c.CONFERENCE_STATE_READY


async def test_a_link_on_a_foreign_host_is_written_with_a_warning(
    service: Service, google: Grant
) -> None:
    asked = details(c.PROVIDER_ZOOM_MEETING, "https://meet.corp.example/j/1")
    answer = await service.call(creation(google.id, asked))
    assert answer.event.conferencing.details.url == "https://meet.corp.example/j/1"
    (warning,) = answer.warnings
    assert warning.reason == s.WARNING_REASON_FOREIGN_HOST
    assert warning.field == "event.conferencing.details.url"
    known = await service.call(creation(google.id, details(c.PROVIDER_ZOOM_MEETING, ZOOM_URL)))
    assert not known.warnings


async def test_notices_are_suppressed_where_the_platform_can_and_refused_where_not(
    service: Service, google: Grant, microsoft: Grant
) -> None:
    guest = [e.Participant(email="guest@example.com")]
    await service.call(creation(google.id, notify=s.NOTIFY_NONE, participants=guest))
    assert google.effects() == ["event_created"]
    await service.call(creation(google.id, participants=guest))
    assert google.effects().count("invitation_sent") == 1
    for notify, grant in ((s.NOTIFY_NONE, microsoft), (s.NOTIFY_EXTERNAL_ONLY, google)):
        failure = await service.failure(creation(grant.id, notify=notify, participants=guest))
        assert failure.reason == "NOTIFICATION_UNAVOIDABLE"
    assert microsoft.effects() == []


async def test_every_field_of_an_event_comes_back(service: Service, google: Grant) -> None:
    asked = e.Event(
        title="Büro 会議",
        description="Zeile 1\nline 2",
        location="Room 1",
        when=timespan(zone="Europe/Berlin"),
        participants=[e.Participant(email="a@example.com", name="A", comment="late")],
        recurrence=["RRULE:FREQ=WEEKLY;COUNT=4"],
        reminders=e.Reminders(overrides=[e.Reminder(minutes=10, method=e.REMINDER_METHOD_POPUP)]),
        visibility=e.VISIBILITY_PRIVATE,
        busy=False,
        metadata={"key1": "v1", "other": "ü"},
        resources=[e.Resource(email="room@example.com", name="Room")],
        hide_participants=True,
        capacity=7,
    )
    request = creation(google.id)
    request.event.CopyFrom(asked)
    created = (await service.call(request)).event
    for event in (created, (await service.call(get(google.id, created.id))).event):
        for field in asked.DESCRIPTOR.fields:
            if field.name in {"participants", "resources"}:
                continue
            present = not field.has_presence or asked.HasField(field.name)
            if present and getattr(asked, field.name):
                assert getattr(event, field.name) == getattr(asked, field.name), field.name
        assert event.busy is False
        assert event.participants[0].email == "a@example.com"
        assert event.participants[0].comment == "late"
        assert event.participants[0].status == e.PARTICIPANT_STATUS_NO_REPLY
        assert event.resources[0].name == "Room"
        assert event.calendar_id != "primary"
        assert event.status == e.EVENT_STATUS_CONFIRMED
        assert event.HasField("created_at")
        assert event.ical_uid
        assert event.html_link.startswith("https://")


@pytest.mark.parametrize(
    "when",
    [
        e.EventTime(time=e.TimePoint(time=Timestamp(seconds=START), timezone="Asia/Tokyo")),
        timespan(),
        timespan(zone="America/New_York"),
        e.EventTime(date=e.Date(date="2030-01-07")),
        e.EventTime(datespan=e.Datespan(start_date="2030-01-07", end_date="2030-01-09")),
    ],
)
async def test_the_four_kinds_of_when_come_back(
    service: Service, google: Grant, when: e.EventTime
) -> None:
    event = (await service.call(creation(google.id, when=when))).event
    assert event.when == when


async def test_concurrent_first_calls_read_the_grant_once(service: Service, google: Grant) -> None:
    await asyncio.gather(*(service.call(creation(google.id)) for _ in range(20)))
    paths = [each["method"] for each in google.requests()]
    assert paths.count("GET") == 1
    assert google.effects() == ["event_created"] * 20
