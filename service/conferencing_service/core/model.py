"""The domain's nouns: events, conferences, grants and verdicts, as immutable values.

Enum members have the names of the proto values without their prefix. Values that may hold a
secret or a person are left out of every `repr`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from conferencing_service.core.value import value


class Provider(enum.StrEnum):
    """Whose conference it is."""

    GOOGLE_MEET = "GOOGLE_MEET"
    ZOOM_MEETING = "ZOOM_MEETING"
    MICROSOFT_TEAMS = "MICROSOFT_TEAMS"
    WEBEX = "WEBEX"
    GOTOMEETING = "GOTOMEETING"
    SKYPE_FOR_BUSINESS = "SKYPE_FOR_BUSINESS"
    SKYPE_FOR_CONSUMER = "SKYPE_FOR_CONSUMER"
    OTHER = "OTHER"


class Platform(enum.StrEnum):
    """Whose calendar it is."""

    GOOGLE = "GOOGLE"
    MICROSOFT = "MICROSOFT"
    ICLOUD = "ICLOUD"
    EWS = "EWS"
    IMAP = "IMAP"
    VIRTUAL_CALENDAR = "VIRTUAL_CALENDAR"
    ZOOM = "ZOOM"
    OTHER = "OTHER"


class Way(enum.StrEnum):
    """What is done with a conference."""

    READ = "READ"
    DETAILS = "DETAILS"
    AUTOCREATE = "AUTOCREATE"
    REMOVE = "REMOVE"


class Decision(enum.StrEnum):
    """The answer of a compatibility check."""

    ALLOWED = "ALLOWED"
    CONDITIONAL = "CONDITIONAL"
    REFUSED = "REFUSED"


class Reason(enum.StrEnum):
    """Why something is refused or failed; the callers' `ErrorInfo.reason`."""

    INVALID_FIELD = "INVALID_FIELD"
    CROSS_PLATFORM_AUTOCREATE = "CROSS_PLATFORM_AUTOCREATE"
    AUTOCREATE_UNSUPPORTED = "AUTOCREATE_UNSUPPORTED"
    CONF_GRANT_REQUIRED = "CONF_GRANT_REQUIRED"
    CONF_GRANT_MISMATCH = "CONF_GRANT_MISMATCH"
    GRANT_HAS_NO_CALENDAR = "GRANT_HAS_NO_CALENDAR"
    SCOPE_MISSING = "SCOPE_MISSING"
    SUBSCRIPTION_REQUIRED = "SUBSCRIPTION_REQUIRED"
    GRANT_EXPIRED = "GRANT_EXPIRED"
    CONFERENCE_ALREADY_PRESENT = "CONFERENCE_ALREADY_PRESENT"
    NOTIFICATION_UNAVOIDABLE = "NOTIFICATION_UNAVOIDABLE"
    EVENT_READ_ONLY = "EVENT_READ_ONLY"
    CALENDAR_READ_ONLY = "CALENDAR_READ_ONLY"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    GRANT_NOT_FOUND = "GRANT_NOT_FOUND"
    CALENDAR_NOT_FOUND = "CALENDAR_NOT_FOUND"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    UPSTREAM_RATE_LIMITED = "UPSTREAM_RATE_LIMITED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    OUTCOME_UNRESOLVED = "OUTCOME_UNRESOLVED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REQUEST_IN_PROGRESS = "REQUEST_IN_PROGRESS"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    OVERLOADED = "OVERLOADED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    RPC_NOT_ALLOWED = "RPC_NOT_ALLOWED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    NOT_STARTED = "NOT_STARTED"
    UPSTREAM_CREDENTIALS = "UPSTREAM_CREDENTIALS"
    UPSTREAM_MALFORMED = "UPSTREAM_MALFORMED"
    INTERNAL = "INTERNAL"


class State(enum.StrEnum):
    """How far a conference has come."""

    READY = "READY"
    PENDING = "PENDING"
    FAILED = "FAILED"


class Origin(enum.StrEnum):
    """How a conference was found."""

    NATIVE = "NATIVE"
    PARSED = "PARSED"


class EntryPointType(enum.StrEnum):
    """The kind of an entry point."""

    VIDEO = "VIDEO"
    PHONE = "PHONE"
    SIP = "SIP"
    MORE = "MORE"


class Notify(enum.StrEnum):
    """Whom the platform tells about a write."""

    ALL = "ALL"
    EXTERNAL_ONLY = "EXTERNAL_ONLY"
    NONE = "NONE"


class Visibility(enum.StrEnum):
    """Who may see an event."""

    DEFAULT = "DEFAULT"
    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"
    OTHER = "OTHER"


class EventStatus(enum.StrEnum):
    """Whether an event takes place."""

    CONFIRMED = "CONFIRMED"
    TENTATIVE = "TENTATIVE"
    CANCELLED = "CANCELLED"


class ParticipantStatus(enum.StrEnum):
    """What a participant answered."""

    NO_REPLY = "NO_REPLY"
    YES = "YES"
    NO = "NO"
    MAYBE = "MAYBE"


class ReminderMethod(enum.StrEnum):
    """How people are reminded."""

    POPUP = "POPUP"
    EMAIL = "EMAIL"
    DISPLAY = "DISPLAY"
    SOUND = "SOUND"


class WarningReason(enum.StrEnum):
    """What a warning is about."""

    FOREIGN_HOST = "FOREIGN_HOST"
    TEXT_OMITTED = "TEXT_OMITTED"


