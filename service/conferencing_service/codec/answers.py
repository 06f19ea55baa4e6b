"""Answers onto the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, assert_never

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
    Participant,
    Person,
    Platform,
    Reminders,
    Resource,
    TimePoint,
    Timespan,
    Verdict,
    Warning,
    When,
)

Fields: TypeAlias = dict[str, Any]
"""What a message is made of: its constructor takes nested ones so, at half of what making each costs."""


def event_to_proto(event: Event) -> event_pb2.Event:
    """Return an event's message."""
    return event_pb2.Event(**_event(event))


def list_events_to_proto(
    events: Iterable[Event], next_page_token: str
) -> service.ListEventsResponse:
    """Return the answer of ListEvents."""
    page: Any = list(map(_event, events))
    return service.ListEventsResponse(events=page, next_page_token=next_page_token)


def conferencing_to_proto(conferencing: Conferencing) -> conferencing_pb2.Conferencing:
    """Return a conference's message; an order to make one has no arm, its settings stay here."""
    return conferencing_pb2.Conferencing(**_conferencing(conferencing))


def _event(event: Event) -> Fields:
    fields: Fields = {
        "id": event.id,
        "grant_id": event.grant_id,
        "calendar_id": event.calendar_id,
        "title": event.title,
        "description": event.description,
        "location": event.location,
        "visibility": enums.VISIBILITY.to_proto(event.visibility),
        "read_only": event.read_only,
        "status": enums.EVENT_STATUS.to_proto(event.status),
        "html_link": event.html_link,
        "ical_uid": event.ical_uid,
        "master_event_id": event.master_event_id,
        "hide_participants": event.hide_participants,
        "text_description": event.text_description,
        "recurrence": event.recurrence,
        "metadata": event.metadata,
        "participants": list(map(_participant, event.participants)),
        "resources": list(map(_resource, event.resources)),
        # None is not there.
        "busy": event.busy,
        "capacity": event.capacity,
        "original_start_time": _moment(event.original_start_time),
        "created_at": _moment(event.created_at),
        "updated_at": _moment(event.updated_at),
    }
    if event.when is not None:
        fields["when"] = _when(event.when)
    if event.reminders is not None:
        fields["reminders"] = _reminders(event.reminders)
    if event.conferencing is not None:
        fields["conferencing"] = _conferencing(event.conferencing)
    if event.organizer is not None:
        fields["organizer"] = _person(event.organizer)
    if event.creator is not None:
        fields["creator"] = _person(event.creator)
    return fields


def _conferencing(conferencing: Conferencing) -> Fields:
    fields: Fields = {
        "provider": enums.PROVIDER.to_proto(conferencing.provider),
        "state": enums.STATE.to_proto(conferencing.state),
        "failure_reason": enums.REASON.to_proto(conferencing.failure_reason),
        "provider_label": conferencing.label,
        "origin": enums.ORIGIN.to_proto(conferencing.origin),
        "source_field": conferencing.source_field,
    }
    match conferencing.source:
        case Details() as details:
            fields["details"] = _details(details)
        case Autocreate() | None:
            pass
        case _:
            assert_never(conferencing.source)
    return fields


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


def _details(details: Details) -> Fields:
    return {
        "url": details.url,
        "meeting_code": details.meeting_code,
        "password": details.password,
        "pin": details.pin,
        "phone": details.phone,
        "entry_points": [
            {
                "type": enums.ENTRY_POINT.to_proto(each.type),
                "uri": each.uri,
                "label": each.label,
                "region_code": each.region_code,
                "pin": each.pin,
                "password": each.password,
                "meeting_code": each.meeting_code,
                "toll_free": each.toll_free,
            }
            for each in details.entry_points
        ],
    }


def _participant(participant: Participant) -> Fields:
    return {
        "email": participant.email,
        "name": participant.name,
        "status": enums.PARTICIPANT_STATUS.to_proto(participant.status),
        "comment": participant.comment,
        "phone_number": participant.phone_number,
    }


def _resource(resource: Resource) -> Fields:
    return {
        "email": resource.email,
        "name": resource.name,
        "capacity": resource.capacity,
        "building": resource.building,
        "floor_name": resource.floor_name,
        "floor_section": resource.floor_section,
        "floor_number": resource.floor_number,
    }


def _when(when: When) -> Fields:
    match when:
        case Timespan():
            return {
                "timespan": {
                    "start_time": {"seconds": when.start_time},
                    "end_time": {"seconds": when.end_time},
                    "start_timezone": when.start_timezone,
                    "end_timezone": when.end_timezone,
                }
            }
        case TimePoint():
            return {"time": {"time": {"seconds": when.time}, "timezone": when.timezone}}
        case Date():
            return {"date": {"date": when.date}}
        case Datespan():
            return {"datespan": {"start_date": when.start_date, "end_date": when.end_date}}
        case _:
            assert_never(when)


def _moment(seconds: int | None) -> Fields | None:
    return None if seconds is None else {"seconds": seconds}


def _reminders(reminders: Reminders) -> Fields:
    return {
        "use_default": reminders.use_default,
        "overrides": [
            {"minutes": each.minutes, "method": enums.REMINDER_METHOD.to_proto(each.method)}
            for each in reminders.overrides
        ],
    }


def _person(person: Person) -> Fields:
    return {"email": person.email, "name": person.name}
