"""The retry budget: whatever fails, repetitions stay a share of the traffic and a floor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.upstreams.retry_budget import RetryBudget


def taken(budget: RetryBudget, times: int) -> int:
    return sum(budget.take() for _ in range(times))


def test_a_quiet_upstream_has_ten_repetitions_saved_up() -> None:
    assert taken(RetryBudget(), 100) == 10


def test_ten_requests_pay_for_one_repetition() -> None:
    budget = RetryBudget()
    taken(budget, 10)
    for _ in range(9):
        budget.pay_in()
    assert not budget.take()
    budget.pay_in()
    assert taken(budget, 100) == 1


def test_no_more_is_saved_up_however_much_is_paid_in() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.pay_in()
    assert taken(budget, 100) == 10


def test_of_a_long_outage_one_attempt_in_eleven_is_a_repetition() -> None:
    budget, attempts = RetryBudget(), 0
    for _ in range(12_000):
        budget.pay_in()
        attempts += 1 + taken(budget, 2)
    # What is paid into a full bucket is lost, so the floor is given once and never twice.
    assert attempts <= 1.1 * 12_000 + 10
    assert attempts >= 1.1 * 12_000


@given(
    st.lists(st.booleans(), max_size=400),
    st.sampled_from([0.01, 0.1, 0.2, 0.5, 1.0]),
    st.integers(0, 20),
)
def test_no_order_of_requests_and_repetitions_breaks_the_bound(
    requests: list[bool], share: float, most: int
) -> None:
    budget = RetryBudget(share=share, most=most)
    paid = repetitions = 0
    for pays in requests:
        if pays:
            budget.pay_in()
            paid += 1
        else:
            repetitions += budget.take()
        assert repetitions <= most + share * paid + 1e-9
