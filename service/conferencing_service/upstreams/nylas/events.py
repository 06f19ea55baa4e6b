"""Nylas' event object, both ways (Nylas v3 API description, event_common and event_create)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from conferencing_service.core.model import (
    Date,
    Datespan,
    Event,
    EventStatus,
    Participant,
    ParticipantStatus,
    Person,
    Reminder,
    ReminderMethod,
    Reminders,
    Resource,
    TimePoint,
    Timespan,
    Visibility,
    When,
)
from conferencing_service.upstreams.nylas.conferencing import (
    conferencing_from_nylas,
    conferencing_to_nylas,
)
from conferencing_service.upstreams.nylas.fields import (
    day,
    flag,
    integer,
    items,
    mapping,
    moment,
    text,
)

_STATUS: Mapping[str, EventStatus] = {
    "confirmed": EventStatus.CONFIRMED,
    "maybe": EventStatus.TENTATIVE,
    "tentative": EventStatus.TENTATIVE,
    "cancelled": EventStatus.CANCELLED,
    "canceled": EventStatus.CANCELLED,
}
_ANSWERS: Mapping[str, ParticipantStatus] = {
    "noreply": ParticipantStatus.NO_REPLY,
    "yes": ParticipantStatus.YES,
    "no": ParticipantStatus.NO,
    "maybe": ParticipantStatus.MAYBE,
}
_VISIBILITY: Mapping[str, Visibility] = {
    "default": Visibility.DEFAULT,
    "public": Visibility.PUBLIC,
    "private": Visibility.PRIVATE,
}
_METHODS: Mapping[str, ReminderMethod] = {
    "popup": ReminderMethod.POPUP,
    "email": ReminderMethod.EMAIL,
    "display": ReminderMethod.DISPLAY,
    "sound": ReminderMethod.SOUND,
}
_GIVEN_WHEN_FALSE = frozenset({"busy", "capacity"})


# ---- To Nylas ------------------------------------------------------------------------------


def event_to_nylas(event: Event, marker_key: str) -> dict[str, Any]:
    """Return the body that makes an event, with its marker; what was not given is left out."""
    body = {name: write(event) for name, write in _WRITERS.items() if _is_given(event, name)}
    if event.marker:
        body["metadata"] = {**event.metadata, marker_key: event.marker}
    return body


def _is_given(event: Event, name: str) -> bool:
    value = getattr(event, name)
    return value is not None if name in _GIVEN_WHEN_FALSE else bool(value)


def changes_to_nylas(event: Event, fields: frozenset[str], marker_key: str) -> dict[str, Any]:
    """Return the body that changes the named fields; what is empty is cleared.

    The vendor merges at the top level and replaces each nested object whole: metadata are sent with
    the event's marker.
    """
    body = {name: write(event) for name, write in _WRITERS.items() if name in fields}
    if event.marker and "metadata" in body:
        body["metadata"] = {**event.metadata, marker_key: event.marker}
    return body


def _when_to_nylas(when: When | None) -> dict[str, Any]:
    """Return the vendor's when; it tells the kinds apart by their fields."""
    match when:
        case TimePoint():
            return {"time": when.time} | ({"timezone": when.timezone} if when.timezone else {})
        case Timespan():
            zones = (
                {"start_timezone": when.start_timezone, "end_timezone": when.end_timezone}
                if when.start_timezone
                else {}
            )
            return {"start_time": when.start_time, "end_time": when.end_time, **zones}
        case Date():
            return {"date": when.date}
        case Datespan():
            return {"start_date": when.start_date, "end_date": when.end_date}
        case None:
            raise ValueError("an event to write has a when")
        case _:
            assert_never(when)


def _participant_to_nylas(participant: Participant) -> dict[str, str]:
    fields = {
        "email": participant.email,
        "name": participant.name,
        "comment": participant.comment,
        "phone_number": participant.phone_number,
    }
    return {name: value for name, value in fields.items() if value}


def _resource_to_nylas(resource: Resource) -> dict[str, str]:
    return {"email": resource.email} | ({"name": resource.name} if resource.name else {})


def _reminders_to_nylas(reminders: Reminders | None) -> dict[str, Any]:
    if reminders is None:
        return {"use_default": True, "overrides": []}
    return {
        "use_default": reminders.use_default,
        "overrides": [
            {"reminder_minutes": reminder.minutes}
            | ({"reminder_method": reminder.method.value.lower()} if reminder.method else {})
            for reminder in reminders.overrides
        ],
    }


