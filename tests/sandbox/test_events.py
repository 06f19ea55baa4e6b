"""Events: create, read, merge, delete, find again; and the effects of each."""

from __future__ import annotations

import time

import pytest

START = 1_900_000_000
MEETING = {"title": "Review", "when": {"start_time": START, "end_time": START + 3600}}
GUEST = {"participants": [{"email": "ann@example.com"}]}


def test_a_created_event_comes_back_whole(google):
    created = google.created(
        description="<p>Plan</p>", participants=[{"email": "ann@example.com", "name": "Ann"}]
    )
    assert created["object"] == "event"
    assert created["grant_id"] == google.id
    assert created["calendar_id"] == f"{google.id}@example.com"
    assert created["when"] == {**MEETING["when"], "object": "timespan"}
    assert created["participants"] == [
        {"email": "ann@example.com", "name": "Ann", "status": "noreply"}
    ]
    assert (created["busy"], created["status"], created["read_only"]) == (True, "confirmed", False)
    assert (created["location"], created["resources"], created["metadata"]) == (None, [], {})
    assert created["text_description"] == "Plan"
    assert created["organizer"] == created["creator"]
    assert created["created_at"] == created["updated_at"]
    assert {"html_link", "ical_uid", "visibility", "reminders", "hide_participants"} <= set(created)
    assert "master_event_id" not in created
    assert "conferencing" not in created
    assert google.get(created["id"]).json()["data"] == created


@pytest.mark.parametrize(
    ("when", "kind"),
    [
        ({"time": START}, "time"),
        ({"time": START, "timezone": "Europe/Berlin"}, "time"),
        (
            {
                "start_time": START,
                "end_time": START + 1,
                "start_timezone": "UTC",
                "end_timezone": "Asia/Tokyo",
            },
            "timespan",
        ),
        ({"date": "2030-03-17"}, "date"),
        ({"start_date": "2030-03-17", "end_date": "2030-03-17"}, "datespan"),
    ],
)
def test_each_form_of_when_round_trips(google, when, kind):
    created = google.created(when=when)
    assert created["when"] == {**when, "object": kind}
    start = 1_899_936_000 if "date" in kind else START
    assert google.listed(start=start, end=start + 1).json()["data"] == [created]


def test_put_replaces_what_is_sent_and_keeps_the_rest(google):
    created = google.created(location="Room 1", metadata={"key1": "a", "b": "c"}, busy=False)
    updated = google.put(created["id"], {"title": "New", "metadata": {"key2": "d"}, "bogus": 1})
    assert updated.json()["data"] == {
        **created,
        "title": "New",
        "metadata": {"key2": "d"},
        "updated_at": updated.json()["data"]["updated_at"],
    }
    assert google.put(created["id"], {"location": None}).json()["data"]["location"] is None


def test_an_empty_put_is_400(google):
    created = google.created()
    assert google.put(created["id"], {}).status_code == 400
    assert google.effects() == ["event_created"]


