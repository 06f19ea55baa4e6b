"""Requests as bytes: right ones, and such with anything put at any field, cut, doubled or nested.

Of a message's bytes later ones win and are merged with earlier ones (protobuf's encoding). So a right
request, followed by the bytes of one field, is the same request with that field changed.
"""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from conferencing.v1 import conferencing_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from fuzz.rounds import CANARY
from fuzz.trees import byte_edits, edited, unit
from support.service import autocreate, creation, delete, details, get, timespan, update

Path = tuple[FieldDescriptor, ...]

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
_DEEP = 2
"""How often a message may stand in one of its own kind, where fields are looked for."""


_MANY = 100_000
"""As many bytes of one field, repeated, are enough."""


@dataclass(frozen=True)
class Sent:
    """Bytes that go to a method."""

    method: str
    data: bytes


@dataclass(frozen=True)
class Place:
    """Where right requests point to."""

    grant_id: str
    conf_grant_id: str
    event_ids: tuple[str, ...]
    gone_id: str


# ---- Encoding -------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """A number in as few bytes as it takes; a negative one as protobuf has it, in ten."""
    number %= 2**64
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def wrapped(data: bytes, path: Path) -> bytes:
    """Bytes of a field in the messages around it."""
    for field in reversed(path):
        data = tag(field.number, LENGTH) + varint(len(data)) + data
    return data


def paths_of(descriptor: Descriptor, around: Path = ()) -> Iterator[Path]:
    """Yield every field of a message and of those in it, Structs and maps included."""
    for field in descriptor.fields:
        path = (*around, field)
        yield path
        inner = field.message_type
        if inner is not None and [each.message_type for each in path].count(inner) < _DEEP:
            yield from paths_of(inner, path)


# ---- Values ---------------------------------------------------------------------------------

