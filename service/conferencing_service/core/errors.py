"""Every way in which a call can end other than well.

    ConferencingError
     +- InvalidField            the request itself is wrong; names every fault
     +- Refused                 a verdict says no
     +- FailedPrecondition      the state of a grant, calendar or event says no
     +- NotFound                grant, calendar or event
     +- RateLimited             the upstream limits; nothing was written
     +- Unavailable             the upstream cannot be reached; nothing was written
     +- OutcomeUnknown          a write was sent, its answer was lost, and we are finding out
     +- OutcomeUnresolved       the same, and nothing more can be found out
     +- RequestIdReused         the request's id was used before with another payload
     +- RequestInProgress       the same request is under way elsewhere
     +- LedgerUnavailable       nothing can be noted, so nothing was written
     +- Overloaded              this server has as many calls as it takes
     +- ShuttingDown            this server is about to stop and begins no more writes
     +- CredentialsMissing      the caller did not say who it is
     +- CredentialsInvalid      the caller said so with a token that is not good
     +- RpcNotAllowed           the caller may not use this RPC
     +- QuotaExceeded           the caller has used up a quota of its own
     +- NotStarted              too little time left to start a write
     +- UpstreamCredentials     our own key is refused
     +- UpstreamMalformed       the answer to a read cannot be read

Whoever finds the fault raises it; it travels up untouched and becomes a status once, in
`status.py`. None of them holds a vendor's body, a secret, or a text of the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from conferencing_service.core.model import Reason, Verdict

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Violation:
    """A fault of one request field: its path, and what is wrong, never the value."""

    field: str
    description: str


class ConferencingError(Exception):
    """A call ended with a reason that the contract names.

    Args:
        reason: the contract's reason.
        metadata: what else a program may want to know; values hold no text of a caller.
        retry_after: seconds after which a repetition may succeed, where one can.
    """

    def __init__(
        self,
        reason: Reason,
        metadata: Mapping[str, str] = _NOTHING,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.metadata = metadata
        self.retry_after = retry_after


class InvalidField(ConferencingError):
    """The request is wrong; `violations` names the faults, of which there may be `total`."""

    def __init__(self, violations: Sequence[Violation], total: int | None = None) -> None:
        number = len(violations) if total is None else total
        super().__init__(Reason.INVALID_FIELD, {"violations": str(number)})
        self.violations = tuple(violations)


class Refused(ConferencingError):
    """A verdict says no; nothing was sent."""

    def __init__(self, reason: Reason, verdict: Verdict, metadata: Mapping[str, str]) -> None:
        super().__init__(reason, metadata)
        self.verdict = verdict


class FailedPrecondition(ConferencingError):
    """The state of a grant, calendar or event, or the upstream, says no."""


class NotFound(ConferencingError):
    """There is no such grant, calendar or event."""


class RateLimited(ConferencingError):
    """The upstream limits this grant or us; nothing was written."""

    def __init__(self, retry_after: float, metadata: Mapping[str, str] = _NOTHING) -> None:
        super().__init__(Reason.UPSTREAM_RATE_LIMITED, metadata, retry_after=retry_after)


class Unavailable(ConferencingError):
    """The upstream cannot be reached or a read of it failed; nothing was written."""

    def __init__(self, metadata: Mapping[str, str] = _NOTHING, *, retry_after: float = 1.0) -> None:
        super().__init__(Reason.UPSTREAM_UNAVAILABLE, metadata, retry_after=retry_after)


class OutcomeUnknown(ConferencingError):
    """A write was sent and its answer was lost; what became of it is being found out."""

    def __init__(self, metadata: Mapping[str, str] = _NOTHING, *, retry_after: float) -> None:
        super().__init__(Reason.OUTCOME_UNKNOWN, metadata, retry_after=retry_after)


class OutcomeUnresolved(ConferencingError):
    """A write was sent and its answer was lost; nothing more can be found out."""

    def __init__(self, metadata: Mapping[str, str] = _NOTHING) -> None:
        super().__init__(Reason.OUTCOME_UNRESOLVED, metadata)


class RequestIdReused(ConferencingError):
    """The request's id was used before, with another payload."""

    def __init__(self) -> None:
        super().__init__(Reason.REQUEST_ID_REUSED)


class RequestInProgress(ConferencingError):
    """The same request is under way elsewhere and did not end within this call's time."""

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__(Reason.REQUEST_IN_PROGRESS, retry_after=retry_after)


class LedgerUnavailable(ConferencingError):
    """The ledger cannot commit, so nothing was written."""

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__(Reason.LEDGER_UNAVAILABLE, retry_after=retry_after)


class Overloaded(ConferencingError):
    """This server has as many calls under way, and as many waiting, as it takes."""

    def __init__(self, *, retry_after: float = 1.0) -> None:
        super().__init__(Reason.OVERLOADED, retry_after=retry_after)


class ShuttingDown(ConferencingError):
    """This server is about to stop and begins no more writes."""

    def __init__(self, *, retry_after: float = 0.2) -> None:
        super().__init__(Reason.SHUTTING_DOWN, retry_after=retry_after)


class CredentialsMissing(ConferencingError):
    """The caller did not say who it is."""

    def __init__(self) -> None:
        super().__init__(Reason.CREDENTIALS_MISSING)


class CredentialsInvalid(ConferencingError):
    """The caller's token is not good; why is for the log alone."""

    def __init__(self) -> None:
        super().__init__(Reason.CREDENTIALS_INVALID)


class RpcNotAllowed(ConferencingError):
    """The caller may not use this RPC."""

    def __init__(self) -> None:
        super().__init__(Reason.RPC_NOT_ALLOWED)


class QuotaExceeded(ConferencingError):
    """The caller has used up a quota of its own; nothing was written.

    Args:
        quota: its name in the policy.
        limit: how much it lets pass.
        retry_after: seconds after which there is room again; None where waiting does not help.
    """

    def __init__(self, quota: str, limit: int, *, retry_after: float | None = None) -> None:
        metadata = {"quota": quota, "limit": str(limit)}
        super().__init__(Reason.QUOTA_EXCEEDED, metadata, retry_after=retry_after)


class NotStarted(ConferencingError):
    """Too little of the caller's deadline was left to start a write."""

    def __init__(self, needed: float) -> None:
        super().__init__(Reason.NOT_STARTED, {"needed_seconds": f"{needed:g}"})


class UpstreamCredentials(ConferencingError):
    """The upstream refuses our own key, or the key belongs to another region."""

    def __init__(self) -> None:
        super().__init__(Reason.UPSTREAM_CREDENTIALS)


class UpstreamMalformed(ConferencingError):
    """The upstream answered a read with something that cannot be read."""

    def __init__(self, metadata: Mapping[str, str] = _NOTHING) -> None:
        super().__init__(Reason.UPSTREAM_MALFORMED, metadata)
