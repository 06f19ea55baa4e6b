"""Single rules: what each takes and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from conferencing_service.core.errors import InvalidField
from conferencing_service.core.validation import (
    MAX_VIOLATIONS,
    Faults,
    TimeZones,
    check_calendar_id,
    check_date,
    check_email,
    check_id,
    check_join_url,
    check_line,
    check_metadata,
    check_recurrence,
    check_request_id,
    check_settings,
    check_text,
    check_timezone,
)

ZONES = TimeZones()
PATH = "the.path"


def faults_of(check: Callable[..., Any], *arguments: Any, **named: Any) -> list[str]:
    """Return the descriptions that a rule adds; all stand under the path that it was given."""
    faults = Faults()
    check(faults, PATH, *arguments, **named)
    assert all(each.field.startswith(PATH) for each in faults.found)
    return [each.description for each in faults.found]


# ---- Ids -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "g",
        "5fa64c92-e840-4357-86b9-2aa364d35b88",
        "grant:abc",
        "email:ann@example.org",
        "ann+calendar@example.org",
        "~!$&'()*+,;=:@",
        "...",
        ".a",
        "x" * 256,
    ],
)
def test_an_id_is_one_segment_of_printable_ascii(value: str) -> None:
    assert faults_of(check_id, value) == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "a\\b",
        "a?b",
        "a#b",
        "%2e",
        "%2e%2e",
        "a b",
        " a",
        "a\r\nX-Header: y",
        "a\n",
        "a\x00",
        "a\x7f",
        "ä",
        "\u202ea",
        "x" * 257,
    ],
)
def test_an_id_that_could_leave_its_segment_is_refused(value: str) -> None:
    assert len(faults_of(check_id, value)) == 1


@pytest.mark.parametrize(
    "value",
    [
        "primary",
        "ann@example.org",
        "en.german#holiday@group.v.calendar.google.com",
        "a/b?c=d&e%f",
        "two words",
        "x" * 512,
    ],
)
def test_a_calendar_id_is_any_printable_ascii(value: str) -> None:
    assert faults_of(check_calendar_id, value) == []


@pytest.mark.parametrize(
    "value", ["", " ", "   ", "a\r\nb", "a\n", "a\tb", "kalender-ä", "a\x7f", "x" * 513]
)
def test_a_calendar_id_with_control_or_foreign_characters_is_refused(value: str) -> None:
    assert len(faults_of(check_calendar_id, value)) == 1


@pytest.mark.parametrize("value", [".", ".."])
def test_a_calendar_id_that_is_a_dot_segment_is_refused(value: str) -> None:
    assert len(faults_of(check_calendar_id, value)) == 1


@pytest.mark.parametrize(
    "value",
    ["6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11", "6F1C7A52-0C55-7D0E-9A53-3F5A8F6F0C11"],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_request_id_is_a_uuid_in_its_long_form(value: str, required: bool) -> None:
    assert faults_of(check_request_id, value, required=required) == []


@pytest.mark.parametrize(
    "value",
    [
        "6f1c7a520c554d0e9a533f5a8f6f0c11",
        "{6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11}",
        "urn:uuid:6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11",
        "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c1",
        "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11\n",
        "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c1g",
        "\u0666f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11",
        " ",
        "1",
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_request_id_of_another_form_is_refused(value: str, required: bool) -> None:
    assert len(faults_of(check_request_id, value, required=required)) == 1


def test_a_request_id_may_be_left_out_only_where_it_is_not_required() -> None:
    assert faults_of(check_request_id, "", required=False) == []
    assert len(faults_of(check_request_id, "", required=True)) == 1


# ---- Links ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "https://meet.google.com/abc-defg-hij",
        "HTTPS://Zoom.us/j/123456789?pwd=a%20b&x=1#y",
        "https://example.org",
        "https://example.org:8443/room",
        "https://[2001:db8::1]/room",
        "https://example.org/a@b",
        "https://example.org/" + "x" * (2048 - len("https://example.org/")),
    ],
)
def test_a_join_link_is_an_absolute_https_url(value: str) -> None:
    assert faults_of(check_join_url, value) == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://zoom.us/j/123456789",
        "ftp://example.org/",
        "zoom.us/j/123456789",
        "//zoom.us/j/123456789",
        "/j/123456789",
        "https:",
        "https:/zoom.us/j/123456789",
        "https:///j/123456789",
        "https://",
        "https://?a=b",
        "https://user@zoom.us/j/123456789",
        "https://zoom.us@evil.example/j/123456789",
        "https://user:word@zoom.us/j/123456789",
        "https://zoom.us\\@evil.example/j/123456789",
        "https://evil.example\\.zoom.us/j/123456789",
        "https://zoom.us/j/123456789 ",
        " https://zoom.us/j/123456789",
        "https://zoom.us/j/1234 56789",
        "https://zoom.us/j/123\t456789",
        "https://zoom.us/j/123456789\r\n",
        "https://zoom.us/j/123456789\x00",
        "https://zoom.us/\u00a0j",
        "https://zoom.us/\u2028j",
        "https://[2001:db8::1/room",
        "https://2001:db8::1]/room",
        "https://[nonsense]/room",
        "https://example.org:port/",
        "https://example.org:99999/",
        "https://example.org/" + "x" * (2049 - len("https://example.org/")),
        "https://example.org/" + "ä" * 1020,
    ],
)
def test_a_link_that_nobody_should_click_is_refused(value: str) -> None:
    assert len(faults_of(check_join_url, value)) == 1


# ---- Times ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])
def test_a_time_zone_is_a_name_of_the_iana_database(value: str) -> None:
    assert faults_of(check_timezone, value, ZONES) == []


@pytest.mark.parametrize(
    "value",
    [
        "Europe/Atlantis",
        "europe/berlin",
        "+02:00",
        "GMT+25",
        "W. Europe Standard Time",
        "../../etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "UTC\n",
        " UTC",
    ],
)
def test_another_time_zone_is_refused(value: str) -> None:
    assert len(faults_of(check_timezone, value, ZONES)) == 1


@pytest.mark.parametrize("value", ["2030-02-28", "2028-02-29", "0001-01-01", "9999-12-31"])
def test_a_day_is_a_full_date(value: str) -> None:
    assert faults_of(check_date, value) == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2030-02-30",
        "2030-02-29",
        "2030-13-01",
        "2030-00-10",
        "0000-01-01",
        "2030-W01-1",
        "2030W011",
        "2030-001",
        "20300228",
        "2030-2-28",
        "28.02.2030",
        "2030-02-28T00:00:00Z",
        "2030-02-28\n",
        " 2030-02-28",
        "+2030-02-2",
        "\u0662\u0660\u0663\u0660-\u0660\u0662-\u0662\u0668",
        "today",
    ],
)
def test_another_way_to_write_a_day_is_refused(value: str) -> None:
    assert len(faults_of(check_date, value)) == 1


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("RRULE:FREQ=DAILY",),
        ("RRULE:freq=weekly;byday=mo,we",),
        ("RRULE:FREQ=MONTHLY;COUNT=3", "EXDATE:20300110T090000"),
        ("EXDATE:20300110T090000Z", "RRULE:FREQ=YEARLY;UNTIL=20350101T000000Z"),
        ("RRULE:FREQ=DAILY",) * 32,
        ("RRULE:FREQ=DAILY;BYMONTHDAY=" + "1" + ",1" * ((512 - 29) // 2),),
        ("RRULE:FREQ=MONTHLY;BYDAY=-1FR,2MO;WKST=SU;INTERVAL=2;BYSETPOS=-1",),
    ],
)
def test_recurrence_is_rrule_and_exdate_lines(lines: tuple[str, ...]) -> None:
    assert faults_of(check_recurrence, lines) == []


@pytest.mark.parametrize(
    "lines",
    [
        ("rrule:FREQ=DAILY",),
        ("RRULE:FREQ=DAILY", "EXDATE;TZID=Europe/Berlin:20300110T090000"),
        ("RRULE:FREQ=DAILY;COUNT=-5",),
        ("RRULE:FREQ=DAILY;COUNT=0",),
        ("RRULE:FREQ=DAILY;INTERVAL=x",),
        ("RRULE:FREQ=WEEKLY;BYDAY=QQ",),
        ("RRULE:FREQ=DAILY;UNTIL=tomorrow",),
        ("RRULE:FREQ=DAILY;COLOUR=red",),
        ("EXDATE:20300110T090000Z",),
        ("RRULE",),
        ("RRULE:",),
        ("FREQ=DAILY",),
        ("RDATE:20300110T090000Z", "RRULE:FREQ=DAILY"),
        ("EXRULE:FREQ=DAILY", "RRULE:FREQ=DAILY"),
        ("DTSTART:20300110T090000Z", "RRULE:FREQ=DAILY"),
        ("RRULE:FREQ=FORTNIGHTLY",),
        ("RRULE:COUNT=3",),
        ("RRULE:FREQ=DAILY;COUNT=3;UNTIL=20350101T000000Z",),
        ("RRULE:FREQ=DAILY;FREQ=WEEKLY",),
        ("RRULE:FREQ=DAILY;",),
        ("RRULE:FREQ=DAILY;COUNT",),
        ("RRULE:FREQ=DAILY;COUNT=",),
        ("RRULE:FREQ=DAILY\r\nATTENDEE:mailto:x@example.org",),
        ("RRULE:FREQ=DAILY",) * 33,
        ("RRULE:FREQ=DAILY;BYMONTHDAY=" + "1" * (513 - len("RRULE:FREQ=DAILY;BYMONTHDAY=")),),
    ],
)
def test_other_recurrence_is_refused(lines: tuple[str, ...]) -> None:
    assert faults_of(check_recurrence, lines)


# ---- Texts ---------------------------------------------------------------------------------


def test_a_line_is_bounded_in_characters_and_holds_no_line_break() -> None:
    assert faults_of(check_line, "ä" * 10, 10) == []
    assert len(faults_of(check_line, "ä" * 11, 10)) == 1
    for control in ("\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"):
        assert len(faults_of(check_line, f"a{control}b", 10)) == 1


def test_a_text_is_bounded_in_characters_and_keeps_tabs_and_line_breaks() -> None:
    assert faults_of(check_text, "ä\t\r\n" + "x" * 6, 10) == []
    assert len(faults_of(check_text, "x" * 11, 10)) == 1
    for control in ("\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x7f"):
        assert len(faults_of(check_text, f"a{control}b", 10)) == 1


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.org",
        "a+b@x",
        "ann.o'neil@mail.example.org",
        "jörg@example.org",
        "x" * (320 - len("@example.org")) + "@example.org",
    ],
)
def test_an_address_has_one_at_sign_with_something_on_both_sides(value: str) -> None:
    assert faults_of(check_email, value) == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@b@example.org",
        "ann @example.org",
        "Ann <ann@example.org>",
        "ann@example.org,bob@example.org",
        "ann@example.org;bob@example.org",
        "ann@example.org\r\nBcc: bob@example.org",
        "ann@example.org\x00",
        "x" * (321 - len("@example.org")) + "@example.org",
    ],
)
def test_another_address_is_refused(value: str) -> None:
    assert len(faults_of(check_email, value)) == 1


def test_metadata_is_at_most_forty_nine_short_pairs() -> None:
    most = {f"key{number}": "x" * 500 for number in range(49)}
    assert faults_of(check_metadata, most) == []
    assert faults_of(check_metadata, {"k" * 40: "line\nbreak"}) == []
    assert faults_of(check_metadata, {**most, "one more": ""}) == ["must be at most 49 pairs"]


def test_a_reserved_metadata_key_is_refused_by_name_whatever_its_value() -> None:
    reserved = frozenset({"key4", "key5"})
    for value in ("x", ""):
        assert faults_of(check_metadata, {"key4": value}, reserved) == ["key4 is reserved"]
    both = {"key5": "x", "key4": "x", "key1": "x"}
    assert faults_of(check_metadata, both, reserved) == ["key4 is reserved", "key5 is reserved"]
    assert faults_of(check_metadata, {"key1": "key4", "KEY4": "x", "key44": "x"}, reserved) == []
    assert faults_of(check_metadata, {"key4": "x"}) == []


@pytest.mark.parametrize(
    "pair", [("", "x"), ("k" * 41, "x"), ("a\nb", "x"), ("k", "x" * 501), ("k", "a\x00b")]
)
def test_a_metadata_pair_beyond_its_bounds_is_refused(pair: tuple[str, str]) -> None:
    assert len(faults_of(check_metadata, dict([pair]))) == 1


# ---- Provider settings ---------------------------------------------------------------------


def nested(levels: int) -> dict[str, Any]:
    """Return settings so many levels deep."""
    settings: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        settings = {"level": settings}
    return settings


def test_settings_are_eight_levels_deep_at_most() -> None:
    assert faults_of(check_settings, nested(8)) == []
    assert len(faults_of(check_settings, nested(9))) == 1
    assert len(faults_of(check_settings, nested(1000))) == 1


def test_lists_count_as_levels() -> None:
    settings: dict[str, Any] = {"list": [[[[[[["leaf"]]]]]]]}
    assert faults_of(check_settings, settings) == []
    assert len(faults_of(check_settings, {"more": settings})) == 1


def test_settings_are_sixteen_kibibytes_at_most() -> None:
    assert faults_of(check_settings, {"agenda": "x" * 16_000}) == []
    assert len(faults_of(check_settings, {"agenda": "x" * 16_385})) == 1
    assert len(faults_of(check_settings, {"agenda": "ä" * 8_193})) == 1
    assert len(faults_of(check_settings, {"list": [0] * 16_385})) == 1
    assert len(faults_of(check_settings, {"k" * 16_385: 1})) == 1


def test_settings_have_sixty_four_keys_a_level_at_most() -> None:
    keys = {str(number): number for number in range(64)}
    assert faults_of(check_settings, {"a": keys, "b": keys}) == []
    assert len(faults_of(check_settings, {"a": {**keys, "64": 64}})) == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    assert len(faults_of(check_settings, {"deep": [{"er": number}]})) == 1


def test_integers_beyond_two_to_the_fifty_third_are_refused() -> None:
    assert faults_of(check_settings, {"low": -(2**53), "high": 2**53}) == []
    assert len(faults_of(check_settings, {"id": 2**53 + 2})) == 1
    assert len(faults_of(check_settings, {"id": -(2**53) - 2})) == 1
    assert len(faults_of(check_settings, {"id": float(2**53 + 2)})) == 1


def test_settings_hold_plain_json_and_no_nul() -> None:
    plain = {"a": None, "b": True, "c": 0.5, "d": "text", "e": [], "f": {}}
    assert faults_of(check_settings, plain) == []
    assert len(faults_of(check_settings, {"a": "x\x00y"})) == 1
    assert len(faults_of(check_settings, {"x\x00y": 1})) == 1
    assert len(faults_of(check_settings, {"a": b"bytes"})) == 1


# ---- All of them ---------------------------------------------------------------------------


def test_faults_are_raised_together_in_the_order_in_which_they_were_found() -> None:
    faults = Faults()
    check_id(faults, "first", "")
    check_calendar_id(faults, "second", "")
    with pytest.raises(InvalidField) as caught:
        faults.raise_any()
    assert [each.field for each in caught.value.violations] == ["first", "second"]
    assert caught.value.metadata == {"violations": "2"}


def test_at_most_twenty_faults_are_told() -> None:
    faults = Faults()
    for number in range(50):
        faults.add(f"field[{number}]", "is wrong")
    with pytest.raises(InvalidField) as caught:
        faults.raise_any()
    told = [each.field for each in caught.value.violations]
    assert told == [f"field[{number}]" for number in range(MAX_VIOLATIONS)]
    assert len(told) == 20


def test_without_faults_nothing_is_raised() -> None:
    Faults().raise_any()
    assert Faults().found == ()
