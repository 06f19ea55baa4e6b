"""Makes invitations of which it is known what they hold: any number, each from its own seed."""

# ruff: noqa: RUF001 - foreign letters, dashes and colons are what senders write

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.entities import codepoint2name
from random import Random
from typing import Any
from urllib.parse import quote

from conferencing_service.core.model import Provider
from reading import wordings
from reading.meetings import (
    OPEN,
    Fact,
    Line,
    Link,
    Meeting,
    Row,
    Rule,
    Say,
    bare,
    digits,
    guid,
    meeting,
    phone,
    token,
)
from reading.wrappers import LONGEST, some_layers, wrapped


@dataclass(frozen=True)
class Case:
    """One invitation, the reader's function that takes it, and what must come out."""

    number: int
    function: str
    given: Any
    meeting: Meeting
    container: str
    layers: tuple[str, ...]
    forbidden: tuple[str, ...]

    @property
    def wrapper(self) -> str:
        return "+".join(self.layers) or "none"


# ---- Rendering -------------------------------------------------------------------------------


class Renderer:
    """Writes lines as plain text or HTML, every choice of style out of one random source."""

    def __init__(self, rng: Random, language: str, layers: tuple[str, ...]):
        self.rng = rng
        self.language = language
        self.layers = layers

    def address(self, link: Link) -> str:
        if not link.wrap or not self.layers:
            return link.url
        return wrapped(link.url, self.layers, self.rng)

    def colon(self) -> str:
        if self.language == "fr":
            return self.rng.choice(("\u00a0: ", "\u202f: ", " : ", ": ", "\u00a0:\u00a0"))
        if self.language in wordings.WIDE:
            return self.rng.choice(("：", ": ", ":", "： "))
        return self.rng.choice((": ", ": ", ": ", ":", ":\u00a0", ":  "))

    # ---- plain text

    def plain(self, lines: list[Line]) -> str:
        return "\n".join(self._plain_line(line) for line in lines)

    def _plain_line(self, line: Line) -> str:
        rng = self.rng
        if isinstance(line, Say | Rule):
            return line.text
        if isinstance(line, Link):
            return self._plain_link(line)
        if isinstance(line, Row):
            mark = rng.choice((" | ", ", ", "   ", "; "))
            return mark.join(f"{fact.label}{self.colon()}{fact.value}" for fact in line.facts)
        if isinstance(line, Fact):
            if not line.whole and rng.random() < 0.12:
                return f"{line.label}{self.colon().rstrip()}\n{line.value}"
            bullet = rng.choice(("- ", "• ", "* ", "🔑 ")) if rng.random() < 0.05 else ""
            if rng.random() < 0.04:
                # Bold, as mail programs write it without HTML.
                return f"{bullet}*{line.label}{self.colon().rstrip()}* {line.value}"
            return f"{bullet}{line.label}{self.colon()}{line.value}"
        tel = f"<tel:{line.tel}>" if line.tel and rng.random() < 0.5 else ""
        if line.tel and not line.shown.startswith("+") and not tel:
            tel = f"<tel:{line.tel}>"
        return f"{line.before}{line.shown}{tel}{line.after}"

    def _plain_link(self, link: Link) -> str:
        rng = self.rng
        url = self.address(link)
        words = link.words or "Link"
        if "/v3/__" in url and url.endswith("$") and rng.random() < 0.4:
            host = link.url.partition("://")[2].partition("/")[0]
            return f"{words}: {url} [{host.replace('.', '[.]')}]"
        styles = [
            f"{words}\n{url}",
            f"{words}: {url}",
            f"{words}<{url}>",
            f"{words} <{url}>",
        ]
        if not link.tidy:
            styles += [
                url,
                f"{words}:\n{url}",
                f"{words} ({url}).",
                f"{words}: {url}.",
                f"{words}: [{url}]",
                f"{words}: “{url}”, {words}",
                f"{words}: „{url}“",
                f"{words}: «\u00a0{url}\u00a0»",
                f'{words}: "{url}";',
                f"{words}: {url}, {words}!",
                f"[{words}]({url})",
            ]
            if self.language in wordings.WIDE:
                styles += [f"{words}：{url}。", f"{words}「{url}」", f"（{words}：{url}）"]
        return rng.choice(styles)

    # ---- HTML

    def html(self, lines: list[Line]) -> str:
        rng = self.rng
        mode = rng.choice(("br", "br", "div", "p", "mixed"))
        parts: list[str] = []
        for line in lines:
            inner = self._html_line(line)
            tag = rng.choice(("br", "div", "p")) if mode == "mixed" else mode
            if tag == "br":
                parts.append(inner + rng.choice(("<br>", "<br>", "<br/>", "<BR>", "<br>\n")))
            elif not inner:
                parts.append("<div><br></div>")
            else:
                style = rng.choice(("", "", ' class="me-email"', ' style="margin:0; color:#242"'))
                parts.append(f"<{tag}{style}>{inner}</{tag}>" + rng.choice(("", "\n", "\r\n")))
        return "".join(parts)

    def escape(self, text: str) -> str:
        rng = self.rng
        style = rng.randrange(4)
        parts = []
        for char in text:
            if char in "<>&":
                parts.append({"<": "&lt;", ">": "&gt;", "&": "&amp;"}[char])
            elif char == "\u00a0" and style < 3:
                parts.append(rng.choice(("&nbsp;", "&#160;")))
            elif ord(char) > 127 and style == 0:
                parts.append(f"&#{ord(char)};")
            elif ord(char) > 127 and style == 1:
                name = codepoint2name.get(ord(char))
                parts.append(f"&{name};" if name else f"&#x{ord(char):X};")
            else:
                parts.append(char)
        return "".join(parts)

    def attribute(self, url: str) -> str:
        quote_mark = self.rng.choice(('"', '"', '"', "'"))
        amp = self.rng.choice(("&amp;", "&amp;", "&amp;", "&#38;", "&"))
        value = url.replace("&", amp).replace("<", "&lt;").replace(quote_mark, "&quot;")
        return f"{quote_mark}{value}{quote_mark}"

    def _html_line(self, line: Line) -> str:
        rng = self.rng
        if isinstance(line, Say | Rule):
            return self.escape(line.text)
        if isinstance(line, Link):
            return self._html_link(line)
        if isinstance(line, Row):
            if rng.random() < 0.4:
                cells = "".join(
                    f"<tr><td>{self.escape(fact.label + self.colon().rstrip())}</td>"
                    f"<td>{self.escape(fact.value)}</td></tr>"
                    for fact in line.facts
                )
                return f"<table><tbody>{cells}</tbody></table>"
            mark = rng.choice((" | ", ", ", "&nbsp;&nbsp; "))
            return mark.join(self._html_fact(fact, whole=True) for fact in line.facts)
        if isinstance(line, Fact):
            return self._html_fact(line, whole=line.whole)
        shown = self.escape(line.shown)
        if line.tel and (rng.random() < 0.7 or not line.shown.startswith("+")):
            shown = f'<a href="tel:{line.tel}">{shown}</a>'
        return f"{self.escape(line.before)}{shown}{self.escape(line.after)}"

    def _html_fact(self, fact: Fact, *, whole: bool) -> str:
        label, value, colon = self.escape(fact.label), self.escape(fact.value), self.colon()
        mark = self.escape(colon)
        tight = self.escape(colon.rstrip())
        styles = [
            f"{label}{mark}{value}",
            f"<b>{label}{tight}</b> {value}",
            f"<strong>{label}</strong>{mark}<span>{value}</span>",
            f"<span>{label}{mark}</span><span>{value}</span>",
            f'<span style="color:#616161">{label}{tight} </span><b style="x:y">{value}</b>',
        ]
        if not whole:
            styles += [
                f"{label}{tight}<br>{value}",
                f"<div>{label}{tight}</div><div>{value}</div>",
                f"<table><tr><td>{label}{tight}</td><td>{value}</td></tr></table>",
                f"<table>\n<tr>\n<td><b>{label}{tight}</b></td>\n<td>{value}</td>\n</tr>\n</table>",
            ]
        return self.rng.choice(styles)

    def _html_link(self, link: Link) -> str:
        rng = self.rng
        url = self.address(link)
        words = self.escape(link.words or "Link")
        href = self.attribute(url)
        # Old mail filters leave the words of a link as they were.
        shown = self.escape(link.url if rng.random() < 0.5 else url)
        anchors = [
            f"<a href={href}>{words}</a>",
            f'<a href={href} target="_blank" rel="noopener">{words}</a>',
            f'<a title="{words}" class="me-email-headline" href={href}><span>{words}</span></a>',
            f"<A HREF={href}>{words}</A>",
        ]
        if url != link.url:
            anchors.append(f'<a href={href} originalsrc="{self.escape(link.url)}">{words}</a>')
        if not link.tidy:
            anchors += [
                f"{words}<br><a href={href}>{shown}</a>",
                f"{words}: <a href={href}>{shown}</a>.",
                f"{words}: {self.escape(url)}",
                f"{words} <b>{self.escape(url)}</b>.",
                f"{words}&lt;{self.escape(url)}&gt;",
                f"{words}<br>{self.escape(url)}&nbsp;",
                f"{words} ({self.escape(url)}).",
                f"{words}: &quot;{self.escape(url)}&quot;",
            ]
        return rng.choice(anchors)


