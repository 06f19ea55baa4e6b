"""How requests are made that are wrong in one thing: what the table in bad_inputs.py is made of."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.service import autocreate, creation, delete, details, get, timespan, update
from unit import contract

CANARY = "canary-4d1e"
"""Stands in every value that can hold it; no status may repeat it."""


class Ground(NamedTuple):
    """What the requests of one row refer to: grants' ids, a token of another list, a used request."""

    google: str
    microsoft: str
    zoom: str
    listed: s.ListEventsRequest
    page_token: str
    used: s.CreateEventRequest


class Raw(NamedTuple):
    """A call that is not made out of a message."""

    method: str
    data: bytes = b""
    metadata: tuple[tuple[str, str], ...] = ()


class Attempt(NamedTuple):
    """One way to get a row's matter wrong: what is sent, and the fields that are named for it."""

    label: str
    send: Callable[[Ground], Any]
    fields: frozenset[str] = frozenset()
    seconds: float = 30.0


@dataclass(frozen=True)
class Row:
    """One rule, all ways to break it, and the status of each of them."""

    title: str
    attempts: tuple[Attempt, ...]
    reason: str = "INVALID_FIELD"
    code: str = "INVALID_ARGUMENT"
    asks_vendor: bool = False


def row(title: str, *attempts: Iterator[Attempt], **told: Any) -> Row:
    return Row(title, tuple(each for some in attempts for each in some), **told)


# ---- How requests are made ------------------------------------------------------------------

GOOD: dict[str, Callable[[Ground], Any]] = {
    "CreateEventRequest": lambda g: creation(g.google),
    "GetEventRequest": lambda g: get(g.google, "event"),
    "ListEventsRequest": lambda g: s.ListEventsRequest(grant_id=g.google, calendar_id="primary"),
    "UpdateEventRequest": lambda g: update(g.google, "event", "conferencing"),
    "DeleteEventRequest": lambda g: delete(g.google, "event"),
    "CheckCompatibilityRequest": lambda g: s.CheckCompatibilityRequest(grant_id=g.google),
    "ExtractConferencingRequest": lambda g: s.ExtractConferencingRequest(text="text"),
}


def wrong(name: str, path: contract.Path, value: Any) -> Attempt:
    """A good request with one field that is not."""

    def send(ground: Ground) -> Any:
        request = GOOD[name](ground)
        setattr(contract.parent_of(request, path), path[-1].name, value)
        return request

    where = contract.name_of(path)
    return Attempt(f"{name}.{where} = {value!r:.40}", send, frozenset({where}))


def everywhere(names: set[str], *values: Any) -> Iterator[Attempt]:
    """Every field of every request that has one of these names, or paths, and is read."""
    for name in contract.request_names():
        for path in contract.fields_of(name):
            where = contract.name_of(path)
            read = not any(contract.has_behavior(each, contract.OUTPUT_ONLY) for each in path)
            if where == "event.id" and name != "UpdateEventRequest":
                continue
            if read and not names.isdisjoint({where, path[-1].name}):
                yield from (wrong(name, path, value) for value in values)


def event(fields: str, **values: Any) -> Iterator[Attempt]:
    """CreateEvent and UpdateEvent with these fields of the event; some faults are named by paths."""
    named = frozenset(f"event.{each}" for each in fields.split())
    label = repr(values).replace("\n", " ")[:60]
    yield Attempt(f"CreateEvent {label}", lambda g: creation(g.google, **values), named)
    yield Attempt(f"UpdateEvent {label}", lambda g: update(g.google, "event", **values), named)


def events(fields: str, name: str, *values: Any, **more: Any) -> Iterator[Attempt]:
    for value in values:
        yield from event(fields, **{name: value}, **more)


def link(*urls: str) -> Iterator[Attempt]:
    conferences = [details(c.PROVIDER_WEBEX, url) for url in urls]
    return events("conferencing.details.url", "conferencing", *conferences)


def settings(*values: dict[str, Any]) -> Iterator[Attempt]:
    conferences = [autocreate(c.PROVIDER_ZOOM_MEETING, "zoom", value) for value in values]
    return events("conferencing.autocreate.conf_settings", "conferencing", *conferences)


