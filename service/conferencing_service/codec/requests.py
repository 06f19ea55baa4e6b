"""Requests off the wire: what only the wire can get wrong is noted as a fault, never raised."""

from __future__ import annotations

from google.protobuf import timestamp_pb2

from conferencing.v1 import conferencing_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service.codec import enums
from conferencing_service.codec.structs import plain_from_struct
from conferencing_service.core import requests
from conferencing_service.core.model import (
    FIRST_SECOND,
    LAST_SECOND,
    Autocreate,
    Conferencing,
    Date,
    Datespan,
    Details,
    Event,
    Notify,
    Participant,
    Reminder,
    Reminders,
    Resource,
    TimePoint,
    Timespan,
    Visibility,
    When,
)
from conferencing_service.core.validation import Faults


def create_event_from_proto(request: service.CreateEventRequest) -> requests.CreateEvent:
    """Return what CreateEvent asks; the event's id is output only here."""
    faults = Faults()
    event = None
    if request.HasField("event"):
        event = event_from_proto(faults, request.event, event_id="")
    return requests.CreateEvent(
        grant_id=request.grant_id,
        calendar_id=request.calendar_id,
        event=event,
        notify=_notify(faults, request.notify),
        request_id=request.request_id,
        validate_only=request.validate_only,
        faults=faults.found,
    )


def update_event_from_proto(request: service.UpdateEventRequest) -> requests.UpdateEvent:
    """Return what UpdateEvent asks; fields outside the mask are not looked at."""
    mask = tuple(request.update_mask.paths)
    faults = Faults()
    event = None
    if request.HasField("event"):
        event = event_from_proto(faults, request.event, frozenset(mask), event_id=request.event.id)
    return requests.UpdateEvent(
        grant_id=request.grant_id,
        calendar_id=request.calendar_id,
        event=event,
        update_mask=mask,
        replace_conferencing=request.replace_conferencing,
        notify=_notify(faults, request.notify),
        request_id=request.request_id,
        validate_only=request.validate_only,
        faults=faults.found,
    )


def get_event_from_proto(request: service.GetEventRequest) -> requests.GetEvent:
    """Return what GetEvent asks."""
    return requests.GetEvent(request.grant_id, request.calendar_id, request.event_id)


def delete_event_from_proto(request: service.DeleteEventRequest) -> requests.DeleteEvent:
    """Return what DeleteEvent asks."""
    faults = Faults()
    return requests.DeleteEvent(
        grant_id=request.grant_id,
        calendar_id=request.calendar_id,
        event_id=request.event_id,
        notify=_notify(faults, request.notify),
        allow_missing=request.allow_missing,
        faults=faults.found,
    )


def list_events_from_proto(request: service.ListEventsRequest) -> requests.ListEvents:
    """Return what ListEvents asks."""
    faults = Faults()
    start = end = None
    if request.HasField("start_time"):
        start = _seconds(faults, "start_time", request.start_time)
    if request.HasField("end_time"):
        end = _seconds(faults, "end_time", request.end_time)
    return requests.ListEvents(
        grant_id=request.grant_id,
        calendar_id=request.calendar_id,
        start_time=start,
        end_time=end,
        ical_uid=request.ical_uid,
        only_with_conferencing=request.only_with_conferencing,
        page_size=request.page_size,
        page_token=request.page_token,
        faults=faults.found,
    )


def check_compatibility_from_proto(
    request: service.CheckCompatibilityRequest,
) -> requests.CheckCompatibility:
    """Return what CheckCompatibility asks."""
    faults = Faults()
    grant_id = platform = None
    match request.WhichOneof("subject"):
        case "grant_id":
            grant_id = request.grant_id
        case "platform":
            platform = enums.PLATFORM.from_proto(faults, "platform", request.platform)
        case None:
            pass
    return requests.CheckCompatibility(
        grant_id=grant_id,
        platform=platform,
        calendar_id=request.calendar_id,
        provider=enums.PROVIDER.from_proto(faults, "provider", request.provider),
        conf_grant_id=request.conf_grant_id,
        faults=faults.found,
    )


