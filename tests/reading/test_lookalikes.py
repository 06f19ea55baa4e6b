"""Addresses that only look like a meeting give nothing, in whatever field and wrapper they come."""

# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from conferencing_service.core import reading
from reading.wrappers import WRAPPERS, wrapped

THREAD = "19%3ameeting_ZmM0NmY4ZTctMDQ4OS00OTBmLWEzNzMtZDkzMTA5NDc5Y2E1%40thread.v2/0"
CONTEXT = "?context=%7b%22Tid%22%3a%22ab1e7c35-a93d-4df1-ac4a-c5030a58d548%22%7d"
MTID = "?MTID=mc4ca4238a0b923820dcc509a6f75849b"

# Host, and a path that is a meeting there.
MEETINGS = (
    ("meet.google.com", "/kqx-bwtn-hop"),
    ("zoom.us", "/j/85550112233?pwd=AbCdEf12"),
    ("us02web.zoom.us", "/j/85550112233"),
    ("kestrel.zoom.us", "/my/dana.winter"),
    ("zoom.com", "/j/85550112233"),
    ("kestrel.zoom.com", "/j/85550112233"),
    ("zoom.com.cn", "/j/85550112233"),
    ("zoomgov.com", "/j/1615550123"),
    ("kestrel.zoomgov.com", "/j/1615550123"),
    ("stadtwerk.zoom-x.de", "/j/65550187075"),
    ("teams.microsoft.com", f"/l/meetup-join/{THREAD}{CONTEXT}"),
    ("teams.microsoft.com", "/meet/2345501901234?p=AbCdEf123"),
    ("teams.live.com", "/meet/9355501234567?p=N4IzETWmG2"),
    ("teams.cloud.microsoft", f"/l/meetup-join/{THREAD}{CONTEXT}"),
    ("gov.teams.microsoft.us", f"/l/meetup-join/{THREAD}{CONTEXT}"),
    ("dod.teams.microsoft.us", "/meet/2345501901235?p=ZyXw98"),
    ("teams.microsoft.us", "/meet/2345501901235?p=ZyXw98"),
    ("gov.teams.microsoft.com", "/meet/2345501901235?p=ZyXw98"),
    ("teams.microsoftonline.cn", f"/l/meetup-join/{THREAD}{CONTEXT}"),
    ("kestrel.webex.com", f"/kestrel/j.php{MTID}"),
    ("kestrel.webex.com", "/meet/dana.winter"),
    ("kestrel.my.webex.com", f"/kestrel.my/j.php{MTID}"),
    ("meet117.webex.com", "/meet/dana.winter"),
    ("global.gotomeeting.com", "/join/555012399"),
    ("www.gotomeeting.com", "/join/555012399"),
    ("app.gotomeeting.com", "/join/555012399"),
    ("meet.goto.com", "/555012399"),
    ("app.goto.com", "/meeting/555012399"),
    ("www.gotomeet.me", "/danawinter"),
    ("meet.lync.com", "/contoso/dana.winter/M2NRN65H"),
    ("join.skype.com", "/kX3pQvR7sTuW"),
)

CYRILLIC = str.maketrans({"o": "о", "e": "е", "c": "с", "a": "а", "m": "м"})


def _registrable(host: str) -> str:
    known = ("zoom.com.cn", "cloud.microsoft")
    for each in known:
        if host.endswith(each):
            return each
    return ".".join(host.split(".")[-2:])


