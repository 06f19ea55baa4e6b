"""The conference's own text in a description goes; what people wrote stays, byte for byte."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.model import Details
from conferencing_service.core.reading import block_of, holds, without_block

TEAMS_URL = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_a%40thread.v2/0?context=x&y=1"
ZOOM = Details(
    url="https://us02web.zoom.us/j/81234567890?pwd=aBc&x=1",
    meeting_code="81234567890",
    password="424242",
)
MEET = Details(url="https://meet.google.com/abc-defg-hij", pin="123456789", phone=("+12525550100",))
TEAMS = Details(url=TEAMS_URL)
WEBEX = Details(url="https://acme.webex.com/meet/ann", password="s3cret word", pin="99")

RULE = "_" * 80
BLOCKS = {
    "link alone": (ZOOM, ZOOM.url),
    "link with a label": (WEBEX, f"Join: {WEBEX.url}"),
    "short zoom": (ZOOM, f"Join Zoom Meeting\n{ZOOM.url}"),
    "zoom": (
        ZOOM,
        f"Join Zoom Meeting\n{ZOOM.url}\n\nMeeting ID: 812 3456 7890\nPasscode: 424242",
    ),
    "long zoom": (
        ZOOM,
        (
            "Ann Lee is inviting you to a scheduled Zoom meeting.\n\n"
            f"Join Zoom Meeting\n{ZOOM.url}\n\n"
            "Meeting ID: 812 3456 7890\nPasscode: 424242\n\n---\n\n"
            "One tap mobile\n"
            "+13465550100,,81234567890#,,,,*424242# US (Houston)\n"
            "+16695550100,,81234567890#,,,,*424242# US (San Jose)\n\n---\n\n"
            "Dial by your location\n"
            "• +1 346 555 0100 US (Houston)\n"
            "• +1 669 555 0100 US (San Jose)\n\n"
            "Meeting ID: 812 3456 7890\nPasscode: 424242\n\n"
            "Find your local number: https://us02web.zoom.us/u/kabc"
        ),
    ),
    "details in lines": (
        WEBEX,
        f"Join: {WEBEX.url}\nPassword: s3cret word\nPIN: 99\nPhone: +14155550100",
    ),
    "short teams": (TEAMS, f"{RULE}\nMicrosoft Teams meeting\nJoin: {TEAMS.url}\n{RULE}"),
    "teams": (
        TEAMS,
        (
            f"{RULE}\nMicrosoft Teams meeting\n"
            "Join on your computer, mobile app or room device\n"
            f"Click here to join the meeting<{TEAMS.url}>\n"
            "Meeting ID: 123 456 789 012\nPasscode: aBcDeF\n"
            "Download Teams<https://www.microsoft.com/x> | Join on the web<https://www.microsoft.com/y>\n"
            "Or call in (audio only)\n"
            "+1 323-555-0100,,123456789#<tel:+13235550100,,123456789#> United States, Los Angeles\n"
            "Phone Conference ID: 123 456 789#\n"
            "Find a local number<https://dialin.teams.microsoft.com/x> | Reset PIN<https://y.example>\n"
            "Learn More<https://aka.ms/JoinTeamsMeeting> | Meeting options<https://z.example>\n"
            f"{RULE}"
        ),
    ),
    "new teams": (
        TEAMS,
        (
            f"{RULE}\nMicrosoft Teams Need help?<https://aka.ms/JoinTeamsMeeting?omkt=en-US>\n"
            f"Join the meeting now<{TEAMS.url}>\n"
            "Meeting ID: 123 456 789 012\nPasscode: aB3cD4\n"
            f"{'_' * 32}\nFor organizers: Meeting options<https://z.example>\n{RULE}"
        ),
    ),
    "google": (
        MEET,
        (
            f"-::~:~::~{':~' * 30}::~:~::-\n"
            f"Join with Google Meet: {MEET.url}\n"
            "Or dial: (US) +1 252-555-0100 PIN: 123456789#\n"
            "More phone numbers: https://tel.meet/abc-defg-hij?pin=1234567890123&hs=7\n\n"
            "Learn more about Meet at: https://support.google.com/a/users/answer/9282720\n\n"
            "Please do not edit this section.\n"
            f"-::~:~::~{':~' * 30}::~:~::-"
        ),
    ),
    "windows lines": (
        ZOOM,
        f"Join Zoom Meeting\r\n{ZOOM.url}\r\n\r\nMeeting ID: 812 3456 7890\r\nPasscode: 424242",
    ),
}
HTML_BLOCKS = {
    "anchor": (ZOOM, f'<a href="{html.escape(ZOOM.url)}">Join Zoom Meeting</a>'),
    "anchor that shows itself": (
        ZOOM,
        f'<a href="{html.escape(ZOOM.url)}" target="_blank">{html.escape(ZOOM.url)}</a>',
    ),
    "lines": (
        ZOOM,
        (
            f"Join Zoom Meeting<br>{html.escape(ZOOM.url)}<br><br>Meeting ID: 812 3456 7890<br />"
            "Passcode: 424242"
        ),
    ),
    "teams": (
        TEAMS,
        (
            f"<div>{RULE}</div><div><b>Microsoft Teams meeting</b></div>"
            f'<div><a href="{html.escape(TEAMS.url)}">Click here to join the meeting</a></div>'
            f"<div>Meeting ID: 123 456 789 012</div><div>{RULE}</div>"
        ),
    ),
}
everything = pytest.mark.parametrize(
    ("details", "block"), [*BLOCKS.values(), *HTML_BLOCKS.values()], ids=[*BLOCKS, *HTML_BLOCKS]
)
plain = pytest.mark.parametrize(("details", "block"), BLOCKS.values(), ids=BLOCKS)

WORDS = ["bring", "the", "numbers", "of", "lunch", "Größe", "Ωmega", "5 %", "(see wiki)", "—", "&"]
sentences = st.builds(
    "{}{}{}.{}".format,
    st.sampled_from(["", " ", "\t", "- "]),
    st.sampled_from(["Please", "Agenda", "Ann", "Nächste"]),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=6).map(
        lambda words: " " + " ".join(words)
    ),
    st.sampled_from(["", " ", "  "]),
)
prose = st.lists(sentences, min_size=1, max_size=4).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", "\r\n"]).map(lambda gap: gap.join(lines))
)
gaps = st.sampled_from(["\n", "\n\n", "\r\n\r\n", "\n\n\n"])
blocks = st.sampled_from(list(BLOCKS.values()))


# ---- Removing ------------------------------------------------------------------------------


@everything
def test_a_block_alone_leaves_nothing(details: Details, block: str) -> None:
    assert html_text(without_block(block, details)) == ""


def html_text(text: str) -> str:
    """Return what of an HTML text is seen."""
    for tag in ("<br>", "<div>", "</div>"):
        text = text.replace(tag, "")
    return text.strip()


@plain
def test_a_block_at_the_end_goes_with_the_blank_lines_before_it(
    details: Details, block: str
) -> None:
    assert without_block(f"Agenda\n- numbers  \n\n{block}", details) == "Agenda\n- numbers  "
    assert without_block(f"Agenda\n\n{block}\n\n", details) == "Agenda"


@plain
def test_a_block_between_prose_leaves_the_prose(details: Details, block: str) -> None:
    left = without_block(f"  Agenda first.\n\n{block}\n\nSee you there.  \n", details)
    assert left.startswith("  Agenda first.\n")
    assert left.endswith("\nSee you there.  \n")
    assert left.split() == ["Agenda", "first.", "See", "you", "there."]


@given(prose, gaps, blocks, gaps, prose)
def test_prose_before_and_after_a_block_always_survives(
    before: str, gap: str, block: tuple[Details, str], other_gap: str, after: str
) -> None:
    details, text = block
    left = without_block(before + gap + text + other_gap + after, details)
    assert left.startswith(before)
    assert left.endswith(after)
    assert left[len(before) : len(left) - len(after)].strip() == ""


@given(prose, gaps, blocks)
def test_prose_before_a_block_at_the_end_survives_alone(
    before: str, gap: str, block: tuple[Details, str]
) -> None:
    details, text = block
    assert without_block(before + gap + text, details) == before


@given(st.text(max_size=200), blocks)
def test_a_description_without_the_link_is_left_alone(
    text: str, block: tuple[Details, str]
) -> None:
    details, _ = block
    assert without_block(text, details) == text
    assert block_of(text, details) == ""


@pytest.mark.parametrize("details", [ZOOM, MEET, TEAMS])
@pytest.mark.parametrize(
    "sentence",
    [
        "If the room is taken, {} is where we are.",
        "Dial in at {} or come by",
        "Ann asked: may we use {}? Please answer.",
        'See <a href="{}">this page</a> for the minutes of last week',
    ],
)
def test_in_a_persons_sentence_only_the_link_goes(details: Details, sentence: str) -> None:
    line = sentence.format(details.url)
    left = without_block(f"First line\n{line}\nLast line  ", details)
    words = line.replace(f'<a href="{details.url}">this page</a>', "").replace(details.url, "")
    assert left == f"First line\n{words}\nLast line  "


def test_another_meetings_link_stays_whole() -> None:
    short = Details(url="https://zoom.us/j/812345678")
    for other in (
        "https://zoom.us/j/8123456789",
        "https://zoom.us/j/812345678?pwd=x",
        "https://zoom.us/j/812345678/x",
    ):
        text = f"Join Zoom Meeting\n{other}"
        assert without_block(text, short) == text
        assert not holds(text, short)


def test_another_meetings_text_beside_the_block_stays() -> None:
    other = "Another one: https://meet.google.com/xyz-xyzx-xyz"
    left = without_block(f"{other}\n\nJoin Zoom Meeting\n{ZOOM.url}", ZOOM)
    assert left == other


def test_a_link_that_stands_twice_goes_twice() -> None:
    text = f"Join Zoom Meeting\n{ZOOM.url}\n\nAgenda of the day\n\n{ZOOM.url}"
    assert without_block(text, ZOOM).strip() == "Agenda of the day"


def test_details_without_a_link_have_no_text() -> None:
    assert without_block("Passcode: 424242", Details(password="424242")) == "Passcode: 424242"
    assert block_of("Passcode: 424242", Details(password="424242")) == ""
    assert not holds("anything", Details())


@pytest.mark.parametrize(
    "paragraph", ["<p>Agenda &amp; <b>numbers</b>  </p>", "<div>Agenda</div>", "Agenda<br><br>More"]
)
@pytest.mark.parametrize(("details", "block"), HTML_BLOCKS.values(), ids=HTML_BLOCKS)
def test_html_around_a_block_survives(details: Details, block: str, paragraph: str) -> None:
    left = without_block(f"{paragraph}<br>{block}<p>Regards</p>", details)
    assert left.startswith(paragraph)
    assert left.endswith("<p>Regards</p>")
    assert html_text(left[len(paragraph) : -len("<p>Regards</p>")]) == ""


# ---- Finding -------------------------------------------------------------------------------


@everything
def test_a_description_holds_a_conference_by_its_link(details: Details, block: str) -> None:
    assert holds(block, details)
    assert holds(f"Agenda\n\n{block}", details)
    assert not holds("Agenda", details)


@plain
def test_a_block_is_found_whole_between_prose(details: Details, block: str) -> None:
    assert block_of(f"Agenda first.\n\n{block}\n\nSee you there.", details) == block
    assert block_of(block, details) == block


def test_of_a_persons_sentence_the_block_is_the_link() -> None:
    assert block_of(f"If the room is taken, {ZOOM.url} is where we are.", ZOOM) == ZOOM.url


@given(prose, gaps, blocks, gaps, prose)
def test_what_is_found_is_what_is_removed(
    before: str, gap: str, block: tuple[Details, str], other_gap: str, after: str
) -> None:
    details, text = block
    description = before + gap + text + other_gap + after
    left, found = without_block(description, details), block_of(description, details)
    assert found == text
    assert not holds(left, details)
    assert without_block(left, details) == left
    assert sorted(f"{left}\n{found}".split()) == sorted(description.split())


@given(prose, blocks)
def test_a_block_that_moved_to_other_prose_is_found_and_removed_again(
    other: str, block: tuple[Details, str]
) -> None:
    details, text = block
    found = block_of("Agenda first.\n\n" + text, details)
    moved = f"{other}\n\n{found}"
    assert block_of(moved, details) == text
    assert without_block(moved, details) == other


@pytest.mark.parametrize(
    "prose",
    [
        "Join the budget review on time please",
        "Join with your camera on, the client is attending.",
        "Join the team for lunch afterwards.",
        "Learn more about our roadmap below",
        "Meeting options are on page three",
    ],
)
def test_a_sentence_that_begins_like_a_heading_stays(prose: str) -> None:
    url = "https://us02web.zoom.us/j/81234567890"
    for text in (f"{prose}\n{url}", f"{url}\n{prose}"):
        assert without_block(text, Details(url=url)).strip() == prose


def test_a_text_beyond_a_readable_size_keeps_all_but_the_block() -> None:
    url = "https://us02web.zoom.us/j/81234567890"
    block = f"Join Zoom Meeting\n{url}\nPasscode: abc\n"
    rest = "A line of prose.\n" * 60_000
    assert without_block(f"{block}\n{rest}", Details(url=url)).strip() == rest.strip()
