"""Grants and calendars, seeded and made at will."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("grant_id", "provider", "status"),
    [
        ("google-demo", "google", "valid"),
        ("microsoft-demo", "microsoft", "valid"),
        ("icloud-demo", "icloud", "valid"),
        ("virtual-demo", "virtual-calendar", "valid"),
        ("zoom-demo", "zoom", "valid"),
        ("expired-demo", "google", "invalid"),
        ("microsoft-noscope-demo", "microsoft", "valid"),
    ],
)
def test_seeded_grants(sandbox, grant_id, provider, status):
    grant = sandbox.http.get(f"/v3/grants/{grant_id}").json()["data"]
    assert (grant["id"], grant["provider"], grant["grant_status"]) == (grant_id, provider, status)


def test_the_scopes_tell_the_microsoft_grants_apart(sandbox):
    def scope(grant_id):
        return sandbox.http.get(f"/v3/grants/{grant_id}").json()["data"]["scope"]

    assert {"OnlineMeetings.ReadWrite", "Calendars.ReadWrite"} <= set(scope("microsoft-demo"))
    assert "OnlineMeetings.ReadWrite" not in scope("microsoft-noscope-demo")


def test_an_unknown_grant_is_404_until_it_is_made(sandbox):
    unknown = sandbox.demo("made-later")
    for answer in (unknown.call("GET", ""), unknown.listed(), unknown.create()):
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "grant.not_found"
    sandbox.http.post("/_sandbox/grants", json={"id": "made-later", "provider": "google"})
    assert unknown.call("GET", "").status_code == 200
    assert unknown.create().status_code == 200


def test_scope_left_out_is_the_usual_and_null_is_none(sandbox):
    usual = sandbox.grant("microsoft").call("GET", "").json()["data"]
    assert "OnlineMeetings.ReadWrite" in usual["scope"]
    assert "scope" not in sandbox.grant("microsoft", scope=None).call("GET", "").json()["data"]
    assert sandbox.grant("google", scope=["x"]).call("GET", "").json()["data"]["scope"] == ["x"]
    assert "scope" not in sandbox.grant("imap").call("GET", "").json()["data"]


def test_a_grant_can_be_replaced_and_keeps_its_events(sandbox, google):
    event = google.created()
    sandbox.http.post(
        "/_sandbox/grants", json={"id": google.id, "provider": "microsoft", "scope": []}
    )
    assert google.call("GET", "").json()["data"]["provider"] == "microsoft"
    assert google.get(event["id"]).json()["data"]["calendar_id"] == event["calendar_id"]


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "google"},
        {"id": "", "provider": "google"},
        {"id": "x", "provider": "myspace"},
        {"id": "x"},
        {"id": "x", "provider": "google", "scope": "calendar"},
        {"id": "x", "provider": "google", "grant_status": "tired"},
        {"id": "x", "provider": "google", "scopes": []},
    ],
)
def test_a_bad_grant_is_refused(sandbox, body):
    assert sandbox.http.post("/_sandbox/grants", json=body).status_code == 400


def test_grants_are_listed_by_offset(sandbox):
    page = sandbox.http.get("/v3/grants", params={"limit": 2, "offset": 1}).json()
    assert (len(page["data"]), page["limit"], page["offset"]) == (2, 2, 1)
    zooms = sandbox.http.get("/v3/grants", params={"provider": "zoom", "limit": 200}).json()["data"]
    assert {grant["provider"] for grant in zooms} == {"zoom"}


def test_an_expired_grant_is_401_on_every_calendar_call_but_can_be_read(sandbox):
    expired = sandbox.demo("expired-demo")
    assert expired.call("GET", "").json()["data"]["grant_status"] == "invalid"
    for answer in (expired.listed(), expired.create(), expired.call("GET", "/calendars")):
        assert answer.status_code == 401
    assert expired.effects() == []


@pytest.mark.parametrize("provider", ["zoom", "imap"])
def test_a_grant_without_calendar_refuses_calendar_calls(sandbox, provider):
    grant = sandbox.grant(provider)
    for answer in (grant.listed(), grant.create(), grant.call("GET", "/calendars/primary")):
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_three_calendars_of_which_one_is_read_only(google):
    calendars = google.call("GET", "/calendars").json()["data"]
    assert [(c["is_primary"], c["read_only"]) for c in calendars] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert calendars[0]["id"] == f"{google.id}@example.com"
    primary = google.call("GET", "/calendars/primary").json()["data"]
    assert primary == calendars[0]
    assert google.call("GET", "/calendars/unknown").status_code == 404


def test_primary_is_no_calendar_on_icloud(icloud):
    assert icloud.call("GET", "/calendars/primary").status_code == 404
    assert icloud.create().status_code == 404
    assert icloud.listed().status_code == 404
    created = icloud.created(query={"calendar_id": "home"})
    assert icloud.get(created["id"], calendar_id="home").status_code == 200


def test_calendar_ids_can_be_chosen(sandbox):
    grant = sandbox.grant("ews", primary_calendar_id="p/1", read_only_calendar=None)
    assert [c["id"] for c in grant.call("GET", "/calendars").json()["data"]] == ["p/1", "team"]
    assert grant.call("GET", "/calendars/p%2F1").status_code == 200
