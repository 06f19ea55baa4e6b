"""The vendor's own Python client, unmodified, as a judge of the sandbox."""

from __future__ import annotations

import pytest
from nylas import Client
from nylas.models.errors import NylasApiError
from nylas.models.events import Autocreate, Details, Timespan

START = 1_900_000_000
WHEN = {
    "start_time": START,
    "end_time": START + 3600,
    "start_timezone": "UTC",
    "end_timezone": "UTC",
}
URL = "https://us02web.zoom.us/j/1234567890"
MANUAL = {"provider": "Zoom Meeting", "details": {"url": URL, "meeting_code": "1234567890"}}
MADE = {
    "provider": "Zoom Meeting",
    "autocreate": {
        "conf_grant_id": "zoom-demo",
        "conf_settings": {"password": "abc", "settings": {"waiting_room": True}},
    },
}


@pytest.fixture
def client(sandbox):
    return Client("sandbox", api_uri=sandbox.url, timeout=10)


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_the_life_of_an_event(sandbox, client, kind):
    grant = sandbox.grant(kind)
    query = {"calendar_id": "primary", "notify_participants": True}
    body = {
        "title": "Review",
        "when": WHEN,
        "conferencing": MADE,
        "participants": [{"email": "ann@example.com"}],
        "reminders": {"use_default": False, "overrides": [{"reminder_minutes": 10}]},
        "metadata": {"key1": "a b"},
    }
    created = client.events.create(grant.id, body, query).data
    assert isinstance(created.when, Timespan)
    assert isinstance(created.conferencing, Details)
    assert created.conferencing.details["password"] == "abc"
    assert grant.conferences()[0]["settings"] == MADE["autocreate"]["conf_settings"]

    found = client.events.find(grant.id, created.id, {"calendar_id": "primary"}).data
    assert found == created

    listed = client.events.list(
        grant.id, {"calendar_id": "primary", "metadata_pair": {"key1": "a b"}}
    )
    assert listed.data == [created]
    assert listed.next_cursor is None

    update = {"title": "New", "description": "Agenda", "conferencing": MANUAL}
    updated = client.events.update(grant.id, created.id, update, query).data
    assert (updated.title, updated.conferencing.details) == ("New", MANUAL["details"])

    cleared = {"conferencing": {}, "description": "Agenda"}
    quiet = {"calendar_id": "primary", "notify_participants": False}
    assert client.events.update(grant.id, created.id, cleared, quiet).data.conferencing is None

    answer = client.events.send_rsvp(
        grant.id, created.id, {"status": "yes"}, {"calendar_id": "primary"}
    )
    assert answer.request_id
    assert client.events.destroy(grant.id, created.id, query).request_id
    told = 3 if kind == "google" else 4
    assert grant.effects().count("invitation_sent") == told
    with pytest.raises(NylasApiError) as refusal:
        client.events.find(grant.id, created.id, {"calendar_id": "primary"})
    assert (refusal.value.status_code, refusal.value.type) == (404, "not_found_error")


def test_details_on_create_and_pending_autocreate(sandbox, client, google):
    query = {"calendar_id": "primary"}
    manual = client.events.create(
        google.id, {"when": {"date": "2030-03-17"}, "conferencing": MANUAL}, query
    ).data
    assert manual.conferencing.details == MANUAL["details"]
    google.fault("pending_conference")
    pending = client.events.create(
        google.id,
        {"when": {"time": START}, "conferencing": {"provider": "Google Meet", "autocreate": {}}},
        query,
    ).data
    sandbox.http.delete("/_sandbox/faults")
    assert isinstance(pending.conferencing, Autocreate)


def test_grants_calendars_and_limits(client, google):
    assert client.grants.find(google.id).data.provider == "google"
    primary = client.calendars.find(google.id, "primary").data
    assert primary.is_primary
    assert len(client.calendars.list(google.id).data) == 3
    google.fault("rate_limit", value=7)
    with pytest.raises(NylasApiError) as refusal:
        client.calendars.list(google.id)
    assert refusal.value.headers["Retry-After"] == "7"