LINKS = (
    *(
        "https://zoom.us/j/85550100001",
        "https://meet.google.com/abc-defg-hij",
        "http://zoom.us/j/1",
    ),
    *(
        "https://user:pw@zoom.us/j/1",
        "javascript:alert(1)",
        "https://zoom.us\\@evil.example/",
        "//x",
    ),
    *(
        "https://evil.example/" + "x" * 3000,
        "HTTPS://ZOOM.US/j/85550100001",
        "https://",
        "https://[",
    ),
)
ZONES = ("UTC", "Europe/Berlin", "Mars/Olympus", "../etc/passwd", "europe/berlin", "GMT+1", "")
DAYS = (
    "2030-02-28",
    "2030-02-30",
    "9999-12-31",
    "0001-01-01",
    "2030-2-8",
    "20300228",
    "2030-W01-1",
)
IDS = (
    "primary",
    "grant_id",
    "no-such",
    "..",
    ".",
    "a/b",
    "a?x=1#f",
    "%2e%2e",
    "a" * 256,
    "a" * 257,
)
WORDS_OF: dict[str, tuple[str, ...]] = {
    "url": LINKS,
    "date": DAYS,
    "start_date": DAYS,
    "end_date": DAYS,
    "timezone": ZONES,
    "start_timezone": ZONES,
    "end_timezone": ZONES,
    "grant_id": IDS,
    "calendar_id": IDS,
    "event_id": IDS,
    "id": IDS,
    "conf_grant_id": IDS,
    "email": ("ann@example.org", "a@b", "@", "a@b@c", "ann@exa mple.org", "a@" + "b" * 400),
    "request_id": (str(uuid.UUID(int=7)), "00000000-0000-0000-0000-00000000000g", "7", "X" * 36),
    "recurrence": (
        *("RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20300101T000000Z", "RRULE:" + "A=1;" * 200, "RRULE:"),
        *("RRULE:FREQ=DAILY;COUNT=3;UNTIL=20300101", "EXDATE;TZID=Mars:1", "RRULE:FREQ=;;", "X:Y"),
    ),
    "paths": (
        "title",
        "conferencing",
        "conferencing.details",
        "when",
        "*",
        "metadata",
        "id",
        "\x00",
    ),
    "key": ("key1", "key4", "key5", "k" * 41, "password", "__proto__"),
    "phone": ("+16465550123", "1", "+" * 65),
    "text": tuple(f"{CANARY} {link} PIN: 123456#" for link in LINKS),
    "icalendar": tuple(f"BEGIN:VEVENT\r\nURL:{link}\r\nEND:VEVENT" for link in LINKS),
}
WORDS = (
    *(CANARY, CANARY + "\x00", CANARY + "\r\n", "\u202e" + CANARY, CANARY * 200, "", " ", "\t"),
    *(word for words in WORDS_OF.values() for word in words),
)
FAR = (
    *(0, 1, -1, 7, 2**31 - 1, 2**31, -(2**31), 2**53, 2**63 - 1, -(2**63), 1_893_492_000),
    *(253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801, 999_999_999, 10**9),
)
FLOATS = (float("nan"), float("inf"), -float("inf"), -0.0, 1e308, 5e-324, 2.0**53, 0.5, 60.0)
NO_TEXT = (b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\xf0\x9f\x98")
OFTEN = (1, 1, 2, 3, 60, 250)


def of_length(number: int, data: bytes) -> bytes:
    return tag(number, LENGTH) + varint(len(data)) + data


def _text(rng: random.Random, name: str) -> bytes:
    words = WORDS_OF.get(name, WORDS)
    match rng.randrange(8):
        case 0:
            return rng.choice(NO_TEXT)
        case 1:
            return "".join(map(chr, rng.choices(range(1, 0xD800), k=rng.randrange(30)))).encode()
        case 2:
            return rng.choice((b"a", CANARY.encode())) * rng.choice((1, 60, 1000, 9000))
        case 3 | 4:
            return rng.choice(WORDS).encode()
        case _:
            return rng.choice(words).encode()


def _number(rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return b"\x80" * rng.randint(1, 12) + b"\x00"
        case 1:
            return varint(rng.getrandbits(64))
        case 2 | 3:
            return varint(rng.choice(FAR))
        case _:
            return varint(rng.randrange(30))


def _right_kind(rng: random.Random, field: FieldDescriptor) -> bytes:
    """Bytes of a field in its own form."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return of_length(field.number, _text(rng, field.name))
        case FieldDescriptor.CPPTYPE_MESSAGE:
            return of_length(field.number, rng.choice((b"", b"", rng.randbytes(8))))
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return tag(field.number, FIXED64) + struct.pack("<d", rng.choice(FLOATS))
        case _:
            return tag(field.number, VARINT) + _number(rng)


def _any_kind(rng: random.Random, field: FieldDescriptor) -> bytes:
    """Bytes of a field in any form."""
    number = field.number
    forms = (
        tag(number, VARINT) + _number(rng),
        tag(number, FIXED64) + rng.randbytes(8),
        of_length(number, rng.randbytes(rng.randrange(9))),
        tag(number, START_GROUP) + rng.randbytes(3),
        tag(number, END_GROUP),
        tag(number, FIXED32) + rng.randbytes(4),
    )
    return rng.choice(forms)


def _put_somewhere(rng: random.Random, paths: list[Path]) -> bytes:
    """Bytes that put something at one of the paths, once or often."""
    path = rng.choice(paths)
    kind = _any_kind if rng.random() < 0.1 else _right_kind
    data = wrapped(kind(rng, path[-1]), path[:-1])
    return _often(data, rng.choice(OFTEN)) if any(field.is_repeated for field in path) else data


def _often(data: bytes, times: int) -> bytes:
    return data * max(1, min(times, _MANY // len(data)))


def _nested(path: Path, depth: int) -> bytes:
    """A Struct in a Struct in a Struct, at the field that a path names."""
    data = b""
    for _ in range(depth):
        value = of_length(5, data)  # Value.struct_value
        entry = of_length(1, b"k") + of_length(2, value)  # an entry of Struct.fields
        data = of_length(1, entry)
    return wrapped(data, path)


def _struct_paths(descriptor: Descriptor) -> list[Path]:
    return [
        path
        for path in paths_of(descriptor)
        if path[-1].message_type is not None
        and path[-1].message_type.full_name == "google.protobuf.Struct"
    ]


# ---- Requests -------------------------------------------------------------------------------


def right_requests(place: Place) -> list[Any]:
    """A request of each kind that is answered OK, some in several forms."""
    grant, keeper = place.grant_id, place.event_ids[0]
    at = {"grant_id": grant, "calendar_id": "primary"}
    zoom = conferencing_pb2.PROVIDER_ZOOM_MEETING
    link = "https://zoom.us/j/85550100001"
    pin = details(conferencing_pb2.PROVIDER_WEBEX, "https://acme.webex.com/meet/ann", pin="1234")
    order = autocreate(zoom, place.conf_grant_id, {"settings": {"waiting_room": True}, "n": [1]})
    extract = service_pb2.ExtractConferencingRequest(text=f"{CANARY} {link}")
    native = service_pb2.ExtractConferencingRequest()
    native.google_event.update({"hangoutLink": "https://meet.google.com/abc-defg-hij"})
    return [
        creation(grant, description=CANARY, metadata={"key1": "x"}),
        creation(grant, pin, participants=[{"email": "ann@example.org", "name": CANARY}]),
        creation(grant, details(zoom, link, password="x"), when=timespan(zone="Europe/Berlin")),
        creation(grant, order, validate_only=True),
        creation(place.conf_grant_id),
        creation("no-such-grant"),
        get(grant, keeper),
        get(grant, place.gone_id),
        update(grant, keeper, title=CANARY, description=CANARY),
        update(grant, place.event_ids[1], replace=True, conferencing=details(zoom, link)),
        update(grant, keeper, "conferencing", "metadata"),
        delete(grant, place.gone_id, allow_missing=True),
        service_pb2.ListEventsRequest(page_size=3, **at),
        service_pb2.ListEventsRequest(page_size=3, page_token="AAAA", ical_uid=CANARY, **at),
        service_pb2.CheckCompatibilityRequest(grant_id=grant, conf_grant_id=place.conf_grant_id),
        service_pb2.CheckCompatibilityRequest(platform=conferencing_pb2.PLATFORM_GOOGLE),
        extract,
        native,
        service_pb2.ExtractConferencingRequest(icalendar=f"BEGIN:VEVENT\r\nURL:{link}\r\n"),
    ]


def _fresh(request: Any, number: int) -> bytes:
    """A request's bytes, with a request id of its own where it has one."""
    if getattr(request, "request_id", ""):
        request = type(request).FromString(request.SerializeToString())
        request.request_id = str(uuid.UUID(int=number, version=4))
    return bytes(request.SerializeToString())


class Structured:
    """Makes right requests with something put at some of their fields, and such fields alone.

    Args:
        place: where the requests point to.
    """

    def __init__(self, place: Place) -> None:
        self._kinds = [
            (request, list(paths_of(request.DESCRIPTOR))) for request in right_requests(place)
        ]

    def __call__(self, rng: random.Random) -> Sent:
        """Return the next request."""
        request, paths = rng.choice(self._kinds)
        base = _fresh(request, rng.getrandbits(122)) if rng.random() < 0.9 else b""
        fields = [_put_somewhere(rng, paths) for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 9)))]
        return Sent(type(request).__name__.removesuffix("Request"), base + b"".join(fields))