def test_delete_answers_the_request_id_alone_and_404_ever_after(google):
    event_id = google.created()["id"]
    assert set(google.delete(event_id).json()) == {"request_id"}
    for answer in (
        google.get(event_id),
        google.delete(event_id),
        google.put(event_id, {"title": "x"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "not_found_error"
    assert google.effects() == ["event_created", "event_deleted"]
    assert google.titles() == []
    [cancelled] = google.listed(start=START, end=START + 1, show_cancelled="True").json()["data"]
    assert (cancelled["id"], cancelled["status"]) == (event_id, "cancelled")


def test_calendar_id_is_required(google):
    event_id = google.created()["id"]
    for answer in (
        google.call("GET", "/events"),
        google.call("GET", f"/events/{event_id}"),
        google.call("POST", "/events", MEETING),
        google.call("PUT", f"/events/{event_id}", {"title": "x"}),
        google.call("DELETE", f"/events/{event_id}"),
    ):
        assert answer.status_code == 400


def test_an_event_of_another_calendar_is_404_except_on_microsoft(google, microsoft):
    in_google = google.created()["id"]
    assert google.get(in_google, calendar_id="team").status_code == 404
    assert google.delete(in_google, calendar_id="team").status_code == 404
    in_microsoft = microsoft.created()["id"]
    assert microsoft.get(in_microsoft, calendar_id="team").status_code == 200
    assert microsoft.delete(in_microsoft, calendar_id="whatever").status_code == 200


def test_what_is_read_only_cannot_be_written(google):
    refused = google.create(query={"calendar_id": "holidays"})
    assert refused.status_code == 400
    [holiday] = google.listed(calendar_id="holidays", end=2**40).json()["data"]
    assert holiday["read_only"] is True
    assert google.put(holiday["id"], {"title": "x"}, calendar_id="holidays").status_code == 400
    assert google.delete(holiday["id"], calendar_id="holidays").status_code == 400
    assert google.effects() == []


def test_invitations_are_counted_unless_suppressed_where_that_works(google, microsoft, icloud):
    event_id = google.created(**GUEST)["id"]
    google.put(event_id, {"title": "x"}, notify_participants="False")
    google.delete(event_id, notify_participants="true")
    assert google.effects() == [
        *("event_created", "invitation_sent"),
        "event_updated",
        *("event_deleted", "invitation_sent"),
    ]
    google.created()
    assert google.effects().count("invitation_sent") == 2
    microsoft.created(**GUEST, query={"notify_participants": "false"})
    icloud.created(**GUEST, query={"calendar_id": "home", "notify_participants": "false"})
    assert microsoft.effects() == ["event_created", "invitation_sent"]
    assert icloud.effects() == ["event_created", "invitation_sent"]


def test_effects_name_what_happened_in_order(sandbox, google):
    created = google.created(**GUEST)
    found = sandbox.http.get("/_sandbox/effects").json()["effects"]
    assert [effect["seq"] for effect in found] == sorted({effect["seq"] for effect in found})
    first, second = (effect for effect in found if effect["grant_id"] == google.id)
    assert set(first) == {
        *("seq", "kind", "grant_id", "calendar_id", "event_id", "conference_id", "at")
    }
    assert first["event_id"] == second["event_id"] == created["id"]
    assert first["calendar_id"] == created["calendar_id"]
    assert abs(first["at"] - time.time()) < 60


def test_an_rsvp_is_the_grants_own_answer(google):
    email = f"{google.id}@example.com"
    event_id = google.created(participants=[{"email": email}])["id"]
    path = f"/events/{event_id}/send-rsvp"
    assert google.call("POST", path, {"status": "yes"}, calendar_id="primary").status_code == 200
    assert google.get(event_id).json()["data"]["participants"][0]["status"] == "yes"
    assert google.call("POST", path, {"status": "x"}, calendar_id="primary").status_code == 400


def test_pages_follow_one_another(google):
    for number in range(7):
        google.created(title=f"e{number}", when={"time": START + number // 2})
    seen, token = [], None
    while True:
        query = {} if token is None else {"page_token": token}
        page = google.listed(start=START, end=START + 9, limit=3, **query).json()
        seen.append([event["title"] for event in page["data"]])
        token = page["next_cursor"]
        if token is None:
            break
    assert [len(page) for page in seen] == [3, 3, 1]
    assert sorted(title for page in seen for title in page) == [f"e{number}" for number in range(7)]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "x"},
        {"page_token": "nonsense"},
        {"page_token": "WzEsIDJd"},
        {"start": "yesterday"},
        {"busy": "maybe"},
        {"metadata_pair": "key6:x"},
        {"metadata_pair": "key1"},
        {"metadata_pair": "key1:x", "title": "x"},
        {"ical_uid": "x", "start": 1},
    ],
)
def test_bad_list_parameters_are_400(google, query):
    assert google.listed(**query).status_code == 400


def test_the_default_page_has_fifty(google):
    for _ in range(51):
        google.created()
    page = google.listed(start=START, end=START + 1).json()
    assert len(page["data"]) == 50
    assert page["next_cursor"]


def test_a_range_means_overlap(google):
    google.created()
    assert google.titles(start=START + 3599, end=START + 9999) == ["Review"]
    assert google.titles(start=START - 10, end=START + 1) == ["Review"]
    assert google.titles(start=START + 3600, end=START + 9999) == []
    assert google.titles(start=START - 10, end=START) == []


def test_without_a_range_a_list_ends_in_a_month(google):
    now = int(time.time())
    google.created(title="soon", when={"start_time": now + 60, "end_time": now + 120})
    google.created(title="later", when={"time": now + 40 * 86400})
    google.created(title="past", when={"time": now - 60})
    assert [event["title"] for event in google.listed().json()["data"]] == ["soon"]


def test_a_recurring_master_has_no_end(google):
    google.created(recurrence=["RRULE:FREQ=WEEKLY"])
    assert google.titles(start=START + 10**8, end=START + 10**8 + 1) == ["Review"]


def test_filters(google):
    google.created(title="Alpha Review", description="plan A", location="Berlin", **GUEST)
    google.created(title="Beta", busy=False, query={"notify_participants": "false"})
    assert google.titles(title="REVIEW") == ["Alpha Review"]
    assert google.titles(description="plan") == ["Alpha Review"]
    assert google.titles(location="berl") == ["Alpha Review"]
    assert google.titles(attendees="bob@example.com,Ann@example.com") == ["Alpha Review"]
    assert google.titles(busy="True") == ["Alpha Review"]
    assert google.titles(busy="false") == ["Beta"]
    assert google.titles(updated_after=int(time.time()) + 60) == []
    assert len(google.titles(updated_before=int(time.time()) + 60)) == 2
    assert google.titles(calendar_id="team") == []
    assert google.titles(event_type="focusTime") == []
    assert google.titles(master_event_id="x") == []


def test_one_event_is_found_by_its_ical_uid_whenever_it_is(google):
    created = google.created()
    google.created()
    assert google.listed(ical_uid=created["ical_uid"]).json()["data"] == [created]


@pytest.mark.parametrize("pair", ["key4:a%20b%2C:c", "key4%3Aa+b%2C%3Ac"])
def test_one_event_is_found_by_a_metadata_pair_in_either_encoding(google, pair):
    created = google.created(metadata={"key4": "a b,:c", "other": "x"})
    google.created(metadata={"key4": "a b"})
    path = f"/v3/grants/{google.id}/events?calendar_id=primary&metadata_pair={pair}"
    assert google.http.get(path).json()["data"] == [created]


def test_of_repeated_metadata_pairs_the_last_counts(google):
    google.created(title="one", metadata={"key1": "a"})
    google.created(title="two", metadata={"key2": "b"})
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    answer = google.http.get(f"{path}&metadata_pair=key1:a&metadata_pair=key2:b")
    assert [event["title"] for event in answer.json()["data"]] == ["two"]


def test_metadata_is_searched_as_it_is_now(google):
    event_id = google.created(metadata={"key1": "a"})["id"]
    google.put(event_id, {"metadata": {"key1": "b"}})
    assert google.listed(metadata_pair="key1:a").json()["data"] == []
    assert len(google.listed(metadata_pair="key1:b").json()["data"]) == 1
    google.delete(event_id)
    assert google.listed(metadata_pair="key1:b").json()["data"] == []


def test_select_leaves_out_even_what_is_required(google):
    event_id = google.created(query={"select": "id"})["id"]
    assert google.get(event_id, select="title, id").json()["data"] == {
        "id": event_id,
        "title": "Review",
    }
    assert google.listed(start=START, end=START + 1, select="title").json()["data"] == [
        {"title": "Review"}
    ]
