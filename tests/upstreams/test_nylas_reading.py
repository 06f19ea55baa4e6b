"""What Nylas says is read as it is meant, whatever is left out, misspelt or added."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conferencing_service import codec
from conferencing_service.core.errors import ConferencingError, UpstreamMalformed
from conferencing_service.core.listing import selects
from conferencing_service.core.model import (
    Conferencing,
    Date,
    Datespan,
    Details,
    EntryPoint,
    EntryPointType,
    EventStatus,
    Grant,
    Notify,
    Origin,
    Participant,
    ParticipantStatus,
    Person,
    Platform,
    Provider,
    Reminder,
    ReminderMethod,
    Reminders,
    Resource,
    State,
    TimePoint,
    Timespan,
    Visibility,
)
from conferencing_service.core.requests import ListEvents
from conferencing_service.core.upstream import EventQuery
from conferencing_service.upstreams.nylas.events import event_from_nylas
from upstreams.nylas_stub import START, Nylas, nylas_at, reply, stored

MEET = "https://meet.google.com/abc-defg-hij"
ZOOM = "https://us02web.zoom.us/j/81234567890"


async def conference(nylas: Nylas, value: Any) -> Conferencing | None:
    """Return what the vendor's conferencing object is read as."""
    return (await nylas.read(stored(conferencing=value))).conferencing


def details_of(found: Conferencing | None) -> Details:
    assert found is not None
    assert isinstance(found.source, Details)
    return found.source


# ---- Conferencing --------------------------------------------------------------------------


async def test_details_are_a_conference_that_is_ready(nylas: Nylas) -> None:
    details = {"url": ZOOM, "meeting_code": "81234567890", "password": "word"}
    assert await conference(nylas, {"provider": "Zoom Meeting", "details": details}) == (
        Conferencing(
            provider=Provider.ZOOM_MEETING,
            source=Details(
                url=ZOOM,
                meeting_code="81234567890",
                password="word",
                entry_points=(
                    EntryPoint(
                        EntryPointType.VIDEO,
                        uri=ZOOM,
                        password="word",
                        meeting_code="81234567890",
                    ),
                ),
            ),
            state=State.READY,
            label="Zoom Meeting",
            origin=Origin.NATIVE,
        )
    )


async def test_meet_keeps_its_code_its_pin_and_its_number(nylas: Nylas) -> None:
    details = {"url": MEET, "meeting_code": "abc-defg-hij", "pin": "12", "phone": ["+1 252 555"]}
    found = await conference(nylas, {"provider": "Google Meet", "details": details})
    read = details_of(found)
    assert (read.meeting_code, read.pin, read.phone) == ("abc-defg-hij", "12", ("+1 252 555",))
    assert read.entry_points[1] == EntryPoint(
        EntryPointType.PHONE, uri="tel:+1252555", label="+1 252 555", pin="12"
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "",
        "Zoom Meeting",
        5,
        True,
        {"details": {}},
        {"details": None},
        {"autocreate": {}},
        {"provider": ""},
        {"provider": None},
        {"provider": 1.5},
    ],
)
async def test_nothing_usable_is_no_conference(nylas: Nylas, value: Any) -> None:
    assert await conference(nylas, value) is None


async def test_an_event_that_does_not_mention_a_conference_has_none(nylas: Nylas) -> None:
    assert (await nylas.read(stored())).conferencing is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"details": None},
        {"details": {}},
        {"details": []},
        {"details": {"url": None, "phone": [], "pin": ""}},
        {"autocreate": {}},
        {"autocreate": {"conf_grant_id": "", "conf_settings": None}},
        {"conf_settings": {"agenda": "x"}},
    ],
)
async def test_a_provider_without_details_is_still_at_work(
    nylas: Nylas, more: dict[str, Any]
) -> None:
    assert await conference(nylas, {"provider": "Microsoft Teams", **more}) == Conferencing(
        provider=Provider.MICROSOFT_TEAMS,
        state=State.PENDING,
        label="Microsoft Teams",
        origin=Origin.NATIVE,
    )