def event_from_proto(
    faults: Faults,
    message: event_pb2.Event,
    fields: frozenset[str] | None = None,
    *,
    event_id: str,
) -> Event:
    """Return the writable part of an event, or of the named fields; output-only is ignored."""

    def wanted(name: str) -> bool:
        return fields is None or name in fields

    conferencing = when = reminders = None
    if wanted("conferencing") and message.HasField("conferencing"):
        conferencing = _conferencing(faults, message.conferencing)
    if wanted("when"):
        when = _when(faults, message.when)
    if wanted("reminders") and message.HasField("reminders"):
        reminders = _reminders(faults, message.reminders)
    visibility = None
    if wanted("visibility"):
        visibility = enums.VISIBILITY.from_proto(faults, "event.visibility", message.visibility)
        if visibility is Visibility.OTHER:
            faults.add("event.visibility", "VISIBILITY_OTHER is output only")
    return Event(
        id=event_id,
        title=message.title,
        description=message.description,
        location=message.location,
        when=when,
        participants=tuple(
            Participant(
                email=each.email,
                name=each.name,
                comment=each.comment,
                phone_number=each.phone_number,
            )
            for each in message.participants
        ),
        recurrence=tuple(message.recurrence),
        reminders=reminders,
        visibility=visibility,
        busy=message.busy if message.HasField("busy") else None,
        metadata=dict(message.metadata),
        resources=tuple(Resource(each.email, each.name) for each in message.resources),
        conferencing=conferencing,
        hide_participants=message.hide_participants,
        capacity=message.capacity if message.HasField("capacity") else None,
    )


def _notify(faults: Faults, number: int) -> Notify:
    return enums.NOTIFY.from_proto(faults, "notify", number) or Notify.ALL


def _seconds(faults: Faults, path: str, moment: timestamp_pb2.Timestamp) -> int:
    if moment.nanos:
        faults.add(path, "must be whole seconds")
    if not FIRST_SECOND <= moment.seconds <= LAST_SECOND:
        faults.add(path, "must be in the years 1 to 9999")
    return moment.seconds


def _required_seconds(
    faults: Faults, path: str, moment: timestamp_pb2.Timestamp, *, given: bool
) -> int | None:
    if not given:
        faults.add(path, "is required")
        return None
    return _seconds(faults, path, moment)


def _when(faults: Faults, message: event_pb2.EventTime) -> When | None:
    match message.WhichOneof("kind"):
        case "time":
            point = message.time
            moment = _required_seconds(
                faults, "event.when.time.time", point.time, given=point.HasField("time")
            )
            return None if moment is None else TimePoint(moment, point.timezone)
        case "timespan":
            span, path = message.timespan, "event.when.timespan"
            start = _required_seconds(
                faults, f"{path}.start_time", span.start_time, given=span.HasField("start_time")
            )
            end = _required_seconds(
                faults, f"{path}.end_time", span.end_time, given=span.HasField("end_time")
            )
            if start is None or end is None:
                return None
            return Timespan(start, end, span.start_timezone, span.end_timezone)
        case "date":
            return Date(message.date.date)
        case "datespan":
            return Datespan(message.datespan.start_date, message.datespan.end_date)
        case None:
            return None


def _reminders(faults: Faults, message: event_pb2.Reminders) -> Reminders:
    path = "event.reminders.overrides"
    return Reminders(
        message.use_default,
        tuple(
            Reminder(
                each.minutes,
                enums.REMINDER_METHOD.from_proto(faults, f"{path}[{index}].method", each.method),
            )
            for index, each in enumerate(message.overrides)
        ),
    )


def _conferencing(faults: Faults, message: conferencing_pb2.Conferencing) -> Conferencing:
    provider = enums.PROVIDER.from_proto(faults, "event.conferencing.provider", message.provider)
    source: Details | Autocreate | None = None
    match message.WhichOneof("source"):
        case "details":
            details = message.details
            source = Details(
                url=details.url,
                meeting_code=details.meeting_code,
                password=details.password,
                pin=details.pin,
                phone=tuple(details.phone),
            )
        case "autocreate":
            order = message.autocreate
            settings = (
                plain_from_struct(order.conf_settings) if order.HasField("conf_settings") else None
            )
            source = Autocreate(order.conf_grant_id, settings)
        case None:
            pass
    return Conferencing(provider=provider, source=source)