# ---- What stands round the meeting -----------------------------------------------------------


def noise(rng: Random) -> list[Line]:
    """Links that are no meeting, and sentences."""
    ident = token(rng, 12)
    kinds: list[Line] = [
        Link(f"https://docs.example.com/d/{ident}/edit?usp=sharing", "Agenda"),
        Link(f"https://www.youtube.com/watch?v={ident}", "Watch this first"),
        Link(f"https://northwind.zoom.us/rec/share/{ident}", "Recording of last time"),
        Link(f"https://us02web.zoom.us/rec/play/{ident}?startTime=1", "Recording"),
        Link(f"https://us02web.zoom.us/webinar/register/WN_{ident}", "Register"),
        Link(f"https://us06web.zoom.us/meeting/register/{ident}", "Register in advance"),
        Link("https://support.zoom.us/hc/en-us/articles/201362193", "Help"),
        Link("https://zoom.us/download", "Get the app"),
        Link(f"https://zoom.us/u/{ident}", "Find your local number"),
        Link(f"https://dialin.teams.microsoft.com/{guid(rng)}?id=4711", "Local numbers"),
        Link("https://aka.ms/JoinTeamsMeeting", "Need help?"),
        Link(f"https://teams.microsoft.com/l/channel/19%3a{ident}%40thread.tacv2/General", "Chat"),
        Link(f"https://kestrel.webex.com/recordingservice/sites/kestrel/play/{ident}", "Recording"),
        Link("https://help.webex.com/en-us/article/xm3o0v", "Help"),
        Link("https://support.google.com/calendar/answer/37135", "Help"),
        Link("https://meet.google.com/", "About Meet"),
        Link("https://meet.goto.com/install", "Install"),
        Link(f"https://tracker.example/?next=https://zoom.us/j/{digits(rng, 11)}", "News"),
        Link(f"https://zoom.us.kestrel.example/j/{digits(rng, 11)}", "Old bridge"),
        Link(f"https://meet.jit.si/{ident}", "Chat room"),
        Link(f"https://github.com/northwind/plans/pull/{rng.randrange(1, 999)}", "Change"),
        Say(f"Ticket: {digits(rng, 7)}"),
        Say("Please bring your slides; the first item starts at 10:15."),
        Say("Write to office@northwind.example with questions."),
    ]
    return rng.sample(kinds, rng.randrange(0, 4))