def span(fields: str, start: int, end: int, **more: Any) -> Iterator[Attempt]:
    when = e.Timespan(start_time=Timestamp(seconds=start), end_time=Timestamp(seconds=end), **more)
    paths = " ".join(f"when.timespan.{each}" for each in fields.split())
    return event(paths, when=e.EventTime(timespan=when))


def asked(label: str, send: Callable[[Ground], Any], *fields: str) -> Iterator[Attempt]:
    yield Attempt(label, send, frozenset(fields))


def listing(field: str, **values: Any) -> Iterator[Attempt]:
    def send(ground: Ground) -> Any:
        return s.ListEventsRequest(grant_id=ground.google, calendar_id="primary", **values)

    return asked(f"ListEvents {values!r:.60}", send, field)


def recurrence(field: str, *lines: str) -> Iterator[Attempt]:
    zoned = timespan(zone="Europe/Berlin")
    return events(field, "recurrence", list(lines), when=zoned)


def mask(*paths: str) -> Iterator[Attempt]:
    for path in paths:
        yield from asked(
            f"mask {path!r}",
            lambda g, path=path: update(g.google, "event", "title", path, title="Review"),
            "update_mask",
        )


def paged(label: str, change: Callable[[str], str], **more: Any) -> Iterator[Attempt]:
    """The token of a list, changed, or with other arguments."""

    def send(ground: Ground) -> Any:
        request = s.ListEventsRequest(page_token=change(ground.page_token))
        request.MergeFrom(ground.listed)
        request.MergeFrom(s.ListEventsRequest(**more))
        return request

    return asked(label, send, "page_token")


def flipped(token: str, bit: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


# ---- How bytes are made ---------------------------------------------------------------------


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def held(number: int, data: bytes) -> bytes:
    """A field of bytes: a text or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def on_the_wire(label: str, data: Callable[[int], bytes]) -> Iterator[Attempt]:
    """Bytes for every method, made with the number of its request's first text field."""
    for method in contract.SERVICE.methods:
        texts = [each for each in method.input_type.fields if each.type == each.TYPE_STRING]
        raw = Raw(method.name, data(texts[0].number))
        yield from asked(f"{method.name} {label}", lambda g, raw=raw: raw, "request")


def struct(depth: int) -> bytes:
    """A Struct of objects in objects."""
    data = b""
    for _ in range(depth):
        data = held(1, held(1, CANARY.encode()) + held(2, held(5, data)))
    return data


def lists(depth: int) -> bytes:
    """A Struct of lists in a list."""
    data = held(3, CANARY.encode())
    for _ in range(depth):
        data = held(6, held(1, data))
    return held(1, held(1, b"key") + held(2, data))


def structs(data: bytes) -> Iterator[Attempt]:
    """A Struct in every place that takes one."""
    inside = held(3, held(15, held(3, held(2, data))))
    places = {"CreateEvent": inside, "UpdateEvent": inside}
    numbers = {"google_event": 25, "microsoft_event": 26}
    for method, request in places.items():
        raw = Raw(method, request)
        yield from asked(f"{method}, {len(data)} bytes", lambda g, raw=raw: raw, "request")
    for name, number in numbers.items():
        raw = Raw("ExtractConferencing", held(number, data))
        yield from asked(f"{name}, {len(data)} bytes", lambda g, raw=raw: raw, "request")


def fields_of(used: s.CreateEventRequest, **changes: Any) -> dict[str, Any]:
    """The fields of a request that was made, with others of its event."""
    changed = e.Event()
    changed.CopyFrom(used.event)
    changed.MergeFrom(e.Event(**changes))
    fields = {each.name: value for each, value in used.ListFields()}
    return {**fields, "event": changed}


def whole(request: Any, more: bytes) -> Raw:
    """A request with more bytes behind it, as a client may send it that writes them by hand."""
    method = type(request).__name__.removesuffix("Request")
    return Raw(method, request.SerializeToString() + more)


def without_event(request: Any) -> Any:
    request.ClearField("event")
    return request


def without_mask(request: Any) -> Any:
    request.ClearField("update_mask")
    return request