_WRITERS: Mapping[str, Callable[[Event], Any]] = {
    # The vendor takes no empty title; null clears all three.
    "title": lambda event: event.title or None,
    "description": lambda event: event.description or None,
    "location": lambda event: event.location or None,
    "when": lambda event: _when_to_nylas(event.when),
    "participants": lambda event: [_participant_to_nylas(each) for each in event.participants],
    "recurrence": lambda event: list(event.recurrence),
    "reminders": lambda event: _reminders_to_nylas(event.reminders),
    "visibility": lambda event: event.visibility.value.lower() if event.visibility else None,
    "busy": lambda event: event.busy is not False,
    "metadata": lambda event: dict(event.metadata),
    "resources": lambda event: [_resource_to_nylas(each) for each in event.resources],
    "conferencing": lambda event: conferencing_to_nylas(event.conferencing),
    "hide_participants": lambda event: event.hide_participants,
    "capacity": lambda event: event.capacity,
}


# ---- From Nylas ----------------------------------------------------------------------------


def event_from_nylas(source: Mapping[str, Any], marker_key: str = "") -> Event:
    """Return the event of an answer; never raises, whatever the vendor left out or added.

    The metadata of `marker_key` are its marker and not its metadata.
    """
    metadata = {key: text(value) for key, value in mapping(source.get("metadata")).items()}
    marker = metadata.pop(marker_key, "") if marker_key else ""
    busy = flag(source.get("busy"))
    visibility = text(source.get("visibility"))
    return Event(
        id=text(source.get("id")),
        grant_id=text(source.get("grant_id")),
        calendar_id=text(source.get("calendar_id")),
        title=text(source.get("title")),
        description=text(source.get("description")),
        location=text(source.get("location")),
        when=when_from_nylas(source.get("when")),
        participants=tuple(map(_participant, items(source.get("participants")))),
        recurrence=tuple(filter(None, map(text, items(source.get("recurrence"))))),
        reminders=_reminders(source.get("reminders")),
        visibility=_VISIBILITY.get(visibility, Visibility.OTHER) if visibility else None,
        busy=True if busy is None else busy,
        metadata=metadata,
        marker=marker,
        resources=tuple(map(_resource, items(source.get("resources")))),
        conferencing=conferencing_from_nylas(source.get("conferencing")),
        organizer=_person(source.get("organizer")),
        creator=_person(source.get("creator")),
        read_only=flag(source.get("read_only")) or False,
        status=_STATUS.get(text(source.get("status"))),
        html_link=text(source.get("html_link")),
        ical_uid=text(source.get("ical_uid")),
        master_event_id=text(source.get("master_event_id")),
        original_start_time=moment(source.get("original_start_time")),
        created_at=moment(source.get("created_at")),
        updated_at=moment(source.get("updated_at")),
        hide_participants=flag(source.get("hide_participants")) or False,
        capacity=integer(source.get("capacity")),
        text_description=text(source.get("text_description")),
    )


def when_from_nylas(value: Any) -> When | None:
    """Return a when by the fields that it has; its `object` is not needed."""
    source = mapping(value)
    start, end = moment(source.get("start_time")), moment(source.get("end_time"))
    if start is not None and end is not None:
        return Timespan(
            start, end, text(source.get("start_timezone")), text(source.get("end_timezone"))
        )
    time = moment(source.get("time"))
    if time is not None:
        return TimePoint(time, text(source.get("timezone")))
    first, last = day(source.get("start_date")), day(source.get("end_date"))
    if first and last:
        return Datespan(first, last)
    date = day(source.get("date"))
    return Date(date) if date else None


def _participant(value: Any) -> Participant:
    source = mapping(value)
    return Participant(
        email=text(source.get("email")),
        name=text(source.get("name")),
        status=_ANSWERS.get(text(source.get("status"))),
        comment=text(source.get("comment")),
        phone_number=text(source.get("phone_number")),
    )


def _resource(value: Any) -> Resource:
    source = mapping(value)
    return Resource(
        email=text(source.get("email")),
        name=text(source.get("name")),
        capacity=integer(source.get("capacity")) or 0,
        building=text(source.get("building")),
        floor_name=text(source.get("floor_name")),
        floor_section=text(source.get("floor_section")),
        floor_number=text(source.get("floor_number")),
    )


def _reminders(value: Any) -> Reminders | None:
    source = mapping(value)
    overrides = []
    for item in map(mapping, items(source.get("overrides"))):
        minutes = integer(item.get("reminder_minutes"))
        if minutes is not None:
            method = _METHODS.get(text(item.get("reminder_method")))
            overrides.append(Reminder(minutes, method))
    use_default = flag(source.get("use_default"))
    if use_default is None and not overrides:
        return None
    return Reminders(use_default or False, tuple(overrides))


def _person(value: Any) -> Person | None:
    source = mapping(value)
    email, name = text(source.get("email")), text(source.get("name"))
    return Person(email, name) if email or name else None