async def test_details_win_over_an_echo_of_autocreate(nylas: Nylas) -> None:
    value = {"provider": "Google Meet", "details": {"url": MEET}, "autocreate": {}}
    found = await conference(nylas, value)
    assert found is not None
    assert (found.state, details_of(found).url) == (State.READY, MEET)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        (MEET, Provider.GOOGLE_MEET),
        (ZOOM, Provider.ZOOM_MEETING),
        ("https://conference.example/room", Provider.OTHER),
        ("", Provider.OTHER),
    ],
)
async def test_details_without_a_provider_are_named_by_their_link(
    nylas: Nylas, url: str, provider: Provider
) -> None:
    found = await conference(nylas, {"details": {"url": url, "pin": "1"}})
    assert found is not None
    assert (found.provider, found.state, found.label) == (provider, State.READY, "")


@pytest.mark.parametrize(
    ("label", "provider"),
    [
        ("Google Meet", Provider.GOOGLE_MEET),
        ("Zoom Meeting", Provider.ZOOM_MEETING),
        ("Microsoft Teams", Provider.MICROSOFT_TEAMS),
        ("Teams for Business", Provider.MICROSOFT_TEAMS),
        ("teamsForBusiness", Provider.MICROSOFT_TEAMS),
        ("WebEx", Provider.WEBEX),
        ("Webex", Provider.WEBEX),
        ("GoToMeeting", Provider.GOTOMEETING),
        ("Skype for Business", Provider.SKYPE_FOR_BUSINESS),
        ("Skype for Consumer", Provider.SKYPE_FOR_CONSUMER),
        ("skypeForConsumer", Provider.SKYPE_FOR_CONSUMER),
        ("Zoom", Provider.ZOOM_MEETING),
        ("Hangouts", Provider.OTHER),
        ("unknown", Provider.OTHER),
        ("Jitsi", Provider.OTHER),
    ],
)
@pytest.mark.parametrize("details", [None, {"url": "https://conference.example/room"}])
async def test_a_provider_keeps_the_vendors_spelling_as_its_label(
    nylas: Nylas, label: str, provider: Provider, details: Any
) -> None:
    found = await conference(nylas, {"provider": label, "details": details})
    assert found is not None
    assert (found.provider, found.label) == (provider, label)


async def test_a_phone_may_be_a_string_and_a_pin_a_number(nylas: Nylas) -> None:
    details = {"url": MEET, "phone": "+14155550100", "pin": 123456, "meeting_code": 81234567890}
    read = details_of(await conference(nylas, {"provider": "WebEx", "details": details}))
    assert (read.phone, read.pin, read.meeting_code) == (("+14155550100",), "123456", "81234567890")


async def test_phones_that_are_no_phones_are_left_out(nylas: Nylas) -> None:
    details = {"url": MEET, "phone": ["", None, {}, 4155550100, "+14155550100"]}
    read = details_of(await conference(nylas, {"provider": "WebEx", "details": details}))
    assert read.phone == ("4155550100", "+14155550100")
    assert [each.uri for each in read.entry_points[1:]] == ["", "tel:+14155550100"]


# ---- When ----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_object", [True, False])
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("time", {"time": START, "timezone": "Europe/Berlin"}, TimePoint(START, "Europe/Berlin")),
        ("time", {"time": START}, TimePoint(START)),
        ("timespan", {"start_time": START, "end_time": START + 1}, Timespan(START, START + 1)),
        (
            "timespan",
            {
                "start_time": START,
                "end_time": START + 1,
                "start_timezone": "Europe/Berlin",
                "end_timezone": "Asia/Tokyo",
            },
            Timespan(START, START + 1, "Europe/Berlin", "Asia/Tokyo"),
        ),
        ("date", {"date": "2030-02-28"}, Date("2030-02-28")),
        (
            "datespan",
            {"start_date": "2030-02-27", "end_date": "2030-02-28"},
            Datespan("2030-02-27", "2030-02-28"),
        ),
    ],
)
async def test_a_when_is_told_apart_by_its_fields(
    nylas: Nylas, with_object: bool, kind: str, value: dict[str, Any], expected: Any
) -> None:
    when = {**value, "object": kind} if with_object else value
    assert (await nylas.read(stored(when=when))).when == expected


