"""Faults: the kinds that can be switched on, and which call takes which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conferencing_service.sandbox.errors import invalid

READS = frozenset({"GET"})
WRITES = frozenset({"POST", "PUT", "DELETE"})
RESOURCES = ("grant", "calendars", "events")

_LONGEST_WAIT = 600_000
_LARGEST_BODY = 256 * 2**20


def _milliseconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LONGEST_WAIT


def _milliseconds_or_never(value: Any) -> bool:
    return value is None or _milliseconds(value)


def _seconds(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 3600


def _server_status(value: Any) -> bool:
    return type(value) is int and 500 <= value <= 599


def _refusal_status(value: Any) -> bool:
    return type(value) is int and value in (400, 403, 429)


def _size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST_BODY


def _nothing(value: Any) -> bool:
    return value is None


@dataclass(frozen=True)
class FaultKind:
    """What one kind of fault takes as its value, and which calls it can befall."""

    meaning: str
    accepts: Callable[[Any], bool] = _nothing
    default: Any = None
    null_is_a_value: bool = False
    methods: frozenset[str] = READS | WRITES
    """The methods that it may name, and that it befalls when it names none ..."""
    unnamed: frozenset[str] = READS | WRITES
    """... unless it is narrower then."""
    autocreate_only: bool = False


def _of_writes(
    meaning: str, accepts: Callable[[Any], bool] = _nothing, default: Any = None, **more: Any
) -> FaultKind:
    return FaultKind(meaning, accepts, default, methods=WRITES, unnamed=WRITES, **more)


KINDS: Mapping[str, FaultKind] = {
    "latency": FaultKind("milliseconds before the call is handled", _milliseconds, 100),
    "rate_limit": FaultKind("seconds in Retry-After", _seconds, 1),
    "server_error": FaultKind("a status of 500 to 599; nothing is committed", _server_status, 503),
    "grant_401": FaultKind("no value"),
    "malformed_body": FaultKind("no value"),
    "truncated_body": FaultKind("no value"),
    "oversized_body": FaultKind("the size of the body in bytes", _size, 16 * 2**20),
    # A reset can befall a read as well, where the fault says GET; a fault that names no method
    # waits for a write.
    "reset_before_commit": FaultKind("no value", unnamed=WRITES),
    "reset_after_commit": FaultKind("no value", unnamed=WRITES),
    "late_commit": _of_writes("milliseconds from the reset to the commit", _milliseconds, 500),
    "timeout_after_commit": _of_writes(
        "milliseconds from the commit to the answer", _milliseconds, 0
    ),
    "server_error_after_commit": _of_writes("no value"),
    "insert_refused": _of_writes(
        "the status, 400, 403 or 429", _refusal_status, 400, autocreate_only=True
    ),
    "pending_conference": _of_writes(
        "milliseconds until the details show; null: never",
        *(_milliseconds_or_never, 300),
        null_is_a_value=True,
        autocreate_only=True,
    ),
}


@dataclass(frozen=True)
class Fault:
    """One armed fault."""

    kind: str
    value: Any
    grant_id: str | None = None
    method: str | None = None
    resource: str | None = None
    times: int | None = 1

    def befalls(self, grant_id: str, method: str, resource: str, autocreate: bool) -> bool:
        """Whether it is meant for such a call."""
        kind = KINDS[self.kind]
        # The grant itself is read behind the scenes, to learn its platform: a fault befalls that
        # only when it says so.
        resources = ("calendars", "events") if self.resource is None else (self.resource,)
        return (
            self.grant_id in (None, grant_id)
            and method in (kind.unnamed if self.method is None else (self.method,))
            and resource in resources
            and (autocreate or not kind.autocreate_only)
        )

    def document(self) -> dict[str, Any]:
        """The fault as the sandbox shows it."""
        return {
            "grant_id": self.grant_id or "*",
            "method": self.method,
            "resource": self.resource,
            "kind": self.kind,
            "times": self.times,
            "value": self.value,
        }


class Faults:
    """The armed faults, in their order."""

    def __init__(self, armed: tuple[Fault, ...]) -> None:
        self._armed = list(armed)
        self.changes = 0
        """Grows when faults are armed or disarmed, and when one befalls a call."""

    def replace(self, armed: tuple[Fault, ...]) -> None:
        """Forget the armed faults, and arm these."""
        self._armed = list(armed)
        self.changes += 1

    @property
    def armed(self) -> tuple[Fault, ...]:
        """The armed faults with the times that are left."""
        return tuple(self._armed)

    @property
    def empty(self) -> bool:
        """Whether nothing is armed."""
        return not self._armed

    def take(self, grant_id: str, method: str, resource: str, autocreate: bool) -> Fault | None:
        """The first fault that befalls the call, one of its times used up."""
        for position, fault in enumerate(self._armed):
            if fault.befalls(grant_id, method, resource, autocreate):
                self._use(position)
                self.changes += 1
                return fault
        return None

    def document(self) -> list[dict[str, Any]]:
        """The armed faults with the times that are left."""
        return [fault.document() for fault in self._armed]

    def _use(self, position: int) -> None:
        fault = self._armed[position]
        if fault.times is None:
            return
        if fault.times == 1:
            del self._armed[position]
        else:
            self._armed[position] = replace(fault, times=fault.times - 1)


_KEYS = {"grant_id", "method", "resource", "kind", "times", "value"}


def read_faults(document: Any) -> tuple[Fault, ...]:
    """The faults of a list, or of ``{"faults": [...]}``; one bad fault refuses them all."""
    faults = document.get("faults") if isinstance(document, Mapping) else document
    if not isinstance(faults, list | tuple):
        raise invalid('faults are a list, or {"faults": [...]}')
    return tuple(_read_fault(fault) for fault in faults)


def _read_fault(fault: Any) -> Fault:
    if not isinstance(fault, Mapping):
        raise invalid("a fault is an object")
    unknown = set(fault) - _KEYS
    if unknown:
        raise invalid(f"a fault has no {sorted(unknown)}; it has {sorted(_KEYS)}")
    name = fault.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise invalid(f"no fault is called {name!r}; the kinds are {', '.join(sorted(KINDS))}")
    kind = KINDS[name]
    grant_id, resource, times = fault.get("grant_id"), fault.get("resource"), fault.get("times", 1)
    if not isinstance(grant_id, str | None):
        raise invalid("'grant_id' of a fault must be a string")
    if resource is not None and resource not in RESOURCES:
        raise invalid(f"'resource' of a fault must be one of {list(RESOURCES)}")
    if times is not None and (type(times) is not int or times < 1):
        raise invalid("'times' of a fault must be a whole number from 1, or null")
    return Fault(
        kind=name,
        value=_value(name, kind, fault),
        grant_id=None if grant_id == "*" else grant_id,
        method=_method(name, kind, fault.get("method")),
        resource=resource,
        times=times,
    )


def _method(name: str, kind: FaultKind, method: Any) -> str | None:
    if method is None or method == "*":
        return None
    if not isinstance(method, str) or method.upper() not in kind.methods:
        raise invalid(f"'method' of the fault {name} must be one of {sorted(kind.methods)}")
    return method.upper()


def _value(name: str, kind: FaultKind, fault: Mapping[str, Any]) -> Any:
    if "value" not in fault:
        return kind.default
    value = fault["value"]
    if value is None and not kind.null_is_a_value:
        return kind.default
    if not kind.accepts(value):
        known = ", ".join(f"{each} ({KINDS[each].meaning})" for each in sorted(KINDS))
        raise invalid(f"bad value of the fault {name}; the kinds and their values are: {known}")
    return value
