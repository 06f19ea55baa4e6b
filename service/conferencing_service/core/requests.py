"""What each RPC asks, as a value, and whether it is well formed.

A request carries the `faults` that were already seen while it was decoded (numbers that no enum
names, moments with fractions); its `validate` adds its own and raises once with all of them. The
only facts about the outside that take part are an upstream's declared capabilities.
"""

from __future__ import annotations

from dataclasses import field

from conferencing_service.core.compatibility import Capabilities
from conferencing_service.core.errors import Violation
from conferencing_service.core.model import (
    WRITABLE_FIELDS,
    Autocreate,
    Conferencing,
    Date,
    Datespan,
    DetailField,
    Details,
    Event,
    Notify,
    Platform,
    Provider,
    Reminders,
    TimePoint,
    Timespan,
    When,
)
from conferencing_service.core.validation import (
    MAX_DESCRIPTION,
    Faults,
    TimeZones,
    check_calendar_id,
    check_date,
    check_email,
    check_id,
    check_join_url,
    check_line,
    check_metadata,
    check_recurrence,
    check_request_id,
    check_settings,
    check_text,
    check_timezone,
)
from conferencing_service.core.value import value


@value
class Rules:
    """What requests are held against beside themselves."""

    capabilities: Capabilities
    zones: TimeZones


@value
class CreateEvent:
    """Make an event."""

    grant_id: str
    calendar_id: str = field(repr=False)
    event: Event | None
    notify: Notify = Notify.ALL
    request_id: str = ""
    validate_only: bool = False
    faults: tuple[Violation, ...] = ()

    def validate(self, rules: Rules) -> Event:
        """Return the event; raises InvalidField with every fault."""
        faults = Faults(self.faults)
        _check_place(faults, self.grant_id, self.calendar_id)
        check_request_id(faults, "request_id", self.request_id, required=not self.validate_only)
        if self.event is None:
            faults.add("event", "is required")
        else:
            _check_event(faults, self.event, WRITABLE_FIELDS, rules)
        faults.raise_any()
        assert self.event is not None  # noqa: S101 - the fault above was raised
        return self.event


@value
class UpdateEvent:
    """Change fields of an event."""

    grant_id: str
    calendar_id: str = field(repr=False)
    event: Event | None
    update_mask: tuple[str, ...]
    replace_conferencing: bool = False
    notify: Notify = Notify.ALL
    request_id: str = ""
    validate_only: bool = False
    faults: tuple[Violation, ...] = ()

    def validate(self, rules: Rules) -> tuple[Event, frozenset[str]]:
        """Return the event and the fields to write; raises InvalidField with every fault."""
        faults = Faults(self.faults)
        _check_place(faults, self.grant_id, self.calendar_id)
        check_request_id(faults, "request_id", self.request_id, required=not self.validate_only)
        fields = frozenset(self.update_mask)
        if not fields:
            faults.add("update_mask", "is required")
        for path in sorted(fields - WRITABLE_FIELDS):
            kind = "names no" if path.isidentifier() else "must name a single top-level"
            faults.add("update_mask", f"a path {kind} writable field of Event")
        if self.event is None:
            faults.add("event", "is required")
        else:
            check_id(faults, "event.id", self.event.id)
            _check_event(faults, self.event, fields, rules)
        faults.raise_any()
        assert self.event is not None  # noqa: S101 - the fault above was raised
        return self.event, fields


@value
class GetEvent:
    """Read an event."""

    grant_id: str
    calendar_id: str = field(repr=False)
    event_id: str

    def validate(self) -> None:
        """Raise InvalidField with every fault."""
        faults = Faults()
        _check_place(faults, self.grant_id, self.calendar_id)
        check_id(faults, "event_id", self.event_id)
        faults.raise_any()


@value
class DeleteEvent:
    """Delete an event."""

    grant_id: str
    calendar_id: str = field(repr=False)
    event_id: str
    notify: Notify = Notify.ALL
    allow_missing: bool = False
    faults: tuple[Violation, ...] = ()

    def validate(self) -> None:
        """Raise InvalidField with every fault."""
        faults = Faults(self.faults)
        _check_place(faults, self.grant_id, self.calendar_id)
        check_id(faults, "event_id", self.event_id)
        faults.raise_any()


