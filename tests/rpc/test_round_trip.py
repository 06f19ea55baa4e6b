"""Round trips lose nothing: any event that may be written comes back as it was, over real HTTP."""

from __future__ import annotations

import string

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant
from support.service import Service, creation, get, update

ZONES = ("", "Europe/Berlin", "Asia/Kolkata", "America/New_York")
WRITTEN = (
    *("title", "description", "location", "when", "recurrence", "reminders", "visibility"),
    *("metadata", "hide_participants"),
)

letters = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")))
line = letters.map(str.strip).map(lambda text: text[:60])
text = st.lists(line, max_size=4).map("\n".join).map(str.strip)
second = st.integers(1_000_000_000, 4_000_000_000)
day = st.dates().map(str).filter(lambda value: value > "1971")
email = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{1,8}\.example", fullmatch=True)


@st.composite
def whens(draw: st.DrawFn) -> e.EventTime:
    start = draw(second)
    kind = draw(st.sampled_from(("time", "timespan", "date", "datespan")))
    zone = draw(st.sampled_from(ZONES))
    if kind == "time":
        return e.EventTime(time=e.TimePoint(time=Timestamp(seconds=start), timezone=zone))
    if kind == "timespan":
        end = start + draw(st.integers(1, 10**6))
        return e.EventTime(
            timespan=e.Timespan(
                start_time=Timestamp(seconds=start),
                end_time=Timestamp(seconds=end),
                start_timezone=zone,
                end_timezone=zone and draw(st.sampled_from(ZONES[1:])),
            )
        )
    first, last = sorted((draw(day), draw(day)))
    if kind == "date":
        return e.EventTime(date=e.Date(date=first))
    return e.EventTime(datespan=e.Datespan(start_date=first, end_date=last))


reminders = st.one_of(
    st.builds(e.Reminders, use_default=st.just(True)),
    st.builds(
        lambda pairs: e.Reminders(
            overrides=[e.Reminder(minutes=minutes, method=method) for minutes, method in pairs]
        ),
        st.lists(
            st.tuples(st.integers(0, 40_320), st.sampled_from((1, 2))), min_size=1, max_size=4
        ),
    ),
)

by_hand = st.sampled_from(
    (
        None,
        c.Conferencing(
            provider=c.PROVIDER_ZOOM_MEETING,
            details=c.ConferenceDetails(
                url="https://zoom.us/j/98765432101", meeting_code="98765432101", password="pä$$"
            ),
        ),
        c.Conferencing(
            provider=c.PROVIDER_WEBEX,
            details=c.ConferenceDetails(
                url="https://corp.webex.com/meet/jane",
                password="w",
                pin="12",
                phone=["+14155550100", "+4930123456"],
            ),
        ),
    )
)


@st.composite
def events(draw: st.DrawFn) -> e.Event:
    event = e.Event(
        title=draw(line),
        description=draw(text),
        location=draw(line),
        when=draw(whens()),
        participants=[
            e.Participant(email=address, name=draw(line))
            for address in draw(st.lists(email, max_size=3, unique=True))
        ],
        visibility=draw(st.sampled_from((0, e.VISIBILITY_PUBLIC, e.VISIBILITY_PRIVATE))),
        metadata=draw(
            st.dictionaries(
                st.text(string.ascii_letters, min_size=1, max_size=40), line, max_size=4
            )
        ),
        hide_participants=draw(st.booleans()),
        conferencing=draw(by_hand),
    )
    if draw(st.booleans()):
        event.reminders.CopyFrom(draw(reminders))
    if draw(st.booleans()):
        event.busy = draw(st.booleans())
    if draw(st.booleans()):
        event.capacity = draw(st.integers(1, 2**31 - 1))
    return event


def written_part(event: e.Event) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(event, name) for name in WRITTEN}
    found["participants"] = [(each.email, each.name) for each in event.participants]
    found["busy"] = event.busy if event.HasField("busy") else True
    found["capacity"] = event.capacity if event.HasField("capacity") else None
    details = event.conferencing.details
    found["conferencing"] = (
        event.conferencing.provider,
        details.url,
        details.meeting_code,
        details.password,
        details.pin,
        tuple(details.phone),
    )
    return found


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(event=events(), changed=events())
async def test_what_is_written_is_read(
    service: Service, google: Grant, event: e.Event, changed: e.Event
) -> None:
    request = creation(google.id)
    request.event.CopyFrom(event)
    created = (await service.call(request)).event
    expected = written_part(event)
    for unset, given_by_the_calendar in (("reminders", e.Reminders), ("visibility", int)):
        if expected[unset] == given_by_the_calendar():
            expected[unset] = getattr(created, unset)
    assert written_part(created) == expected
    assert written_part((await service.call(get(google.id, created.id))).event) == expected
    names = [*WRITTEN, "participants", "busy", "capacity"]
    values = {
        name: getattr(changed, name)
        for name in names
        if not changed.DESCRIPTOR.fields_by_name[name].has_presence or changed.HasField(name)
    }
    updated = (await service.call(update(google.id, created.id, *names, **values))).event
    wanted = written_part(changed) | {"conferencing": expected["conferencing"]}
    for unset, given_by_the_calendar in (("reminders", e.Reminders), ("visibility", int)):
        if wanted[unset] == given_by_the_calendar():
            wanted[unset] = getattr(updated, unset)
    assert written_part(updated) == wanted
