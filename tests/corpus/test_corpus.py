"""The reader on every case of the corpus, and the scorer on results that are wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Provider,
)
from corpus import scorer

CORPUS = scorer.cases()

ENTRY = EntryPoint(EntryPointType.PHONE, uri="tel:+16465550123", pin="123456789")
FOUND = Conferencing(
    provider=Provider.ZOOM_MEETING,
    source=Details(
        url="https://acme.zoom.us/j/85550100001?pwd=aBc",
        meeting_code="85550100001",
        password="s3cret",
        pin="123456789",
        phone=("+16465550123", "+442079460123"),
        entry_points=(ENTRY,),
    ),
)
CASE = scorer.Case(
    id="case",
    platform="text",
    event={"text": ""},
    provider="Zoom Meeting",
    details={
        "url": "https://acme.zoom.us/j/85550100001?pwd=aBc",
        "meeting_code": "85550100001",
        "password": "s3cret",
        "pin": "123456789",
        "phone": ["+16465550123", "+442079460123"],
    },
    forbid=("999111",),
)
NOTHING = replace(CASE, id="nothing", provider=None, details={}, forbid=())


def wrongs(case: scorer.Case, found: Conferencing | None) -> list[str]:
    return [fault.what for fault in scorer.judge(case, found).faults]


def with_source(**changes: Any) -> Conferencing:
    assert isinstance(FOUND.source, Details)
    return replace(FOUND, source=replace(FOUND.source, **changes))


# ---- The reader -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.id)
def test_the_case_is_read_right(case: scorer.Case) -> None:
    verdict = scorer.judge(case, scorer.read(case))
    assert verdict.is_right(), "\n" + scorer.listing([verdict])


# ---- The corpus -----------------------------------------------------------------------------


def test_the_corpus_is_whole() -> None:
    assert len(CORPUS) == len({case.id for case in CORPUS}) == 140
    assert sum(case.provider is None for case in CORPUS) == 44
    assert {case.provider for case in CORPUS} - {None} == set(scorer.PROVIDERS)
    assert {case.platform for case in CORPUS} == {"google", "microsoft", "ical", "text"}
    assert {key for case in CORPUS for key in case.details} == {"url", *scorer.DETAILS}


def test_no_case_forbids_what_it_expects() -> None:
    for case in CORPUS:
        assert not [v for v in case.forbid if v in str(dict(case.details))], case.id


# ---- The scorer -----------------------------------------------------------------------------


def test_a_right_result_has_no_fault() -> None:
    assert wrongs(CASE, FOUND) == []
    assert wrongs(NOTHING, None) == []


def test_scheme_and_host_have_no_case_and_the_rest_has() -> None:
    assert wrongs(CASE, with_source(url="HTTPS://ACME.Zoom.us/j/85550100001?pwd=aBc")) == []
    assert wrongs(CASE, with_source(url="https://acme.zoom.us/j/85550100001?pwd=abc")) == ["url"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://acme.zoom.us/j/85550100002?pwd=aBc",
        "https://acme.zoom.us/j/85550100001",
        "https://acme.zoom.us/j/85550100001?pwd=aBc.",
        "https://zoom.us/j/85550100001?pwd=aBc",
        "http://acme.zoom.us/j/85550100001?pwd=aBc",
        "acme.zoom.us/j/85550100001?pwd=aBc",
    ],
)
def test_a_wrong_url_is_a_fault(url: str) -> None:
    assert wrongs(CASE, with_source(url=url)) == ["url"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("meeting_code", ""),
        ("meeting_code", "855 5010 0001"),
        ("password", ""),
        ("password", "S3CRET"),
        ("pin", ""),
        ("pin", "12345678"),
        ("phone", ()),
        ("phone", ("+16465550123",)),
        ("phone", ("+442079460123", "+16465550123")),
        ("phone", ("+16465550123", "+16465550123", "+442079460123")),
    ],
)
def test_a_missing_or_wrong_detail_is_a_fault(key: str, value: Any) -> None:
    assert wrongs(CASE, with_source(**{key: value})) == [key]


def test_a_detail_that_is_not_listed_may_be_anything() -> None:
    assert wrongs(replace(CASE, details={}), with_source(password="other", pin="")) == []


def test_another_provider_and_nothing_at_all_are_faults() -> None:
    assert wrongs(CASE, replace(FOUND, provider=Provider.WEBEX)) == ["provider"]
    assert wrongs(CASE, replace(FOUND, provider=None)) == ["provider"]
    assert wrongs(CASE, None) == ["provider", "url", *scorer.DETAILS]
    assert wrongs(CASE, replace(FOUND, source=Autocreate())) == ["url", *scorer.DETAILS]


def test_a_false_positive_is_a_fault() -> None:
    assert wrongs(NOTHING, FOUND) == ["false positive"]
    assert wrongs(NOTHING, Conferencing()) == ["false positive"]


@pytest.mark.parametrize(
    "found",
    [
        with_source(entry_points=(replace(ENTRY, uri="tel:+16465550123,,1#,,999111#"),)),
        with_source(entry_points=(ENTRY, replace(ENTRY, pin="999111"))),
        with_source(entry_points=(replace(ENTRY, password="999111"),)),
        with_source(entry_points=(replace(ENTRY, meeting_code="999111"),)),
        with_source(entry_points=(replace(ENTRY, label="PIN 999111"),)),
        replace(FOUND, label="999111"),
        replace(FOUND, source_field="999111"),
    ],
)
def test_a_forbidden_value_is_a_fault_wherever_it_is(found: Conferencing) -> None:
    assert wrongs(CASE, found) == ["forbidden"]


def test_a_forbidden_value_in_the_details_is_a_fault() -> None:
    case = replace(CASE, details={})
    for key, value in {
        "url": "https://zoom.us/j/999111",
        "meeting_code": "999111",
        "password": "999111",
        "pin": "999111",
        "phone": ("+16465550123", "+1999111"),
    }.items():
        assert wrongs(case, with_source(**{key: value})) == ["forbidden"]


def test_a_value_is_forbidden_in_autocreation_too() -> None:
    case = replace(CASE, details={})
    settings = {"settings": {"passcode": "999111"}}
    found = replace(FOUND, source=Autocreate(conf_settings=settings))
    assert wrongs(case, found) == ["forbidden"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (with_source(url="https://zoom.us/j/1"), "url: expected"),
        (with_source(password=""), "password: expected 's3cret'"),
        (with_source(entry_points=(replace(ENTRY, pin="999111"),)), "forbidden: expected"),
        (None, "provider: expected 'Zoom Meeting'"),
    ],
)
def test_one_case_that_is_wrong_fails_the_run(
    capsys: pytest.CaptureFixture[str], wrong: Conferencing | None, named: str
) -> None:
    assert scorer.main([CASE, NOTHING], lambda case: FOUND if case is CASE else None) == 0
    assert "2 of 2 cases right: 100.0 %" in capsys.readouterr().out
    assert scorer.main([CASE, NOTHING], lambda case: wrong if case is CASE else None) == 1
    printed = capsys.readouterr().out
    assert "1 of 2 cases right: 50.0 %" in printed
    assert named in printed


def test_a_false_positive_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert scorer.main([CASE, NOTHING], lambda case: FOUND) == 1
    assert "false positive: expected None" in capsys.readouterr().out


def test_a_reader_that_raises_and_an_empty_corpus_fail_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def raising(case: scorer.Case) -> None:
        raise KeyError(case.id)

    assert scorer.main([CASE], raising) == 1
    assert "KeyError('case')" in capsys.readouterr().out
    assert scorer.main([NOTHING], raising) == 1
    assert scorer.main([], raising) == 1