@pytest.mark.parametrize(
    "when",
    [
        None,
        {},
        [],
        "tomorrow",
        {"object": "timespan"},
        {"start_time": START},
        {"start_time": None, "end_time": START},
        {"start_time": "soon", "end_time": START},
        {"time": True},
        {"time": 10**18},
        {"time": 1.5},
        {"date": "2030-02-30"},
        {"date": 20300228},
        {"start_date": "2030-02-27"},
    ],
)
async def test_a_when_that_says_nothing_is_none(nylas: Nylas, when: Any) -> None:
    assert (await nylas.read(stored(when=when))).when is None


async def test_an_event_without_a_when_has_none(nylas: Nylas) -> None:
    event = stored()
    del event["when"]
    assert (await nylas.read(event)).when is None


async def test_times_may_be_strings_and_integral_floats(nylas: Nylas) -> None:
    when = {"start_time": str(START), "end_time": float(START + 60)}
    assert (await nylas.read(stored(when=when))).when == Timespan(START, START + 60)


# ---- Other fields --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "absent", "true", 1])
async def test_an_event_that_does_not_say_is_busy(nylas: Nylas, value: Any) -> None:
    event = stored(busy=value)
    if value == "absent":
        del event["busy"]
    assert (await nylas.read(event)).busy is True
    assert (await nylas.read(stored(busy=False))).busy is False


