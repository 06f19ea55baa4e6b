"""How much is read at most: of a text, of its links, of a link, of the wrappers round one."""

from __future__ import annotations

import pytest

from conferencing_service.core import reading
from conferencing_service.core.model import Conferencing, Details
from reading_limits.shapes import LINK, wrapped

BODY = 262_144
CANDIDATES = 200
URL = 4096
LAYERS = 4

ORDINARY = '<p>Read <a href="https://www.example.com/page/{0}?a=b">page {0}</a> first.</p>\n'


def url_of(found: Conferencing | None) -> str | None:
    if found is None:
        return None
    assert isinstance(found.source, Details)
    return found.source.url


def test_a_text_has_so_many_links_at_most() -> None:
    text = "".join(f"https://zoom.us/j/{85550000000 + number}\n" for number in range(5000))
    assert len(list(reading.join_links_in(text))) <= CANDIDATES


@pytest.mark.parametrize("unit", ["https://zoom.us/ ", "://", "https://a.example/ ", "zoom.us/ "])
def test_a_text_that_is_all_links_has_no_more(unit: str) -> None:
    text = unit * (BODY // len(unit)) + LINK
    assert len(list(reading.join_links_in(text))) <= CANDIDATES


def test_a_meeting_behind_many_ordinary_links_is_found() -> None:
    text = "".join(map(ORDINARY.format, range(1000)))
    assert len(text) < BODY
    assert url_of(reading.conferencing_from_text(text + LINK)) == LINK


def test_a_text_is_read_so_far_and_no_further() -> None:
    room = BODY - len(LINK) - 1
    assert url_of(reading.conferencing_from_text("x" * (room - 1) + " " + LINK + " x")) == LINK
    assert reading.conferencing_from_text("x" * BODY + " " + LINK) is None
    assert reading.conferencing_from_google({"description": "x" * BODY + " " + LINK}) is None
    body = {"content": "x" * BODY + " " + LINK}
    assert reading.conferencing_from_microsoft({"body": body}) is None
    calendar = f"BEGIN:VEVENT\r\nSUMMARY:{'x' * BODY}\r\nURL:{LINK}\r\nEND:VEVENT\r\n"
    assert reading.conferencing_from_icalendar(calendar) is None


def test_a_link_of_the_longest_kind_is_whole_and_none_is_longer() -> None:
    longest = LINK + "x" * (URL - len(LINK))
    assert url_of(reading.conferencing_from_text(f"Join {longest} now")) == longest
    found = url_of(reading.conferencing_from_text(f"Join {longest + 'x' * URL} now"))
    assert found is None or len(found) <= URL


@pytest.mark.parametrize("layers", range(LAYERS + 1))
def test_a_link_is_unwrapped_so_many_times(layers: int) -> None:
    assert url_of(reading.conferencing_from_text(wrapped(LINK, layers))) == LINK


@pytest.mark.parametrize("layers", [LAYERS + 1, LAYERS + 2, 9])
def test_a_link_is_not_unwrapped_once_more(layers: int) -> None:
    assert reading.conferencing_from_text(wrapped(LINK, layers)) is None
