"""Which events of an upstream's page belong on ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.listing import selects
from conferencing_service.core.model import (
    Date,
    Datespan,
    Event,
    TimePoint,
    Timespan,
    When,
)
from conferencing_service.core.requests import ListEvents
from unit import strategies

NOON = 1_893_499_200  # 2030-01-01T12:00:00Z
HOUR, DAY = 3600, 86_400


def asked(start: int | None = None, end: int | None = None, **more: Any) -> ListEvents:
    return ListEvents("g", "primary", start, end, **more)


def at(when: When | None, **more: Any) -> Event:
    return Event(id="e", when=when, **more)


@pytest.mark.parametrize(
    ("first", "last", "selected"),
    [
        (NOON - 2 * HOUR, NOON - HOUR, False),
        (NOON - HOUR, NOON, False),
        (NOON - HOUR, NOON + 1, True),
        (NOON - HOUR, NOON + 2 * HOUR, True),
        (NOON, NOON + HOUR, True),
        (NOON + 10, NOON + 20, True),
        (NOON + HOUR - 1, NOON + 2 * HOUR, True),
        (NOON + HOUR, NOON + 2 * HOUR, False),
    ],
)
def test_a_timespan_belongs_where_it_overlaps(first: int, last: int, selected: bool) -> None:
    assert selects(asked(NOON, NOON + HOUR), at(Timespan(first, last))) is selected


@pytest.mark.parametrize(
    ("moment", "selected"),
    [(NOON - 1, False), (NOON, True), (NOON + HOUR - 1, True), (NOON + HOUR, False)],
)
def test_a_moment_belongs_from_the_start_to_before_the_end(moment: int, selected: bool) -> None:
    assert selects(asked(NOON, NOON + HOUR), at(TimePoint(moment))) is selected


@pytest.mark.parametrize(
    ("day", "selected"),
    [
        ("2029-12-30", False),
        ("2029-12-31", True),  # still going on at noon UTC in the far west
        ("2030-01-01", True),
        ("2030-01-02", True),  # already begun at noon UTC in the far east
        ("2030-01-03", False),
    ],
)
def test_a_day_belongs_where_it_is_that_day_anywhere(day: str, selected: bool) -> None:
    request = asked(NOON - 6 * HOUR, NOON + 6 * HOUR)
    assert selects(request, at(Date(day))) is selected
    assert selects(request, at(Datespan(day, day))) is selected


def test_the_last_day_of_a_datespan_belongs_to_it() -> None:
    request = asked(NOON, NOON + HOUR)
    assert selects(request, at(Datespan("2029-12-20", "2030-01-01")))
    assert not selects(request, at(Datespan("2029-12-20", "2029-12-30")))


def test_without_bounds_everything_belongs() -> None:
    for when in (TimePoint(-1), Timespan(0, 1), Date("1900-01-01"), None):
        assert selects(asked(), at(when))


def test_each_bound_holds_alone() -> None:
    span = at(Timespan(NOON, NOON + HOUR))
    assert selects(asked(start=NOON), span)
    assert not selects(asked(start=NOON + HOUR), span)
    assert selects(asked(end=NOON + 1), span)
    assert not selects(asked(end=NOON), span)


def test_a_series_and_an_event_without_a_when_are_the_upstreams_to_place() -> None:
    request = asked(NOON, NOON + HOUR)
    past = Timespan(NOON - 9 * DAY, NOON - 9 * DAY + 1)
    assert selects(request, at(past, recurrence=("RRULE:FREQ=DAILY",)))
    assert selects(request, at(None))


@given(
    strategies.whens,
    st.none() | strategies.seconds,
    st.none() | strategies.seconds,
)
def test_every_when_that_there_is_can_be_placed(
    when: When, start: int | None, end: int | None
) -> None:
    assert selects(asked(start, end), at(when)) in {True, False}


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_of_the_calendar_can_be_placed(day: str) -> None:
    assert not selects(asked(NOON, NOON + HOUR), at(Date(day)))