@pytest.mark.parametrize(
    ("spelling", "status"),
    [
        ("confirmed", EventStatus.CONFIRMED),
        ("maybe", EventStatus.TENTATIVE),
        ("tentative", EventStatus.TENTATIVE),
        ("cancelled", EventStatus.CANCELLED),
        ("postponed", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
async def test_a_status_has_several_spellings(
    nylas: Nylas, spelling: Any, status: EventStatus | None
) -> None:
    assert (await nylas.read(stored(status=spelling))).status is status


@pytest.mark.parametrize(
    ("spelling", "visibility"),
    [
        ("default", Visibility.DEFAULT),
        ("public", Visibility.PUBLIC),
        ("private", Visibility.PRIVATE),
        ("confidential", Visibility.OTHER),
        (None, None),
        ("", None),
        ({}, None),
    ],
)
async def test_a_visibility_that_is_not_named_is_another(
    nylas: Nylas, spelling: Any, visibility: Visibility | None
) -> None:
    assert (await nylas.read(stored(visibility=spelling))).visibility is visibility


async def test_participants_may_lack_an_address_or_a_status(nylas: Nylas) -> None:
    participants = [
        {"email": "ann@example.org", "name": "Ann", "status": "yes", "comment": "c"},
        {"name": "Bob", "status": "noreply", "phone_number": "+1"},
        {"email": "cid@example.org"},
        {"email": "dan@example.org", "status": "delegated", "name": None},
    ]
    assert (await nylas.read(stored(participants=participants))).participants == (
        Participant("ann@example.org", "Ann", ParticipantStatus.YES, "c"),
        Participant("", "Bob", ParticipantStatus.NO_REPLY, "", "+1"),
        Participant("cid@example.org"),
        Participant("dan@example.org"),
    )


async def test_participants_may_be_missing(nylas: Nylas) -> None:
    event = stored()
    del event["participants"]
    assert (await nylas.read(event)).participants == ()


async def test_every_other_field_is_read(nylas: Nylas) -> None:
    event = await nylas.read(
        stored(
            description="<p>x</p>",
            text_description="x",
            location="Room 1",
            recurrence=["RRULE:FREQ=DAILY"],
            reminders={
                "use_default": False,
                "overrides": [
                    {"reminder_minutes": 5, "reminder_method": "email"},
                    {"reminder_minutes": "10", "reminder_method": "carrier pigeon"},
                    {"reminder_minutes": "[20]"},
                ],
            },
            metadata={"key1": "a", "count": 3},
            resources=[
                {
                    "email": "r@example.org",
                    "name": "R",
                    "capacity": 4,
                    "building": "B",
                    "floor_name": "F",
                    "floor_section": "S",
                    "floor_number": 2,
                }
            ],
            organizer={"email": "ann@example.org", "name": "Ann"},
            creator={"email": "bob@example.org"},
            read_only=True,
            html_link="https://calendar.example/e",
            ical_uid="u",
            master_event_id="m",
            original_start_time=START,
            created_at=1,
            updated_at=2,
            hide_participants=True,
            capacity=5,
            something_new={"x": 1},
        )
    )
    assert (event.id, event.grant_id, event.calendar_id) == ("e", "g", "c")
    assert (event.title, event.description, event.location) == ("Review", "<p>x</p>", "Room 1")
    assert (event.text_description, event.recurrence) == ("x", ("RRULE:FREQ=DAILY",))
    assert event.reminders == Reminders(
        overrides=(Reminder(5, ReminderMethod.EMAIL), Reminder(10, None))
    )
    assert event.metadata == {"key1": "a", "count": "3"}
    assert event.resources == (Resource("r@example.org", "R", 4, "B", "F", "S", "2"),)
    assert event.organizer == Person("ann@example.org", "Ann")
    assert event.creator == Person("bob@example.org")
    assert (event.read_only, event.html_link) == (True, "https://calendar.example/e")
    assert (event.ical_uid, event.master_event_id) == ("u", "m")
    assert (event.original_start_time, event.created_at, event.updated_at) == (START, 1, 2)
    assert (event.hide_participants, event.capacity) == (True, 5)


async def test_an_event_with_nothing_but_an_id_is_read(nylas: Nylas) -> None:
    event = await nylas.read({"id": "e"})
    assert event.id == "e"
    assert (event.title, event.when, event.conferencing) == ("", None, None)


async def test_nulls_everywhere_are_read_as_nothing(nylas: Nylas) -> None:
    names = ["title", "description", "location", "recurrence", "reminders", "metadata"]
    names += ["resources", "organizer", "creator", "read_only", "created_at", "capacity"]
    assert await nylas.read(stored(**dict.fromkeys(names))) == (await nylas.read(stored(title="")))


# ---- Grants and calendars ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "platform"),
    [
        ("google", Platform.GOOGLE),
        ("microsoft", Platform.MICROSOFT),
        ("icloud", Platform.ICLOUD),
        ("ews", Platform.EWS),
        ("imap", Platform.IMAP),
        ("virtual-calendar", Platform.VIRTUAL_CALENDAR),
        ("zoom", Platform.ZOOM),
        ("yahoo", Platform.OTHER),
        ("nylas", Platform.OTHER),
    ],
)
async def test_a_grants_provider_is_its_platform(
    nylas: Nylas, provider: Any, platform: Platform
) -> None:
    nylas.on("GET grant", reply(data={"id": "other", "provider": provider, "scope": ["a", "b"]}))
    grant = await nylas.upstream.get_grant(nylas.call(), "g")
    assert grant == Grant("g", platform, valid=True, scopes=frozenset({"a", "b"}))


@pytest.mark.parametrize("provider", [None, "", {}, []])
async def test_a_grant_that_does_not_say_what_it_is_is_not_remembered_as_anything(
    nylas: Nylas, provider: Any
) -> None:
    nylas.on("GET grant", reply(data={"id": "other", "provider": provider}))
    with pytest.raises(UpstreamMalformed):
        await nylas.upstream.get_grant(nylas.call(), "g")


@pytest.mark.parametrize("scope", [None, "Calendars.ReadWrite", {}, 5])
async def test_without_a_list_of_scopes_nothing_is_known_of_them(nylas: Nylas, scope: Any) -> None:
    nylas.on("GET grant", reply(data={"provider": "microsoft", "scope": scope}))
    assert (await nylas.upstream.get_grant(nylas.call(), "g")).scopes is None
    nylas.on("GET grant", reply(data={"provider": "microsoft"}))
    assert (await nylas.upstream.get_grant(nylas.call(), "g")).scopes is None


@pytest.mark.parametrize(
    ("status", "valid"), [("valid", True), ("invalid", False), (None, True), ("new", True)]
)
async def test_only_a_grant_that_says_so_is_invalid(nylas: Nylas, status: Any, valid: bool) -> None:
    nylas.on("GET grant", reply(data={"provider": "google", "grant_status": status}))
    assert (await nylas.upstream.get_grant(nylas.call(), "g")).valid is valid


@pytest.mark.parametrize(("value", "read_only"), [(True, True), (False, False), (None, False)])
async def test_a_calendar_tells_whether_it_is_read_only(
    nylas: Nylas, value: Any, read_only: bool
) -> None:
    nylas.on("GET calendar", reply(data={"id": "real", "read_only": value}))
    calendar = await nylas.upstream.get_calendar(nylas.call(), "g", "primary")
    assert (calendar.id, calendar.read_only) == ("real", read_only)


# ---- Lists ---------------------------------------------------------------------------------

ALL = EventQuery(None, None, "", 50, "")


async def test_a_page_has_events_and_the_next_pages_token(nylas: Nylas) -> None:
    nylas.on("GET events", reply(data=[stored(id="a"), stored(id="b")], next_cursor="cursor"))
    page = await nylas.upstream.list_events(nylas.call(), "g", "primary", ALL)
    assert [event.id for event in page.events] == ["a", "b"]
    assert page.next_page_token == "cursor"


@pytest.mark.parametrize("cursor", [{}, {"next_cursor": None}, {"next_cursor": ""}])
async def test_a_last_page_has_no_token(nylas: Nylas, cursor: dict[str, Any]) -> None:
    nylas.on("GET events", reply(data=[], **cursor))
    page = await nylas.upstream.list_events(nylas.call(), "g", "primary", ALL)
    assert (page.events, page.next_page_token) == ((), "")


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (ALL, "calendar_id=primary&limit=50&start=0&end=253402300799"),
        (EventQuery(-5, None, "", 1, ""), "calendar_id=primary&limit=1&start=0&end=253402300799"),
        (
            EventQuery(5, 10, "", 200, "c/+="),
            "calendar_id=primary&limit=200&start=5&end=10&page_token=c%2F%2B%3D",
        ),
        (
            EventQuery(5, 10, "u@example.org", 1, ""),
            "calendar_id=primary&limit=1&ical_uid=u%40example.org",
        ),
    ],
)
async def test_a_list_is_asked_for_with_what_the_vendor_takes(
    nylas: Nylas, query: EventQuery, sent: str
) -> None:
    nylas.on("GET events", reply(data=[]))
    await nylas.upstream.list_events(nylas.call(), "g", "primary", query)
    (request,) = nylas.requests
    assert request.url.raw_path.decode() == f"/v3/grants/g/events?{sent}"


