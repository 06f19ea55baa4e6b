"""CheckCompatibility and ExtractConferencing."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import error_reason_pb2 as r
from support.sandbox import Grant, Sandbox
from support.service import Service


def verdicts_by(answer: s.CheckCompatibilityResponse) -> dict[tuple[int, int], c.Verdict]:
    return {(each.provider, each.way): each for each in answer.verdicts}


async def test_a_grant_is_told_all_verdicts_and_nothing_is_written(
    service: Service, google: Grant
) -> None:
    answer = await service.call(s.CheckCompatibilityRequest(grant_id=google.id))
    assert answer.platform == c.PLATFORM_GOOGLE
    found = verdicts_by(answer)
    assert len(found) == len(answer.verdicts) == 7 * 4
    meet = found[c.PROVIDER_GOOGLE_MEET, c.WAY_AUTOCREATE]
    teams = found[c.PROVIDER_MICROSOFT_TEAMS, c.WAY_AUTOCREATE]
    assert meet.decision == c.DECISION_ALLOWED
    assert (teams.decision, teams.reason) == (
        c.DECISION_REFUSED,
        r.ERROR_REASON_CROSS_PLATFORM_AUTOCREATE,
    )
    assert teams.explanation
    assert google.effects() == []


async def test_a_platform_is_asked_about_without_any_vendor_call(
    service: Service, sandbox: Sandbox
) -> None:
    before = len(sandbox.http.get("/_sandbox/requests").json()["requests"])
    answer = await service.call(
        s.CheckCompatibilityRequest(
            platform=c.PLATFORM_MICROSOFT, provider=c.PROVIDER_MICROSOFT_TEAMS
        )
    )
    found = verdicts_by(answer)[c.PROVIDER_MICROSOFT_TEAMS, c.WAY_AUTOCREATE]
    assert found.decision == c.DECISION_CONDITIONAL
    assert len(found.requirements) == 2
    assert len(sandbox.http.get("/_sandbox/requests").json()["requests"]) == before


async def test_a_conference_grant_is_part_of_the_question(
    service: Service, google: Grant, zoom: Grant
) -> None:
    question = s.CheckCompatibilityRequest(
        grant_id=google.id, provider=c.PROVIDER_ZOOM_MEETING, conf_grant_id=zoom.id
    )
    allowed = verdicts_by(await service.call(question))
    assert allowed[c.PROVIDER_ZOOM_MEETING, c.WAY_AUTOCREATE].decision == c.DECISION_ALLOWED
    question.conf_grant_id = google.id
    refused = verdicts_by(await service.call(question))[c.PROVIDER_ZOOM_MEETING, c.WAY_AUTOCREATE]
    assert refused.decision == c.DECISION_REFUSED


async def test_a_zoom_grant_has_no_calendar_and_the_verdicts_say_so(
    service: Service, zoom: Grant
) -> None:
    answer = await service.call(s.CheckCompatibilityRequest(grant_id=zoom.id))
    assert answer.platform == c.PLATFORM_ZOOM
    assert {each.decision for each in answer.verdicts} == {c.DECISION_REFUSED}


async def test_a_read_only_calendar_can_only_be_read(service: Service, google: Grant) -> None:
    answer = await service.call(
        s.CheckCompatibilityRequest(
            grant_id=google.id, calendar_id="holidays", provider=c.PROVIDER_GOOGLE_MEET
        )
    )
    decisions = {each.way: each.decision for each in answer.verdicts}
    assert decisions.pop(c.WAY_READ) == c.DECISION_ALLOWED
    assert set(decisions.values()) == {c.DECISION_REFUSED}


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (s.CheckCompatibilityRequest(), "subject"),
        (s.CheckCompatibilityRequest(platform=c.PLATFORM_UNSPECIFIED), "subject"),
        (s.CheckCompatibilityRequest(platform=99), "platform"),
        (s.CheckCompatibilityRequest(grant_id=""), "grant_id"),
        (s.CheckCompatibilityRequest(grant_id="g", provider=99), "provider"),
        (s.CheckCompatibilityRequest(grant_id="g", provider=c.PROVIDER_OTHER), "provider"),
        (
            s.CheckCompatibilityRequest(platform=c.PLATFORM_GOOGLE, calendar_id="primary"),
            "calendar_id",
        ),
    ],
)
async def test_a_question_that_cannot_be_answered_names_its_field(
    service: Service, request_: s.CheckCompatibilityRequest, path: str
) -> None:
    failure = await service.failure(request_)
    assert failure.reason == "INVALID_FIELD"
    assert path in failure.violations


async def test_a_calendar_that_is_not_there_is_named(service: Service, google: Grant) -> None:
    failure = await service.failure(
        s.CheckCompatibilityRequest(grant_id=google.id, calendar_id="no-such-calendar")
    )
    assert failure.reason == "CALENDAR_NOT_FOUND"


def struct(value: dict[str, object]) -> Struct:
    message = Struct()
    message.update(value)
    return message


GOOGLE = {
    "conferenceData": {
        "conferenceSolution": {"name": "Google Meet"},
        "entryPoints": [
            {
                "entryPointType": "video",
                "uri": "https://meet.google.com/abc-defg-hij",
                "label": "meet.google.com/abc-defg-hij",
            },
            {
                "entryPointType": "phone",
                "uri": "tel:+1-646-555-0142",
                "pin": "363467801",
                "regionCode": "US",
            },
            {"entryPointType": "more", "uri": "https://tel.meet/abc", "pin": "8512345678901"},
        ],
    }
}
MICROSOFT = {
    "onlineMeetingProvider": "teamsForBusiness",
    "onlineMeeting": {
        "joinUrl": "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0",
        "conferenceId": "864359718",
        "tollNumber": "+13235550100",
    },
}
ICALENDAR = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Sync\r\n"
    "DESCRIPTION:Join at https://us05web.zoom.us/j/9876\r\n 5432101?pwd=a\\, then wait\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


async def test_structured_conferences_are_read_in_full(service: Service) -> None:
    google = (
        await service.call(s.ExtractConferencingRequest(google_event=struct(GOOGLE)))
    ).conferencing
    assert google.provider == c.PROVIDER_GOOGLE_MEET
    assert google.origin == c.ORIGIN_NATIVE
    assert google.details.meeting_code == "abc-defg-hij"
    assert google.details.pin == "363467801"
    assert list(google.details.phone) == ["+16465550142"]
    assert len(google.details.entry_points) == 3
    microsoft = (
        await service.call(s.ExtractConferencingRequest(microsoft_event=struct(MICROSOFT)))
    ).conferencing
    assert microsoft.provider == c.PROVIDER_MICROSOFT_TEAMS
    assert microsoft.details.pin == "864359718"
    assert list(microsoft.details.phone) == ["+13235550100"]


async def test_texts_are_read_for_their_first_join_link(service: Service) -> None:
    calendar = (await service.call(s.ExtractConferencingRequest(icalendar=ICALENDAR))).conferencing
    assert calendar.details.url == "https://us05web.zoom.us/j/98765432101?pwd=a"
    assert (calendar.origin, calendar.source_field) == (c.ORIGIN_PARSED, "DESCRIPTION")
    text = (
        await service.call(
            s.ExtractConferencingRequest(text="<a href='https://corp.webex.com/meet/jane'>x</a>")
        )
    ).conferencing
    assert text.provider == c.PROVIDER_WEBEX
    assert text.source_field == "text"


@pytest.mark.parametrize(
    "text",
    [
        "no link at all",
        "https://evilzoom.us/j/98765432101",
        "https://zoom.us.evil.example/j/98765432101",
        "https://zoom.us@evil.example/j/98765432101",
        "https://zoom.us\\@evil.example/j/98765432101",
        "https://zoom.us:8443/j/98765432101",
        "https://zoom.us/rec/share/abc",
        "",
    ],
)
async def test_what_is_no_join_link_is_no_conference(service: Service, text: str) -> None:
    answer = await service.call(s.ExtractConferencingRequest(text=text))
    assert not answer.HasField("conferencing")


async def test_an_extraction_without_input_or_with_too_much_is_refused(service: Service) -> None:
    nothing = await service.failure(s.ExtractConferencingRequest())
    assert "input" in nothing.violations
    much = await service.failure(s.ExtractConferencingRequest(text="x" * 262_200))
    assert "text" in much.violations
