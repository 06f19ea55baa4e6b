"""Conferences: details, autocreate, and the description that keeps them outside Google."""

from __future__ import annotations

import re

import pytest

URL = "https://us02web.zoom.us/j/1234567890"
OTHER = "https://us02web.zoom.us/j/1234567890123"
MEET = {"provider": "Google Meet", "autocreate": {}}
TEAMS = {"provider": "Microsoft Teams", "autocreate": {}}
EVERYTHING = {
    "url": "https://conference.example/1",
    "meeting_code": "123",
    "password": "secret",
    "pin": "456",
    "phone": ["+1 1", "+1 2"],
    "bogus": "x",
}


def zoom(**settings):
    autocreate = {"conf_grant_id": "zoom-demo"}
    if settings:
        autocreate["conf_settings"] = settings
    return {"provider": "Zoom Meeting", "autocreate": autocreate}


def manual(url=URL):
    return {"provider": "Zoom Meeting", "details": {"url": url}}


@pytest.mark.parametrize("platform", ["google", "microsoft"])
@pytest.mark.parametrize(
    ("provider", "kept"),
    [
        ("Google Meet", {"phone": ["+1 1"], "pin": "456"}),
        ("Zoom Meeting", {"meeting_code": "123", "password": "secret"}),
        ("Microsoft Teams", {}),
        ("Teams for Business", {}),
        ("Skype for Business", {}),
        ("Skype for Consumer", {}),
        ("WebEx", {"password": "secret", "pin": "456", "phone": ["+1 1", "+1 2"]}),
        (
            "GoToMeeting",
            {"meeting_code": "123", "password": "secret", "phone": ["+1 1", "+1 2"]},
        ),
    ],
)
def test_of_written_details_only_the_providers_own_are_kept(sandbox, platform, provider, kept):
    grant = sandbox.grant(platform)
    created = grant.created(conferencing={"provider": provider, "details": EVERYTHING})
    expected = {"provider": provider, "details": {"url": EVERYTHING["url"], **kept}}
    assert created["conferencing"] == expected
    assert grant.get(created["id"]).json()["data"]["conferencing"] == expected
    assert grant.effects() == ["event_created"]
    assert grant.conferences() == []


def test_a_made_meet(google):
    created = google.created(conferencing=MEET)
    assert created["conferencing"]["provider"] == "Google Meet"
    details = created["conferencing"]["details"]
    assert re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", details["meeting_code"])
    assert details["url"] == f"https://meet.google.com/{details['meeting_code']}"
    assert re.fullmatch(r"\+1\d{10}", details["phone"][0])
    assert details["pin"].isdigit()
    assert created["description"] is None
    assert google.effects() == ["conference_created", "event_created"]


def test_a_made_zoom_meeting_with_its_settings(google):
    settings = {"password": "s3cret", "agenda": "Plan", "settings": {"waiting_room": True}}
    created = google.created(conferencing=zoom(**settings))
    details = created["conferencing"]["details"]
    assert re.fullmatch(r"\d{11}", details["meeting_code"])
    assert re.fullmatch(
        rf"https://us05web\.zoom\.us/j/{details['meeting_code']}\?pwd=\w+", details["url"]
    )
    assert details["password"] == "s3cret"
    assert set(created["conferencing"]) == {"provider", "details"}
    [made] = google.conferences()
    assert made["settings"] == settings
    assert made["details"] == details
    assert (made["event_id"], made["grant_id"]) == (created["id"], google.id)
    assert (made["conf_grant_id"], made["provider"]) == ("zoom-demo", "Zoom Meeting")
    assert made["deleted"] is False


def test_a_made_teams_meeting_stands_in_the_description(microsoft):
    created = microsoft.created(conferencing=TEAMS, description="Agenda")
    details = created["conferencing"]["details"]
    assert set(details) == {"url"}
    assert re.fullmatch(
        r"https://teams\.microsoft\.com/l/meetup-join/19%3ameeting_\w+%40thread\.v2"
        r"/0\?context=%7b[^{}]+%7d",
        details["url"],
    )
    rule = "_" * 80
    block = f"{rule}\nMicrosoft Teams meeting\nJoin: {details['url']}\n{rule}"
    assert created["description"] == f"Agenda\n\n{block}"


def test_a_zoom_block(virtual):
    created = virtual.created(conferencing=zoom(password="abc"))
    details = created["conferencing"]["details"]
    assert created["description"] == (
        f"Join Zoom Meeting\n{details['url']}\n\n"
        f"Meeting ID: {details['meeting_code']}\nPasscode: abc"
    )


def test_any_other_block_labels_its_details(microsoft):
    created = microsoft.created(conferencing={"provider": "WebEx", "details": EVERYTHING})
    assert created["description"] == (
        f"Join: {EVERYTHING['url']}\nPassword: secret\nPIN: 456\nPhone: +1 1, +1 2"
    )


