"""What callers get wrong in conferences: that part of the table in bad_inputs.py."""

from __future__ import annotations

from typing import Any

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from rpc.wrong_requests import (
    CANARY,
    asked,
    events,
    link,
    row,
    settings,
)
from support.service import autocreate, details

MEET, ZOOM, TEAMS, WEBEX = (
    *(c.PROVIDER_GOOGLE_MEET, c.PROVIDER_ZOOM_MEETING),
    *(c.PROVIDER_MICROSOFT_TEAMS, c.PROVIDER_WEBEX),
)
ROOM = "https://rooms.example/room"
DETAILS = "conferencing.details"


def kept(field: str, provider: int, **values: Any) -> Any:
    """Details with one more field."""
    return events(f"{DETAILS}.{field}", "conferencing", details(provider, ROOM, **values))


def nested(levels: int) -> dict[str, Any]:
    return {CANARY: nested(levels - 1)} if levels else {}


CONFERENCES = (
    row(
        "A conference with neither details nor autocreate",
        events("conferencing", "conferencing", c.Conferencing(), c.Conferencing(provider=ZOOM)),
    ),
    row(
        "Details without a provider, of PROVIDER_OTHER, or of a number that no provider has",
        events(
            "conferencing.provider", "conferencing", *(details(n, ROOM) for n in (0, 8, 99, -1))
        ),
        events("conferencing.provider", "conferencing", *(autocreate(n) for n in (8, 99))),
        asked(
            "CheckCompatibility",
            lambda g: s.CheckCompatibilityRequest(grant_id=g.google, provider=8),
            "provider",
        ),
    ),
    row(
        "A join link that is missing or no absolute https URL: another scheme, no host, a port that there is not",
        link(
            "",
            f"javascript:alert('{CANARY}')",
            f"data:text/html,{CANARY}",
            f"http://{CANARY}.example/",
        ),
        link(
            f"ftp://{CANARY}.example/",
            f"{CANARY}.example/j/1",
            f"//{CANARY}.example/",
            f"/{CANARY}",
        ),
        link("https:", "https://", f"https:/{CANARY}", f"https:///{CANARY}", f"https://?{CANARY}"),
        link(
            f"https://:443/{CANARY}",
            f"https://{CANARY}.example:65536/",
            f"https://{CANARY}.example:0/",
        ),
        link(
            f"https://{CANARY}.example:-1/",
            f"https://{CANARY}.example:port/",
            f"blob:https://{CANARY}/",
        ),
        link(
            f"https://[2001:db8::1/{CANARY}",
            f"https://[{CANARY}]/",
            f"https://{CANARY}\u2100.example/",
        ),
    ),
    row(
        "A join link with user information, or with escapes or a zone in its host",
        link(
            f"https://{CANARY}@zoom.us/j/1",
            f"https://zoom.us@{CANARY}.example/j/1",
            "https://@zoom.us/",
        ),
        link(f"https://user:{CANARY}@zoom.us/j/1", f"https://zoom.us%2f@{CANARY}.example/"),
        link(f"https://[fe80::1%25eth0]/{CANARY}", f"https://zoom.us%2e{CANARY}.example/"),
    ),
    row(
        "A join link with white space, a control character, an invisible character or a backslash",
        link(
            f"https://zoom.us\\@{CANARY}.example/",
            f"https://{CANARY}.example\\.zoom.us/",
            f"\\\\{CANARY}",
        ),
        link(
            f"https://zoom.us/j/{CANARY}\r\n",
            f"https://zoom.us/ {CANARY}",
            f" https://zoom.us/{CANARY}",
        ),
        link(
            f"https://zoom.us/\x00{CANARY}",
            f"java\tscript:{CANARY}",
            f"https://zoom.us/\u2028{CANARY}",
        ),
        link(
            f"https://zoom.us/\u202e{CANARY}",
            f"https://zoom\u200b.us/{CANARY}",
            f"https://a\u00a0b/{CANARY}",
        ),
    ),
    row(
        "A join link of more than 2,048 bytes",
        link(f"{ROOM}/{CANARY}".ljust(2049, "x"), f"{ROOM}/{CANARY}" + "\u00e4" * 1020),
    ),
    row(
        "Details that would be lost: a field that is not stored for the provider, or more numbers than are",
        kept("password", MEET, password=CANARY),
        kept("meeting_code", MEET, meeting_code=CANARY),
        kept("pin", ZOOM, pin=CANARY),
        kept("phone", ZOOM, phone=["+14155550100"]),
        *(kept(f, TEAMS, **{f: CANARY}) for f in ("meeting_code", "password", "pin")),
        kept("meeting_code", WEBEX, meeting_code=CANARY),
        kept("phone", MEET, phone=["+14155550100", "+14155550101"]),
        kept("phone", WEBEX, phone=["+14155550100"] * 21),
    ),
    row(
        "A code, password, PIN or number that is too long or holds a control character",
        kept("meeting_code", ZOOM, meeting_code=CANARY.ljust(129, "x")),
        *(kept("password", ZOOM, password=CANARY + bad) for bad in ("\r\n", "\x00", "\x1b[2J")),
        kept("password", ZOOM, password=CANARY + "\u00e4" * 60),
        kept("pin", MEET, pin=CANARY.ljust(129, "1")),
        *(
            kept("phone[0]", MEET, phone=[bad])
            for bad in ("", f"{CANARY}\r\n", CANARY.ljust(65, "1"))
        ),
    ),
    row(
        "`conf_settings` of more than 8 levels, 64 keys a level or 16 KiB",
        settings(nested(9), nested(20), {"list": [[[[[[[[CANARY]]]]]]]]}),
        settings({f"{CANARY}-{number}": 1 for number in range(65)}),
        settings({"settings": {f"{CANARY}-{number}": 1 for number in range(65)}}),
        settings({"agenda": CANARY.ljust(16_384, "x")}, {CANARY * 1500: 1}, {"a": [CANARY] * 1500}),
    ),
    row(
        "`conf_settings` with a number that JSON does not have, an integer above 2^53, or NUL",
        settings(
            *(
                {CANARY: float(number)}
                for number in ("nan", "inf", "-inf", 2**53 + 2, -(2**60), 1e300)
            )
        ),
        settings({"a": [{"b": float("nan")}]}, {"a": f"{CANARY}\x00"}, {f"{CANARY}\x00": "a"}),
    ),
)
