"""The contract's enums and the domain's: the same names, so the tables make themselves."""

from __future__ import annotations

import enum
from typing import Any, Generic, TypeVar

from conferencing.v1 import conferencing_pb2, conferencing_service_pb2, error_reason_pb2, event_pb2
from conferencing_service.core import model
from conferencing_service.core.validation import Faults

E = TypeVar("E", bound=enum.StrEnum)


class EnumCodec(Generic[E]):
    """Translates one enum.

    Args:
        wire: the generated enum.
        domain: its twin.
        prefix: what the wire names have in front ("PROVIDER_").
    """

    def __init__(self, wire: Any, domain: type[E], prefix: str) -> None:
        self._numbers: dict[E | None, int] = {
            member: wire.Value(prefix + member.name) for member in domain
        }
        self._numbers[None] = 0
        self._members = {number: member for member, number in self._numbers.items()}

    def to_proto(self, member: E | None) -> Any:
        """Return the number of a member; None is UNSPECIFIED."""
        return self._numbers[member]

    def from_proto(self, faults: Faults, path: str, number: int) -> E | None:
        """Return the member of a number, None for UNSPECIFIED; an unknown number is a fault."""
        try:
            return self._members[number]
        except KeyError:
            faults.add(path, "must be a value that the contract names")
            return None


PROVIDER = EnumCodec(conferencing_pb2.Provider, model.Provider, "PROVIDER_")
PLATFORM = EnumCodec(conferencing_pb2.Platform, model.Platform, "PLATFORM_")
WAY = EnumCodec(conferencing_pb2.Way, model.Way, "WAY_")
DECISION = EnumCodec(conferencing_pb2.Decision, model.Decision, "DECISION_")
STATE = EnumCodec(conferencing_pb2.ConferenceState, model.State, "CONFERENCE_STATE_")
ORIGIN = EnumCodec(conferencing_pb2.Origin, model.Origin, "ORIGIN_")
ENTRY_POINT = EnumCodec(conferencing_pb2.EntryPointType, model.EntryPointType, "ENTRY_POINT_TYPE_")
REASON = EnumCodec(error_reason_pb2.ErrorReason, model.Reason, "ERROR_REASON_")
NOTIFY = EnumCodec(conferencing_service_pb2.Notify, model.Notify, "NOTIFY_")
WARNING = EnumCodec(conferencing_service_pb2.WarningReason, model.WarningReason, "WARNING_REASON_")
VISIBILITY = EnumCodec(event_pb2.Visibility, model.Visibility, "VISIBILITY_")
EVENT_STATUS = EnumCodec(event_pb2.EventStatus, model.EventStatus, "EVENT_STATUS_")
PARTICIPANT_STATUS = EnumCodec(
    event_pb2.ParticipantStatus, model.ParticipantStatus, "PARTICIPANT_STATUS_"
)
REMINDER_METHOD = EnumCodec(event_pb2.ReminderMethod, model.ReminderMethod, "REMINDER_METHOD_")
