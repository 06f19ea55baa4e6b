"""Clients of the conferencing service: conferences on calendar events, over gRPC.

`ConferencingClient` is for asyncio, `SyncConferencingClient` blocks. Both return messages of the
contract, conferencing.v1. Those of events and conferences are exported here as well; requests and
responses are in `conferencing.v1.conferencing_service_pb2`. `conferencing.testing` has a server for
the tests of callers.
"""

from conferencing._async_client import ConferencingClient
from conferencing._builders import autocreate, details, when
from conferencing._channel import Tls
from conferencing._sync_client import SyncConferencingClient
from conferencing._version import __version__
from conferencing.errors import (
    ConferencingError,
    GrantExpired,
    IncompatibleProvider,
    InvalidRequest,
    NotFound,
    OutcomeUnresolved,
    RateLimited,
    Unavailable,
    Violation,
)
from conferencing.v1.conferencing_pb2 import (
    Alternative,
    Autocreate,
    ConferenceDetails,
    ConferenceState,
    Conferencing,
    Decision,
    EntryPoint,
    EntryPointType,
    Origin,
    Platform,
    Provider,
    Verdict,
    Way,
)
from conferencing.v1.conferencing_service_pb2 import Notify, WarningReason
from conferencing.v1.error_reason_pb2 import ErrorReason
from conferencing.v1.event_pb2 import (
    Date,
    Datespan,
    Event,
    EventStatus,
    EventTime,
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
)

__all__ = [
    "Alternative",
    "Autocreate",
    "ConferenceDetails",
    "ConferenceState",
    "Conferencing",
    "ConferencingClient",
    "ConferencingError",
    "Date",
    "Datespan",
    "Decision",
    "EntryPoint",
    "EntryPointType",
    "ErrorReason",
    "Event",
    "EventStatus",
    "EventTime",
    "GrantExpired",
    "IncompatibleProvider",
    "InvalidRequest",
    "NotFound",
    "Notify",
    "Origin",
    "OutcomeUnresolved",
    "Participant",
    "ParticipantStatus",
    "Person",
    "Platform",
    "Provider",
    "RateLimited",
    "Reminder",
    "ReminderMethod",
    "Reminders",
    "Resource",
    "SyncConferencingClient",
    "TimePoint",
    "Timespan",
    "Tls",
    "Unavailable",
    "Verdict",
    "Violation",
    "Visibility",
    "WarningReason",
    "Way",
    "__version__",
    "autocreate",
    "details",
    "when",
]
