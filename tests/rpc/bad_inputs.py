"""What callers get wrong and what they are told: the table of test_bad_input_table.py and docs/bad-input.md.

Data only: wrong_requests.py has how the requests are made.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_service_pb2 as s
from rpc.bad_conferences import CONFERENCES
from rpc.bad_events import TEXTS, TIMES
from rpc.wrong_requests import (
    CANARY,
    GOOD,
    Attempt,
    Raw,
    Row,
    asked,
    everywhere,
    fields_of,
    flipped,
    held,
    listing,
    lists,
    mask,
    on_the_wire,
    paged,
    row,
    struct,
    structs,
    varint,
    without_event,
    without_mask,
)
from support.service import autocreate, creation, delete, get, update
from unit import contract

LONG = CANARY * 24_000
LONG_STRUCT = held(1, held(1, b"summary") + held(2, held(3, LONG.encode())))

# ---- Bytes ----------------------------------------------------------------------------------

BYTES = (
    row(
        "Bytes that are no message: cut short, a number of more than ten bytes, a group without its end, "
        "groups in groups more than 100 deep, a field 0, a kind of field that there is not",
        on_the_wire("cut short", lambda field: varint(field << 3 | 2) + b"\x40" + CANARY.encode()),
        on_the_wire("a huge length", lambda field: varint(field << 3 | 2) + varint(2**31 + 5)),
        on_the_wire("an eleven-byte number", lambda _: varint(3000 << 3) + b"\x80" * 10 + b"\x01"),
        on_the_wire("half a number", lambda _: varint(3000 << 3) + b"\x80"),
        on_the_wire("open groups", lambda _: b"\x1b" * 3),
        on_the_wire("deep groups", lambda _: b"\x1b" * 101 + b"\x1c" * 101),
        on_the_wire("another group's end", lambda _: b"\x1b\x24"),
        on_the_wire("field 0", lambda _: b"\x00\x01"),
        on_the_wire("kind 7", lambda _: b"\x0f"),
    ),
    row(
        "A text that is not UTF-8, a lone surrogate among it",
        *(
            on_the_wire(f"{bad!r}", lambda field, bad=bad: held(field, CANARY.encode() + bad))
            for bad in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xe2\x82")
        ),
    ),
    row(
        "A message nested more than 100 deep; so is a Struct with 33 objects in each other",
        *(structs(data) for data in (struct(34), struct(60), lists(60), struct(1000))),
    ),
    row(
        "A message of more than 1 MiB",
        *(
            asked(method.name, lambda g, name=method.name: Raw(name, bytes(1024 * 1024 + 1)))
            for method in contract.SERVICE.methods
        ),
        code="RESOURCE_EXHAUSTED",
        reason="",
    ),
    row(
        "Metadata of more than 8 KiB",
        *(
            asked(method.name, lambda g, name=method.name: Raw(name, b"", (("x", CANARY * 800),)))
            for method in contract.SERVICE.methods
        ),
        code="RESOURCE_EXHAUSTED",
        reason="",
    ),
    row(
        "A method that there is not",
        *(
            asked(name, lambda g, name=name: Raw(name))
            for name in ("Cancel", "createEvent", CANARY)
        ),
        code="UNIMPLEMENTED",
        reason="",
    ),
    row(
        "A create or delete with less than a second left",
        *(
            [Attempt(name, GOOD[name], seconds=0.9)]
            for name in ("CreateEventRequest", "DeleteEventRequest")
        ),
        code="DEADLINE_EXCEEDED",
        reason="NOT_STARTED",
        asks_vendor=True,
    ),
)

# ---- Names ----------------------------------------------------------------------------------

SEGMENTS = {"grant_id", "conf_grant_id", "event_id", "event.id"}
UUID = "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11"

IDS = (
    row(
        "An id of a grant or an event with / \\ ? # % white space, control or foreign characters, of more "
        "than 256 bytes, or that is . or ..",
        everywhere(
            SEGMENTS,
            *(".", "..", f"../{CANARY}", f"{CANARY}\\a", f"{CANARY}?a", f"{CANARY}#a", "%2e%2e"),
            *(
                f"{CANARY} a",
                f" {CANARY}",
                f"{CANARY}\r\nx: y",
                f"{CANARY}\n",
                f"{CANARY}\x00",
                "\x7f",
            ),
            *(f"{CANARY}\u00e4", "\u202e" + CANARY, "\uff0e\uff0e", CANARY.ljust(257, "x")),
        ),
    ),
    row(
        "A calendar's id with control or foreign characters, of more than 512 bytes, of spaces alone, or "
        "that is . or ..",
        everywhere(
            {"calendar_id"},
            *(
                ".",
                "..",
                " ",
                f"{CANARY}\r\nx: y",
                f"{CANARY}\t",
                f"{CANARY}\x00",
                f"{CANARY}\u00e4",
            ),
            CANARY.ljust(513, "x"),
        ),
    ),
    row(
        "A required id that is missing",
        (
            each
            for each in everywhere({"grant_id", "calendar_id", "event_id", "event.id"}, "")
            if each.label != "CheckCompatibilityRequest.calendar_id = ''"
        ),
    ),
    row(
        "A `request_id` that is missing, or no UUID of 36 characters",
        everywhere(
            {"request_id"},
            *("", CANARY, UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID[:-1]),
            *(
                f"{UUID}\n",
                f"{UUID[:-1]}g",
                f"\u0666{UUID[1:]}",
                f" {UUID}",
                UUID.replace("-", "_"),
            ),
        ),
    ),
    row(
        "A `request_id` that was used before with another payload",
        asked("title", lambda g: s.CreateEventRequest(**fields_of(g.used, title=CANARY))),
        reason="REQUEST_ID_REUSED",
    ),
    row(
        "An iCalendar UID that is not printable ASCII of at most 1,024 bytes",
        *(
            listing("ical_uid", ical_uid=f"{CANARY}{bad}")
            for bad in ("\n", "\u00e4", "\x00", "x" * 1024)
        ),
    ),
    row(
        "A page token that was changed, made up, or is another request's",
        *(paged(f"bit {bit}", lambda token, bit=bit: flipped(token, bit)) for bit in range(192)),
        paged("cut", lambda token: token[:-4]),
        paged("longer", lambda token: f"{token}AAAA"),
        paged("its seal alone", lambda token: token[:22]),
        paged("twice", lambda token: token * 2),
        paged("made up", lambda _: CANARY),
        paged("foreign characters", lambda token: f"{token}\u00e4"),
        paged("another calendar's", str, calendar_id="another"),
        paged("another grant's", str, grant_id="another"),
        paged("another range's", str, start_time=Timestamp(seconds=1)),
        paged("another filter's", str, only_with_conferencing=True),
        paged("another UID's", str, ical_uid="another"),
    ),
)

# ---- Requests as a whole --------------------------------------------------------------------

REQUESTS = (
    row(
        "A write without its event",
        asked("CreateEvent", lambda g: without_event(creation(g.google)), "event"),
        asked("UpdateEvent", lambda g: without_event(update(g.google, "event", "title")), "event"),
    ),
    row(
        "An `update_mask` that is empty, or names `*`, a nested, an output-only or no field",
        asked(
            "no mask",
            lambda g: without_mask(update(g.google, "event", title="Review")),
            "update_mask",
        ),
        mask(
            "*",
            "",
            CANARY,
            "Title",
            "when.time",
            "event.title",
            "conferencing.details",
            "a" * 10_000,
        ),
        mask(
            "read_only",
            "html_link",
            "id",
            "grant_id",
            "calendar_id",
            "ical_uid",
            "organizer",
            "title\n",
        ),
    ),
    row(
        "An `update_mask` that names `when`, which cannot be cleared",
        asked("when", lambda g: update(g.google, "event", "when"), "event.when"),
    ),
    row(
        "A page size below 0",
        listing("page_size", page_size=-1),
        listing("page_size", page_size=-(2**31)),
    ),
    row(
        "A question without a subject, or with a calendar and no grant",
        asked("nothing", lambda g: s.CheckCompatibilityRequest(), "subject"),
        asked("platform 0", lambda g: s.CheckCompatibilityRequest(platform=0), "subject"),
        asked(
            "a calendar",
            lambda g: s.CheckCompatibilityRequest(platform=1, calendar_id=CANARY),
            "calendar_id",
        ),
    ),
    row("Nothing to read", asked("nothing", lambda g: s.ExtractConferencingRequest(), "input")),
    row(
        "Something to read of more than 256 KiB",
        *(
            asked(name, lambda g, name=name: s.ExtractConferencingRequest(**{name: LONG}), name)
            for name in ("icalendar", "text")
        ),
        *(
            asked(name, lambda g, n=number: Raw("ExtractConferencing", held(n, LONG_STRUCT)), name)
            for name, number in (("google_event", 25), ("microsoft_event", 26))
        ),
    ),
)

# ---- What is well formed and cannot be done -------------------------------------------------

NOBODY = f"{CANARY}-nobody"
MEET, ZOOM, TEAMS, WEBEX = 1, 2, 3, 4


def refused(*orders: Any) -> Any:
    for order in orders:
        yield from asked("CreateEvent", order)


REFUSALS = (
    row(
        "A grant that there is not",
        *(
            [Attempt(name, lambda g, good=good: good(g._replace(google=NOBODY)))]
            for name, good in GOOD.items()
            if name != "ExtractConferencingRequest"
        ),
        code="NOT_FOUND",
        reason="GRANT_NOT_FOUND",
        asks_vendor=True,
    ),
    row(
        "An event that there is not",
        asked("GetEvent", lambda g: get(g.google, NOBODY)),
        asked("DeleteEvent", lambda g: delete(g.google, NOBODY)),
        asked("UpdateEvent", lambda g: update(g.google, NOBODY, title=CANARY)),
        code="NOT_FOUND",
        reason="EVENT_NOT_FOUND",
        asks_vendor=True,
    ),
    row(
        "A calendar that there is not",
        asked("CreateEvent", lambda g: creation(g.google, calendar_id=NOBODY)),
        asked("GetEvent", lambda g: get(g.google, "event", NOBODY)),
        asked("ListEvents", lambda g: s.ListEventsRequest(grant_id=g.google, calendar_id=NOBODY)),
        code="NOT_FOUND",
        reason="CALENDAR_NOT_FOUND",
        asks_vendor=True,
    ),
    row(
        "A grant without a calendar",
        asked("CreateEvent", lambda g: creation(g.zoom)),
        asked("GetEvent", lambda g: get(g.zoom, "event")),
        code="FAILED_PRECONDITION",
        reason="GRANT_HAS_NO_CALENDAR",
        asks_vendor=True,
    ),
    row(
        "Google Meet autocreated on a Microsoft calendar, Microsoft Teams on a Google calendar",
        refused(
            lambda g: creation(g.microsoft, autocreate(MEET)),
            lambda g: creation(g.google, autocreate(TEAMS)),
        ),
        code="FAILED_PRECONDITION",
        reason="CROSS_PLATFORM_AUTOCREATE",
        asks_vendor=True,
    ),
    row(
        "A provider that can never be autocreated",
        refused(*(lambda g, n=n: creation(g.google, autocreate(n)) for n in (WEBEX, 5, 6, 7))),
        code="FAILED_PRECONDITION",
        reason="AUTOCREATE_UNSUPPORTED",
        asks_vendor=True,
    ),
    row(
        "Zoom autocreated without a `conf_grant_id`",
        refused(lambda g: creation(g.google, autocreate(ZOOM))),
        code="FAILED_PRECONDITION",
        reason="CONF_GRANT_REQUIRED",
        asks_vendor=True,
    ),
    row(
        "Zoom autocreated with a `conf_grant_id` of another kind",
        refused(lambda g: creation(g.google, autocreate(ZOOM, g.microsoft))),
        code="FAILED_PRECONDITION",
        reason="CONF_GRANT_MISMATCH",
        asks_vendor=True,
    ),
)

TABLE: dict[str, tuple[Row, ...]] = {
    "Bytes": BYTES,
    "Ids and tokens": IDS,
    "Requests": REQUESTS,
    "Conferences": CONFERENCES,
    "Times": TIMES,
    "Texts and people": TEXTS,
    "Well formed, and not possible": REFUSALS,
}