def test_a_matching_host_of_another_platform_is_allowed(google, microsoft, virtual):
    meet = {**MEET, "autocreate": {"conf_grant_id": "google-demo"}}
    teams = {**TEAMS, "autocreate": {"conf_grant_id": "microsoft-demo"}}
    assert "meet.google.com" in microsoft.created(conferencing=meet)["description"]
    assert "teams" in google.created(conferencing=teams)["conferencing"]["details"]["url"]
    assert virtual.create(conferencing=MEET).status_code == 400
    assert virtual.create(conferencing=meet).status_code == 200


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_put_without_conferencing_leaves_it_alone(sandbox, kind):
    grant = sandbox.grant(kind)
    created = grant.created(conferencing=zoom())
    updated = grant.put(created["id"], {"title": "x"}).json()["data"]
    assert updated["conferencing"] == created["conferencing"]
    assert grant.effects() == ["conference_created", "event_created", "event_updated"]


def test_clearing_on_google_is_enough(google):
    created = google.created(conferencing=MEET)
    assert "conferencing" not in google.put(created["id"], {"conferencing": {}}).json()["data"]
    assert google.effects()[2:] == ["conference_deleted", "event_updated"]


def test_clearing_elsewhere_needs_the_text_to_go_too(microsoft):
    created = microsoft.created(conferencing=TEAMS, description="Agenda")
    half = microsoft.put(created["id"], {"conferencing": {}}).json()["data"]
    assert half["conferencing"] == created["conferencing"]
    assert half["description"] == created["description"]
    assert "conference_deleted" not in microsoft.effects()
    body = {"conferencing": {}, "description": "Agenda"}
    whole = microsoft.put(created["id"], body).json()["data"]
    assert "conferencing" not in whole
    assert microsoft.effects().count("conference_deleted") == 1


def test_another_description_loses_the_conference_and_leaks_the_meeting(microsoft):
    created = microsoft.created(conferencing=TEAMS)
    updated = microsoft.put(created["id"], {"description": "Agenda"}).json()["data"]
    assert "conferencing" not in updated
    assert "conference_deleted" not in microsoft.effects()
    microsoft.delete(created["id"])
    assert microsoft.effects().count("conference_deleted") == 1


def test_another_description_with_the_url_keeps_it(microsoft):
    created = microsoft.created(conferencing=TEAMS)
    url = created["conferencing"]["details"]["url"]
    kept = microsoft.put(created["id"], {"description": f"Join <{url}> soon"}).json()["data"]
    assert kept["conferencing"] == created["conferencing"]


def test_the_beginning_of_a_longer_url_is_not_the_url(microsoft):
    created = microsoft.created(conferencing=manual(URL))
    updated = microsoft.put(created["id"], {"description": OTHER}).json()["data"]
    assert "conferencing" not in updated


def test_a_new_conference_is_appended_and_the_newest_is_read(microsoft):
    created = microsoft.created(conferencing=manual(URL), description="Agenda")
    updated = microsoft.put(created["id"], {"conferencing": manual(OTHER)}).json()["data"]
    assert updated["conferencing"] == manual(OTHER)
    assert updated["description"] == f"{created['description']}\n\nJoin Zoom Meeting\n{OTHER}"
    body = {"conferencing": manual("https://zoom.us/j/3"), "description": "New"}
    sent = microsoft.put(created["id"], body).json()["data"]
    assert sent["description"] == "New\n\nJoin Zoom Meeting\nhttps://zoom.us/j/3"


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_second_autocreate_makes_a_second_meeting_and_deletes_the_first(sandbox, kind):
    grant = sandbox.grant(kind)
    event_id = grant.created(conferencing=zoom())["id"]
    updated = grant.put(event_id, {"conferencing": zoom()}).json()["data"]
    assert grant.effects()[2:] == ["conference_created", "conference_deleted", "event_updated"]
    first, second = grant.conferences()
    assert (first["deleted"], second["deleted"]) == (True, False)
    assert updated["conferencing"]["details"] == second["details"]


def test_details_replace_a_made_meeting_and_delete_it(google):
    created = google.created(conferencing=MEET)
    google.put(created["id"], {"conferencing": manual()})
    assert google.effects()[2:] == ["conference_deleted", "event_updated"]


def test_writing_back_what_was_read_deletes_nothing(google):
    created = google.created(conferencing=MEET)
    google.put(created["id"], {"conferencing": created["conferencing"]})
    assert google.effects()[2:] == ["event_updated"]
    google.delete(created["id"])
    assert google.effects()[3:] == ["conference_deleted", "event_deleted"]


def test_deleting_the_event_deletes_what_was_made_for_it(google, microsoft):
    for grant in (google, microsoft):
        event_id = grant.created(conferencing=zoom())["id"]
        grant.delete(event_id)
        assert grant.effects()[2:] == ["conference_deleted", "event_deleted"]
        assert [made["deleted"] for made in grant.conferences()] == [True]
