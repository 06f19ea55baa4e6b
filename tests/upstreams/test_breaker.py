"""The circuit breaker: when it opens, whom it believes, and how it closes again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.upstreams.breaker import CircuitBreaker, Permit, Sign
from conferencing_service.upstreams.exchange import Gate, Unsent


@dataclass
class Upstream:
    """A breaker and a clock that the test moves."""

    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    now: float = 1000.0

    def ended(self, sign: Sign, grant_id: str = "g", times: int = 1) -> None:
        """Attempts that begin and end now."""
        for _ in range(times):
            self.told(self.breaker.admit(self.now), sign, grant_id)

    def told(self, permit: Permit, sign: Sign, grant_id: str = "g") -> None:
        self.breaker.record(self.now, permit, grant_id, sign)

    def failed_for(self, *grants: str, times: int) -> None:
        for number in range(times):
            self.ended(Sign.FAILED, grants[number % len(grants)])

    def is_open(self) -> bool:
        return self.breaker.seconds_left(self.now) > 0

    def opened(self) -> None:
        self.ended(Sign.UNREACHED, times=20)
        assert self.is_open()

    def half_opened(self) -> Permit:
        """Open it, wait, and send the probe."""
        self.opened()
        self.now += 5.0
        return self.breaker.admit(self.now)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


# ---- Opening -------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [Sign.FAILED, Sign.UNREACHED])
def test_it_opens_at_the_twentieth_attempt_if_half_failed(upstream: Upstream, sign: Sign) -> None:
    upstream.ended(Sign.ALIVE, times=10)
    for number in range(9):
        upstream.ended(sign, f"g{number}")
        assert not upstream.is_open()
    upstream.ended(sign, "g9")
    assert upstream.is_open()


def test_it_stays_closed_while_most_attempts_succeed(upstream: Upstream) -> None:
    for _ in range(200):
        upstream.ended(Sign.ALIVE, times=6)
        upstream.failed_for("a", "b", "c", "d", "e", times=5)
    assert not upstream.is_open()


def test_few_failures_are_no_outage(upstream: Upstream) -> None:
    upstream.failed_for("a", "b", "c", times=19)
    assert not upstream.is_open()


@pytest.mark.parametrize("grants", [("a",), ("a", "b")])
def test_the_broken_providers_of_two_grants_shut_nobody_out(
    upstream: Upstream, grants: tuple[str, ...]
) -> None:
    upstream.failed_for(*grants, times=1000)
    assert not upstream.is_open()


def test_the_third_grant_may_have_failed_in_another_second(upstream: Upstream) -> None:
    upstream.failed_for("a", times=10)
    upstream.now += 4
    upstream.failed_for("b", times=10)
    upstream.now += 4
    assert not upstream.is_open()
    upstream.failed_for("c", times=1)
    assert upstream.is_open()


def test_one_grant_is_enough_where_no_connection_is_made(upstream: Upstream) -> None:
    upstream.ended(Sign.UNREACHED, "only", times=20)
    assert upstream.is_open()


def test_failures_of_ten_seconds_ago_are_forgotten(upstream: Upstream) -> None:
    upstream.failed_for("a", "b", "c", times=19)
    upstream.now += 10
    upstream.failed_for("a", "b", "c", times=19)
    assert not upstream.is_open()
    upstream.now += 8
    upstream.failed_for("a", times=1)
    assert upstream.is_open()


def test_attempts_that_ended_by_our_own_doing_count_for_nothing(upstream: Upstream) -> None:
    upstream.ended(Sign.NONE, times=1000)
    assert not upstream.is_open()
    upstream.failed_for("a", "b", "c", times=19)
    upstream.ended(Sign.NONE, times=1000)
    assert not upstream.is_open()
    upstream.failed_for("a", times=1)
    assert upstream.is_open()


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3),
            st.sampled_from([Sign.ALIVE, Sign.FAILED, Sign.UNREACHED]),
            st.text("ab"),
        ),
        max_size=120,
    )
)
def test_it_opens_exactly_when_the_window_says_so(
    attempts: list[tuple[float, Sign, str]],
) -> None:
    """Against the rule written down plainly, over the whole list of attempts."""
    upstream = Upstream()
    history: list[tuple[int, Sign, str]] = []
    for pause, sign, grant_id in attempts:
        upstream.now += pause
        upstream.ended(sign, grant_id)
        history.append((int(upstream.now), sign, grant_id))
        window = [each for each in history if each[0] > int(upstream.now) - 10]
        failures = [each for each in window if each[1] is not Sign.ALIVE]
        is_down = (
            sign is not Sign.ALIVE
            and len(window) >= 20
            and 2 * len(failures) >= len(window)
            and (
                all(each[1] is Sign.UNREACHED for each in failures)
                or len({each[2] for each in failures}) >= 3
            )
        )
        assert upstream.is_open() is is_down
        if is_down:
            return


# ---- Open ----------------------------------------------------------------------------------


def test_open_it_says_how_long(upstream: Upstream) -> None:
    upstream.opened()
    upstream.now += 1.5
    for refused in (upstream.breaker.check, upstream.breaker.admit):
        with pytest.raises(Unsent) as raised:
            refused(upstream.now)
        assert raised.value.retry_after == 3.5
        assert raised.value.gate is Gate.BREAKER_OPEN


def test_it_is_open_for_five_seconds_from_the_failure_that_opened_it(upstream: Upstream) -> None:
    late = [upstream.breaker.admit(upstream.now) for _ in range(100)]
    upstream.opened()
    upstream.now += 4.9
    for permit in late:
        upstream.told(permit, Sign.FAILED)
    assert upstream.is_open()
    upstream.now += 0.1
    assert not upstream.is_open()


# ---- Half open -----------------------------------------------------------------------------


def test_one_probe_goes_and_the_others_wait_for_it(upstream: Upstream) -> None:
    probe = upstream.half_opened()
    for _ in range(10):
        with pytest.raises(Unsent):
            upstream.breaker.admit(upstream.now)
    upstream.told(probe, Sign.ALIVE)
    upstream.ended(Sign.ALIVE, times=10)


@pytest.mark.parametrize("sign", [Sign.FAILED, Sign.UNREACHED])
def test_a_probe_that_fails_opens_it_again(upstream: Upstream, sign: Sign) -> None:
    probe = upstream.half_opened()
    upstream.now += 2
    upstream.told(probe, sign)
    assert upstream.breaker.seconds_left(upstream.now) == 5.0


def test_a_probe_that_tells_nothing_makes_room_for_the_next(upstream: Upstream) -> None:
    probe = upstream.half_opened()
    upstream.told(probe, Sign.NONE)
    again = upstream.breaker.admit(upstream.now)
    assert again.is_probe
    upstream.told(again, Sign.ALIVE)
    assert not upstream.breaker.admit(upstream.now).is_probe


def test_a_probe_that_takes_its_time_is_joined_by_another(upstream: Upstream) -> None:
    slow = upstream.half_opened()
    upstream.now += 5.0
    quick = upstream.breaker.admit(upstream.now)
    with pytest.raises(Unsent):
        upstream.breaker.admit(upstream.now)
    upstream.told(quick, Sign.ALIVE)
    upstream.told(slow, Sign.FAILED)
    assert not upstream.is_open()


def test_what_was_sent_before_it_opened_does_not_open_it_again(upstream: Upstream) -> None:
    """Requests that hung in the outage time out after it."""
    late = [upstream.breaker.admit(upstream.now) for _ in range(1000)]
    upstream.told(upstream.half_opened(), Sign.ALIVE)
    for permit in late:
        upstream.told(permit, Sign.UNREACHED)
    assert not upstream.is_open()


def test_closed_again_it_begins_to_count_anew(upstream: Upstream) -> None:
    upstream.told(upstream.half_opened(), Sign.ALIVE)
    upstream.ended(Sign.UNREACHED, times=19)
    assert not upstream.is_open()
    upstream.ended(Sign.UNREACHED)
    assert upstream.is_open()


def test_the_log_tells_when_it_opens_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream(CircuitBreaker(upstream="api.example.org"))
    with caplog.at_level(logging.INFO):
        upstream.told(upstream.half_opened(), Sign.ALIVE)
    told = [(each.levelname, each.message, vars(each)["upstream"]) for each in caplog.records]
    assert told == [
        ("WARNING", "the circuit breaker opened", "api.example.org"),
        ("INFO", "the circuit breaker closed", "api.example.org"),
    ]
