"""The reader finds in thousands of generated invitations what was put in, and nothing else.

READING_SHOW=50 prints fifty mismatches, READING_SEED and READING_CASES make other cases,
READING_CASE=17 prints one case whole.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from conferencing_service.core import reading
from reading.invitations import Case, case, cases, mismatches

SEED = int(os.environ.get("READING_SEED", "20261122"))
COUNT = int(os.environ.get("READING_CASES", "3000"))
SHOWN = int(os.environ.get("READING_SHOW", "10"))

READERS = {
    "conferencing_from_google": reading.conferencing_from_google,
    "conferencing_from_icalendar": reading.conferencing_from_icalendar,
    "conferencing_from_microsoft": reading.conferencing_from_microsoft,
    "conferencing_from_text": reading.conferencing_from_text,
}


def _read(one: Case) -> Any:
    return READERS[one.function](one.given)


def _excerpt(one: Case) -> str:
    text = repr(one.given)
    tail = one.meeting.link.rpartition("/")[2][-12:]
    at = max(text.find(tail), 0)
    return text[max(at - 200, 0) : at + 300]


def _told(one: Case, wrong: list[tuple[str, Any, Any]]) -> str:
    made = one.meeting
    traits = " ".join(made.traits)
    place = f"{one.container} {one.wrapper}"
    lines = [f"#{one.number} {made.provider} {made.language} {place} {traits}"]
    lines += [f"    {name}: expected {expected!r}, got {got!r}" for name, expected, got in wrong]
    lines.append(f"    ..{_excerpt(one)}..")
    return "\n".join(lines)


def _shown(got: Any) -> str:
    if got is None:
        return "nothing"
    source = got.source
    found = (source.url, source.meeting_code, source.password, source.pin, source.phone)
    return f"{got.provider} {got.source_field} {found}"


def _counted(failed: list[tuple[Case, list[tuple[str, Any, Any]]]]) -> str:
    groups: dict[str, Counter[str]] = {
        "field": Counter(name for _, wrong in failed for name, _, _ in wrong),
        "provider": Counter(str(one.meeting.provider) for one, _ in failed),
        "language": Counter(one.meeting.language for one, _ in failed),
        "wrapper": Counter(one.wrapper for one, _ in failed),
        "container": Counter(one.container for one, _ in failed),
    }
    return "\n".join(
        f"  by {name}: " + ", ".join(f"{key} {count}" for key, count in found.most_common(14))
        for name, found in groups.items()
    )


@pytest.mark.timeout(300)
def test_every_invitation_yields_exactly_what_was_put_in():
    failed = []
    for one in cases(SEED, COUNT):
        wrong = mismatches(one, _read(one))
        if wrong:
            failed.append((one, wrong))
    report = "\n".join(
        [
            f"{len(failed)} of {COUNT} invitations are misread (READING_SEED={SEED})",
            _counted(failed),
            *(_told(one, wrong) for one, wrong in failed[:SHOWN]),
        ]
    )
    if failed:
        pytest.fail(report, pytrace=False)


def test_the_run_is_broad_enough():
    found = list(cases(SEED, COUNT))
    assert len(found) >= 2_000
    assert len({one.meeting.provider for one in found}) == 7
    assert len({one.meeting.language for one in found}) == 14
    assert len({one.container for one in found}) >= 20
    assert {len(one.layers) for one in found} == {0, 1, 2, 3, 4}
    assert sum(bool(one.forbidden) for one in found) >= COUNT // 8


def test_a_case_depends_on_its_seed_and_number_alone():
    assert case(5, 17) == case(5, 17)
    assert case(5, 17) != case(6, 17)


if "READING_CASE" in os.environ:

    def test_one_case_whole():
        one = case(SEED, int(os.environ["READING_CASE"]))
        got = _read(one)
        wrong = mismatches(one, got)
        if wrong:
            pytest.fail(f"{one.given}\n{_told(one, wrong)}\ngot {_shown(got)}", pytrace=False)