# ---- Answers that cannot be read -----------------------------------------------------------

UNREADABLE = [
    b"",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b"{",
    b"{}",
    b'{"data": null}',
    b'{"data": {}}',
    b'{"data": []}',
    b'{"data": "text"}',
    b'{"data": {"title": "no id"}}',
    b'{"data": {"id": null}}',
    b'{"data": {"id": ""}}',
    b"<html><body>Bad gateway</body></html>",
    b"\xff\xfe\x00",
    b'{"data": {"id": "\\ud800"}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
async def test_a_read_that_answers_no_event_is_malformed(nylas: Nylas, body: bytes) -> None:
    nylas.on("GET event", reply(body=body))
    with pytest.raises(UpstreamMalformed) as caught:
        await nylas.upstream.get_event(nylas.call(), "g", "primary", "e")
    assert caught.value.metadata == {
        "upstream_status": "200",
        "upstream_request_id": "upstream-1",
    }


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"data": null}', b'{"data": {}}', b'{"data": {"id": "e"}}', b"<html>"]
)
async def test_a_list_that_answers_no_list_is_malformed(nylas: Nylas, body: bytes) -> None:
    nylas.on("GET events", reply(body=body))
    with pytest.raises(UpstreamMalformed):
        await nylas.upstream.list_events(nylas.call(), "g", "primary", ALL)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data": []}', b'{"data": {}}', b"<html>"])