MUTATIONS: dict[str, Callable[[str, str], str]] = {
    "prefix glued to the domain": lambda h, p: f"https://evil{_registrable(h)}{p}",
    "prefix with a hyphen": lambda h, p: f"https://my-{_registrable(h)}{p}",
    "prefix glued to the host": lambda h, p: f"https://evil-{h}.example{p}",
    "domain behind": lambda h, p: f"https://{h}.evil.example{p}",
    "letters behind": lambda h, p: f"https://{h}s{p}",
    "country behind": lambda h, p: f"https://{h}.ua{p}",
    "hyphen behind": lambda h, p: f"https://{h}-join.example{p}",
    "user": lambda h, p: f"https://{h}@evil.example{p}",
    "user and password": lambda h, p: f"https://{h}:secret@evil.example{p}",
    "user with an encoded slash": lambda h, p: f"https://{h}%2f@evil.example{p}",
    "user before the true host": lambda h, p: f"https://evil.example@{h}{p}",
    "backslash before the foreign host": lambda h, p: f"https://evil.example\\@{h}{p}",
    "backslash behind the host": lambda h, p: f"https://{h}\\@evil.example{p}",
    "backslash and the foreign host": lambda h, p: f"https://evil.example\\.{h}{p}",
    "punycode label": lambda h, p: f"https://xn--{h.split('.')[0]}-8ya.{_registrable(h)}{p}",
    "Cyrillic letters": lambda h, p: f"https://{h.translate(CYRILLIC)}{p}",
    "full-width dot": lambda h, p: f"https://{h.replace('.', '．', 1)}{p}",
    "ideographic full stop": lambda h, p: f"https://{h.replace('.', '。', 1)}{p}",
    "full-width letter": lambda h, p: f"https://{h[:-1]}{chr(ord(h[-1]) + 0xFEE0)}{p}",
    "division slash": lambda h, p: f"https://{h}∕x.evil.example{p}",
    "encoded dot": lambda h, p: f"https://{h.replace('.', '%2e', 1)}{p}",
    "encoded dot behind": lambda h, p: f"https://{h}%2eevil.example{p}",
    "encoded letter": lambda h, p: f"https://%{ord(h[0]):02x}{h[1:]}{p}",
    "odd port": lambda h, p: f"https://{h}:8443{p}",
    "odder port": lambda h, p: f"https://{h}:4430{p}",
    "port of letters": lambda h, p: f"https://{h}:https{p}",
    "two dots at the end": lambda h, p: f"https://{h}..{p}",
    "dot and a domain": lambda h, p: f"https://{h}..evil.example{p}",
    "dots for a hyphen": lambda h, p: f"https://{h.replace('.', '-')}.example{p}",
    "no dots": lambda h, p: f"https://{h.replace('.', 'x')}{p}",
    "other scheme": lambda h, p: f"javascript://{h}{p}",
    "in a path": lambda h, p: f"https://evil.example/{h}{p}",
    "in a query": lambda h, p: f"https://evil.example/?next=https://{h}{p}",
    "in an encoded query": lambda h, p: (
        f"https://evil.example/r?u={quote(f'https://{h}{p}', safe='')}"
    ),
    "in a fragment": lambda h, p: f"https://evil.example/#https://{h}{p}",
    "brackets": lambda h, p: f"https://[{h}]{p}",
    "tracker": lambda h, p: (
        f"https://click.mail.example/ls/click?upn={quote(f'https://{h}{p}', safe='')}&k=1"
    ),
}

# Hosts that only resemble those of the wrappers.
FALSE_WRAPPERS: dict[str, Callable[[str], str]] = {
    "safelinks behind": lambda u: (
        f"https://nam02.safelinks.protection.outlook.com.evil.example/?url={quote(u, safe='')}"
    ),
    "safelinks glued": lambda u: (
        f"https://evilsafelinks.protection.outlook.com/?url={quote(u, safe='')}"
    ),
    "google behind": lambda u: f"https://www.google.com.evil.example/url?q={quote(u, safe='')}",
    "google glued": lambda u: f"https://www.evilgoogle.com/url?q={quote(u, safe='')}",
    "google search": lambda u: f"https://www.google.com/search?q={quote(u, safe='')}",
    "urldefense behind": lambda u: f"https://urldefense.com.evil.example/v3/__{u}__;!!a!b$",
    "urldefense glued": lambda u: f"https://evilurldefense.com/v3/__{u}__;!!a!b$",
    "shortener": lambda u: f"https://short.example/{base64.urlsafe_b64encode(u.encode()).decode()}",
}

