"""What the vendor refuses with 400, and that nothing happens then."""

from __future__ import annotations

import pytest

START = 1_900_000_000
BAD_FIELDS = [
    {"when": None},
    {"when": {}},
    {"when": {"start_time": START, "end_time": START}},
    {"when": {"start_time": START, "end_time": START - 1}},
    {"when": {"start_time": START}},
    {"when": {"start_time": str(START), "end_time": START + 1}},
    {"when": {"start_time": float(START), "end_time": START + 1}},
    {"when": {"time": True}},
    {"when": {"time": 10**15}},
    {"when": {"time": START, "date": "2030-01-01"}},
    {"when": {"time": START, "timezone": "Mars/Olympus"}},
    {"when": {"time": START, "timezone": "../UTC"}},
    {"when": {"start_time": START, "end_time": START + 1, "start_timezone": "UTC"}},
    {"when": {"start_time": START, "end_time": START + 1, "end_timezone": "UTC"}},
    {"when": {"date": "2030-02-30"}},
    {"when": {"date": "20300228"}},
    {"when": {"start_date": "2030-02-02", "end_date": "2030-02-01"}},
    {"title": "x" * 1025},
    {"title": ""},
    {"title": 1},
    {"location": "x" * 256},
    {"description": "x" * 8193},
    {"busy": "true"},
    {"capacity": 1.0},
    {"visibility": "secret"},
    {"participants": [{"name": "Ann"}]},
    {"participants": [{"email": "nobody"}]},
    {"participants": {"email": "ann@example.com"}},
    {"participants": [{"email": "ann@example.com", "status": "perhaps"}]},
    {"resources": [{"name": "Room"}]},
    {"recurrence": "RRULE:FREQ=DAILY"},
    {"recurrence": ["RDATE:20300101"]},
    {"reminders": {"overrides": [{"reminder_minutes": 60.0, "reminder_method": "popup"}]}},
    {"reminders": {"overrides": [{"reminder_minutes": "[20]", "reminder_method": "popup"}]}},
    {"reminders": {"overrides": [{"reminder_minutes": 5, "reminder_method": "pigeon"}]}},
    {"metadata": {str(number): "x" for number in range(51)}},
    {"metadata": {"key1": "x" * 501}},
    {"metadata": {"key1": 1}},
]
ZOOM = "Zoom Meeting"
BAD_CONFERENCING = [
    None,
    {"provider": "Zoom"},
    {"provider": ZOOM},
    {"details": {"url": "https://zoom.us/j/1"}},
    {"provider": ZOOM, "details": {}},
    {"provider": ZOOM, "details": {"url": "zoom"}},
    {"provider": ZOOM, "details": {"url": "https://zoom.us/j/1", "meeting_code": 1}},
    {"provider": "WebEx", "details": {"url": "https://webex.example", "phone": "1"}},
    {"provider": ZOOM, "autocreate": True},
    {"provider": ZOOM, "autocreate": {}},
    {"provider": ZOOM, "autocreate": {"conf_grant_id": ""}},
    {"provider": ZOOM, "autocreate": {"conf_grant_id": "unknown"}},
    {"provider": ZOOM, "autocreate": {"conf_grant_id": "google-demo"}},
    {"provider": ZOOM, "autocreate": {"conf_grant_id": "zoom-demo", "conf_settings": []}},
    {"provider": "Microsoft Teams", "autocreate": {}},
    {"provider": "Microsoft Teams", "autocreate": {"conf_grant_id": "google-demo"}},
    {"provider": "Google Meet", "autocreate": {"conf_grant_id": "microsoft-demo"}},
    {"provider": "WebEx", "autocreate": {}},
    {"provider": "GoToMeeting", "autocreate": {}},
    {"provider": "Teams for Business", "autocreate": {"conf_grant_id": "microsoft-demo"}},
    {"provider": "Skype for Business", "autocreate": {}},
    {"provider": "Skype for Consumer", "autocreate": {}},
]


@pytest.mark.parametrize(
    "body", [*BAD_FIELDS, *({"conferencing": bad} for bad in BAD_CONFERENCING)]
)
def test_a_bad_field_is_400_on_create_and_update(google, body):
    event_id = google.created()["id"]
    for answer in (google.create(body), google.put(event_id, body)):
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.json()["error"]["message"]
    assert google.effects() == ["event_created"]


def test_when_is_required_on_create(google):
    answer = google.call("POST", "/events", {"title": "x"}, calendar_id="primary")
    assert answer.status_code == 400


def test_both_sources_of_a_conference_are_refused_with_the_vendors_words(google):
    conferencing = {
        "provider": "Google Meet",
        "autocreate": {},
        "details": {"url": "https://meet.google.com/abc-defg-hij"},
    }
    answer = google.create(conferencing=conferencing)
    assert answer.status_code == 400
    message = "'details' not allowed when auto generating a conference"
    assert answer.json()["error"]["message"] == message


def test_limits_of_google_alone(google, microsoft):
    assert microsoft.create(description="x" * 8193).status_code == 200
    assert microsoft.create(visibility="default").status_code == 400
    assert google.create(visibility="default").status_code == 200
    assert microsoft.create(visibility="private").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"title": "x" * 1024, "location": "x" * 255, "description": "x" * 8192},
        {"metadata": {str(number): "x" * 500 for number in range(50)}},
        {"recurrence": ["RRULE:FREQ=DAILY"]},
        {"reminders": {"use_default": False, "overrides": [{"reminder_minutes": 60}]}},
        {"visibility": None, "description": None, "capacity": 5, "hide_participants": True},
    ],
)
def test_the_limits_themselves_are_allowed(google, body):
    assert google.create(body).status_code == 200


@pytest.mark.parametrize("scope", [["x"], []])
def test_teams_needs_the_scope_where_there_is_a_list(sandbox, scope):
    conferencing = {"provider": "Microsoft Teams", "autocreate": {}}
    lacking = sandbox.grant("microsoft", scope=scope)
    answer = lacking.create(conferencing=conferencing)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "insufficient_scopes"
    assert lacking.effects() == []
    for enough in (None, ["https://graph.microsoft.com/OnlineMeetings.ReadWrite"]):
        grant = sandbox.grant("microsoft", scope=enough)
        assert grant.create(conferencing=conferencing).status_code == 200


def test_an_expired_host_is_401(sandbox, google):
    host = sandbox.grant("zoom", grant_status="invalid")
    autocreate = {"provider": ZOOM, "autocreate": {"conf_grant_id": host.id}}
    assert google.create(conferencing=autocreate).status_code == 401


def test_zoom_itself_refuses_a_long_passcode(google):
    settings = {"password": "far-too-long-a-passcode"}
    autocreate = {"conf_grant_id": "zoom-demo", "conf_settings": settings}
    answer = google.create(conferencing={"provider": ZOOM, "autocreate": autocreate})
    assert answer.status_code == 400
    assert answer.json()["error"]["provider_error"]
    assert google.conferences() == []