async def test_a_grant_and_a_calendar_that_are_none_are_malformed(
    nylas: Nylas, body: bytes
) -> None:
    nylas.on("GET grant", reply(body=body))
    nylas.on("GET calendar", reply(body=body))
    with pytest.raises(UpstreamMalformed):
        await nylas.upstream.get_grant(nylas.call(), "g")
    with pytest.raises(UpstreamMalformed):
        await nylas.upstream.get_calendar(nylas.call(), "g", "primary")


# ---- Anything ------------------------------------------------------------------------------

KEYS = st.sampled_from(sorted(stored()) + sorted(event_from_nylas({}).__slots__)) | st.text(
    max_size=5
)
INNER = st.sampled_from(
    [
        "url",
        "phone",
        "pin",
        "provider",
        "details",
        "autocreate",
        "time",
        "start_time",
        "end_time",
        "date",
        "start_date",
        "end_date",
        "object",
        "email",
        "status",
        "overrides",
        "reminder_minutes",
        "reminder_method",
        "use_default",
        "capacity",
        "floor_number",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([MEET, "Zoom Meeting", "2030-02-28", "0001-01-01", "-5", "1893492000"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(KEYS, ANYTHING, max_size=12))
def test_any_object_is_an_event_that_can_be_placed_and_sent(data: dict[str, Any]) -> None:
    event = event_from_nylas(json.loads(json.dumps(data)))
    message = codec.event_to_proto(event)
    assert type(message).FromString(message.SerializeToString()) == message
    selects(ListEvents("g", "primary", 0, 10), event)


@settings(max_examples=60)
@given(ANYTHING, st.sampled_from([200, 201, 302, 400, 401, 403, 404, 418, 429, 500, 504]))
async def test_any_answer_is_read_or_ends_in_an_error_of_the_core(data: Any, status: int) -> None:
    async with nylas_at() as nylas:
        answer = reply(status, data=data, error=data)
        for kind in ("GET grant", "GET calendar", "GET event", "GET events"):
            nylas.on(kind, answer)
        for kind in ("POST events", "PUT event", "DELETE event"):
            nylas.on(kind, answer)
        upstream, call = nylas.upstream, nylas.call()
        for work in (
            upstream.get_grant(call, "g"),
            upstream.get_calendar(call, "g", "primary"),
            upstream.get_event(call, "g", "primary", "e"),
            upstream.list_events(call, "g", "primary", ALL),
            nylas.create(),
            nylas.update("title"),
            nylas.delete(Notify.NONE),
        ):
            try:
                await work
            except ConferencingError as error:
                told = f"{error} {error.metadata}"
                assert "planted" not in told


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://a\x00b", "//x", "https://@", 5, {}]
)
async def test_a_link_that_is_not_safe_to_open_is_no_link(nylas: Nylas, url: Any) -> None:
    details = {"url": url, "meeting_code": "1"}
    nylas.on(
        "GET event", reply(data=stored(conferencing={"provider": "WebEx", "details": details}))
    )
    event = await nylas.upstream.get_event(nylas.call(), "g", "primary", "e")
    assert event.conferencing is not None
    source = event.conferencing.source
    assert isinstance(source, Details)
    assert (source.url, source.meeting_code, source.entry_points) == ("", "1", ())
