"""Anything at all is read without an exception, a hang, a wrong type or much memory.

FUZZ_SECONDS says how long the run takes in all, FUZZ_SEED where it begins; a failure names its seed.
`make test` and CI begin at the same seed every time, `make fuzz` at a new one.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import json
import os
import random
import signal
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from conferencing_service.core import reading
from conferencing_service.core.model import (
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    Provider,
    State,
)
from corpus import scorer
from fuzz.trees import replaced

T = TypeVar("T")

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("FUZZ_SEED") or 20261124)
EXAMPLES = 25
"""Inputs per seed."""

CPU_SECONDS = 5
"""What one input may take: a thousand times of what it should."""

MAX_INPUT = 262_144
MAX_MEMORY = 64 * 1024 * 1024

pytestmark = [pytest.mark.security, pytest.mark.timeout(SECONDS + 120)]

# ---- Pieces ---------------------------------------------------------------------------------

CASES = scorer.cases()
HOSTS = (
    *("zoom.us", "us02web.zoom.us", "zoomgov.com", "meet.google.com", "teams.microsoft.com"),
    *("teams.live.com", "acme.webex.com", "meet.goto.com", "www.gotomeet.me", "meet.lync.com"),
    *("join.skype.com", "evil.example", "zoom.us.evil.example", "xn--zom-7cd.us", "z\u043eom.us"),
    *("[zoom.us]", "[::1", "zoom.us@evil.example", "zoom.us\\@evil.example", "zoom.us:8443", ""),
)
PATHS = (
    *("/j/85550100001", "/my/ann.lee", "/w/1", "/s/85550100001?zak=x", "/abc-defg-hij", "/new"),
    *("/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d", "/meet/2345501901234?p=x"),
    *("/acme/j.php?MTID=m0123456789abcdef0123456789abcdef", "/meet/ann", "/555012377", "/install"),
    *("/acme/ann/AB12CD34?sl=1", "/invite/AbCd1234", "/", "", "/%", "/%zz", "?", "#"),
)
WRAPPERS = (
    "https://eur03.safelinks.protection.outlook.com/?url={}&data=05",
    "https://www.google.com/url?q={}&sa=D",
    "https://urldefense.proofpoint.com/v2/url?u={}&d=DwMF",
    "https://urldefense.com/v3/__{}__;JSUl!!abc!def$",
)
HOSTILE = (
    *("://", "https://", "<a ", "<a href='", '"', "<", ">", "&", "&amp;", "&#x", "&#99999999;"),
    *("&#xd800;", "%", "%25", "%zz", "\\", "\\n", "\r\n ", "\r\n", "\n", "\t", "\x00", "\u00a0"),
    *("\uff1a", "\u200b", "\u0130", "\ud83d", "\U0001f600", "@", "[", "]", "(", ")", "+1 (", ";"),
    *(
        "Meeting ID: ",
        "Passcode: ",
        "Kenncode\u00a0: ",
        "PIN: ",
        "会议号",
        "Conference ID:",
        "tel:",
    ),
    *("Join Skype Meeting", "<style>", "<!--", "</p>", "_" * 80, "-::~:~::-", "." * 90, ",,", "#"),
    *("BEGIN:VEVENT\r\n", "END:VEVENT\r\n", "CONFERENCE;FEATURE=", "X-GOOGLE-CONFERENCE:", "URL:"),
    *("\u0661\u0662\u0663", "\u00b2\u00b3", "zoommtg://", "tel:%2B1", "*", "__", "$"),
)
WORDS = tuple(
    sorted({word for case in CASES for word in json.dumps(dict(case.event)).split() if word})
)


def _wrapped(url: str, wrappers: list[str]) -> str:
    for wrapper in wrappers:
        url = wrapper.replace("{}", quote(url, safe=""))
    return url


links = st.builds(
    lambda scheme, host, path, wrappers: _wrapped(scheme + host + path, wrappers),
    st.sampled_from(["https://", "http://", "HTTPS://", "", "zoommtg://", "//", "ftp://"]),
    st.sampled_from(HOSTS),
    st.sampled_from(PATHS),
    st.lists(st.sampled_from(WRAPPERS), max_size=6),
)
characters = st.characters(exclude_categories=())  # halves of letters as well
pieces = st.one_of(
    links,
    st.sampled_from(HOSTILE),
    st.sampled_from(WORDS),
    st.text(characters, max_size=20),
    st.from_regex(r"[0-9 ()+.#*-]{1,40}", fullmatch=True),
)
built = st.builds(
    lambda parts, glue: glue.join(parts),
    st.lists(pieces, max_size=30),
    st.sampled_from(["", " ", "\n", "\r\n", "<br>", "\\n", "&nbsp;"]),
)
texts = st.one_of(st.text(characters, max_size=400), built)


def _mutated(text: str, edits: list[tuple[float, float, str]]) -> str:
    for at, length, piece in edits:
        start = int(at * len(text))
        text = text[:start] + piece + text[start + int(length * 40) :]
    return text


unit = st.floats(0, 1)
edits = st.lists(st.tuples(unit, unit, pieces), max_size=6)
doubled = st.integers(1, 3)


def mutations_of(key: str) -> st.SearchStrategy[str]:
    """Return real texts of the corpus, cut and spliced."""
    real = [case.event[key] for case in CASES if key in case.event]
    return st.builds(
        lambda one, other, times, changes: _mutated((one + other) * times, changes),
        st.sampled_from(real),
        st.sampled_from(["", *real]),
        doubled,
        edits,
    )


# ---- Events ---------------------------------------------------------------------------------

GOOGLE_KEYS = (
    *("conferenceData", "entryPoints", "entryPointType", "uri", "label", "pin", "accessCode"),
    *("meetingCode", "passcode", "password", "regionCode", "conferenceSolution", "key", "type"),
    *("name", "conferenceId", "notes", "createRequest", "status", "statusCode", "hangoutLink"),
    *("location", "description", "summary", "parameters", "addOnParameters"),
)
MICROSOFT_KEYS = (
    *("onlineMeeting", "joinUrl", "conferenceId", "phones", "number", "type", "quickDial"),
    *("tollNumber", "tollFreeNumbers", "onlineMeetingUrl", "onlineMeetingProvider", "location"),
    *("isOnlineMeeting", "locations", "displayName", "locationUri", "locationType", "body"),
    *("content", "contentType", "bodyPreview", "address", "coordinates"),
)
leaves = st.one_of(
    texts,
    links,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["video", "phone", "sip", "more", "html", "text", "skypeForBusiness", "VIDEO"]),
    st.sampled_from(["success", "pending", "failure", "addOn", "hangoutsMeet", "teamsForBusiness"]),
)


def values_of(keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from(keys) | st.text(max_size=5), inner, max_size=6),
        ),
        max_leaves=15,
    )


def events_of(keys: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with the vendor's keys and any values, mostly of the wrong types."""
    return st.dictionaries(st.sampled_from(keys), values_of(keys), max_size=8)