def newsletter(rng: Random) -> list[Line]:
    """A long text with many links, none of them a meeting."""
    lines: list[Line] = []
    for number in range(rng.randrange(60, 120)):
        lines.append(Say(f"{number}. Blue harbours, green hills and what the team saw there. " * 2))
        if rng.random() < 0.4:
            lines.append(Link(f"https://news.example/{token(rng, 9)}?n={number}", "More"))
    return lines


def signature(rng: Random) -> tuple[list[Line], tuple[str, ...]]:
    """The end of a mail behind its mark, and the numbers in it, which are no way to join."""
    (first, shown), (second, shown_too) = phone(rng), phone(rng)
    lines: list[Line] = [
        Say("-- "),
        Say("Dana Winter | Northwind Ltd"),
        Say(f"Tel.: {shown}"),
        Say(f"Mobile: {shown_too}"),
        Link("https://www.northwind.example", "Web", wrap=False),
    ]
    return lines, (first, second)


def _document(
    rng: Random, made: Meeting, other: Meeting | None
) -> tuple[list[Line], tuple[str, ...]]:
    """The lines of a whole body, and what must not be read out of it."""
    phrases = wordings.PHRASES[made.language]
    forbidden: tuple[str, ...] = made.never
    lines: list[Line] = [Say(phrases[2]), Say()] if rng.random() < 0.6 else []
    lines += newsletter(rng) if rng.random() < 0.02 else noise(rng)
    if rng.random() < 0.05:
        lines += [Say(), Say("Guest Wi-Fi: northwind, Wi-Fi password: northwind-guest")]
        forbidden += ("northwind-guest",)
    if lines and lines[-1] != Say():
        lines.append(Say())
    lines += made.lines
    if other is not None:
        lines += [Say(), Say(wordings.PHRASES[other.language][3]), *other.lines]
        forbidden += other.marks()
    else:
        after = newsletter(rng) if rng.random() < 0.02 else noise(rng)
        if after:
            lines += [Say(), *after]
    if rng.random() < 0.4:
        lines += [Say(), Say(phrases[4])]
    if rng.random() < 0.25:
        end, numbers = signature(rng)
        lines += [Say(), *end]
        forbidden += numbers
    return lines, forbidden


