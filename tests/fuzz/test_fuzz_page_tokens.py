"""A page token opens for its own request; whatever else comes as one is an invalid field."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st

from conferencing_service.core.errors import InvalidField
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.requests import ListEvents
from fuzz.rounds import HANG, SECONDS, fuzz

pytestmark = [pytest.mark.security, pytest.mark.timeout(SECONDS + HANG)]

KEY, OLD, OTHER = b"the key of this run", b"the key before", b"another key"
TOKENS = PageTokens(lambda: (KEY, OLD))
BEFORE, STRANGER = PageTokens(lambda: (OLD,)), PageTokens(lambda: (OTHER,))
CALLER = "caller"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

words = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of letters as well
times = st.none() | st.integers(-(2**63), 2**63 - 1)
requests = st.builds(
    ListEvents,
    grant_id=words,
    calendar_id=words,
    start_time=times,
    end_time=times,
    ical_uid=words,
    only_with_conferencing=st.booleans(),
    page_size=st.integers(-(2**31), 2**31 - 1),
)
cursors = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
loose = st.one_of(
    words,
    st.text(ALPHABET, max_size=400),
    st.text(ALPHABET + "+/= \n\x00\u00e4", max_size=60),
    st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    st.integers(0, 100_000).map(lambda size: "A" * size),
)


def _edited(token: str, edits: list[tuple[float, int, str]]) -> str:
    for at, length, piece in edits:
        start = int(at * len(token))
        token = token[:start] + piece + token[start + length :]
    return token


edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 5), st.text(ALPHABET, max_size=3) | words),
    min_size=1,
    max_size=4,
)
BOUND = tuple(
    each.name
    for each in dataclasses.fields(ListEvents)
    if each.name not in {"page_size", "page_token", "faults"}
)
"""What a token is bound to: all of a request but its page."""


def selection(request: ListEvents) -> tuple[Any, ...]:
    return tuple(getattr(request, name) for name in BOUND)


def opened(
    request: ListEvents, token: str, caller: str = CALLER, tokens: PageTokens = TOKENS
) -> str | None:
    """The upstream's token, None where the field is refused."""
    try:
        return tokens.open(dataclasses.replace(request, page_token=token), caller)
    except InvalidField as error:
        refused = error.violations
    assert [each.field for each in refused] == ["page_token"]
    assert len(token) < 3 or token not in str(refused)
    return None


def raw_of(token: str) -> bytes | None:
    """The bytes that a token spells, None where it spells none."""
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def test_a_token_opens_for_no_other_request(tally: Counter[str]) -> None:
    def check(drawn: tuple[ListEvents, ListEvents, str, str]) -> None:
        request, other, cursor, caller = drawn
        token = TOKENS.seal(request, CALLER, cursor)
        assert opened(request, token) == cursor
        assert opened(request, BEFORE.seal(request, CALLER, cursor)) == cursor
        assert opened(request, token, tokens=STRANGER) is None
        if caller != CALLER:
            assert opened(request, token, caller) is None
        if selection(other) != selection(request):
            assert opened(other, token) is None

    def near(
        request: ListEvents, other: ListEvents, names: set[str], cursor: str, caller: str
    ) -> tuple[ListEvents, ListEvents, str, str]:
        changes = {name: getattr(other, name) for name in names}
        return request, dataclasses.replace(request, **changes), cursor, caller

    names = st.sets(st.sampled_from(BOUND), min_size=1)
    drawn = st.builds(near, requests, requests, names, cursors, words)
    tally["fuzz inputs"] += fuzz("page tokens, other requests", drawn, check, share=0.4)


def test_a_token_that_was_not_given_opens_nothing(tally: Counter[str]) -> None:
    def check(drawn: tuple[ListEvents, str, str]) -> None:
        request, cursor, token = drawn
        right = TOKENS.seal(request, CALLER, cursor)
        found = opened(request, token)
        if not token:
            assert found == ""
        elif raw_of(token) == raw_of(right):
            assert found == cursor  # another spelling of the very bytes
        else:
            assert found is None

    def spliced(request: ListEvents, cursor: str, changes: Any) -> tuple[ListEvents, str, str]:
        return request, cursor, _edited(TOKENS.seal(request, CALLER, cursor), changes)

    drawn = st.one_of(
        st.tuples(requests, cursors, loose),
        st.builds(spliced, requests, cursors, edits),
    )
    tally["fuzz inputs"] += fuzz("page tokens, made up", drawn, check, share=0.6)