@value
class ListEvents:
    """Read a page of a calendar's events. Times are Unix seconds."""

    grant_id: str
    calendar_id: str = field(repr=False)
    start_time: int | None = None
    end_time: int | None = None
    ical_uid: str = ""
    only_with_conferencing: bool = False
    page_size: int = 0
    page_token: str = field(default="", repr=False)
    faults: tuple[Violation, ...] = ()

    def validate(self) -> None:
        """Raise InvalidField with every fault; the page token is looked at where it is opened."""
        faults = Faults(self.faults)
        _check_place(faults, self.grant_id, self.calendar_id)
        if (
            self.start_time is not None
            and self.end_time is not None
            and self.end_time <= self.start_time
        ):
            faults.add("end_time", "must be after start_time")
        if self.page_size < 0:
            faults.add("page_size", "must not be negative")
        if not (self.ical_uid.isascii() and self.ical_uid.isprintable()):
            faults.add("ical_uid", "must be printable ASCII")
        elif len(self.ical_uid) > 1024:
            faults.add("ical_uid", "must be at most 1024 bytes")
        faults.raise_any()


@value
class CheckCompatibility:
    """Ask what can be done with conferences. Exactly one of `grant_id` and `platform` is set."""

    grant_id: str | None = None
    platform: Platform | None = None
    calendar_id: str = field(default="", repr=False)
    provider: Provider | None = None
    conf_grant_id: str = ""
    faults: tuple[Violation, ...] = ()

    def validate(self) -> None:
        """Raise InvalidField with every fault."""
        faults = Faults(self.faults)
        if self.grant_id is not None:
            check_id(faults, "grant_id", self.grant_id)
            if self.calendar_id:
                check_calendar_id(faults, "calendar_id", self.calendar_id)
        elif self.platform is None:
            if not any(fault.field == "platform" for fault in self.faults):
                faults.add("subject", "is required: a grant_id or a platform")
        elif self.calendar_id:
            faults.add("calendar_id", "needs a grant_id")
        if self.conf_grant_id:
            check_id(faults, "conf_grant_id", self.conf_grant_id)
        if self.provider is Provider.OTHER:
            faults.add("provider", "is output only")
        faults.raise_any()


def _check_place(faults: Faults, grant_id: str, calendar_id: str) -> None:
    check_id(faults, "grant_id", grant_id)
    check_calendar_id(faults, "calendar_id", calendar_id)


def _check_event(faults: Faults, event: Event, fields: frozenset[str], rules: Rules) -> None:
    """Check the named fields of an event."""
    if "title" in fields:
        check_line(faults, "event.title", event.title, 1024)
    if "description" in fields:
        check_text(faults, "event.description", event.description, MAX_DESCRIPTION)
    if "location" in fields:
        check_line(faults, "event.location", event.location, 255)
    if "when" in fields:
        if event.when is None:
            if not any(fault.field.startswith("event.when") for fault in faults.found):
                faults.add("event.when", "is required: a time, timespan, date or datespan")
        else:
            _check_when(faults, event.when, rules.zones)
    if "recurrence" in fields:
        check_recurrence(faults, "event.recurrence", event.recurrence)
        if event.recurrence and event.when is not None and "when" in fields:
            check_recurring_zone(faults, event.when)
    if "participants" in fields:
        _check_participants(faults, event)
    if "resources" in fields:
        _check_resources(faults, event)
    if "metadata" in fields:
        reserved = rules.capabilities.reserved_metadata
        check_metadata(faults, "event.metadata", event.metadata, reserved)
    if "reminders" in fields and event.reminders is not None:
        _check_reminders(faults, event.reminders)
    if "capacity" in fields and event.capacity is not None and event.capacity < 1:
        faults.add("event.capacity", "must be at least 1")
    if "conferencing" in fields and event.conferencing is not None:
        _check_conferencing(faults, event.conferencing, rules.capabilities)


def _check_when(faults: Faults, when: When, zones: TimeZones) -> None:
    match when:
        case TimePoint():
            check_timezone(faults, "event.when.time.timezone", when.timezone, zones)
        case Timespan():
            path = "event.when.timespan"
            if when.end_time <= when.start_time:
                faults.add(f"{path}.end_time", "must be after start_time")
            if bool(when.start_timezone) != bool(when.end_timezone):
                missing = "end_timezone" if when.start_timezone else "start_timezone"
                faults.add(f"{path}.{missing}", "both time zones are given or neither")
            check_timezone(faults, f"{path}.start_timezone", when.start_timezone, zones)
            check_timezone(faults, f"{path}.end_timezone", when.end_timezone, zones)
        case Date():
            check_date(faults, "event.when.date.date", when.date)
        case Datespan():
            path = "event.when.datespan"
            start = check_date(faults, f"{path}.start_date", when.start_date)
            end = check_date(faults, f"{path}.end_date", when.end_date)
            if start is not None and end is not None and end < start:
                faults.add(f"{path}.end_date", "must not be before start_date")


