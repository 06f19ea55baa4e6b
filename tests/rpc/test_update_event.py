"""UpdateEvent: the mask, and a conference that is kept, put on, replaced or removed."""

from __future__ import annotations

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, details, get, timespan, update

ZOOM_URL = "https://us05web.zoom.us/j/98765432101?pwd=abc"
ZOOM = details(c.PROVIDER_ZOOM_MEETING, ZOOM_URL, meeting_code="98765432101", password="sesame")
PROSE = "Agenda:\n1. Budget\n2. Hiring"


async def made(service: Service, grant: Grant, *args: c.Conferencing, **event: object) -> e.Event:
    return (await service.call(creation(grant.id, *args, **event))).event


async def test_only_the_named_fields_change(service: Service, google: Grant) -> None:
    event = await made(service, google, description="before", location="Room 1")
    request = update(google.id, event.id, "title", title="New", description="ignored")
    updated = (await service.call(request)).event
    assert (updated.title, updated.description, updated.location) == ("New", "before", "Room 1")


async def test_a_named_field_that_is_unset_is_cleared(service: Service, google: Grant) -> None:
    event = await made(
        service,
        google,
        location="Room 1",
        participants=[e.Participant(email="a@example.com")],
        metadata={"key1": "v"},
        recurrence=["RRULE:FREQ=DAILY;COUNT=2"],
        when=timespan(zone="Europe/Berlin"),
        busy=False,
        capacity=3,
        hide_participants=True,
        resources=[e.Resource(email="room@example.com")],
        reminders=e.Reminders(overrides=[e.Reminder(minutes=5)]),
        visibility=e.VISIBILITY_PRIVATE,
    )
    names = [
        "title",
        "location",
        "participants",
        "metadata",
        "recurrence",
        "busy",
        "capacity",
        "hide_participants",
        "resources",
        "reminders",
        "visibility",
        "description",
    ]
    updated = (await service.call(update(google.id, event.id, *names))).event
    assert updated.title == ""
    assert updated.location == ""
    assert not updated.participants
    assert not updated.metadata
    assert not updated.recurrence
    assert not updated.resources
    assert updated.busy is True
    assert not updated.HasField("capacity")
    assert updated.hide_participants is False
    assert updated.reminders.use_default
    assert updated.visibility != e.VISIBILITY_PRIVATE
    assert updated.when == event.when


@pytest.mark.parametrize(
    "path", ["*", "conferencing.details", "id", "read_only", "organizer", "nonsense", ""]
)
async def test_a_mask_names_top_level_writable_fields_only(
    service: Service, google: Grant, path: str
) -> None:
    failure = await service.failure(update(google.id, "some-event", path, title="x"))
    assert failure.reason == "INVALID_FIELD"
    assert "update_mask" in failure.violations
    assert google.requests() == []


async def test_when_cannot_be_cleared(service: Service, google: Grant) -> None:
    failure = await service.failure(update(google.id, "some-event", "when"))
    assert "event.when" in failure.violations


@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_a_conference_is_kept_when_the_mask_does_not_name_it(
    service: Service, sandbox: Sandbox, platform: str
) -> None:
    grant = sandbox.grant(platform)
    event = await made(service, grant, ZOOM, description=PROSE)
    for changes in ({"title": "New"}, {"description": "Other words."}, {"description": ""}):
        updated = (await service.call(update(grant.id, event.id, *changes, **changes))).event
        assert updated.conferencing.details.url == ZOOM_URL, changes
        again = (await service.call(get(grant.id, event.id))).event
        assert again.conferencing.details.url == ZOOM_URL, changes
    assert PROSE not in updated.description


@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_a_conference_is_put_on_an_event_without_one(
    service: Service, sandbox: Sandbox, platform: str
) -> None:
    grant = sandbox.grant(platform)
    event = await made(service, grant, description=PROSE)
    updated = (await service.call(update(grant.id, event.id, conferencing=ZOOM))).event
    assert updated.conferencing.details.url == ZOOM_URL
    assert updated.description.startswith(PROSE)


async def test_a_second_conference_is_refused_and_nothing_is_written(
    service: Service, google: Grant
) -> None:
    event = await made(service, google, ZOOM)
    before = google.effects()
    failure = await service.failure(update(google.id, event.id, conferencing=autocreate()))
    assert failure.reason == "CONFERENCE_ALREADY_PRESENT"
    assert failure.metadata == {"provider": "ZOOM_MEETING"}
    assert google.effects() == before


