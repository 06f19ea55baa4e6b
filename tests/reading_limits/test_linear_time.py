"""Ten times the input costs at most twelve times the processor's time, whatever the input is."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from conferencing_service.core import reading
from reading_limits import shapes

SMALL = 25_000
LARGE = 10 * SMALL
"""Characters; the large one is just within the 256 KiB that are read."""

AT_MOST = 12
ROUNDS = 2
MOST_ROUNDS = 40
"""Others share the machine and can only make a reading dearer, so the cheapest one counts; as long
as the growth looks too steep there are more rounds."""

SAMPLE = 0.002
"""Seconds that a sample takes at least, by repetition: far above what the clock can tell."""

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def seconds(read: Callable[[Any], object], value: Any) -> float:
    """Return the processor's time of one reading."""
    calls = 0
    started = time.process_time()
    while True:
        read(value)
        calls += 1
        spent = time.process_time() - started
        if spent >= SAMPLE:
            return spent / calls


def assert_linear(read: Callable[[Any], object], shape: Callable[[int], Any]) -> None:
    small, large = shape(SMALL), shape(LARGE)
    of_small = of_large = math.inf
    for number in range(1, MOST_ROUNDS + 1):
        of_small = min(of_small, seconds(read, small))
        of_large = min(of_large, seconds(read, large))
        if number >= ROUNDS and of_large <= AT_MOST * of_small:
            return
    raise AssertionError(
        f"{of_small * 1e3:.3f} ms for {SMALL}, {of_large * 1e3:.3f} ms for {LARGE} characters: "
        f"{of_large / of_small:.1f} times as long"
    )


def shapes_of(table: Mapping[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shape", table.values(), ids=table.keys())


def microsoft_body(text: str) -> object:
    return reading.conferencing_from_microsoft({"body": {"contentType": "html", "content": text}})


# ---- Texts ----------------------------------------------------------------------------------


@shapes_of(shapes.TEXTS)
def test_a_text_costs_what_its_length_says(shape: Callable[[int], str]) -> None:
    assert_linear(reading.conferencing_from_text, shape)


@shapes_of(shapes.TEXTS)
def test_a_body_round_an_invitation_costs_what_its_length_says(shape: Callable[[int], str]) -> None:
    assert_linear(microsoft_body, shapes.around_an_invitation(shape))


@shapes_of(shapes.TEXTS)
def test_an_icalendar_description_round_one_costs_what_its_length_says(
    shape: Callable[[int], str],
) -> None:
    text = shapes.around_an_invitation(shape)
    assert_linear(reading.conferencing_from_icalendar, lambda size: shapes.described(text(size)))


# ---- iCalendar and events -------------------------------------------------------------------


@shapes_of(shapes.CALENDARS)
def test_a_calendar_costs_what_its_length_says(shape: Callable[[int], str]) -> None:
    assert_linear(reading.conferencing_from_icalendar, shape)


@shapes_of(shapes.GOOGLE_EVENTS)
def test_a_google_event_costs_what_its_size_says(shape: Callable[[int], dict[str, Any]]) -> None:
    assert_linear(reading.conferencing_from_google, shape)


@shapes_of(shapes.MICROSOFT_EVENTS)
def test_a_microsoft_event_costs_what_its_size_says(
    shape: Callable[[int], dict[str, Any]],
) -> None:
    assert_linear(reading.conferencing_from_microsoft, shape)


# ---- The measure itself ---------------------------------------------------------------------


def test_a_quadratic_reader_is_seen() -> None:
    def quadratic(text: str) -> int:
        return sum(len(text[start:]) for start in range(0, len(text), 50))

    with pytest.raises(AssertionError, match="times as long"):
        assert_linear(quadratic, shapes.repeated("x"))


def test_a_linear_reader_is_none() -> None:
    assert_linear(lambda text: sum(map(ord, text)), shapes.repeated("x"))