def check_recurring_zone(faults: Faults, when: When | None) -> None:
    """What repeats needs a time zone, unless it is a matter of days."""
    match when:
        case TimePoint(timezone=""):
            faults.add("event.when.time.timezone", "is required with recurrence")
        case Timespan(start_timezone="", end_timezone=""):
            faults.add("event.when.timespan.start_timezone", "is required with recurrence")
        case _:
            pass


def _check_participants(faults: Faults, event: Event) -> None:
    if len(event.participants) > 200:
        faults.add("event.participants", "must be at most 200")
        return
    for index, participant in enumerate(event.participants):
        path = f"event.participants[{index}]"
        check_email(faults, f"{path}.email", participant.email)
        check_line(faults, f"{path}.name", participant.name, 256)
        check_text(faults, f"{path}.comment", participant.comment, 1024)
        check_line(faults, f"{path}.phone_number", participant.phone_number, 64)


def _check_resources(faults: Faults, event: Event) -> None:
    if len(event.resources) > 200:
        faults.add("event.resources", "must be at most 200")
        return
    for index, resource in enumerate(event.resources):
        check_email(faults, f"event.resources[{index}].email", resource.email)
        check_line(faults, f"event.resources[{index}].name", resource.name, 256)


def _check_reminders(faults: Faults, reminders: Reminders) -> None:
    path = "event.reminders.overrides"
    if reminders.use_default and reminders.overrides:
        faults.add(path, "must be empty with use_default")
    if len(reminders.overrides) > 20:
        faults.add(path, "must be at most 20")
        return
    for index, reminder in enumerate(reminders.overrides):
        if not 0 <= reminder.minutes <= 40_320:
            faults.add(f"{path}[{index}].minutes", "must be 0 to 40320")


def _check_conferencing(
    faults: Faults, conferencing: Conferencing, capabilities: Capabilities
) -> None:
    path = "event.conferencing"
    known_fault = any(fault.field == f"{path}.provider" for fault in faults.found)
    if conferencing.provider is Provider.OTHER:
        faults.add(f"{path}.provider", "PROVIDER_OTHER is output only")
    match conferencing.source:
        case None:
            faults.add(path, "is required: details or autocreate")
        case Details() as details:
            if conferencing.provider is None and not known_fault:
                faults.add(f"{path}.provider", "is required with details")
            _check_details(faults, conferencing.provider, details, capabilities)
        case Autocreate() as autocreate:
            if autocreate.conf_grant_id:
                check_id(faults, f"{path}.autocreate.conf_grant_id", autocreate.conf_grant_id)
            if autocreate.conf_settings is not None:
                check_settings(faults, f"{path}.autocreate.conf_settings", autocreate.conf_settings)


def _check_details(
    faults: Faults, provider: Provider | None, details: Details, capabilities: Capabilities
) -> None:
    path = "event.conferencing.details"
    check_join_url(faults, f"{path}.url", details.url)
    for name in (DetailField.MEETING_CODE, DetailField.PASSWORD, DetailField.PIN):
        value = getattr(details, name.value)
        if len(value.encode()) > 128:
            faults.add(f"{path}.{name.value}", "must be at most 128 bytes")
        check_line(faults, f"{path}.{name.value}", value, len(value))
    for index, phone in enumerate(details.phone):
        if not phone:
            faults.add(f"{path}.phone[{index}]", "must not be empty")
        check_line(faults, f"{path}.phone[{index}]", phone, 64)
    if provider is None or provider is Provider.OTHER:
        return
    capability = capabilities.providers[provider]
    given = details.given()
    for name in sorted(given - capability.details):
        faults.add(f"{path}.{name.value}", "is not stored for this provider and would be lost")
    if DetailField.PHONE in capability.details and len(details.phone) > capability.phones:
        faults.add(f"{path}.phone", f"at most {capability.phones} stored for this provider")