@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_a_conference_is_replaced_when_asked(
    service: Service, sandbox: Sandbox, platform: str
) -> None:
    grant = sandbox.grant(platform)
    event = await made(service, grant, ZOOM, description=PROSE)
    other = details(c.PROVIDER_WEBEX, "https://corp.webex.com/meet/jane", password="w3bex")
    request = update(grant.id, event.id, conferencing=other, replace=True)
    updated = (await service.call(request)).event
    assert updated.conferencing.provider == c.PROVIDER_WEBEX
    assert ZOOM_URL not in updated.description
    assert updated.description.startswith(PROSE)
    again = (await service.call(get(grant.id, event.id))).event
    assert again.conferencing.details.url == "https://corp.webex.com/meet/jane"


async def test_replacing_an_autocreated_conference_leaves_one(
    service: Service, google: Grant
) -> None:
    event = await made(service, google, autocreate())
    request = update(google.id, event.id, conferencing=autocreate(), replace=True)
    updated = (await service.call(request)).event
    assert updated.conferencing.details.url != event.conferencing.details.url
    effects = google.effects()
    assert effects.count("conference_created") - effects.count("conference_deleted") == 1


@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_a_conference_is_removed_with_its_text(
    service: Service, sandbox: Sandbox, platform: str
) -> None:
    grant = sandbox.grant(platform)
    event = await made(service, grant, ZOOM, description=PROSE)
    updated = (await service.call(update(grant.id, event.id, "conferencing"))).event
    assert not updated.HasField("conferencing")
    assert updated.description == PROSE
    again = (await service.call(get(grant.id, event.id))).event
    assert not again.HasField("conferencing")


async def test_removing_only_by_the_vendors_empty_object_would_not_do(
    sandbox: Sandbox, service: Service, microsoft: Grant
) -> None:
    """The vendor reads the conference out of the description again: so the text must go too."""
    event = await made(service, microsoft, ZOOM, description=PROSE)
    answer = microsoft.put(event.id, {"conferencing": {}})
    assert answer.json()["data"]["conferencing"]["details"]["url"] == ZOOM_URL


async def test_on_removal_the_callers_description_wins_without_the_conferences_text(
    service: Service, microsoft: Grant
) -> None:
    event = await made(service, microsoft, ZOOM, description=PROSE)
    text = f"My words.\n\nJoin Zoom Meeting\n{ZOOM_URL}\nPasscode: sesame"
    request = update(microsoft.id, event.id, "conferencing", "description", description=text)
    updated = (await service.call(request)).event
    assert updated.description == "My words."
    assert not updated.HasField("conferencing")


async def test_an_autocreated_teams_meeting_is_removed_with_its_text(
    service: Service, microsoft: Grant
) -> None:
    event = await made(service, microsoft, autocreate(), description=PROSE)
    assert "teams.microsoft.com" in event.description
    updated = (await service.call(update(microsoft.id, event.id, "conferencing"))).event
    assert updated.description == PROSE
    assert not updated.HasField("conferencing")
    assert microsoft.effects().count("conference_deleted") == 1


async def test_a_verdict_refuses_before_anything_is_read_or_written(
    service: Service, google: Grant
) -> None:
    event = await made(service, google)
    calls = len(google.requests())
    failure = await service.failure(
        update(google.id, event.id, conferencing=autocreate(c.PROVIDER_MICROSOFT_TEAMS))
    )
    assert failure.reason == "CROSS_PLATFORM_AUTOCREATE"
    assert failure.verdict is not None
    assert len(google.requests()) == calls


async def test_validate_only_answers_the_event_as_it_would_be(
    service: Service, google: Grant
) -> None:
    event = await made(service, google, location="Room 1")
    before = google.effects()
    request = update(google.id, event.id, "title", title="New", validate_only=True)
    request.request_id = ""
    answer = await service.call(request)
    assert (answer.event.title, answer.event.location) == ("New", "Room 1")
    assert google.effects() == before
    missing = await service.failure(
        update(google.id, "no-such-event", "title", title="New", validate_only=True)
    )
    assert missing.reason == "EVENT_NOT_FOUND"


async def test_notices_go_out_unless_suppressed(service: Service, google: Grant) -> None:
    event = await made(service, google, participants=[e.Participant(email="a@example.com")])
    sent = google.effects().count("invitation_sent")
    await service.call(update(google.id, event.id, title="Quiet", notify=s.NOTIFY_NONE))
    assert google.effects().count("invitation_sent") == sent
    await service.call(update(google.id, event.id, title="Loud"))
    assert google.effects().count("invitation_sent") == sent + 1
