"""Markers: found again by whoever knows the operation, feigned by nobody."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.ledger.markers import Markers
from conferencing_service.core.validation import Faults, check_metadata

OPERATION = "0123456789abcdef0123456789abcdef"
MARKERS = Markers(b"secret" * 6)
MARKER = MARKERS.mint(OPERATION, "grant", "calendar")

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


def test_a_marker_is_the_same_whenever_it_is_minted() -> None:
    """Whoever takes an operation over has to look for the marker that its owner sent."""
    assert Markers(b"secret" * 6).mint(OPERATION, "grant", "calendar") == MARKER


def test_a_marker_says_the_operation_and_nothing_else() -> None:
    assert re.fullmatch(rf"{OPERATION}\.[0-9a-f]{{32}}", MARKER)


def test_a_marker_fits_into_metadata_and_into_a_query() -> None:
    faults = Faults()
    check_metadata(faults, "metadata", {"key4": MARKER})
    assert faults.found == ()
    assert MARKER.isascii()
    assert ":" not in MARKER


@given(names, names, names, st.binary(min_size=1))
def test_a_marker_verifies_for_its_own_operation_and_place(
    operation: str, grant: str, calendar: str, secret: bytes
) -> None:
    markers = Markers(secret)
    assert markers.verifies(markers.mint(operation, grant, calendar), operation, grant, calendar)


@pytest.mark.parametrize(
    ("operation", "grant", "calendar"),
    [
        (OPERATION[::-1], "grant", "calendar"),
        (OPERATION, "another", "calendar"),
        (OPERATION, "grant", "another"),
        (OPERATION, "calendar", "grant"),
        (OPERATION, "grantcalendar", ""),
        ("", "grant", "calendar"),
    ],
)
def test_a_marker_verifies_nowhere_else(operation: str, grant: str, calendar: str) -> None:
    assert not MARKERS.verifies(MARKER, operation, grant, calendar)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_two_operations_have_two_markers(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (MARKERS.mint(*one) == MARKERS.mint(*other)) is (one == other)


def test_another_ledgers_marker_does_not_verify() -> None:
    foreign = Markers(b"another" * 6).mint(OPERATION, "grant", "calendar")
    assert foreign != MARKER
    assert not MARKERS.verifies(foreign, OPERATION, "grant", "calendar")


@pytest.mark.parametrize(
    "marker",
    [
        "",
        ".",
        OPERATION,
        f"{OPERATION}.",
        MARKER[:-1],
        f"{MARKER} ",
        MARKER.upper(),
        f"{MARKER[:-1]}{'0' if MARKER[-1] != '0' else '1'}",
        "ä",
    ],
)
def test_what_is_nearly_a_marker_is_none(marker: str) -> None:
    assert not MARKERS.verifies(marker, OPERATION, "grant", "calendar")