def _other(rng: Random, made: Meeting) -> Meeting:
    """A second meeting with nothing in common with the first."""
    while True:
        language = made.language if rng.random() < 0.5 else rng.choice(wordings.LANGUAGES)
        other = meeting(rng, language)
        taken = set(made.phones or ())
        if other.wordy or "link-last" in other.traits:
            continue
        if not taken & set(other.phones or ()):
            return other


def _page(rng: Random, body: str) -> str:
    head = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
        "<style>p {margin:0} a:hover {color:#6264a7} /* https://zoom.us/j/ */</style></head>"
        "<body><!-- written by a machine -->"
    )
    return rng.choice((f"{head}{body}</body></html>", f"<html><body>{body}</body></html>", body))


# ---- Containers ------------------------------------------------------------------------------


def _graph(**changes: Any) -> dict[str, Any]:
    return {
        "subject": "Planning",
        "isOnlineMeeting": False,
        "onlineMeetingProvider": "unknown",
        "onlineMeetingUrl": None,
        "onlineMeeting": None,
        **changes,
    }


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\r\n", "\n").replace("\n", "\\n")


def _folded(line: str, white: str) -> str:
    parts, current, size = [], "", 0
    for char in line:
        width = len(char.encode())
        if size + width > 75:
            parts.append(current)
            current, size = white, 1
        current += char
        size += width
    return "\r\n".join([*parts, current])


def _vevent(rng: Random, properties: list[str]) -> str:
    white = rng.choice((" ", " ", "\t"))
    lines = ["BEGIN:VEVENT", "UID:a1@northwind.example", "DTSTAMP:20261123T090000Z"]
    lines += ["SUMMARY;LANGUAGE=en-US:Planning", *properties]
    if rng.random() < 0.3:
        lines += ["BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT15M", "DESCRIPTION:Reminder"]
        lines.append("END:VALARM")
    lines.append("END:VEVENT")
    if rng.random() < 0.5:
        head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Northwind//Calendar//EN"]
        lines = [*head, *lines, "END:VCALENDAR"]
    return "\r\n".join(_folded(line, white) for line in lines) + "\r\n"


def _location_text(rng: Random, made: Meeting, layers: tuple[str, ...]) -> str:
    url = wrapped(made.link, layers, rng)
    if not layers and made.schemeless and "://" in url and rng.random() < 0.3:
        return url.partition("://")[2]
    styles = (url, url, f"{url}; Room 5", f"Room 5 / {url}", f"Video: {url}", f"Room 5\n{url}")
    return rng.choice(styles)


def _google_structure(rng: Random, made: Meeting) -> tuple[dict[str, Any], Meeting]:
    """The structure, and the meeting with its numbers in the order that they have there."""
    video: dict[str, Any] = {
        "entryPointType": "video",
        "uri": made.link,
        "label": made.link.partition("://")[2][:500],
    }
    points = [video]
    if made.code and made.provider is not Provider.GOOGLE_MEET:
        video[rng.choice(("meetingCode", "meetingCode", "accessCode"))] = made.code
    if made.password:
        video[rng.choice(("passcode", "password"))] = made.password
    for number in made.phones or ():
        point = {"entryPointType": "phone", "label": number, "regionCode": "US"}
        point["uri"] = f"tel:{number}"
        if made.pin:
            point["pin"] = made.pin
        elif made.code:
            point["uri"] += rng.choice(("", f",,{made.code}#"))
        points.append(point)
    if made.phones and made.pin:
        more = {"entryPointType": "more", "uri": f"https://tel.meet/x?pin={digits(rng, 13)}"}
        points.append({**more, "pin": "8" * 13})
    if rng.random() < 0.3:
        rng.shuffle(points)
    name = {
        Provider.GOOGLE_MEET: "Google Meet",
        Provider.ZOOM_MEETING: "Zoom Meeting",
        Provider.MICROSOFT_TEAMS: "Microsoft Teams Meeting",
        Provider.WEBEX: "Webex",
        Provider.GOTOMEETING: "GoTo Meeting",
    }[made.provider]
    kind = "hangoutsMeet" if made.provider is Provider.GOOGLE_MEET else "addOn"
    structure = {
        "entryPoints": points,
        "conferenceSolution": {"key": {"type": kind}, "name": name},
        "conferenceId": made.code or token(rng, 10),
    }
    order = tuple(point["label"] for point in points if point["entryPointType"] == "phone")
    return structure, replace(made, phones=order)


