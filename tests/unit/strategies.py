"""Events of every shape, for property tests."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Date,
    Datespan,
    Details,
    EntryPoint,
    EntryPointType,
    Event,
    EventStatus,
    Origin,
    Participant,
    ParticipantStatus,
    Person,
    Provider,
    Reason,
    Reminder,
    ReminderMethod,
    Reminders,
    Resource,
    State,
    TimePoint,
    Timespan,
    Visibility,
    When,
)

FIRST_SECOND = -62_135_596_800
LAST_SECOND = 253_402_300_799
PROVIDERS = tuple(provider for provider in Provider if provider is not Provider.OTHER)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"])
seconds = st.integers(FIRST_SECOND, LAST_SECOND)
days = st.dates().map(date.isoformat)
int32 = st.integers(0, 2**31 - 1)

whens: st.SearchStrategy[When] = st.one_of(
    st.builds(TimePoint, seconds, zones | st.just("")),
    st.builds(Timespan, seconds, seconds, zones, zones),
    st.builds(Timespan, seconds, seconds),
    st.builds(Date, days),
    st.builds(Datespan, days, days),
)
participants = st.builds(
    Participant, email=some_text, name=texts, comment=texts, phone_number=texts
)
resources = st.builds(Resource, email=some_text, name=texts)
reminders = st.builds(
    Reminders,
    use_default=st.booleans(),
    overrides=st.lists(
        st.builds(Reminder, int32, st.none() | st.sampled_from(ReminderMethod)), max_size=3
    ).map(tuple),
)
details = st.builds(
    Details,
    url=st.from_regex(r"https://[a-z]{1,9}\.example/[a-zA-Z0-9?=&%._-]{0,20}", fullmatch=True),
    meeting_code=texts,
    password=texts,
    pin=texts,
    phone=st.lists(some_text, max_size=3).map(tuple),
)
conferences = st.builds(Conferencing, provider=st.sampled_from(PROVIDERS), source=details)


def events(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Events of which anything that a caller may write is given or not."""
    return st.builds(
        Event,
        **{
            "title": texts,
            "description": texts,
            "location": texts,
            "when": whens,
            "participants": st.lists(participants, max_size=3).map(tuple),
            "recurrence": st.lists(some_text, max_size=3).map(tuple),
            "reminders": st.none() | reminders,
            "visibility": st.none()
            | st.sampled_from([Visibility.DEFAULT, Visibility.PUBLIC, Visibility.PRIVATE]),
            "busy": st.none() | st.booleans(),
            "metadata": st.dictionaries(some_text, texts, max_size=3),
            "resources": st.lists(resources, max_size=3).map(tuple),
            "conferencing": st.none() | conferences,
            "hide_participants": st.booleans(),
            "capacity": st.none() | st.integers(1, 2**31 - 1),
            **more,
        },
    )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda each: not each.is_integer())
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
"""Plain JSON in which what is integral is an int."""

json_objects = st.dictionaries(texts, json_values, max_size=5)

orders = st.builds(Autocreate, conf_grant_id=texts, conf_settings=st.none() | json_objects)
entry_points = st.builds(
    EntryPoint,
    type=st.sampled_from(EntryPointType),
    uri=texts,
    label=texts,
    region_code=texts,
    pin=texts,
    password=texts,
    meeting_code=texts,
    toll_free=st.booleans(),
)
people = st.builds(Person, email=texts, name=texts)


def answers(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Events of which every field is given or not, those that only answers have included."""
    return events(
        **{
            "id": texts,
            "grant_id": texts,
            "calendar_id": texts,
            "participants": st.lists(
                st.builds(
                    Participant,
                    email=some_text,
                    name=texts,
                    status=st.none() | st.sampled_from(ParticipantStatus),
                    comment=texts,
                    phone_number=texts,
                ),
                max_size=3,
            ).map(tuple),
            "when": st.none() | whens,
            "resources": st.lists(
                st.builds(Resource, some_text, texts, int32, texts, texts, texts, texts), max_size=3
            ).map(tuple),
            "conferencing": st.none()
            | st.builds(
                Conferencing,
                provider=st.none() | st.sampled_from(Provider),
                source=st.none()
                | orders
                | st.builds(
                    Details,
                    *(texts, texts, texts, texts),
                    st.lists(some_text, max_size=3).map(tuple),
                    st.lists(entry_points, max_size=3).map(tuple),
                ),
                state=st.none() | st.sampled_from(State),
                failure_reason=st.none() | st.sampled_from(Reason),
                label=texts,
                origin=st.none() | st.sampled_from(Origin),
                source_field=texts,
            ),
            "organizer": st.none() | people,
            "creator": st.none() | people,
            "read_only": st.booleans(),
            "status": st.none() | st.sampled_from(EventStatus),
            "html_link": texts,
            "ical_uid": texts,
            "master_event_id": texts,
            "original_start_time": st.none() | seconds,
            "created_at": st.none() | seconds,
            "updated_at": st.none() | seconds,
            "text_description": texts,
            "marker": texts,
            **more,
        }
    )