NO_MEETINGS = (
    # Zoom's own pages, and what is the host's alone.
    "https://zoom.us/s/85550112233?zak=eyJ6bV9za20iOiJ6bV9vMm0ifQ",
    "https://us02web.zoom.us/s/85550112233?zak=eyJ6bV9za20iOiJ6bV9vMm0ifQ.x&pwd=abc",
    "https://kestrel.zoom.us/s/85550112233",
    "https://kestrel.zoomgov.com/s/1615550123?zak=eyJ6bV9za20",
    "https://kestrel.zoom.us/rec/share/WXwow4HvHx7mHz6Wd6YotMvU.AbCd",
    "https://kestrel.zoom.us/rec/play/23f9AaxVciGkmJtks3cKg6PF?startTime=1",
    "https://kestrel.zoom.us/recording/detail?meeting_id=abc",
    "https://zoom.us/recording",
    "https://us02web.zoom.us/meeting/register/tZ5J1jsqinjwSLr8S0WQ",
    "https://us02web.zoom.us/webinar/register/WN_AbCdEf",
    "https://zoom.us/u/abExample1",
    "https://zoom.us/pricing",
    "https://zoom.us/test",
    "https://zoom.us/download",
    "https://zoom.us/launch/chat?jid=abc",
    "https://zoom.us/",
    "https://zoom.us/j/",
    "https://support.zoom.us/hc/en-us/articles/201362193",
    "https://support.zoom.com/hc/en/article?id=zm_kb",
    "https://explore.zoom.us/en/products/meetings/",
    "https://marketplace.zoom.us/apps/abc",
    "https://applications.zoom.us/addon/invitation/detail?meetingUuid=AbC",
    "https://status.zoom.us/",
    # Google.
    "https://meet.google.com",
    "https://meet.google.com/",
    "https://meet.google.com/new",
    "https://meet.google.com/new?hs=180",
    "https://meet.google.com/landing",
    "https://meet.google.com/about",
    "https://tel.meet/kqx-bwtn-hop?pin=8512345678901",
    "https://hangouts.google.com/call/AbCdEf123",
    "https://support.google.com/meet/answer/9302870",
    # Microsoft.
    "https://teams.microsoft.com/meetingOptions/?organizerId=8c410761&tenantId=c7eb",
    "https://teams.microsoft.com/l/meeting/new?subject=x",
    "https://teams.microsoft.com/l/chat/0/0?users=dana@example.com",
    "https://teams.microsoft.com/l/channel/19%3aabc%40thread.tacv2/General?groupId=1",
    "https://teams.microsoft.com/l/team/19%3aabc%40thread.tacv2/conversations?groupId=1",
    "https://teams.microsoft.com/l/message/19%3ameeting_abc%40thread.v2/1700000000000",
    "https://teams.microsoft.com/",
    "https://dialin.teams.microsoft.com/8277e091-0d75-4195-a4aa-1c2d?id=177705559",
    "https://dialin.teams.microsoft.com/usp/pstnconferencing",
    "https://aka.ms/JoinTeamsMeeting?omkt=en-US",
    "https://www.microsoft.com/microsoft-teams/join-a-meeting",
    "https://mysettings.lync.com/pstnconferencing",
    "https://dialin.lync.com/03c7c0ac-e395-4801-a2db-07ae2c30f034",
    "https://join.skype.com/bot/92eb5ffe-e6ae-4fec-aad7-1c777531578f",
    # Webex.
    "https://kestrel.webex.com/kestrel/globalcallin.php?MTID=m099b3b060154898840f0ebdfb46ec78f",
    "https://kestrel.webex.com/kestrel/ldr.php?RCID=m7694f4a66316e53c8cdd9d9954bd611d",
    "https://kestrel.webex.com/kestrel/lsr.php?RCID=m7694f4a66316e53c8cdd9d9954bd611d",
    "https://kestrel.webex.com/recordingservice/sites/kestrel/recording/playback/7694f4",
    "https://www.webex.com/pdf/tollfree_restrictions.pdf",
    "https://help.webex.com/en-us/article/xm3o0v",
    "https://developer.webex.com/docs",
    "https://www.webex.com/",
    # GoTo.
    "https://global.gotomeeting.com/install/162550285",
    "https://global.gotomeeting.com/install",
    "https://meet.goto.com/install",
    "https://link.gotomeeting.com/system-check",
    "https://transcripts.gotomeeting.com/abc",
    "https://support.goto.com/meeting",
    "https://register.gotowebinar.com/register/4992149326305460236",
)

LABELS = "Meeting ID: 855 5011 2233\nPasscode: 481902"


def _shapes(url: str) -> Iterator[tuple[Callable[[Any], Any], Any]]:
    html = url.replace("&", "&amp;").replace('"', "&quot;")
    anchor = f'<p><a href="{html}">Join</a></p>'
    graph = {"isOnlineMeeting": False, "onlineMeetingProvider": "unknown", "onlineMeeting": None}
    lines = ["BEGIN:VEVENT", "UID:a@b.example", f"LOCATION:{url}", f"DESCRIPTION:{url}"]
    yield reading.conferencing_from_text, f"Join: {url}\n{LABELS}"
    yield reading.conferencing_from_text, f"Join <{url}> now."
    yield reading.conferencing_from_text, anchor
    yield reading.conferencing_from_google, {"location": url, "description": anchor}
    yield reading.conferencing_from_google, {"hangoutLink": url}
    point = {"entryPointType": "video", "uri": url, "passcode": "481902"}
    solution = {"key": {"type": "addOn"}, "name": "Zoom Meeting"}
    yield (
        reading.conferencing_from_google,
        {"conferenceData": {"entryPoints": [point], "conferenceSolution": solution}},
    )
    body = {"contentType": "html", "content": f"<html><body>{anchor}</body></html>"}
    yield (
        reading.conferencing_from_microsoft,
        {**graph, "body": body, "location": {"displayName": url}},
    )
    yield reading.conferencing_from_microsoft, {**graph, "onlineMeetingUrl": url}
    yield reading.conferencing_from_icalendar, "\r\n".join([*lines, f"URL:{url}", "END:VEVENT", ""])
    google = f"X-GOOGLE-CONFERENCE:{url}"
    conference = f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{url}"
    yield (
        reading.conferencing_from_icalendar,
        "\r\n".join([*lines[:2], google, conference, "END:VEVENT", ""]),
    )


