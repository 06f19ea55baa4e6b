"""What a failed call raises, the same from both clients, picked by one table.

    ConferencingError            every failure: code, reason, message, metadata, details, request_id
     +- IncompatibleProvider     the verdict says no; it names the alternatives
     +- InvalidRequest           fields are wrong; all of them are named
     +- GrantExpired             the account has to be connected again
     +- NotFound                 no such grant, calendar or event
     +- RateLimited              repeat after a delay; nothing was written
     +- Unavailable              repeat the same request; that is safe
     +- OutcomeUnresolved        a write may have happened; look before writing again

There is a class where callers do different things, and nowhere else: the rest is told apart by
`reason`. The reasons, their codes and their metadata are those of error_reason.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from conferencing.v1.conferencing_pb2 import Alternative, Verdict

M = TypeVar("M", bound=Message)

DOMAIN = "conferencing.v1"
"""The domain of the reasons that the service gives."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A fault of one request field.

    Attributes:
        field: its path in the request ("event.conferencing.details.url").
        description: what is wrong with it, for people; the value is not echoed.
    """

    field: str
    description: str


class ConferencingError(Exception):
    """A call failed.

    Attributes:
        code: the status code.
        reason: one of error_reason.proto, without its prefix ("EVENT_NOT_FOUND"); also one that
            this version does not know. Empty where gRPC itself made the status.
        message: for people; the wording may change.
        metadata: what belongs to the reason, as error_reason.proto says.
        details: the details of the status, decoded; those of unknown types stay `Any` messages.
        request_id: the id that the request had, if it had one. After DEADLINE_EXCEEDED, or when a
            process takes up what another began, repeat the request with it.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        details: Sequence[Message] = (),
        *,
        request_id: str = "",
    ) -> None:
        # All of them are the exception's arguments, so that it survives pickling.
        super().__init__(code, reason, message, metadata, details)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.details = tuple(details)
        self.request_id = request_id

    def __str__(self) -> str:
        title = f"{self.code.name} {self.reason}".strip()
        return f"{title}: {self.message}" if self.message else title

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class IncompatibleProvider(ConferencingError):
    """The provider's conferences cannot be had like this on this calendar; nothing was written."""

    @property
    def verdict(self) -> Verdict:
        """The verdict that refuses; an empty one where the upstream found it out, not the service."""
        return _first(self.details, Verdict) or Verdict()

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What can be done instead, best first."""
        return tuple(self.verdict.alternatives)


class InvalidRequest(ConferencingError):
    """The request has wrong fields; nothing was written."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The wrong fields, at most 20."""
        found = _first(self.details, error_details_pb2.BadRequest)
        violations = () if found is None else found.field_violations
        return tuple(Violation(each.field, each.description) for each in violations)

    def __str__(self) -> str:
        told = [f"{each.field} {each.description}" for each in self.violations]
        return "; ".join([super().__str__(), *told])


class GrantExpired(ConferencingError):
    """The grant is no longer valid: its owner has to connect the account again.

    `metadata["grant_field"]` tells which of the request's grants it is.
    """


class NotFound(ConferencingError):
    """There is no such grant, calendar or event, or this caller may not use it."""


class RateLimited(ConferencingError):
    """The upstream or the service has had too many calls; nothing was written."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a repetition may succeed; None where the service does not say."""
        return _retry_after(self.details)


class Unavailable(ConferencingError):
    """The call did not come to an end in its time; the same request may be repeated.

    A write that is repeated with the same `request_id` is not made twice.
    """

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a repetition may succeed; None where the service does not say."""
        return _retry_after(self.details)


class OutcomeUnresolved(ConferencingError):
    """A write was sent, its answer was lost, and nothing more can be found out.

    The change may have been made or not. A repetition with the same `request_id` says the same
    until an operator has settled it. Look at the calendar before writing with another one.
    """


_CLASSES: Mapping[str | grpc.StatusCode, type[ConferencingError]] = {
    "CROSS_PLATFORM_AUTOCREATE": IncompatibleProvider,
    "AUTOCREATE_UNSUPPORTED": IncompatibleProvider,
    "CONF_GRANT_REQUIRED": IncompatibleProvider,
    "CONF_GRANT_MISMATCH": IncompatibleProvider,
    "SCOPE_MISSING": IncompatibleProvider,
    "SUBSCRIPTION_REQUIRED": IncompatibleProvider,
    "INVALID_FIELD": InvalidRequest,
    "GRANT_EXPIRED": GrantExpired,
    "OUTCOME_UNRESOLVED": OutcomeUnresolved,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}
"""The class of a reason, or else of the code that all reasons of a kind share."""


def error_class(code: grpc.StatusCode, reason: str) -> type[ConferencingError]:
    """Return the class of a status: by its reason, by its code, or the base class.

    A status without a reason was made by gRPC or by something between, whose codes mean less: only
    UNAVAILABLE means the same there.
    """
    if reason or code is grpc.StatusCode.UNAVAILABLE:
        return _CLASSES.get(reason) or _CLASSES.get(code) or ConferencingError
    return ConferencingError


def error_from_call(call: grpc.RpcError, *, request_id: str = "") -> ConferencingError:
    """Return the error of a call that failed, of either client's.

    Args:
        call: what gRPC raised.
        request_id: the id that the request had, if it had one.
    """
    # What both kinds of channel raise tells how the call ended in these words.
    ended = cast("grpc.Call", call)
    code, details = ended.code(), _details(ended)
    info = _first(details, error_details_pb2.ErrorInfo)
    if info is None or info.domain != DOMAIN:
        info = error_details_pb2.ErrorInfo()
    return error_class(code, info.reason)(
        code,
        info.reason,
        ended.details() or "",
        dict(info.metadata),
        details,
        request_id=request_id,
    )


def _details(call: grpc.Call) -> tuple[Message, ...]:
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):
        # Somebody between has changed the status, and its details are not to be trusted.
        return ()
    return () if status is None else tuple(map(_unpacked, status.details))


def _unpacked(packed: AnyMessage) -> Message:
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        message = message_factory.GetMessageClass(found)()
        packed.Unpack(message)
    except (KeyError, DecodeError):
        return packed
    return message


def _first(details: Iterable[Message], kind: type[M]) -> M | None:
    return next((each for each in details if isinstance(each, kind)), None)


def _retry_after(details: Iterable[Message]) -> float | None:
    found = _first(details, error_details_pb2.RetryInfo)
    return None if found is None else found.retry_delay.ToMilliseconds() / 1000
