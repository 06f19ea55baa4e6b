"""Attempts: what a caller is told when its time is up, or when an attempt is cut off."""

from __future__ import annotations

import pytest

from conferencing_service.core.errors import (
    ConferencingError,
    LedgerUnavailable,
    OutcomeUnknown,
    RequestInProgress,
)
from conferencing_service.core.ledger.attempts import Attempt, Phase
from conferencing_service.core.model import Reason

ID = "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11"
TOLD = {
    Phase.NOTING: LedgerUnavailable,
    Phase.WAITING: RequestInProgress,
    Phase.LOOKING: OutcomeUnknown,
}
UNTOLD = sorted(set(Phase) - set(TOLD), key=lambda phase: phase.value)
BROKEN = RuntimeError("broken")


@pytest.fixture
async def attempt() -> Attempt:
    return Attempt(ID)


async def told(attempt: Attempt) -> ConferencingError:
    """What the caller is told, which has to be known already."""
    assert not attempt.is_attended()
    with pytest.raises(ConferencingError) as caught:
        await attempt.waiter
    return caught.value


def test_every_phase_is_told_or_waits() -> None:
    assert [phase.name for phase in UNTOLD] == ["PREPARING", "SENDING", "ANSWERING"]


async def test_an_attempt_begins_with_nothing_sent_and_nothing_noted(attempt: Attempt) -> None:
    assert attempt.phase is Phase.NOTING
    assert attempt.is_attended()


@pytest.mark.parametrize("phase", TOLD)
async def test_a_caller_whose_time_is_up_is_told_how_things_stand(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(phase)
    assert attempt.is_attended()
    attempt.out_of_time()
    assert type(await told(attempt)) is TOLD[phase]


@pytest.mark.parametrize("phase", UNTOLD)
async def test_while_something_is_done_that_ends_in_its_time_nobody_is_told(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(phase)
    attempt.out_of_time()
    assert attempt.is_attended()


@pytest.mark.parametrize("phase", TOLD)
async def test_a_caller_who_is_late_is_told_as_soon_as_there_is_something_to_tell(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(Phase.SENDING)
    attempt.out_of_time()
    attempt.enter(phase)
    assert type(await told(attempt)) is TOLD[phase]


async def test_a_caller_is_told_once(attempt: Attempt) -> None:
    attempt.enter(Phase.LOOKING)
    attempt.out_of_time()
    attempt.enter(Phase.WAITING)
    attempt.tell()
    assert type(await told(attempt)) is OutcomeUnknown


async def test_a_caller_who_left_is_told_nothing(attempt: Attempt) -> None:
    attempt.waiter.cancel()
    attempt.enter(Phase.LOOKING)
    attempt.out_of_time()
    assert attempt.waiter.cancelled()


async def test_an_attempt_that_the_store_blocks_tells_its_caller_at_once(attempt: Attempt) -> None:
    assert not attempt.is_blocked
    attempt.block(LedgerUnavailable())
    assert attempt.is_blocked
    assert type(await told(attempt)) is LedgerUnavailable


async def test_an_attempt_that_is_blocked_without_a_caller_says_so_to_the_next_one(
    attempt: Attempt,
) -> None:
    attempt.waiter.cancel()
    attempt.block(LedgerUnavailable())
    assert attempt.is_blocked


# ---- Two attempts at one request -----------------------------------------------------------


async def test_whoever_follows_is_told_that_the_request_is_under_way(attempt: Attempt) -> None:
    leader = Attempt(ID)
    leader.enter(Phase.SENDING)
    attempt.follow(leader)
    assert attempt.phase is Phase.WAITING
    attempt.out_of_time()
    assert type(await told(attempt)) is RequestInProgress


async def test_whoever_follows_one_who_looks_is_told_that_it_looks(attempt: Attempt) -> None:
    leader = Attempt("another spelling")
    attempt.follow(leader)
    leader.enter(Phase.LOOKING, settle_left=5.0)
    assert attempt.phase is Phase.LOOKING
    attempt.out_of_time()
    error = await told(attempt)
    assert type(error) is OutcomeUnknown
    assert error.metadata == {"request_id": ID}
    assert error.retry_after == 5.0


async def test_whoever_follows_late_is_told_at_once(attempt: Attempt) -> None:
    attempt.enter(Phase.PREPARING)
    attempt.out_of_time()
    attempt.follow(Attempt(ID))
    assert type(await told(attempt)) is RequestInProgress


async def test_whoever_led_no_longer_counts_once_the_attempt_goes_on_by_itself(
    attempt: Attempt,
) -> None:
    leader = Attempt(ID)
    leader.enter(Phase.LOOKING, settle_left=5.0)
    attempt.follow(leader)
    attempt.enter(Phase.NOTING)
    assert attempt.phase is Phase.NOTING
    attempt.enter(Phase.LOOKING, settle_left=3.0)
    assert attempt.unknown().retry_after == 3.0


# ---- When to come back ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settle_left", "seconds"), [(0.0, 1.0), (-3.0, 1.0), (4.5, 4.5), (10.0, 10.0), (120.0, 10.0)]
)
async def test_an_unknown_outcome_says_when_to_come_back(
    attempt: Attempt, settle_left: float, seconds: float
) -> None:
    attempt.enter(Phase.LOOKING, settle_left=settle_left)
    error = attempt.unknown()
    assert error.reason is Reason.OUTCOME_UNKNOWN
    assert error.retry_after == seconds
    assert error.metadata == {"request_id": ID}


# ---- Last words ----------------------------------------------------------------------------


@pytest.mark.parametrize("phase", Phase)
async def test_an_attempt_that_is_cut_off_says_no_less_than_it_may_have_done(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(phase)
    # What only checked has sent nothing, and will not, since nobody waits for it any more.
    words = {**TOLD, Phase.PREPARING: RequestInProgress}
    assert type(attempt.last_words(None)) is words.get(phase, OutcomeUnknown)


@pytest.mark.parametrize("phase", [Phase.NOTING, Phase.PREPARING])
async def test_a_fault_of_ours_before_anything_was_sent_is_told_as_one(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(phase)
    assert attempt.last_words(BROKEN) is BROKEN


@pytest.mark.parametrize("phase", [Phase.SENDING, Phase.LOOKING, Phase.ANSWERING])
async def test_a_fault_of_ours_later_leaves_the_outcome_unknown(
    attempt: Attempt, phase: Phase
) -> None:
    attempt.enter(phase)
    assert type(attempt.last_words(BROKEN)) is OutcomeUnknown