class DetailField(enum.StrEnum):
    """The fields of details beside `url`; the values are their names in the contract."""

    MEETING_CODE = "meeting_code"
    PASSWORD = "password"  # noqa: S105 - the name of a field
    PIN = "pin"
    PHONE = "phone"


@value
class EntryPoint:
    """One way to join a conference."""

    type: EntryPointType
    uri: str = field(default="", repr=False)
    label: str = field(default="", repr=False)
    region_code: str = ""
    pin: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    meeting_code: str = field(default="", repr=False)
    toll_free: bool = False


@value
class Details:
    """Everything that is needed to join a conference."""

    url: str = field(default="", repr=False)
    meeting_code: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)
    phone: tuple[str, ...] = field(default=(), repr=False)
    entry_points: tuple[EntryPoint, ...] = field(default=(), repr=False)

    def given(self) -> frozenset[DetailField]:
        """Return the fields beside `url` that are set."""
        return frozenset(name for name in DetailField if getattr(self, name.value))


@value
class Autocreate:
    """An order to the provider to make a conference."""

    conf_grant_id: str = ""
    conf_settings: Mapping[str, Any] | None = field(default=None, repr=False)


@value
class Conferencing:
    """A conference on an event: how to join it, or how it should come to be."""

    provider: Provider | None = None
    source: Details | Autocreate | None = None
    state: State | None = None
    failure_reason: Reason | None = None
    label: str = ""
    origin: Origin | None = None
    source_field: str = ""


FIRST_SECOND = -62_135_596_800
LAST_SECOND = 253_402_300_799
"""The first and last Unix second of the years 1 to 9999, which is all that the contract takes."""


@value
class TimePoint:
    """A moment without duration, in Unix seconds."""

    time: int
    timezone: str = ""


@value
class Timespan:
    """From one moment to another, in Unix seconds."""

    start_time: int
    end_time: int
    start_timezone: str = ""
    end_timezone: str = ""


@value
class Date:
    """A whole day, "YYYY-MM-DD"."""

    date: str


@value
class Datespan:
    """Several whole days, "YYYY-MM-DD", the last one inclusive."""

    start_date: str
    end_date: str


When: TypeAlias = TimePoint | Timespan | Date | Datespan


@value
class Participant:
    """Somebody who takes part."""

    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    status: ParticipantStatus | None = None
    comment: str = field(default="", repr=False)
    phone_number: str = field(default="", repr=False)


@value
class Person:
    """An organizer or creator."""

    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)


@value
class Resource:
    """A room or a piece of equipment."""

    email: str = field(default="", repr=False)
    name: str = ""
    capacity: int = 0
    building: str = ""
    floor_name: str = ""
    floor_section: str = ""
    floor_number: str = ""


@value
class Reminder:
    """One reminder, in minutes before the start."""

    minutes: int
    method: ReminderMethod | None = None


@value
class Reminders:
    """When people are reminded."""

    use_default: bool = False
    overrides: tuple[Reminder, ...] = ()


@value
class Event:
    """A calendar event. What is empty or None was not given."""

    id: str = ""
    grant_id: str = ""
    calendar_id: str = field(default="", repr=False)
    title: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    location: str = field(default="", repr=False)
    when: When | None = None
    participants: tuple[Participant, ...] = field(default=(), repr=False)
    recurrence: tuple[str, ...] = ()
    reminders: Reminders | None = None
    visibility: Visibility | None = None
    busy: bool | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    resources: tuple[Resource, ...] = field(default=(), repr=False)
    conferencing: Conferencing | None = None
    organizer: Person | None = None
    creator: Person | None = None
    read_only: bool = False
    status: EventStatus | None = None
    html_link: str = field(default="", repr=False)
    ical_uid: str = ""
    master_event_id: str = ""
    original_start_time: int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    hide_participants: bool = False
    capacity: int | None = None
    text_description: str = field(default="", repr=False)
    marker: str = field(default="", repr=False)
    """What the ledger finds the event by; callers never see it."""

    @property
    def autocreates(self) -> bool:
        """Whether a provider is asked to make its conference."""
        return self.conferencing is not None and isinstance(self.conferencing.source, Autocreate)


WRITABLE_FIELDS: frozenset[str] = frozenset(
    {
        "title",
        "description",
        "location",
        "when",
        "participants",
        "recurrence",
        "reminders",
        "visibility",
        "busy",
        "metadata",
        "resources",
        "conferencing",
        "hide_participants",
        "capacity",
    }
)
"""The fields of Event that a caller may write."""


@value
class Grant:
    """A configured connection to one account, as the upstream tells it.

    `scopes` is None when the upstream gives no list: then nothing is known, which is not the same
    as none.
    """

    id: str
    platform: Platform
    valid: bool = True
    scopes: frozenset[str] | None = None


@value
class Calendar:
    """A calendar of a grant."""

    id: str = field(repr=False)
    read_only: bool = False


@value
class Alternative:
    """A way out of a refusal."""

    provider: Provider
    way: Way
    needs_conf_grant: bool
    explanation: str


@value
class Verdict:
    """Whether something can be done, why not, and what can be done instead."""

    provider: Provider
    way: Way
    decision: Decision
    reason: Reason | None = None
    explanation: str = ""
    requirements: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


@value
class Warning:  # noqa: A001 - the contract's word
    """Something that succeeded but deserves a look."""

    reason: WarningReason
    field: str
    explanation: str
