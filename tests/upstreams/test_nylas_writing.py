"""What is sent to Nylas, byte for byte: the method, the path, the query and the body."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.model import (
    WRITABLE_FIELDS,
    Autocreate,
    Conferencing,
    Date,
    Datespan,
    Details,
    Event,
    Notify,
    Participant,
    ParticipantStatus,
    Provider,
    Reminder,
    ReminderMethod,
    Reminders,
    Resource,
    TimePoint,
    Timespan,
    Visibility,
)
from conferencing_service.upstreams.nylas.events import (
    changes_to_nylas,
    event_from_nylas,
    event_to_nylas,
)
from unit import strategies
from upstreams.nylas_stub import KEY, START, Nylas, new_event, reply, stored

SPAN = {"start_time": START, "end_time": START + 3600}
MEET = "https://meet.google.com/abc-defg-hij"


@pytest.fixture
def writable(nylas: Nylas) -> Nylas:
    """The adapter in front of a vendor that takes every write."""
    for kind in ("POST events", "PUT event"):
        nylas.on(kind, reply(data=stored()))
    nylas.on("DELETE event", reply())
    return nylas


def only(nylas: Nylas) -> httpx.Request:
    (request,) = nylas.requests
    return request


def target(nylas: Nylas) -> str:
    request = only(nylas)
    return f"{request.method} {request.url.raw_path.decode()}"


async def body_of(nylas: Nylas, event: Event) -> dict[str, Any]:
    """Return the body that makes an event."""
    await nylas.create(event)
    body: dict[str, Any] = json.loads(only(nylas).content)
    return body


# ---- Where ---------------------------------------------------------------------------------


async def test_an_event_is_made_with_a_post(writable: Nylas) -> None:
    await writable.create()
    assert target(writable) == (
        "POST /v3/grants/g/events?calendar_id=primary&notify_participants=true"
    )
    assert json.loads(only(writable).content) == {"title": "Review", "when": SPAN}


async def test_an_event_is_changed_with_a_put(writable: Nylas) -> None:
    await writable.update("title", title="New", location="not named")
    assert target(writable) == (
        "PUT /v3/grants/g/events/e?calendar_id=primary&notify_participants=true"
    )
    assert json.loads(only(writable).content) == {"title": "New"}


async def test_an_event_is_deleted_without_a_body(writable: Nylas) -> None:
    await writable.delete()
    assert target(writable) == (
        "DELETE /v3/grants/g/events/e?calendar_id=primary&notify_participants=true"
    )
    assert only(writable).content == b""
    assert "content-type" not in only(writable).headers


async def test_what_the_vendor_keeps_is_what_is_returned(writable: Nylas) -> None:
    kept = event_from_nylas(stored())
    assert await writable.create() == kept
    assert await writable.update("title", title="New") == kept


@pytest.mark.parametrize(
    ("notify", "sent"), [(Notify.ALL, "true"), (Notify.NONE, "false")], ids=str
)
async def test_notices_are_asked_for_in_the_query(
    writable: Nylas, notify: Notify, sent: str
) -> None:
    await writable.create(notify=notify)
    await writable.update("title", title="New", notify=notify)
    await writable.delete(notify)
    for request in writable.requests:
        assert request.url.params["notify_participants"] == sent


async def test_requests_carry_our_headers_and_no_others(writable: Nylas) -> None:
    # Host and length are the transport's.
    await writable.create()
    headers = dict(only(writable).headers)
    del headers["traceparent"]
    user_agent = headers.pop("user-agent")
    assert user_agent.startswith("conferencing-service/")
    assert headers == {
        "authorization": f"Bearer {KEY}",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "content-type": "application/json",
    }


# ---- Foreign ids ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("foreign", "encoded"),
    [
        ("ann@example.org", "ann%40example.org"),
        ("email:ann+x@example.org", "email%3Aann%2Bx%40example.org"),
        ("external:1", "external%3A1"),
        ("_a~b-c.d", "_a~b-c.d"),
        ("a!b$c&d'e(f)g*h,i;j=k", "a%21b%24c%26d%27e%28f%29g%2Ah%2Ci%3Bj%3Dk"),
    ],
)
async def test_ids_in_the_path_are_one_encoded_segment_each(
    writable: Nylas, foreign: str, encoded: str
) -> None:
    writable.on("GET event", reply(data=stored()))
    writable.on("GET grant", reply(data={"provider": "google"}))
    call, upstream = writable.call(), writable.upstream
    await upstream.get_grant(call, foreign)
    await upstream.get_event(call, foreign, "primary", foreign)
    await upstream.create_event(call, foreign, "primary", new_event(), Notify.ALL)
    await upstream.update_event(
        call, foreign, "primary", Event(id=foreign), frozenset({"title"}), Notify.ALL
    )
    await upstream.delete_event(call, foreign, "primary", foreign, Notify.ALL)
    paths = [each.url.raw_path.decode().partition("?")[0] for each in writable.requests]
    event = f"/v3/grants/{encoded}/events/{encoded}"
    assert paths == [
        f"/v3/grants/{encoded}",
        event,
        f"/v3/grants/{encoded}/events",
        event,
        event,
    ]


@pytest.mark.parametrize(
    ("foreign", "encoded"),
    [
        ("two words", "two%20words"),
        ("a#b", "a%23b"),
        ("a&calendar_id=b", "a%26calendar_id%3Db"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("a=b+c", "a%3Db%2Bc"),
        ("a/../b?c", "a%2F..%2Fb%3Fc"),
        (
            "en.german#holiday@group.v.calendar.google.com",
            "en.german%23holiday%40group.v.calendar.google.com",
        ),
    ],
)
async def test_calendar_ids_are_one_encoded_value_or_segment(
    writable: Nylas, foreign: str, encoded: str
) -> None:
    writable.on("GET calendar", reply(data={"id": "c"}))
    call, upstream = writable.call(), writable.upstream
    await upstream.get_calendar(call, "g", foreign)
    await upstream.create_event(call, "g", foreign, new_event(), Notify.ALL)
    await upstream.delete_event(call, "g", foreign, "e", Notify.ALL)
    sent = [each.url.raw_path.decode() for each in writable.requests]
    assert sent == [
        f"/v3/grants/g/calendars/{encoded}",
        f"/v3/grants/g/events?calendar_id={encoded}&notify_participants=true",
        f"/v3/grants/g/events/e?calendar_id={encoded}&notify_participants=true",
    ]


# ---- Bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "sent"),
    [
        (TimePoint(START), {"time": START}),
        (TimePoint(START, "UTC"), {"time": START, "timezone": "UTC"}),
        (Timespan(START, START + 1), {"start_time": START, "end_time": START + 1}),
        (
            Timespan(START, START + 1, "UTC", "Asia/Tokyo"),
            {
                "start_time": START,
                "end_time": START + 1,
                "start_timezone": "UTC",
                "end_timezone": "Asia/Tokyo",
            },
        ),
        (Date("2030-02-28"), {"date": "2030-02-28"}),
        (
            Datespan("2030-02-27", "2030-02-28"),
            {"start_date": "2030-02-27", "end_date": "2030-02-28"},
        ),
    ],
)
async def test_a_when_is_sent_by_its_fields_alone(
    writable: Nylas, when: Any, sent: dict[str, Any]
) -> None:
    assert await body_of(writable, Event(when=when)) == {"when": sent}


async def test_everything_that_is_given_is_sent_in_the_vendors_words(writable: Nylas) -> None:
    event = new_event(
        id="ignored",
        description="a\nb",
        location="Room 1",
        participants=(
            Participant("ann@example.org", "Ann", ParticipantStatus.YES, "note", "+1"),
            Participant("bob@example.org"),
        ),
        recurrence=("RRULE:FREQ=DAILY", "EXDATE:20300101T000000Z"),
        reminders=Reminders(overrides=(Reminder(0, ReminderMethod.EMAIL), Reminder(5))),
        visibility=Visibility.PRIVATE,
        busy=False,
        metadata={"key1": "a"},
        resources=(Resource("r@example.org", "R", 9, "B"), Resource("s@example.org")),
        hide_participants=True,
        capacity=5,
        read_only=True,
        ical_uid="ignored",
    )
    assert await body_of(writable, event) == {
        "title": "Review",
        "description": "a\nb",
        "location": "Room 1",
        "when": SPAN,
        "participants": [
            {"email": "ann@example.org", "name": "Ann", "comment": "note", "phone_number": "+1"},
            {"email": "bob@example.org"},
        ],
        "recurrence": ["RRULE:FREQ=DAILY", "EXDATE:20300101T000000Z"],
        "reminders": {
            "use_default": False,
            "overrides": [
                {"reminder_minutes": 0, "reminder_method": "email"},
                {"reminder_minutes": 5},
            ],
        },
        "visibility": "private",
        "busy": False,
        "metadata": {"key1": "a"},
        "resources": [{"email": "r@example.org", "name": "R"}, {"email": "s@example.org"}],
        "hide_participants": True,
        "capacity": 5,
    }


async def test_nothing_that_was_not_given_is_sent(writable: Nylas) -> None:
    assert await body_of(writable, Event(when=Date("2030-02-28"))) == {
        "when": {"date": "2030-02-28"}
    }


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("title", None),
        ("description", None),
        ("location", None),
        ("participants", []),
        ("recurrence", []),
        ("reminders", {"use_default": True, "overrides": []}),
        ("visibility", None),
        ("busy", True),
        ("metadata", {}),
        ("resources", []),
        ("conferencing", {}),
        ("hide_participants", False),
        ("capacity", None),
    ],
)
async def test_a_named_field_that_is_empty_is_cleared(
    writable: Nylas, field: str, sent: Any
) -> None:
    await writable.update(field)
    assert json.loads(only(writable).content) == {field: sent}


def test_every_writable_field_can_be_sent() -> None:
    event = Event(when=Date("2030-02-28"))
    assert set(changes_to_nylas(event, WRITABLE_FIELDS, "key4")) == WRITABLE_FIELDS


# ---- Conferences ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        (Provider.GOOGLE_MEET, "Google Meet"),
        (Provider.ZOOM_MEETING, "Zoom Meeting"),
        (Provider.MICROSOFT_TEAMS, "Microsoft Teams"),
        (Provider.WEBEX, "WebEx"),
        (Provider.GOTOMEETING, "GoToMeeting"),
        (Provider.SKYPE_FOR_BUSINESS, "Skype for Business"),
        (Provider.SKYPE_FOR_CONSUMER, "Skype for Consumer"),
    ],
)
async def test_a_provider_is_sent_in_the_vendors_spelling(
    writable: Nylas, provider: Provider, label: str
) -> None:
    body = await body_of(writable, new_event(conferencing=Conferencing(provider, Details(MEET))))
    assert body["conferencing"] == {"provider": label, "details": {"url": MEET}}


async def test_details_are_sent_as_given(writable: Nylas) -> None:
    details = Details(MEET, "code", "word", "12", ("+1", "+2"))
    conferencing = Conferencing(Provider.WEBEX, details)
    body = await body_of(writable, new_event(conferencing=conferencing))
    assert body["conferencing"]["details"] == {
        "url": MEET,
        "meeting_code": "code",
        "password": "word",
        "pin": "12",
        "phone": ["+1", "+2"],
    }


@pytest.mark.parametrize(
    ("order", "sent"),
    [
        (Autocreate(), {}),
        (Autocreate("h"), {"conf_grant_id": "h"}),
        (Autocreate("", {}), {"conf_settings": {}}),
        (
            Autocreate("h", {"settings": {"waiting_room": True}}),
            {"conf_grant_id": "h", "conf_settings": {"settings": {"waiting_room": True}}},
        ),
    ],
)
async def test_an_autocreate_is_sent_even_when_it_is_empty(
    writable: Nylas, order: Autocreate, sent: dict[str, Any]
) -> None:
    conferencing = Conferencing(Provider.ZOOM_MEETING, order)
    body = await body_of(writable, new_event(conferencing=conferencing))
    assert body["conferencing"] == {"provider": "Zoom Meeting", "autocreate": sent}


async def test_integers_in_settings_are_sent_as_integers(writable: Nylas) -> None:
    order = Autocreate("h", {"duration": 60, "x": 0.5, "big": 2**53, "none": None})
    await writable.create(new_event(conferencing=Conferencing(Provider.ZOOM_MEETING, order)))
    sent = only(writable).content.decode()
    assert '"conf_settings":{"duration":60,"x":0.5,"big":9007199254740992,"none":null}' in sent


async def test_a_conference_can_be_put_on_alone(writable: Nylas) -> None:
    conferencing = Conferencing(Provider.GOOGLE_MEET, Autocreate())
    await writable.update("conferencing", conferencing=conferencing)
    assert json.loads(only(writable).content) == {
        "conferencing": {"provider": "Google Meet", "autocreate": {}}
    }


# ---- There and back ------------------------------------------------------------------------


def as_kept(event: Event) -> Event:
    """Return an event without what the answer adds and no caller gives."""
    source = event.conferencing.source if event.conferencing else None
    if event.conferencing is None or not isinstance(source, Details):
        return event
    plain = Details(source.url, source.meeting_code, source.password, source.pin, source.phone)
    return Event(
        **{
            **{name: getattr(event, name) for name in Event.__slots__},
            "conferencing": Conferencing(event.conferencing.provider, plain),
        }
    )


@given(strategies.events(busy=st.booleans()))
def test_an_event_comes_back_from_the_vendors_words_as_it_went(event: Event) -> None:
    sent = json.loads(json.dumps(event_to_nylas(event, "key4")))
    assert as_kept(event_from_nylas(sent)) == event


@given(strategies.events(), st.sets(st.sampled_from(sorted(WRITABLE_FIELDS)), min_size=1))
def test_a_change_sends_the_named_fields_and_no_others(event: Event, fields: set[str]) -> None:
    assert set(changes_to_nylas(event, frozenset(fields), "key4")) == fields
