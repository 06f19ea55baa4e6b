"""Answers onto the wire."""

from __future__ import annotations

from typing import Any, assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service.codec import enums
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Date,
    Datespan,
    Details,
    Event,
    Person,
    Platform,
    Reminders,
    TimePoint,
    Timespan,
    Verdict,
    Warning,
    When,
)


def event_to_proto(event: Event) -> event_pb2.Event:
    """Return an event's message."""
    optional: dict[str, Any] = {}
    if event.when is not None:
        optional["when"] = _when(event.when)
    if event.reminders is not None:
        optional["reminders"] = _reminders(event.reminders)
    if event.conferencing is not None:
        optional["conferencing"] = conferencing_to_proto(event.conferencing)
    if event.busy is not None:
        optional["busy"] = event.busy
    if event.capacity is not None:
        optional["capacity"] = event.capacity
    for name in ("original_start_time", "created_at", "updated_at"):
        seconds = getattr(event, name)
        if seconds is not None:
            optional[name] = Timestamp(seconds=seconds)
    for name in ("organizer", "creator"):
        person = getattr(event, name)
        if person is not None:
            optional[name] = _person(person)
    return event_pb2.Event(
        id=event.id,
        grant_id=event.grant_id,
        calendar_id=event.calendar_id,
        title=event.title,
        description=event.description,
        location=event.location,
        participants=[
            event_pb2.Participant(
                email=each.email,
                name=each.name,
                status=enums.PARTICIPANT_STATUS.to_proto(each.status),
                comment=each.comment,
                phone_number=each.phone_number,
            )
            for each in event.participants
        ],
        recurrence=event.recurrence,
        visibility=enums.VISIBILITY.to_proto(event.visibility),
        metadata=event.metadata,
        resources=[
            event_pb2.Resource(
                email=each.email,
                name=each.name,
                capacity=each.capacity,
                building=each.building,
                floor_name=each.floor_name,
                floor_section=each.floor_section,
                floor_number=each.floor_number,
            )
            for each in event.resources
        ],
        read_only=event.read_only,
        status=enums.EVENT_STATUS.to_proto(event.status),
        html_link=event.html_link,
        ical_uid=event.ical_uid,
        master_event_id=event.master_event_id,
        hide_participants=event.hide_participants,
        text_description=event.text_description,
        **optional,
    )


def conferencing_to_proto(conferencing: Conferencing) -> conferencing_pb2.Conferencing:
    """Return a conference's message; an order to make one has no arm, its settings stay here."""
    message = conferencing_pb2.Conferencing(
        provider=enums.PROVIDER.to_proto(conferencing.provider),
        state=enums.STATE.to_proto(conferencing.state),
        failure_reason=enums.REASON.to_proto(conferencing.failure_reason),
        provider_label=conferencing.label,
        origin=enums.ORIGIN.to_proto(conferencing.origin),
        source_field=conferencing.source_field,
    )
    match conferencing.source:
        case Details() as details:
            message.details.CopyFrom(_details(details))
        case Autocreate() | None:
            pass
        case _:
            assert_never(conferencing.source)
    return message


def verdict_to_proto(verdict: Verdict) -> conferencing_pb2.Verdict:
    """Return a verdict's message."""
    return conferencing_pb2.Verdict(
        provider=enums.PROVIDER.to_proto(verdict.provider),
        way=enums.WAY.to_proto(verdict.way),
        decision=enums.DECISION.to_proto(verdict.decision),
        reason=enums.REASON.to_proto(verdict.reason),
        explanation=verdict.explanation,
        requirements=verdict.requirements,
        alternatives=[
            conferencing_pb2.Alternative(
                provider=enums.PROVIDER.to_proto(each.provider),
                way=enums.WAY.to_proto(each.way),
                needs_conf_grant=each.needs_conf_grant,
                explanation=each.explanation,
            )
            for each in verdict.alternatives
        ],
    )


def warning_to_proto(warning: Warning) -> service.Warning:
    """Return a warning's message."""
    return service.Warning(
        reason=enums.WARNING.to_proto(warning.reason),
        field=warning.field,
        explanation=warning.explanation,
    )


def check_compatibility_to_proto(
    platform: Platform, verdicts: tuple[Verdict, ...]
) -> service.CheckCompatibilityResponse:
    """Return the answer of CheckCompatibility."""
    return service.CheckCompatibilityResponse(
        platform=enums.PLATFORM.to_proto(platform), verdicts=map(verdict_to_proto, verdicts)
    )


def _details(details: Details) -> conferencing_pb2.ConferenceDetails:
    return conferencing_pb2.ConferenceDetails(
        url=details.url,
        meeting_code=details.meeting_code,
        password=details.password,
        pin=details.pin,
        phone=details.phone,
        entry_points=[
            conferencing_pb2.EntryPoint(
                type=enums.ENTRY_POINT.to_proto(each.type),
                uri=each.uri,
                label=each.label,
                region_code=each.region_code,
                pin=each.pin,
                password=each.password,
                meeting_code=each.meeting_code,
                toll_free=each.toll_free,
            )
            for each in details.entry_points
        ],
    )


def _when(when: When) -> event_pb2.EventTime:
    match when:
        case TimePoint():
            return event_pb2.EventTime(
                time=event_pb2.TimePoint(time=Timestamp(seconds=when.time), timezone=when.timezone)
            )
        case Timespan():
            return event_pb2.EventTime(
                timespan=event_pb2.Timespan(
                    start_time=Timestamp(seconds=when.start_time),
                    end_time=Timestamp(seconds=when.end_time),
                    start_timezone=when.start_timezone,
                    end_timezone=when.end_timezone,
                )
            )
        case Date():
            return event_pb2.EventTime(date=event_pb2.Date(date=when.date))
        case Datespan():
            return event_pb2.EventTime(
                datespan=event_pb2.Datespan(start_date=when.start_date, end_date=when.end_date)
            )
        case _:
            assert_never(when)


def _reminders(reminders: Reminders) -> event_pb2.Reminders:
    return event_pb2.Reminders(
        use_default=reminders.use_default,
        overrides=[
            event_pb2.Reminder(
                minutes=each.minutes, method=enums.REMINDER_METHOD.to_proto(each.method)
            )
            for each in reminders.overrides
        ],
    )


def _person(person: Person) -> event_pb2.Person:
    return event_pb2.Person(email=person.email, name=person.name)