def _object(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return objects of the vendor's own form, in which now and then a value is of another kind."""
    odd = st.one_of(
        leaves, st.lists(leaves, max_size=2), st.dictionaries(texts, leaves, max_size=1)
    )
    optional = {key: st.one_of(value, value, value, odd) for key, value in values.items()}
    return st.fixed_dictionaries({}, optional=optional)


kinds = st.sampled_from(["video", "phone", "sip", "more"])
codes = st.one_of(st.from_regex(r"[0-9 -]{1,16}#?", fullmatch=True), texts)
numbers = st.from_regex(r"(tel:)?\+?[0-9 ().-]{1,20}(,,[0-9#]{1,12})?", fullmatch=True)
entry_points = _object(
    entryPointType=kinds,
    uri=st.one_of(links, numbers),
    label=texts,
    pin=codes,
    meetingCode=codes,
    passcode=texts,
    password=texts,
    accessCode=codes,
    regionCode=st.sampled_from(["US", "DE", ""]),
)
google_events = _object(
    conferenceData=_object(
        entryPoints=st.lists(entry_points, max_size=5),
        conferenceSolution=_object(key=_object(type=texts), name=texts),
        createRequest=_object(status=_object(statusCode=leaves)),
        conferenceId=codes,
        notes=texts,
    ),
    hangoutLink=links,
    location=texts,
    description=texts,
)
places = _object(displayName=texts, locationUri=links)
microsoft_events = _object(
    onlineMeeting=_object(
        joinUrl=links,
        conferenceId=codes,
        tollNumber=numbers,
        tollFreeNumbers=st.lists(numbers, max_size=3),
        phones=st.lists(_object(number=numbers, type=texts), max_size=3),
        quickDial=numbers,
    ),
    onlineMeetingUrl=links,
    onlineMeetingProvider=leaves,
    location=places,
    locations=st.lists(places, max_size=3),
    body=_object(contentType=leaves, content=texts),
    bodyPreview=texts,
)

NAMES = (
    *("CONFERENCE", "CONFERENCE;VALUE=URI;FEATURE=VIDEO", "CONFERENCE;FEATURE=PHONE,MODERATOR"),
    *('CONFERENCE;LABEL="a:b', "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "URL"),
    *("X-MICROSOFT-SKYPETEAMSPROPERTIES", "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK", "LOCATION"),
    *("X-MICROSOFT-ONLINEMEETINGTOLLNUMBER", "X-MICROSOFT-ONLINEMEETINGCONFERENCEID", "SUMMARY"),
    *("DESCRIPTION", "DESCRIPTION;LANGUAGE=en", "X-ALT-DESC;FMTTYPE=text/html", "BEGIN", "END"),
)
calendars = st.builds(
    lambda lines, end: end.join(["BEGIN:VEVENT", *lines, "END:VEVENT"]),
    st.lists(st.builds("{}:{}".format, st.sampled_from(NAMES), links | numbers | texts)),
    st.sampled_from(["\r\n", "\n", "\r", "\r\n ", ""]),
)


def _put(old: Any, new: Any) -> Any:
    """Return what stands in a place: a list says how its text is changed."""
    if not isinstance(new, list):
        return new
    return _mutated(old, new) if isinstance(old, str) else old


def real_events_of(platform: str, keys: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Return real events of the corpus with some texts cut and spliced, some values replaced."""
    real = [dict(case.event) for case in CASES if case.platform == platform]
    other = values_of(keys).filter(lambda value: not isinstance(value, list))
    return st.builds(
        functools.partial(replaced, put=_put),
        st.sampled_from(real),
        st.lists(st.tuples(unit, edits | other), max_size=5),
    )


INPUTS: Mapping[str, tuple[Callable[[Any], Conferencing | None], st.SearchStrategy[Any]]] = {
    "text": (reading.conferencing_from_text, st.one_of(texts, mutations_of("text"))),
    "text of descriptions": (reading.conferencing_from_text, mutations_of("description")),
    "icalendar": (reading.conferencing_from_icalendar, mutations_of("vevent")),
    "icalendar of anything": (reading.conferencing_from_icalendar, st.one_of(texts, calendars)),
    "google": (reading.conferencing_from_google, st.one_of(google_events, events_of(GOOGLE_KEYS))),
    "google, real": (
        reading.conferencing_from_google,
        real_events_of("google", GOOGLE_KEYS),
    ),
    "microsoft": (
        reading.conferencing_from_microsoft,
        st.one_of(microsoft_events, events_of(MICROSOFT_KEYS)),
    ),
    "microsoft, real": (
        reading.conferencing_from_microsoft,
        real_events_of("microsoft", MICROSOFT_KEYS),
    ),
}

# ---- What holds of every result -------------------------------------------------------------


class Hang(BaseException):
    """An input takes too long. No Exception, so that nobody tries to make the input smaller."""


def within_cpu_seconds(value: Any, call: Callable[[], T]) -> T:
    """Call, and raise Hang when it takes too much of the processor."""

    def ring(*_: Any) -> None:
        raise Hang(f"more than {CPU_SECONDS} s of CPU for {str(value)[:2000]!r}")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def assert_sound(found: Conferencing | None) -> None:
    if found is None:
        return
    assert isinstance(found, Conferencing)
    assert isinstance(found.provider, Provider)
    assert isinstance(found.state, State)
    assert isinstance(found.origin, Origin)
    assert type(found.label) is type(found.source_field) is str
    assert isinstance(found.source, Details)
    for field in dataclasses.fields(found.source):
        value = getattr(found.source, field.name)
        assert type(value) is (tuple if field.name in {"phone", "entry_points"} else str), field
    if found.source.url:
        split = urlsplit(found.source.url)
        assert split.scheme == "https", found.source.url
        assert split.hostname, found.source.url
        assert found.source.url.isprintable()
        assert " " not in found.source.url
        assert len(found.source.url) <= 4096
    for number in found.source.phone:
        assert type(number) is str
        assert number[0] == "+", number
        assert number[1:].isascii(), number
        assert number[1:].isdigit(), number
    assert len(set(found.source.phone)) == len(found.source.phone)
    for point in found.source.entry_points:
        assert isinstance(point, EntryPoint)
        assert isinstance(point.type, EntryPointType)
        assert type(point.toll_free) is bool
        for name in ("uri", "label", "region_code", "pin", "password", "meeting_code"):
            assert type(getattr(point, name)) is str, name


@pytest.mark.parametrize("name", INPUTS)
def test_anything_is_read(name: str, tally: Counter[str]) -> None:
    read, inputs = INPUTS[name]
    ends = time.monotonic() + SECONDS / (len(INPUTS) + 1)
    number = SEED
    tried = 0

    def check(value: Any) -> None:
        nonlocal tried
        tried += 1
        before = copy.deepcopy(value)
        assert_sound(within_cpu_seconds(value, lambda: read(value)))
        assert repr(value) == repr(before)  # nothing is written into an event; nan is not nan

    while not tried or time.monotonic() < ends:
        run = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )(given(inputs)(check))
        try:
            seed(number)(run)()
        except BaseException as error:
            error.add_note(f"input {name}: run again with FUZZ_SEED={number}")
            raise
        number += 1
    tally["fuzz inputs"] += tried


@pytest.mark.parametrize("bait", [False, True], ids=["as it is", "round an invitation"])
def test_memory_is_bounded(bait: bool) -> None:
    ends = time.monotonic() + SECONDS / (len(INPUTS) + 1) / 2
    number = SEED
    tried = 0
    while tried < 1 or time.monotonic() < ends:
        chance = random.Random(number)
        parts = [chance.choice((*HOSTILE, *HOSTS, *WORDS)) for _ in range(chance.randint(1, 6))]
        text = "".join(parts) or "x"
        text = (text * (MAX_INPUT // len(text) + 1))[:MAX_INPUT]
        if bait:
            block = "\nhttps://zoom.us/j/85550100001\nMeeting ID: 855 5010 0001\nPasscode: aBc\n"
            middle = MAX_INPUT // 2
            text = text[:middle] + block + text[middle + len(block) :]
        calendar = f"BEGIN:VEVENT\r\nDESCRIPTION:{text[: MAX_INPUT - 40]}\r\nEND:VEVENT\r\n"
        for read, value in (
            (reading.conferencing_from_text, text),
            (reading.conferencing_from_icalendar, text),
            (reading.conferencing_from_icalendar, calendar),
            (reading.conferencing_from_google, {"description": text}),
            (reading.conferencing_from_microsoft, {"body": {"content": text}}),
        ):
            peak = peak_of(read, value)
            assert peak < MAX_MEMORY, f"{peak} bytes, {parts}: FUZZ_SEED={number}"
        tried += 1
        number += 1


def peak_of(read: Callable[[Any], Conferencing | None], value: Any) -> int:
    """Return the most memory that a reading holds, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        assert_sound(within_cpu_seconds(value, lambda: read(value)))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ---- The fuzz run itself --------------------------------------------------------------------


def test_a_hang_ends_and_names_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "CPU_SECONDS", 0.05)

    def endless() -> None:
        while True:
            pass

    with pytest.raises(Hang, match="hostile"):
        within_cpu_seconds("hostile", endless)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://zoom.us/j/85550100001"},
        {"url": "https:///j/85550100001"},
        {"url": "https://zoom.us/j/85550100001 x"},
        {"url": None},
        {"pin": 7},
        {"phone": ["+16465550123"]},
        {"phone": ("16465550123",)},
        {"phone": ("+16465550123", "+16465550123")},
        {"entry_points": ({"uri": "x"},)},
        {"entry_points": (EntryPoint(EntryPointType.SIP, uri=None),)},
    ],
)
def test_an_unsound_result_is_seen(changes: dict[str, Any]) -> None:
    sound = Conferencing(
        provider=Provider.ZOOM_MEETING,
        source=Details(url="https://zoom.us/j/85550100001", phone=("+16465550123",)),
        state=State.READY,
        origin=Origin.PARSED,
    )
    assert_sound(sound)
    assert isinstance(sound.source, Details)
    with pytest.raises(AssertionError):
        assert_sound(
            dataclasses.replace(sound, source=dataclasses.replace(sound.source, **changes))
        )


def test_a_reader_that_raises_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(value: str) -> None:
        if "<" in value:
            raise ValueError(value)

    monkeypatch.setitem(INPUTS, "text", (raising, texts))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="<") as caught:
        test_anything_is_read("text", Counter())
    assert "FUZZ_SEED=" in str(caught.value.__notes__)