GOOGLE_STRUCTURED = (
    Provider.GOOGLE_MEET,
    Provider.ZOOM_MEETING,
    Provider.MICROSOFT_TEAMS,
    Provider.WEBEX,
    Provider.GOTOMEETING,
)

BODIES = (
    "text-plain",
    "text-html",
    "google-plain",
    "google-html",
    "graph-html",
    "graph-text",
    "ical-description",
    "ical-alt",
    "ical-both",
)
FIELDS = (
    "google-location",
    "google-location+body",
    "graph-location",
    "graph-location+body",
    "ical-location",
    "ical-location+body",
)
STRUCTURES = (
    "google-structure",
    "google-hangout",
    "google-notes",
    "graph-online",
    "graph-url",
    "ical-x",
    "ical-conference",
    "ical-url",
)


def _glued(rng: Random, made: Meeting) -> str | None:
    """Letters of the language straight behind the address, as it is written in Japanese."""
    if made.language == "ja" and made.numeric_end and rng.random() < 0.3:
        return f"こちら{made.link}から参加してください"
    return None


def _in_body(rng: Random, number: int, made: Meeting, layers: tuple[str, ...]) -> Case:
    container = rng.choice(BODIES)
    other = _other(rng, made) if rng.random() < 0.25 else None
    lines, forbidden = _document(rng, made, other)
    renderer = Renderer(rng, made.language, layers)
    plain_only = container in {"text-plain", "google-plain", "graph-text", "ical-description"}
    if plain_only and made.schemeless and not layers and rng.random() < 0.08:
        short = made.link.partition("://")[2]
        lines = [
            replace(line, url=short) if isinstance(line, Link) and line.url == made.link else line
            for line in lines
        ]
    glued = _glued(rng, made) if not layers and other is None else None
    if glued:
        made = bare(made)
        plain, html, forbidden = glued, f"<p>{glued}</p>", ()
    else:
        plain, html = renderer.plain(lines), _page(rng, renderer.html(lines))
    if rng.random() < 0.05:
        plain = "\n".join(f"> {line}" for line in plain.split("\n"))
    given: Any
    if container == "text-plain":
        ending = rng.choice(("\n", "\n", "\r\n"))
        function, given = "conferencing_from_text", plain.replace("\n", ending)
    elif container == "text-html":
        function, given = "conferencing_from_text", html
    elif container == "google-plain":
        function, given = "conferencing_from_google", {"summary": "x", "description": plain}
    elif container == "google-html":
        function, given = "conferencing_from_google", {"summary": "x", "description": html}
    elif container.startswith("graph"):
        kind = container.partition("-")[2]
        content = html if kind == "html" else plain.replace("\n", rng.choice(("\n", "\r\n")))
        given = _graph(body={"contentType": kind, "content": content})
        if rng.random() < 0.3:
            given["bodyPreview"] = plain[:255]
        function = "conferencing_from_microsoft"
    else:
        function = "conferencing_from_icalendar"
        properties = []
        if container != "ical-alt":
            properties.append(f"DESCRIPTION:{_escaped(plain)}")
        if container != "ical-description":
            properties.append(f"X-ALT-DESC;FMTTYPE=text/html:{_escaped(html)}")
        given = _vevent(rng, properties)
    return Case(number, function, given, made, container, layers, forbidden)


