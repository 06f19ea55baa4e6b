"""Join links of native events and texts: which are taken, and which never are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.model import (
    Conferencing,
    Details,
    EntryPointType,
    Origin,
    Provider,
    State,
)
from conferencing_service.core.reading import (
    conferencing_from_google,
    conferencing_from_icalendar,
    conferencing_from_microsoft,
    conferencing_from_text,
    is_provider_host,
    join_link_from_url,
    join_links_in,
)
from unit import strategies

TEAMS = (
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_NmE0%40thread.v2/0"
    "?context=%7b%22Tid%22%3a%22x%22%7d"
)
LINKS = [
    ("https://meet.google.com/abc-defg-hij", Provider.GOOGLE_MEET, "abc-defg-hij"),
    ("https://meet.google.com/lookup/standup", Provider.GOOGLE_MEET, "standup"),
    ("https://meet.google.com/abc-defg-hij?authuser=0", Provider.GOOGLE_MEET, "abc-defg-hij"),
    ("https://zoom.us/j/81234567890", Provider.ZOOM_MEETING, "81234567890"),
    (
        "https://us02web.zoom.us/j/81234567890?pwd=aB.c%2F1&from=x",
        Provider.ZOOM_MEETING,
        "81234567890",
    ),
    ("https://acme.zoom.us/w/81234567890", Provider.ZOOM_MEETING, "81234567890"),
    ("https://zoom.us/wc/join/81234567890", Provider.ZOOM_MEETING, "81234567890"),
    ("https://acme.zoomgov.com/j/1612345678", Provider.ZOOM_MEETING, "1612345678"),
    ("https://acme.zoom.us/my/ann.lee", Provider.ZOOM_MEETING, ""),
    (TEAMS, Provider.MICROSOFT_TEAMS, ""),
    ("https://teams.microsoft.com/meet/2345678901234?p=x", Provider.MICROSOFT_TEAMS, "*"),
    ("https://teams.live.com/meet/9345678901234", Provider.MICROSOFT_TEAMS, "9345678901234"),
    ("https://acme.webex.com/acme/j.php?MTID=m0123456789abcdef", Provider.WEBEX, ""),
    ("https://acme.webex.com/meet/ann.lee", Provider.WEBEX, ""),
    ("https://global.gotomeeting.com/join/123456789", Provider.GOTOMEETING, "123456789"),
    ("https://meet.goto.com/123456789", Provider.GOTOMEETING, "123456789"),
    ("https://meet.lync.com/acme/ann.lee/AB12CD34", Provider.SKYPE_FOR_BUSINESS, ""),
    ("https://join.skype.com/AbCdEf123456", Provider.SKYPE_FOR_CONSUMER, ""),
    ("https://join.skype.com/invite/AbCdEf123456", Provider.SKYPE_FOR_CONSUMER, ""),
]
MEET, ZOOM = LINKS[0][0], LINKS[4][0]

NOT_LINKS = [
    # Look-alikes.
    "https://evilzoom.us/j/81234567890",
    "https://zoom.us.evil.example/j/81234567890",
    "https://evil.example/zoom.us/j/81234567890",
    "https://evil.example?https://zoom.us/j/81234567890",
    "https://meet.google.com.evil.example/abc-defg-hij",
    "https://xmeet.google.com/abc-defg-hij",
    "https://a.meet.google.com/abc-defg-hij",
    "https://webex.com.evil.example/meet/ann",
    "https://zoom.us./j/81234567890",
    "https://z\u043eom.us/j/81234567890",
    "https://xn--zom-7cd.us/j/81234567890",
    "https://xn--80ak6aa92e.zoom.us/j/81234567890",
    # What parsers and browsers read differently.
    "https://zoom.us@evil.example/j/81234567890",
    "https://user@zoom.us/j/81234567890",
    "https://user:word@zoom.us/j/81234567890",
    "https://zoom.us\\@evil.example/j/81234567890",
    "https://evil.example\\.zoom.us/j/81234567890",
    "https://zoom.us/j/81234567890\\x",
    "https://evil.example%2f.zoom.us/j/81234567890",
    "https://evil.example;.zoom.us/j/81234567890",
    "https://evil.example .zoom.us/j/81234567890",
    "https://evil.example\t.zoom.us/j/81234567890",
    "https://zoom.us/j/81234567890?x=\ny",
    "https://zoom.us:8443/j/81234567890",
    "https://zoom.us:/j/81234567890",
    "https://zoom.us:443:443/j/81234567890",
    "ftp://zoom.us/j/81234567890",
    "ftp://zoom.us/j/81234567890",
    "javascript:https://zoom.us/j/81234567890",
    "//zoom.us/j/81234567890",
    # Known hosts, but nothing to join.
    "https://zoom.us/rec/share/abcdefgh",
    "https://zoom.us/rec/play/81234567890",
    "https://us02web.zoom.us/meeting/register/tZAuc",
    "https://us02web.zoom.us/u/kabc",
    "https://support.zoom.us/hc/en-us",
    "https://zoom.us/",
    "https://zoom.us",
    "https://zoom.us/j/",
    "https://zoom.us/j/12345",
    "https://zoom.us/j/123456789012345",
    "https://meet.google.com/",
    "https://meet.google.com/new",
    "https://meet.google.com/abcdefghij",
    "https://teams.microsoft.com/l/channel/19%3aabc%40thread.tacv2/General",
    "https://teams.microsoft.com/meetingOptions/?organizerId=x",
    "https://aka.ms/JoinTeamsMeeting",
    "https://acme.webex.com/recordingservice/sites/acme/recording/1",
    "https://webex.com/meet/ann",
    "https://global.gotomeeting.com/install",
    "https://meet.lync.com/acme",
    "https://join.skype.com/bot/x",
    "https://www.skype.com/AbCdEf123456",
]


def code_of(code: str) -> str:
    return "2345678901234" if code == "*" else code


def details(found: Conferencing | None) -> Details:
    assert found is not None
    assert isinstance(found.source, Details)
    return found.source


# ---- Links ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "provider", "code"), LINKS)
def test_a_join_link_is_its_providers(url: str, provider: Provider, code: str) -> None:
    link = join_link_from_url(url)
    assert link is not None
    assert (link.url, link.provider, link.meeting_code) == (url, provider, code_of(code))
    assert is_provider_host(provider, url)


def test_links_of_all_seven_providers_are_known() -> None:
    assert {provider for _, provider, _ in LINKS} == set(Provider) - {Provider.OTHER}


@pytest.mark.parametrize("url", NOT_LINKS)
def test_another_url_is_no_join_link(url: str) -> None:
    assert join_link_from_url(url) is None


# What a text goes on to hold behind something else is a link by itself.
LINKS_INSIDE = {
    "javascript:https://zoom.us/j/81234567890": ["https://zoom.us/j/81234567890"],
    "https://zoom.us/j/81234567890?x=\ny": ["https://zoom.us/j/81234567890?x="],
}


@pytest.mark.parametrize("url", NOT_LINKS)
def test_another_url_is_not_read_out_of_a_text(url: str) -> None:
    found = [link.url for link in join_links_in(f"See {url} there")]
    assert found == LINKS_INSIDE.get(url, [])


def test_a_host_is_the_same_in_capitals_and_with_its_own_port() -> None:
    for url in ("HTTPS://ZOOM.US/j/81234567890", "https://zoom.us:443/j/81234567890"):
        link = join_link_from_url(url)
        assert link is not None
        assert link.url == url


@pytest.mark.parametrize(
    ("provider", "url", "expected"),
    [
        (Provider.ZOOM_MEETING, "https://acme.zoom.us/rec/x", True),
        (Provider.ZOOM_MEETING, "https://zoom.us.evil.example/j/81234567890", False),
        (Provider.ZOOM_MEETING, "https://meet.google.com/abc-defg-hij", False),
        (Provider.ZOOM_MEETING, "https://zoom.us@evil.example/", False),
        (Provider.OTHER, "https://zoom.us/j/81234567890", False),
    ],
)
def test_a_host_is_known_as_a_providers_or_not(
    provider: Provider, url: str, expected: bool
) -> None:
    assert is_provider_host(provider, url) is expected


# ---- Texts ---------------------------------------------------------------------------------

AROUND = [
    ("{}", "alone"),
    ("Join: {}", "label"),
    ("We meet at {}.", "sentence"),
    ("({})", "brackets"),
    ("<{}>", "angle brackets"),
    ('"{}"', "quotes"),
    ("{}\r\nsecond line", "line"),
    ("*{}*", "stars"),
    ("{}, then lunch", "comma"),
    ('<a href="{}">Join</a>', "anchor"),
    ("<a href='{}'>Join</a>", "anchor in single quotes"),
    ("<p>{}</p>", "paragraph"),
    ("{}&nbsp;<br>", "no-break space"),
    ("&lt;{}&gt;", "written-out brackets"),
    ("a &quot;{}&quot; b", "written-out quotes"),
    ("ftp://zoom.us/j/99999999999 {}", "after a link of another scheme"),
    ("https://evil.example/ {}", "after another link"),
    ("https:// {}", "after half a link"),
]


@pytest.mark.parametrize(("url", "provider", "code"), LINKS)
@pytest.mark.parametrize("around", [text for text, _ in AROUND], ids=[name for _, name in AROUND])
def test_a_link_is_read_out_of_the_text_around_it(
    url: str, provider: Provider, code: str, around: str
) -> None:
    found = conferencing_from_text(around.format(url))
    assert found == Conferencing(
        provider=provider,
        source=details(found),
        state=State.READY,
        origin=Origin.PARSED,
        source_field="text",
    )
    assert (details(found).url, details(found).meeting_code) == (url, code_of(code))
    (point,) = details(found).entry_points
    assert (point.type, point.uri) == (EntryPointType.VIDEO, url)


@pytest.mark.parametrize(("url", "provider", "code"), LINKS)
def test_a_link_is_read_out_of_html_with_its_references_undone(
    url: str, provider: Provider, code: str
) -> None:
    written = url.replace("&", "&amp;").replace("/", "&#47;").replace("&#47;&#47;", "//")
    found = conferencing_from_text(f'<a href="{written}">Join</a>')
    assert found is not None
    assert (found.provider, details(found).url) == (provider, url)


@pytest.mark.parametrize("parameter", ["region=us", "copy=1", "para=x", "lt=5", "not=1", "amp=2"])
def test_a_parameter_that_begins_like_a_reference_stays_a_parameter(parameter: str) -> None:
    url = f"https://zoom.us/j/81234567890?pwd=x&{parameter}"
    assert details(conferencing_from_text(url)).url == url


def test_the_first_join_link_wins() -> None:
    text = f"https://zoom.us/rec/share/x then {MEET} or {ZOOM}"
    assert [link.url for link in join_links_in(text)] == [MEET, ZOOM]
    assert details(conferencing_from_text(text)).url == MEET


@pytest.mark.parametrize("text", ["", "no link", "://", "https://", "https", "x" * 1000])
def test_a_text_without_a_link_has_no_conference(text: str) -> None:
    assert conferencing_from_text(text) is None


def test_the_end_of_a_very_long_text_is_not_read() -> None:
    assert conferencing_from_text("x" * 262_000 + " " + MEET) is not None
    assert conferencing_from_text("x" * 262_144 + " " + MEET) is None


def test_a_link_is_at_most_four_thousand_characters() -> None:
    assert conferencing_from_text(f"{MEET}?x={'y' * 4000}") is not None
    assert join_link_from_url(f"{MEET}?x={'y' * 5000}") is None


@given(st.text())
def test_no_text_makes_reading_fail_and_what_is_found_is_a_plain_link(text: str) -> None:
    for candidate in (text, f"https://zoom.us/j/81234567890?{text}"):
        for link in join_links_in(candidate):
            assert link.url.startswith("https://zoom.us/j/81234567890")
            assert not set(link.url) & set(" \t\r\n\"'<>\\\u00a0")


# ---- Google --------------------------------------------------------------------------------


def google(*points: dict[str, Any], **event: Any) -> Conferencing | None:
    data = {"entryPoints": list(points), "conferenceSolution": {"name": "Google Meet"}}
    return conferencing_from_google({"conferenceData": data, **event})


VIDEO = {"entryPointType": "video", "uri": MEET, "label": "meet.google.com/abc-defg-hij"}
PHONE = {
    "entryPointType": "phone",
    "uri": "tel:+1-252-555-0100;ext=1",
    "label": "+1 252-555-0100",
    "pin": "123456789",
    "regionCode": "US",
}
SIP = {"entryPointType": "sip", "uri": "sip:1234@meet.google.com"}
MORE = {"entryPointType": "more", "uri": "https://tel.meet/abc-defg-hij?pin=987", "pin": "987"}


def test_a_google_conference_is_read_with_every_way_to_join() -> None:
    found = google(MORE, PHONE, VIDEO, SIP)
    read = details(found)
    assert found is not None
    assert (found.provider, found.state) == (Provider.GOOGLE_MEET, State.READY)
    assert (found.origin, found.label, found.source_field) == (Origin.NATIVE, "Google Meet", "")
    assert (read.url, read.meeting_code) == (MEET, "abc-defg-hij")
    assert (read.pin, read.phone) == ("123456789", ("+12525550100",))
    assert [(each.type, each.uri) for each in read.entry_points] == [
        (EntryPointType.MORE, MORE["uri"]),
        (EntryPointType.PHONE, PHONE["uri"]),
        (EntryPointType.VIDEO, MEET),
        (EntryPointType.SIP, SIP["uri"]),
    ]
    assert read.entry_points[1].region_code == "US"


def test_a_zoom_conference_of_googles_add_on_is_zooms() -> None:
    point = {
        "entryPointType": "video",
        "uri": ZOOM,
        "meetingCode": "812 3456 7890",
        "passcode": "424242",
    }
    found = google(point)
    assert found is not None
    assert found.provider is Provider.ZOOM_MEETING
    assert (details(found).meeting_code, details(found).password) == ("81234567890", "424242")


def test_a_number_that_is_named_twice_is_one_number() -> None:
    again = {**PHONE, "uri": "tel:+12525550100"}
    odd = {**PHONE, "uri": "tel:0800"}
    assert details(google(VIDEO, PHONE, again, odd)).phone == ("+12525550100",)


def test_a_hostile_entry_point_is_passed_over() -> None:
    hostile = {**VIDEO, "uri": "https://meet.google.com.evil.example/abc-defg-hij"}
    assert google(hostile) is None
    assert details(google(hostile, VIDEO)).url == MEET


def test_a_hangout_link_is_taken_where_there_are_no_entry_points() -> None:
    found = conferencing_from_google({"hangoutLink": MEET})
    assert found is not None
    assert (details(found).url, found.origin) == (MEET, Origin.NATIVE)


@pytest.mark.parametrize(
    ("event", "source_field"),
    [
        ({"conferenceData": {"notes": f"Join {MEET}"}}, "conferenceData.notes"),
        ({"location": MEET}, "location"),
        ({"description": f'<a href="{MEET}">Join</a>'}, "description"),
    ],
)
def test_a_google_events_texts_are_read_and_named(event: dict[str, Any], source_field: str) -> None:
    found = conferencing_from_google(event)
    assert found is not None
    assert (found.origin, found.source_field) == (Origin.PARSED, source_field)
    assert details(found).url == MEET


# ---- Microsoft -----------------------------------------------------------------------------


def test_a_microsoft_conference_is_read_with_its_telephone() -> None:
    found = conferencing_from_microsoft(
        {
            "onlineMeetingProvider": "teamsForBusiness",
            "onlineMeeting": {
                "joinUrl": TEAMS,
                "conferenceId": "123 456 789#",
                "tollNumber": "+14155550100",
                "tollFreeNumbers": ["+18005550100", "+14155550100", "0800"],
            },
        }
    )
    assert found is not None
    assert (found.provider, found.label) == (Provider.MICROSOFT_TEAMS, "teamsForBusiness")
    assert (found.origin, found.state) == (Origin.NATIVE, State.READY)
    read = details(found)
    assert (read.url, read.pin) == (TEAMS, "123456789")
    assert read.phone == ("+14155550100", "+18005550100")
    assert [(point.uri, point.toll_free) for point in read.entry_points[1:]] == [
        ("tel:+14155550100", False),
        ("tel:+18005550100", True),
    ]


@pytest.mark.parametrize(
    ("event", "source_field"),
    [
        ({"location": {"displayName": ZOOM}}, "location.displayName"),
        ({"location": {"locationUri": ZOOM}}, "location.locationUri"),
        ({"locations": [{}, {"displayName": f"Room 1; {ZOOM}"}]}, "locations[1].displayName"),
        ({"body": {"contentType": "html", "content": f"<p>{ZOOM}</p>"}}, "body.content"),
        ({"bodyPreview": f"Join {ZOOM}"}, "bodyPreview"),
    ],
)
def test_a_microsoft_events_texts_are_read_and_named(
    event: dict[str, Any], source_field: str
) -> None:
    found = conferencing_from_microsoft(event)
    assert found is not None
    assert (found.provider, found.source_field) == (Provider.ZOOM_MEETING, source_field)
    assert (details(found).url, found.origin) == (ZOOM, Origin.PARSED)


def test_a_hostile_join_url_is_passed_over() -> None:
    hostile = "https://teams.microsoft.com@evil.example/l/meetup-join/19%3ameeting_x"
    assert conferencing_from_microsoft({"onlineMeeting": {"joinUrl": hostile}}) is None
    found = conferencing_from_microsoft(
        {"onlineMeeting": {"joinUrl": hostile}, "onlineMeetingUrl": TEAMS}
    )
    assert details(found).url == TEAMS


KEYS = st.sampled_from(
    [
        "conferenceData",
        "entryPoints",
        "entryPointType",
        "uri",
        "pin",
        "conferenceSolution",
        "name",
        "notes",
        "hangoutLink",
        "location",
        "locations",
        "displayName",
        "description",
        "onlineMeeting",
        "joinUrl",
        "tollNumber",
        "tollFreeNumbers",
        "conferenceId",
        "onlineMeetingUrl",
        "body",
        "content",
    ]
)
native = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["video", MEET, TEAMS, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, native) | strategies.json_objects)
def test_no_native_event_makes_reading_fail(event: dict[str, Any]) -> None:
    for found in (conferencing_from_google(event), conferencing_from_microsoft(event)):
        assert found is None or details(found).url in {MEET, TEAMS}


# ---- iCalendar -----------------------------------------------------------------------------


def icalendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"])


@pytest.mark.parametrize(
    "line",
    [
        f"X-GOOGLE-CONFERENCE:{MEET}",
        f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{MEET}",
        f'CONFERENCE;VALUE=URI;LABEL="a:b;c":{MEET}',
        f"x-google-conference:{MEET}",
        f"X-MICROSOFT-SKYPETEAMSMEETINGURL:{MEET}",
    ],
)
def test_a_property_that_names_a_conference_is_native(line: str) -> None:
    found = conferencing_from_icalendar(icalendar("DTSTART:20300101T090000Z", line))
    assert found is not None
    assert (details(found).url, found.origin, found.source_field) == (MEET, Origin.NATIVE, "")


@pytest.mark.parametrize("name", ["URL", "LOCATION", "DESCRIPTION", "X-ALT-DESC"])
def test_the_texts_of_icalendar_are_read_and_named(name: str) -> None:
    found = conferencing_from_icalendar(icalendar(f"{name};LANGUAGE=en:Join {MEET}"))
    assert found is not None
    assert (details(found).url, found.origin) == (MEET, Origin.PARSED)
    assert found.source_field == name


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("fold", [" ", "\t"])
def test_folded_lines_are_one_line(line_end: str, fold: str) -> None:
    halves = f"DESCRIPTION:Join {MEET[:20]}{line_end}{fold}{MEET[20:]} please"
    text = icalendar(halves).replace("\r\n", line_end)
    assert details(conferencing_from_icalendar(text)).url == MEET


def test_escapes_of_texts_are_undone() -> None:
    text = icalendar(f"DESCRIPTION:Agenda\\, part 1\\;\\n{MEET}\\nRegards\\\\Ann")
    assert details(conferencing_from_icalendar(text)).url == MEET
    comma = f"{MEET}?a=1\\,2\\;3"
    found = conferencing_from_icalendar(icalendar(f"LOCATION:{comma}"))
    # A semicolon ends a link, as in "LINK; Room 5".
    assert details(found).url == f"{MEET}?a=1,2"


def test_what_names_a_conference_comes_before_what_mentions_one() -> None:
    text = icalendar(f"DESCRIPTION:{ZOOM}", f"X-GOOGLE-CONFERENCE:{MEET}")
    assert details(conferencing_from_icalendar(text)).url == MEET


def test_a_moderators_conference_is_not_given_to_others() -> None:
    text = icalendar(f"CONFERENCE;FEATURE=MODERATOR;VALUE=URI:{ZOOM}", f"CONFERENCE:{MEET}")
    assert details(conferencing_from_icalendar(text)).url == MEET


def test_only_the_first_event_is_read() -> None:
    text = icalendar("SUMMARY:first") + "\r\n" + icalendar(f"LOCATION:{MEET}")
    assert conferencing_from_icalendar(text) is None


def test_an_event_alone_needs_no_calendar_around_it() -> None:
    text = f"BEGIN:VEVENT\r\nLOCATION:{MEET}\r\nEND:VEVENT"
    assert details(conferencing_from_icalendar(text)).url == MEET


def test_a_hostile_property_is_passed_over() -> None:
    hostile = "https://meet.google.com.evil.example/abc-defg-hij"
    text = icalendar(f"X-GOOGLE-CONFERENCE:{hostile}", f"LOCATION:{hostile}")
    assert conferencing_from_icalendar(text) is None


@given(st.text(alphabet='AZ:;="\\,nN \t\r\n/\u00a0'), st.text())
def test_no_icalendar_makes_reading_fail(text: str, other: str) -> None:
    assert conferencing_from_icalendar(text) is None
    assert conferencing_from_icalendar(icalendar(f"DESCRIPTION:{text}", other)) is None


def test_what_another_property_says_of_the_link_stands_on_its_entry_point_too() -> None:
    link = "https://us02web.zoom.us/j/81234567890"
    named = f"X-GOOGLE-CONFERENCE:{link}"
    text = f"DESCRIPTION:Join Zoom Meeting\\n{link}\\n\\nPasscode: 424242"
    found = conferencing_from_icalendar(icalendar(named, text))
    assert found is not None
    (video,) = details(found).entry_points
    assert (video.uri, video.meeting_code, video.password) == (link, "81234567890", "424242")
    assert details(found).password == "424242"