def _accepted(url: str) -> list[str]:
    return [
        f"{function.__name__}({given!r}) -> {found.provider} {found.source.url}"
        for function, given in _shapes(url)
        if (found := function(given)) is not None
    ]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_no_host_that_only_looks_like_a_known_one_is_taken(mutation: str):
    taken = []
    for host, path in MEETINGS:
        url = MUTATIONS[mutation](host, path)
        if url != f"https://{host}{path}":
            taken += _accepted(url)
    assert not taken, f"{len(taken)} taken\n" + "\n".join(taken[:10])


# Without a scheme these are other sentences or other links.
SCHEME_NEEDED = {
    "other scheme",
    "in a query",
    "in a fragment",
    "brackets",
}


@pytest.mark.parametrize("mutation", [name for name in MUTATIONS if name not in SCHEME_NEEDED])
def test_no_lookalike_is_taken_without_a_scheme_either(mutation: str):
    taken = []
    for host, path in MEETINGS:
        if host in {"zoom.us", "meet.google.com", "teams.microsoft.com"}:
            short = MUTATIONS[mutation](host, path).partition("://")[2]
            if short != f"{host}{path}":
                taken += _accepted(short)
    assert not taken, f"{len(taken)} taken\n" + "\n".join(taken[:10])


@pytest.mark.parametrize("layer", WRAPPERS)
@pytest.mark.parametrize("mutation", ["domain behind", "user", "prefix glued to the domain"])
def test_a_lookalike_stays_one_in_a_wrapper(layer: str, mutation: str):
    rng = Random(f"{layer}/{mutation}")
    taken = []
    for host, path in MEETINGS:
        url = wrapped(MUTATIONS[mutation](host, path), (layer,), rng)
        taken += _accepted(url) + _accepted(wrapped(url, ("safelinks",), rng))
    assert not taken, f"{len(taken)} taken\n" + "\n".join(taken[:10])


@pytest.mark.parametrize("name", FALSE_WRAPPERS)
def test_a_wrapper_that_only_looks_like_one_is_not_opened(name: str):
    taken = []
    for host, path in MEETINGS:
        taken += _accepted(FALSE_WRAPPERS[name](f"https://{host}{path}"))
    assert not taken, f"{len(taken)} taken\n" + "\n".join(taken[:10])


@pytest.mark.parametrize("url", NO_MEETINGS)
def test_a_page_that_is_no_meeting_is_not_taken(url: str):
    rng = Random(url)
    taken = _accepted(url)
    for layer in WRAPPERS:
        taken += _accepted(wrapped(url, (layer,), rng))
    assert not taken, "\n".join(taken[:5])


@pytest.mark.parametrize("url", [url for url in NO_MEETINGS if "/s/" in url])
def test_a_hosts_own_link_never_hides_the_link_of_the_guests(url: str):
    host = url.partition("://")[2].partition("/")[0]
    join = f"https://{host}/j/85550119999"
    for text in (f"Host: {url}\nGuests: {join}", f"Guests: {join}\nHost: {url}"):
        found = reading.conferencing_from_text(text)
        assert found is not None
        assert found.source.url == join
        assert not any("zak" in point.uri for point in found.source.entry_points)


@pytest.mark.parametrize(("host", "path"), MEETINGS)
def test_every_host_that_is_mutated_is_known(host: str, path: str):
    """Without this the tests above would prove nothing."""
    found = reading.conferencing_from_text(f"Join: https://{host}{path} now")
    assert found is not None
    assert found.source.url == f"https://{host}{path}"


def test_five_layers_are_one_too_many():
    rng = Random(5)
    url = wrapped("https://zoom.us/j/85550112233", ("proofpoint-v3", *("google",) * 3), rng)
    assert reading.conferencing_from_text(f"Join: {url}") is not None
    assert reading.conferencing_from_text(f"Join: {wrapped(url, ('safelinks',), rng)}") is None


def test_a_meeting_on_an_own_host_needs_the_words_of_skype():
    url = "https://meet.northwind.example/dana.winter/B4GT5HJK"
    assert reading.conferencing_from_text(f"Join us: {url}") is None
    assert reading.conferencing_from_text(f'<a href="{url}">Menu</a>') is None
    assert reading.conferencing_from_text(f"Join Skype Meeting <{url}>") is not None