def _in_location(rng: Random, number: int, made: Meeting, layers: tuple[str, ...]) -> Case:
    container = rng.choice(FIELDS)
    renderer = Renderer(rng, made.language, layers)
    if container.endswith("+body"):
        # The body tells more about the same link.
        lines, forbidden = _document(rng, made, None)
    else:
        made = bare(made)
        lines, forbidden = [*noise(rng), Say(), Say("Bring cake.")], ()
        if rng.random() < 0.4:
            other = _other(rng, made)
            lines += [Say(), *other.lines]
            forbidden = other.marks()
    place = _location_text(rng, made, layers)
    plain = renderer.plain(lines)
    if container.startswith("google"):
        given: Any = {"location": place, "description": rng.choice((plain, renderer.html(lines)))}
        return Case(number, "conferencing_from_google", given, made, container, layers, forbidden)
    if container.startswith("graph"):
        body = {"contentType": "html", "content": _page(rng, renderer.html(lines))}
        spot = {"displayName": place.replace("\n", " "), "locationType": "default"}
        given = _graph(location=spot, body=body)
        if rng.random() < 0.5:
            given["locations"] = [spot]
        return Case(
            number, "conferencing_from_microsoft", given, made, container, layers, forbidden
        )
    properties = [f"LOCATION:{_escaped(place)}", f"DESCRIPTION:{_escaped(plain)}"]
    rng.shuffle(properties)
    given = _vevent(rng, properties)
    return Case(number, "conferencing_from_icalendar", given, made, container, layers, forbidden)


def _in_structure(rng: Random, number: int, made: Meeting) -> Case:
    allowed = ["graph-url", "ical-url"]
    if made.provider in GOOGLE_STRUCTURED:
        allowed += ["google-structure", "google-notes", "ical-conference"]
    if made.provider is Provider.GOOGLE_MEET:
        allowed += ["google-hangout", "ical-x"]
    if made.provider in {
        Provider.MICROSOFT_TEAMS,
        Provider.SKYPE_FOR_BUSINESS,
        Provider.SKYPE_FOR_CONSUMER,
    }:
        allowed.append("graph-online")
    if made.provider is Provider.MICROSOFT_TEAMS or (
        made.provider is Provider.SKYPE_FOR_BUSINESS and not made.wordy
    ):
        allowed.append("ical-x")
    if made.wordy:
        allowed = ["graph-online"]
    container = rng.choice([name for name in STRUCTURES if name in allowed])
    other = _other(rng, made) if rng.random() < 0.4 else None
    renderer = Renderer(rng, made.language, ())
    lines: list[Line] = [*noise(rng), Say()]
    forbidden: tuple[str, ...] = ()
    if other is not None and container != "ical-url":
        lines += other.lines
        forbidden = other.marks()
    plain = renderer.plain(lines)
    html = renderer.html(lines)
    given: Any
    if container.startswith("google"):
        given = {"summary": "x", "description": rng.choice((plain, html))}
        if container == "google-structure":
            given["conferenceData"], made = _google_structure(rng, made)
            if other is not None and rng.random() < 0.5:
                given["location"] = other.link
        elif container == "google-hangout":
            made = bare(made)
            given["hangoutLink"] = made.link
        else:
            notes = renderer.html([line for line in made.lines if not isinstance(line, Rule)])
            name = made.provider.replace("_", " ").title()
            solution = {"key": {"type": "addOn"}, "name": name}
            given["conferenceData"] = {"conferenceSolution": solution, "notes": notes}
            forbidden += made.never
        return Case(number, "conferencing_from_google", given, made, container, (), forbidden)
    if container.startswith("graph"):
        body = {"contentType": "html", "content": html}
        given = _graph(isOnlineMeeting=True, body=body)
        pin, numbers = made.pin, made.phones or ()
        made = bare(made)
        if container == "graph-url":
            given["onlineMeetingUrl"] = made.link
            return Case(
                number, "conferencing_from_microsoft", given, made, container, (), forbidden
            )
        given["onlineMeetingProvider"] = {
            Provider.MICROSOFT_TEAMS: "teamsForBusiness",
            Provider.SKYPE_FOR_BUSINESS: "skypeForBusiness",
            Provider.SKYPE_FOR_CONSUMER: "skypeForConsumer",
        }[made.provider]
        online: dict[str, Any] = {"joinUrl": made.link}
        if pin and numbers:
            online["conferenceId"] = pin
            online["tollNumber"] = numbers[0]
            online["quickDial"] = f"{numbers[0]},,{pin}#"
            made = replace(made, pin=pin, phones=tuple(numbers[:1]))
        given["onlineMeeting"] = online
        return Case(number, "conferencing_from_microsoft", given, made, container, (), forbidden)
    properties = [f"DESCRIPTION:{_escaped(plain)}"]
    full, made = made, bare(made)
    if container == "ical-url":
        properties.append(f"URL:{made.link}")
    elif container == "ical-conference":
        video = f"CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=Join:{made.link}"
        properties.append(video)
        numbers = (full.phones or ())[:1]
        for found in numbers:
            spare = digits(rng, 8)
            properties.append(f"CONFERENCE;VALUE=URI;FEATURE=PHONE;LABEL=Attendees:tel:{found}")
            properties.append(
                f"CONFERENCE;VALUE=URI;FEATURE=PHONE,MODERATOR;LABEL=Host:tel:+14125550{spare[:3]}"
            )
            forbidden += (f"+14125550{spare[:3]}",)
        made = replace(made, phones=tuple(numbers))
    elif made.provider is Provider.GOOGLE_MEET:
        properties.append(f"X-GOOGLE-CONFERENCE:{made.link}")
    elif made.provider is Provider.MICROSOFT_TEAMS:
        properties.append(f"X-MICROSOFT-SKYPETEAMSMEETINGURL:{_escaped(made.link)}")
        properties.append("LOCATION:Microsoft Teams Meeting")
    else:
        properties.append(f"X-MICROSOFT-ONLINEMEETINGEXTERNALLINK:{made.link}")
        if full.pin:
            properties.append(f"X-MICROSOFT-ONLINEMEETINGCONFERENCEID:{full.pin}")
            made = replace(made, pin=full.pin)
    rng.shuffle(properties)
    given = _vevent(rng, properties)
    return Case(number, "conferencing_from_icalendar", given, made, container, (), forbidden)


