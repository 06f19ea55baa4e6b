"""Page tokens open only for the request that they belong to."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.core.errors import InvalidField
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.requests import ListEvents

TOKENS = PageTokens(lambda: [b"key"])
CALLER = "scheduling"
REQUEST = ListEvents("g", "primary", 5, 10, "uid", True, 50)
words = st.text(st.characters(exclude_categories=["Cs"]))


def with_token(token: str, **changes: Any) -> ListEvents:
    return dataclasses.replace(REQUEST, page_token=token, **changes)


def assert_refused(tokens: PageTokens, request: ListEvents) -> None:
    with pytest.raises(InvalidField) as caught:
        tokens.open(request, CALLER)
    assert [each.field for each in caught.value.violations] == ["page_token"]
    assert request.page_token not in str(caught.value.violations)


@given(words.filter(bool))
def test_a_token_opens_to_the_upstreams_own(upstream_token: str) -> None:
    sealed = TOKENS.seal(REQUEST, CALLER, upstream_token)
    assert TOKENS.open(with_token(sealed), CALLER) == upstream_token


def test_a_token_goes_into_a_url_as_it_is() -> None:
    sealed = TOKENS.seal(REQUEST, CALLER, "cursor?/+&=ä" * 20)
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_first_page_has_no_token_and_the_last_page_gives_none() -> None:
    assert TOKENS.open(REQUEST, CALLER) == ""
    assert TOKENS.seal(REQUEST, CALLER, "") == ""


@pytest.mark.parametrize(
    "change",
    [
        {"grant_id": "h"},
        {"calendar_id": "c"},
        {"start_time": 6},
        {"start_time": None},
        {"end_time": 11},
        {"end_time": None},
        {"ical_uid": ""},
        {"only_with_conferencing": False},
    ],
)
def test_a_token_is_bound_to_every_argument_that_selects_events(change: dict[str, Any]) -> None:
    assert_refused(TOKENS, with_token(TOKENS.seal(REQUEST, CALLER, "cursor"), **change))


def test_the_page_size_may_change_from_page_to_page() -> None:
    sealed = TOKENS.seal(REQUEST, CALLER, "cursor")
    assert TOKENS.open(with_token(sealed, page_size=7), CALLER) == "cursor"


def test_a_token_of_another_key_does_not_open() -> None:
    assert_refused(
        PageTokens(lambda: [b"another"]), with_token(TOKENS.seal(REQUEST, CALLER, "cursor"))
    )


def test_every_replica_with_the_same_key_opens_a_token() -> None:
    sealed = with_token(TOKENS.seal(REQUEST, CALLER, "cursor"))
    assert PageTokens(lambda: [b"key"]).open(sealed, CALLER) == "cursor"


def test_a_token_of_another_caller_does_not_open() -> None:
    sealed = with_token(TOKENS.seal(REQUEST, "another", "cursor"))
    assert_refused(TOKENS, sealed)


def test_after_a_change_of_keys_the_last_one_still_opens_and_the_new_one_seals() -> None:
    changed = PageTokens(lambda: [b"new", b"key"])
    sealed = with_token(TOKENS.seal(REQUEST, CALLER, "cursor"))
    assert changed.open(sealed, CALLER) == "cursor"
    assert_refused(TOKENS, with_token(changed.seal(REQUEST, CALLER, "cursor")))


@given(st.integers(0, 21), st.integers(1, 255))
def test_a_token_that_was_changed_does_not_open(place: int, change: int) -> None:
    sealed = TOKENS.seal(REQUEST, CALLER, "cursor")
    raw = bytearray(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    raw[place] ^= change
    forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert_refused(TOKENS, with_token(forged))


@given(words.filter(bool))
def test_a_token_that_was_made_up_does_not_open(token: str) -> None:
    with pytest.raises(InvalidField):
        TOKENS.open(with_token(token), CALLER)


@pytest.mark.parametrize("token", ["A", "AAAA", "====", "not base64!", "ä", "\x00", "-_-_"])
def test_a_token_of_another_form_does_not_open(token: str) -> None:
    assert_refused(TOKENS, with_token(token))
