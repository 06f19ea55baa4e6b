"""Hostile inputs of any size: what has made other readers slow, quadratic or endless.

A shape is a unit that is repeated, or a function of the number of characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice, pairwise
from typing import Any
from urllib.parse import quote

SAFELINKS = "https://eur03.safelinks.protection.outlook.com/?url="
PROOFPOINT_2 = "https://urldefense.proofpoint.com/v2/url?u="
PROOFPOINT_3 = "https://urldefense.com/v3/__"
LINK = "https://us02web.zoom.us/j/85550100001?pwd=aBcDeF"
INVITATION = f"""
Join Zoom Meeting
{LINK}

Meeting ID: 855 5010 0001
Passcode: s3cret
One tap mobile
+16465550123,,85550100001#,,,,*481902# US (New York)
"""


def repeated(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def wrapped(url: str, layers: int) -> str:
    for _ in range(layers):
        url = SAFELINKS + quote(url, safe="") + "&data=05%7C02"
    return url


def counted(template: str) -> Callable[[int], str]:
    def text(size: int) -> str:
        pieces = []
        length = number = 0
        while length < size:
            pieces.append(template.format(85550000000 + number, number))
            length += len(pieces[-1])
            number += 1
        return "".join(pieces)[:size]

    return text


def nested_tags(size: int) -> str:
    return "<div>" * (size // 11) + "</div>" * (size // 11)


UNITS: Mapping[str, str] = {
    # Addresses without end.
    "zoom's root, one long URL": "https://zoom.us/",
    "zoom's root, word by word": "https://zoom.us/ ",
    "the same join link": LINK + " ",
    "the same join link in HTML": f'<a href="{LINK}">{LINK}</a><br>',
    "scheme marks": "://",
    "scheme marks after a letter": "a:// ",
    "schemes": "https://",
    "schemes of Zoom's client": "zoommtg://zoom.us/join?",
    "hosts without a scheme": "zoom.us/",
    "hosts without a scheme, word by word": "acme.zoom.us/x ",
    "dots": "a.",
    "dots and dashes": "a-.",
    "service pages": "https://meet.google.com/new ",
    "host links": "https://zoom.us/s/85550100001?zak=x ",
    "user information": "https://zoom.us@",
    "backslashes": "https://zoom.us\\",
    "brackets of an address": "https://[",
    "punycode": "https://xn--",
    "ports": "https://zoom.us:443",
    # Wrappers.
    "wrappers in each other, not escaped": SAFELINKS,
    "wrappers of Google in each other": "https://www.google.com/url?q=",
    "wrappers of Proofpoint 2 in each other": PROOFPOINT_2,
    "wrappers of Proofpoint 3 in each other": PROOFPOINT_3,
    "wrapped four times": wrapped(LINK, 4) + "\n",
    "wrapped nine times": wrapped(LINK, 9)[:4000] + "\n",
    "broken escapes in a wrapper": SAFELINKS + "https%3A%2F%2Fzoom.us%2Fj%2F%%%2%zz%f%%%% ",
    "per cent signs": "%",
    "escaped per cent signs": "%25",
    "Proofpoint 2, escapes": PROOFPOINT_2 + "https-3A__" + "-3A_-2" * 60 + " ",
    "Proofpoint 3, stars": PROOFPOINT_3 + "https://zoom.us/" + "*" * 300 + "__;JSUl!!a!b$ ",
    # Markup.
    "unclosed tags": "<a ",
    "unclosed tags with a link": '<a href="https://zoom.us/',
    "opened brackets": "<",
    "closed brackets": ">",
    "unclosed attributes": "<a href=\"x' ",
    "comments": "<!--",
    "unclosed styles": "<style>",
    "unclosed scripts": "<script>x",
    "unclosed ends": "</",
    "closed tags": "<b></b>",
    "line breaks": "<br>",
    "table cells": "<td>&nbsp;</td>",
    "ampersands": "&",
    "entities": "&amp;",
    "entities of entities": "&amp;amp;amp;amp;",
    "no-break spaces as entities": "&nbsp;",
    "unclosed references": "&#x",
    "unclosed numbers": "&#1",
    "large references": "&#9999999;",
    "entities within a link": "https://zoom.us/j/85550100001?&amp;a=&lt;",
    # Digits, and what may stand between them.
    "digits": "1",
    "digits and spaces": "12 3 ",
    "digits in brackets": "(1) ",
    "digits, spaces, brackets, dashes": "1 (2) -3.",
    "opened round brackets": "(",
    "pluses": "+",
    "pluses and ones": "+1 ",
    "pluses and country codes": "+1 (646) ",
    "numbers": "+1 646-555-0123\n",
    "one-tap numbers": "+16465550123,,85550100001#,,,,*481902# US\n",
    "number links": '<a href="tel:+16465550123,,1#">',
    "commas": "+1646555012,,,,",
    "stars and hashes": "*#",
    # White space and dividers.
    "spaces": " ",
    "lines": "\n",
    "lines of Windows": "\r\n",
    "tabs": "\t",
    "no-break spaces": "\u00a0",
    "spaces of no width": "\u200b",
    "Teams' divider": "_",
    "Skype's divider": ".",
    "Google's divider": "-::~:~::~",
    "closing punctuation": ").",
    "quotes": '"',
    # Labels.
    "labels": "Meeting ID: ",
    "labels on lines": "Meeting ID:\n",
    "labels without a colon": "Passcode ",
    "labels with values": "Passcode: aBc123\n",
    "labels with digits": "Meeting ID: 855 5010 0001\n",
    "labels of phone ids": "Phone conference ID: 123 456 789#\n",
    "labels in French": "ID de réunion\u00a0: ",
    "labels in Chinese": "会议号\uff1a",
    "labels in Japanese": "パスコード\uff1a\n",
    "labels in HTML": "<b>Meeting&nbsp;ID:</b> ",
    "labels in pieces": "Meeting\n",
    "colons": ":",
    "full-width colons": "\uff1a",
    # Wordings.
    "Skype's wording": "Join Skype Meeting https://meet.acme.example/ann/AB12CD34 ",
    "Skype's words": "skype lync ",
    "focus addresses": "conf:sip:ann@acme.example;gruu;opaque=app:conf:focus:id:A ",
    "words": "word ",
    "short lines": "a\n",
    "capitals that grow in lower case": "\u0130",
    "letters beyond the first plane": "\U0001f600",
    "halves of letters": "\ud83d",
    "zeros": "\x00",
}

TEXTS: Mapping[str, Callable[[int], str]] = {
    **{name: repeated(unit) for name, unit in UNITS.items()},
    "a letter without end": repeated("x"),
    "a dotted host without end": lambda size: (
        "https://" + "a." * (size // 2) + "zoom.us/j/85550100001"
    ),
    "a dotted host without a scheme": lambda size: "a." * (size // 2) + "zoom.us/j/85550100001",
    "a passcode without end": lambda size: LINK + "x" * size,
    "a query of Webex without end": lambda size: "https://a.webex.com/a/j.php?MTID=m" + "1" * size,
    "a thread of Teams without end": lambda size: (
        "https://teams.microsoft.com/l/meetup-join/19%3a" + "%40" * (size // 3)
    ),
    "a wrapper without end": lambda size: SAFELINKS + "%2568" * (size // 5),
    "a broken wrapper without end": lambda size: SAFELINKS + "%" * size,
    "a link and brackets without end": lambda size: LINK + ")" * size,
    "a link and references without end": lambda size: LINK + "&#41;" * (size // 5),
    "a tag without end": lambda size: f'<a href="{LINK}" ' + "x=y " * (size // 4),
    "a label without end": lambda size: LINK + "\nPasscode:" + " " * size,
    "an id without end": lambda size: LINK + "\nMeeting ID: " + "1 " * (size // 2),
    "a number without end": lambda size: LINK + "\n+1" + "(6)-" * (size // 4),
    "nested tags": nested_tags,
    "join links of many meetings": counted("https://zoom.us/j/{}\nMeeting ID: {}\n"),
    "join links of many hosts": counted("https://a{1}.zoom.us/j/{0} "),
    "many hosts": counted("https://host{1}.example/{0} "),
}


def around_an_invitation(shape: Callable[[int], str]) -> Callable[[int], str]:
    """Put half of a shape before a real invitation and half behind it."""

    def text(size: int) -> str:
        half = shape(size // 2)
        return f"{half}\n{INVITATION}\n{half}"

    return text


# ---- iCalendar ------------------------------------------------------------------------------


def folded(text: str, width: int = 74) -> str:
    cuts = [*range(0, len(text), width), len(text)]
    return "\r\n ".join(text[start:end] for start, end in pairwise(cuts))


def calendar(*lines: str) -> str:
    return "\r\n".join(("BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"))


def described(text: str) -> str:
    """Return an event with a text as its description, escaped and folded."""
    escaped = text.replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\n")
    return calendar(folded("DESCRIPTION:" + escaped.replace(",", "\\,").replace(";", "\\;")))


def lines_of(unit: str) -> Callable[[int], str]:
    def text(size: int) -> str:
        count = size // (len(unit) + 2)
        return calendar(*[unit] * (count // 2), "URL:" + LINK, *[unit] * (count // 2))

    return text


CALENDARS: Mapping[str, Callable[[int], str]] = {
    "conferences without a meeting": lines_of("CONFERENCE;VALUE=URI:https://zoom.us/"),
    "conferences of moderators": lines_of(
        "CONFERENCE;VALUE=URI;FEATURE=PHONE,MODERATOR:tel:+14125550123\\,\\,1"
    ),
    "conferences by phone": lines_of("CONFERENCE;FEATURE=PHONE;LABEL=x:tel:+1-412-555-0124"),
    "conferences that join": lines_of(f"CONFERENCE;FEATURE=VIDEO:{LINK}"),
    "properties": lines_of("X-A:b"),
    "properties without a colon": lines_of("X-A"),
    "empty lines": lines_of(""),
    "folds of nothing": lines_of(" "),
    "events in each other": lines_of("BEGIN:VEVENT"),
    "alarms": lines_of("BEGIN:VALARM\r\nDESCRIPTION:x\r\nEND:VALARM"),
    "descriptions": lines_of("DESCRIPTION:https://zoom.us/"),
    "descriptions in HTML": lines_of("X-ALT-DESC;FMTTYPE=text/html:<a <a <a href"),
    "locations": lines_of("LOCATION:zoom.us/"),
    "folds of a character": lambda size: calendar(
        folded("DESCRIPTION:" + "x" * (size // 4) + LINK, 1)
    ),
    "folds in one link": lambda size: calendar(folded("URL:" + LINK + "x" * (size // 4), 1)),
    "escapes": lambda size: calendar("DESCRIPTION:" + "\\n" * (size // 2) + LINK),
    "backslashes": lambda size: calendar("DESCRIPTION:" + "\\" * size + LINK),
    "parameters": lambda size: calendar("CONFERENCE" + ';A="b:c"' * (size // 8) + ":" + LINK),
    "one parameter": lambda size: calendar("CONFERENCE;LABEL=" + "a," * (size // 2) + ":" + LINK),
    "open quotes": lambda size: calendar("CONFERENCE" + ';A="b:' * (size // 6) + ":" + LINK),
    "quotes": lambda size: calendar("CONFERENCE;A=" + '"' * size + ":" + LINK),
    "a name without end": lambda size: calendar("X" * size),
}


# ---- Events ---------------------------------------------------------------------------------


def nested(key: str, depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {key: LINK}
    for _ in range(depth):
        value = {key: value}
    return value


def points(kind: str, uri: str, **more: str) -> Callable[[int], dict[str, Any]]:
    """Return a Google event with as many entry points as fit, the real one last."""

    def event(size: int) -> dict[str, Any]:
        made = [
            {"entryPointType": kind, "uri": uri.format(1000000 + number), **more}
            for number in range(size // 100)
        ]
        made.append({"entryPointType": "video", "uri": LINK})
        return {"conferenceData": {"entryPoints": made}}

    return event


def places(name: str) -> Callable[[int], dict[str, Any]]:
    def event(size: int) -> dict[str, Any]:
        made = [{"displayName": name, "locationUri": name} for _ in range(size // 100)]
        return {"locations": made, "body": {"content": INVITATION}}

    return event


def toll_free(size: int) -> dict[str, Any]:
    numbers = [f"+1 866 {1000000 + number}" for number in range(size // 25)]
    phones = [{"number": number, "type": "toll"} for number in islice(numbers, size // 50)]
    return {"onlineMeeting": {"joinUrl": LINK, "tollFreeNumbers": numbers, "phones": phones}}


GOOGLE_EVENTS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "video entries without a meeting": points("video", "https://zoom.us/{}"),
    "video entries that join": points("video", "https://zoom.us/j/8555{}"),
    "phone entries": points("phone", "tel:+1646{}", pin="1", label="+1 646 555 0123"),
    "phone entries, one number": points("phone", "tel:+16465550123,,1#"),
    "SIP entries": points("sip", "sip:{}@zoomcrc.com"),
    "more entries": points("more", "https://tel.meet/abc-defg-hij?pin={}"),
    "entries of no type": points("", "https://zoom.us/{}"),
    "entries that are lists": lambda size: {"conferenceData": {"entryPoints": [[]] * (size // 4)}},
    "data in data": lambda size: nested("conferenceData", size // 20),
    "descriptions in descriptions": lambda size: nested("description", size // 20),
    "a pin without end": lambda size: points("phone", "tel:+1646{}", pin="1 " * (size // 2))(100),
    "a number without end": lambda size: points("phone", "tel:+" + "1(" * (size // 2))(100),
    "keys": lambda size: {**{f"key{n}": "x" for n in range(size // 20)}, "hangoutLink": LINK},
}

MICROSOFT_EVENTS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "places": places("Room 4"),
    "places at zoom's root": places("https://zoom.us/"),
    "places with open tags": places("<a <a <a"),
    "numbers": toll_free,
    "meetings in meetings": lambda size: nested("onlineMeeting", size // 20),
    "bodies in bodies": lambda size: nested("body", size // 20),
    "places in places": lambda size: nested("location", size // 20),
    "an id without end": lambda size: {
        "onlineMeeting": {"joinUrl": LINK, "conferenceId": "1 " * (size // 2)}
    },
    "a number without end": lambda size: {
        "onlineMeeting": {"joinUrl": LINK, "tollNumber": "+" + "1(" * (size // 2)}
    },
}