def mutated(place: Place) -> st.SearchStrategy[Sent]:
    """Right requests whose bytes were flipped, cut, spliced, doubled, padded or nested."""
    of_kind = []
    requests = right_requests(place)
    everything = [bytes(request.SerializeToString()) for request in requests]
    for request, data in zip(requests, everything, strict=True):
        method = type(request).__name__.removesuffix("Request")
        forms = [
            st.builds(edited, st.just(data), byte_edits),
            st.builds(_flipped, st.just(data), st.lists(unit, min_size=1, max_size=8)),
            unit.map(lambda at, data=data: data[: int(at * len(data))]),
            st.builds(_spliced, st.just(data), st.sampled_from(everything), unit, unit),
            st.integers(2, 40).map(lambda times, data=data: data * times),
            st.builds(bytes.__add__, st.just(data), unknown_fields),
            st.builds(
                edited, st.just(data), st.tuples(unit, st.just(1), overlong).map(lambda e: [e])
            ),
            st.integers(1, 20_000).map(lambda depth: tag(3, START_GROUP) * depth),
            st.integers(1, 200).map(
                lambda depth: tag(99, START_GROUP) * depth + tag(99, END_GROUP) * depth
            ),
        ]
        forms += [
            st.builds(
                lambda depth, path=path, data=data: data + _nested(path, depth),
                st.integers(1, 40) | st.integers(90, 110) | st.integers(1, 3000),
            )
            for path in _struct_paths(request.DESCRIPTOR)
        ]
        of_kind.append(st.builds(Sent, st.just(method), st.one_of(*forms)))
    return st.one_of(*of_kind)


overlong = st.integers(1, 12).map(lambda more: b"\x80" * more + b"\x00")
unknown_fields = st.builds(
    lambda number, data: tag(number, LENGTH) + varint(len(data)) + data,
    st.integers(100, 2**29 - 1),
    st.binary(max_size=50) | st.sampled_from([b"x" * 300_000, b"x" * 1_100_000]),
)


def _flipped(data: bytes, places: list[float]) -> bytes:
    if not data:
        return data
    raw = bytearray(data)
    for at in places:
        bit = int(at * (len(raw) * 8 - 1))
        raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


def _spliced(one: bytes, other: bytes, here: float, there: float) -> bytes:
    return one[: int(here * len(one))] + other[int(there * len(other)) :]