# ---- Cases -----------------------------------------------------------------------------------


def case(seed: int, number: int) -> Case:
    """The numbered case of a seed; it depends on no other case."""
    rng = Random(f"{seed}/{number}")
    made = meeting(rng, rng.choice(wordings.LANGUAGES))
    layers = some_layers(rng)
    while len(wrapped(made.link, layers, rng)) > LONGEST:
        layers = layers[:-1]
    if made.link.startswith("zoommtg") or made.wordy or made.link.startswith("HTTPS"):
        layers = ()
    draw = rng.random()
    if made.link.startswith("zoommtg") or draw < 0.66:
        found = _in_body(rng, number, made, layers)
    elif draw < 0.82 and not made.wordy:
        found = _in_location(rng, number, made, layers)
    else:
        found = _in_structure(rng, number, made)
    kept = found.meeting
    own = " ".join(
        (kept.link, kept.code or "", kept.password or "", kept.pin or "", *(kept.phones or ()))
    )
    forbidden = tuple(mark for mark in found.forbidden if mark not in own)
    return replace(found, forbidden=forbidden)


def cases(seed: int, count: int) -> Iterator[Case]:
    return (case(seed, number) for number in range(count))


# ---- Judging ---------------------------------------------------------------------------------


def same_url(one: str, two: str) -> bool:
    """Whether two addresses are the same, scheme and host without regard to case."""

    def split(url: str) -> tuple[str, str]:
        scheme, _, rest = url.partition("://")
        end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        return f"{scheme}://{rest[:end]}".lower(), rest[end:]

    return split(one) == split(two)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _strings(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _strings(getattr(value, name))


def mismatches(one: Case, got: Any) -> list[tuple[str, Any, Any]]:
    """Where the reader's answer is not what was put in: field, expected, got."""
    made = one.meeting
    if got is None:
        return [("nothing", made.link, None)]
    if got.provider != made.provider:
        return [("provider", made.provider, got.provider)]
    source = got.source
    wrong: list[tuple[str, Any, Any]] = []
    if made.url is not OPEN and not same_url(source.url, made.url):
        wrong.append(("url", made.url, source.url))
    pairs = (
        ("meeting_code", made.code, source.meeting_code),
        ("password", made.password, source.password),
        ("pin", made.pin, source.pin),
        ("phone", made.phones, source.phone),
    )
    for name, expected, found in pairs:
        if expected is OPEN:
            continue
        if found != expected:
            wrong.append((name, expected, found))
    seen = "\n".join(_strings(source))
    wrong += [
        ("forbidden", "", mark)
        for mark in one.forbidden
        if mark in seen or quote(mark, safe="") in seen
    ]
    return wrong
