"""What callers get wrong in events' times, texts and people: that part of the table in bad_inputs.py."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from rpc.wrong_requests import (
    CANARY,
    asked,
    event,
    events,
    everywhere,
    held,
    listing,
    recurrence,
    row,
    span,
    whole,
)
from support.service import creation

# ---- Times ----------------------------------------------------------------------------------

FIRST, LAST = -62_135_596_800, 253_402_300_799
NOON = 1_893_492_000


def bad_days(*days: str) -> Any:
    for day in days:
        yield from event("when.date.date", when=e.EventTime(date=e.Date(date=day)))
        for first, last, field in (
            (day, "2030-01-02", "start_date"),
            ("2030-01-02", day, "end_date"),
        ):
            several = e.Datespan(start_date=first, end_date=last)
            yield from event(f"when.datespan.{field}", when=e.EventTime(datespan=several))


TIMES = (
    row(
        "No `when` at all, or one without its moments",
        event("when", when=e.EventTime()),
        event("when.time.time", when=e.EventTime(time=e.TimePoint())),
        event(
            "when.timespan.start_time when.timespan.end_time",
            when=e.EventTime(timespan=e.Timespan()),
        ),
    ),
    row(
        "A timespan that ends when it starts, or before",
        *(span("end_time", NOON, NOON - before) for before in (0, 1, 86_400, NOON - FIRST)),
    ),
    row(
        "A moment before the year 1 or after 9999",
        *(span("start_time", FIRST - before, NOON) for before in (1, 10**12)),
        *(span("end_time", NOON, LAST + after) for after in (1, 10**12, 2**63 - 1 - LAST)),
        event(
            "when.time.time", when=e.EventTime(time=e.TimePoint(time=Timestamp(seconds=LAST + 1)))
        ),
        listing("start_time", start_time=Timestamp(seconds=FIRST - 1)),
        listing("end_time", end_time=Timestamp(seconds=LAST + 1)),
    ),
    row(
        "A moment with a fraction of a second",
        event(
            "when.time.time", when=e.EventTime(time=e.TimePoint(time=Timestamp(seconds=1, nanos=1)))
        ),
        listing("start_time", start_time=Timestamp(seconds=NOON, nanos=999_999_999)),
        listing("end_time", end_time=Timestamp(seconds=NOON, nanos=-1)),
    ),
    row(
        "A time zone that the IANA database does not name; one of a timespan's two missing",
        *(
            span(
                "start_timezone end_timezone",
                NOON,
                NOON + 1,
                start_timezone=zone,
                end_timezone=zone,
            )
            for zone in (
                f"Europe/{CANARY}",
                "europe/berlin",
                "+02:00",
                "../../etc/passwd",
                "UTC\n",
                CANARY * 90,
            )
        ),
        span("end_timezone", NOON, NOON + 1, start_timezone="Europe/Berlin"),
        span("start_timezone", NOON, NOON + 1, end_timezone="Europe/Berlin"),
    ),
    row(
        "A day that is not there or not written as YYYY-MM-DD; a last day before the first",
        bad_days(
            "",
            CANARY,
            "2030-02-30",
            "2030-13-01",
            "0000-01-01",
            "2030-W01-1",
            "20300228",
            "2030-2-28",
        ),
        bad_days(
            "2030-02-28\n", "2030-02-28T00:00:00Z", "12030-02-28", "\u0662\u0660\u0663\u0660-01-01"
        ),
        event(
            "when.datespan.end_date",
            when=e.EventTime(datespan=e.Datespan(start_date="2030-01-02", end_date="2030-01-01")),
        ),
    ),
    row(
        "Both kinds of `when` in one binary message: the last is taken, here it is the wrong one",
        asked(
            "a day, then a timespan",
            lambda g: whole(
                creation(g.google, when=e.EventTime(date=e.Date(date="2030-01-01"))),
                held(3, held(7, held(2, held(1, b"") + held(2, b"")))),
            ),
            "event.when.timespan.end_time",
        ),
        asked(
            "a timespan, then a day",
            lambda g: whole(
                creation(g.google), held(3, held(7, held(3, held(1, CANARY.encode()))))
            ),
            "event.when.date.date",
        ),
    ),
    row(
        "Recurrence without a time zone",
        asked(
            "a timespan",
            lambda g: creation(g.google, recurrence=["RRULE:FREQ=DAILY"]),
            "event.when.timespan.start_timezone",
        ),
    ),
    row(
        "More than 32 lines of recurrence, or none that is an RRULE",
        recurrence("recurrence", *["RRULE:FREQ=DAILY"] * 33),
        recurrence("recurrence", "EXDATE:20300110T090000Z"),
    ),
    row(
        "A line of recurrence of more than 512 bytes, with CR or LF, or that RFC 5545 does not have",
        *(
            recurrence("recurrence[1]", "RRULE:FREQ=DAILY", bad)
            for bad in (
                *(
                    "EXDATE:" + "20300110," * 57,
                    f"RRULE:FREQ=DAILY\r\nX-{CANARY}:1",
                    "EXDATE:20300110\n",
                ),
                *(
                    CANARY,
                    f"EXDATE:{CANARY}",
                    "EXDATE;TZID=Europe/Berlin:20300110T090000",
                    "DTSTART:20300110",
                ),
                *("RRULE:", f"RRULE:FREQ={CANARY}", "RRULE:COUNT=3", "RRULE:FREQ=DAILY;FREQ=DAILY"),
                *(
                    "RRULE:FREQ=DAILY;COUNT=0",
                    f"RRULE:FREQ=DAILY;{CANARY}=1",
                    "RRULE:FREQ=DAILY;INTERVAL=-1",
                ),
                "RRULE:FREQ=DAILY;BYDAY=" + "MO," * 150 + "!",
            )
        ),
    ),
    row(
        "A rule with both UNTIL and COUNT",
        recurrence("recurrence[0]", "RRULE:FREQ=DAILY;COUNT=3;UNTIL=20300601T000000Z"),
    ),
    row(
        "A list's range that ends when it starts, or before",
        *(
            listing("end_time", start_time=Timestamp(seconds=NOON), end_time=Timestamp(seconds=end))
            for end in (NOON, NOON - 1)
        ),
    ),
)

# ---- Texts and people -----------------------------------------------------------------------

BAD_ADDRESSES = (
    *(
        "",
        CANARY,
        f"{CANARY}@",
        "@example.org",
        f"{CANARY}@@example.org",
        f"a@{CANARY}@example.org",
    ),
    *(
        f"{CANARY} a@example.org",
        f"{CANARY}@example.org\r\nBcc: a@example.org",
        f"{CANARY}@example.org\n",
    ),
    *(f"<{CANARY}@example.org>", f"{CANARY}@example.org,a@example.org", f"{CANARY}@example.org;"),
    *(
        f"{CANARY}@.example.org",
        f"{CANARY}@example..org",
        f"{CANARY}@example.org.",
        f"{CANARY}@[::1]",
    ),
    *(f"{CANARY}\x00@example.org", f"{CANARY}@exa\u00a0mple.org", f"{CANARY}@example.org:25"),
    *(
        f"mailto:{CANARY}",
        f"{CANARY}@example.org?cc=a",
        CANARY.ljust(320, "x") + "@a",
        f"a@{'x' * 64}.org",
    ),
)
LINE_BREAKS = (
    f"{CANARY}\r\nx: y",
    f"{CANARY}\n",
    f"{CANARY}\x00",
    f"{CANARY}\x1b[2J",
    f"{CANARY}\u2028",
)


def people(field: str, **values: Any) -> Any:
    """A participant who is wrong, and where it may be, a resource."""
    address = {"email": "ann@example.org", **values}
    yield from event(f"participants[0].{field}", participants=[e.Participant(**address)])
    if field in {"email", "name"}:
        yield from event(f"resources[0].{field}", resources=[e.Resource(**address)])


TEXTS = (
    row(
        "A title, place, name or telephone number with a line break or another control character",
        *(events(field, field, *LINE_BREAKS) for field in ("title", "location")),
        *(people("name", name=bad) for bad in LINE_BREAKS),
        *(people("phone_number", phone_number=bad) for bad in LINE_BREAKS),
    ),
    row(
        "A description or comment with a control character that is neither tab nor line break",
        events("description", "description", f"{CANARY}\x00", f"{CANARY}\x1b[2J", f"{CANARY}\x7f"),
        *(people("comment", comment=f"{CANARY}{bad}") for bad in "\x00\x1b\x7f"),
    ),
    row(
        "A text that is too long: a title above 1,024 characters, a description above 8,192, a place above "
        "255, a name above 256, a comment above 1,024, a number above 64",
        events("title", "title", CANARY.ljust(1025, "x")),
        events("description", "description", CANARY.ljust(8193, "x")),
        events("location", "location", CANARY.ljust(256, "\u00e4")),
        people("name", name=CANARY.ljust(257, "x")),
        people("comment", comment=CANARY.ljust(1025, "x")),
        people("phone_number", phone_number=CANARY.ljust(65, "1")),
    ),
    row(
        "An address that is missing, no e-mail address, or of more than 320 bytes",
        *(people("email", email=bad) for bad in BAD_ADDRESSES),
    ),
    row(
        "More than 200 participants or resources",
        events("participants", "participants", [e.Participant(email=CANARY)] * 201),
        events("resources", "resources", [e.Resource(email=CANARY)] * 201),
    ),
    row(
        "200 faults at once: 20 of them are named",
        event(
            " ".join(f"participants[{number}].email" for number in range(20)),
            participants=[e.Participant(email=CANARY)] * 200,
        ),
    ),
    row(
        "Metadata of an event with more than 49 pairs, a key above 40 characters, a value above 500, the "
        "service's own key, or NUL",
        events("metadata", "metadata", {f"{CANARY}-{number}": "a" for number in range(50)}),
        events(
            "metadata", "metadata", {CANARY.ljust(41, "x"): "a"}, {"": "a"}, {f"{CANARY}\n": "a"}
        ),
        events("metadata", "metadata", {"a": CANARY.ljust(501, "x")}, {"a": f"{CANARY}\x00"}),
        events("metadata", "metadata", {"key4": CANARY}),
    ),
    row(
        "More than 20 reminders, one outside 0 to 40,320 minutes, or some beside `use_default`",
        events(
            "reminders.overrides", "reminders", e.Reminders(overrides=[e.Reminder(minutes=1)] * 21)
        ),
        *(
            event(
                "reminders.overrides[0].minutes",
                reminders=e.Reminders(overrides=[e.Reminder(minutes=m)]),
            )
            for m in (-1, 40_321, 2**31 - 1)
        ),
        event(
            "reminders.overrides",
            reminders=e.Reminders(use_default=True, overrides=[e.Reminder(minutes=1)]),
        ),
    ),
    row("A capacity below 1", events("capacity", "capacity", 0, -1, -(2**31))),
    row(
        "A number that an enum does not name, or that is output only",
        events("visibility", "visibility", e.VISIBILITY_OTHER, 99, -1),
        event(
            "reminders.overrides[0].method",
            reminders=e.Reminders(overrides=[e.Reminder(minutes=1, method=99)]),
        ),
        everywhere({"notify"}, 99, -1),
        asked("platform", lambda g: s.CheckCompatibilityRequest(platform=99), "platform"),
        asked(
            "provider",
            lambda g: s.CheckCompatibilityRequest(grant_id=g.google, provider=99),
            "provider",
        ),
    ),
)
