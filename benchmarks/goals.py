"""The goals: which ratio of CPU per call, at most how much, and how it came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loading import SIXTY_FOUR, Shape
from measuring import Spread, Steps, paired
from phases import EIGHT, INSTANT, SLOW, Findings


@dataclass(frozen=True)
class Goal:
    """A ratio that is to be at most so much.

    Attributes:
        against: for people.
        above: the variants that are summed above the line.
        below: those below.
        most: the goal.
        stretch: what would be better.
        ledger: what stands above the line instead when the ledger is on; below it, too, where two
            are given.
        bare: whether the stack that checks nothing is put in the same place, for scale.
    """

    against: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    most: float
    stretch: float
    ledger: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    bare: bool = True


def _with_ledger(*below: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ("service-ledger-1",), below


GOALS = (
    Goal(
        "bare echo + bare aiohttp call",
        ("service-1",),
        ("echo", "aiohttp"),
        1.8,
        1.5,
        _with_ledger("echo", "aiohttp"),
    ),
    Goal(
        "Envoy's transcoder, which checks nothing",
        ("service-1",),
        ("envoy",),
        3.0,
        2.0,
        _with_ledger("envoy"),
    ),
    Goal(
        "the naive stack without tracing",
        ("service-1",),
        ("naive",),
        0.38,
        0.30,
        _with_ledger("naive"),
    ),
    Goal(
        "the vendor's SDK called directly",
        ("service-1",),
        ("sdk",),
        0.15,
        0.10,
        _with_ledger("sdk"),
    ),
    Goal(
        "100 % tracing against tracing off",
        ("service-100",),
        ("service-off",),
        1.2,
        1.1,
        (("service-ledger-100",), ("service-ledger",)),
        bare=False,
    ),
    Goal(
        "ListEvents of 200, against the message constructor alone",
        ("list",),
        ("list-constructor",),
        1.3,
        1.1,
        bare=False,
    ),
    Goal(
        "ledger on (SQLite) against off",
        ("service-ledger-1",),
        ("service-1",),
        1.4,
        1.2,
        bare=False,
    ),
)


def ratio(steps: Steps, shape: Shape, above: Sequence[str], below: Sequence[str]) -> Spread | None:
    """Return the paired ratio of sums of variants; None where one was not measured."""
    if any((name, shape) not in steps for name in (*above, *below)):
        return None
    return paired([steps[name, shape] for name in above], [steps[name, shape] for name in below])


def outcome(goal: Goal, found: Spread | None) -> str:
    """Say how a goal came out, in one word or two."""
    if found is None:
        return "not measured"
    if found.median <= goal.stretch:
        return "**stretch met**"
    return "**met**" if found.median <= goal.most else "missed"


def goals_table(findings: Findings) -> list[str]:
    """Return the table of the goals, line by line."""
    lines = [
        "| against | goal | stretch | median (least to greatest) | | with the ledger | bare stack |",
        "|---|---|---|---|---|---|---|",
    ]
    create = findings.create.get(INSTANT, {})
    for goal in GOALS:
        is_list = goal.above == ("list",)
        steps, shape = (findings.lists, EIGHT) if is_list else (create, SIXTY_FOUR)
        found = ratio(steps, shape, goal.above, goal.below)
        ledger = ratio(steps, shape, *goal.ledger) if goal.ledger else None
        bare = ratio(steps, shape, ("bare",), goal.below) if goal.bare else None
        lines.append(
            f"| {goal.against} | {goal.most:g}x | {goal.stretch:g}x | {_told(found)} "
            f"| {outcome(goal, found)} | {_median(ledger)} | {_median(bare)} |"
        )
    return lines


def elsewhere_table(findings: Findings) -> list[str]:
    """Return the same ratios with one call in flight, and with the slow vendor."""
    places = [
        (vendor, shape)
        for vendor in (INSTANT, SLOW)
        if vendor in findings.create
        for shape in sorted({key[1] for key in findings.create[vendor]}, key=_size, reverse=True)
    ]
    lines = [
        "| against | " + " | ".join(f"{v}, {s.in_flight} in flight" for v, s in places) + " |",
        "|---|" + "---|" * len(places),
    ]
    for goal in GOALS:
        if goal.above != ("list",):
            found = [
                ratio(findings.create[vendor], shape, goal.above, goal.below)
                for vendor, shape in places
            ]
            lines.append(f"| {goal.against} | " + " | ".join(map(_median, found)) + " |")
    return lines


def _size(shape: Shape) -> int:
    return shape.in_flight


def _told(found: Spread | None) -> str:
    if found is None:
        return ""
    return f"{found.median:.2f}x ({found.least:.2f} to {found.most:.2f})"


def _median(found: Spread | None) -> str:
    return "" if found is None else f"{found.median:.2f}x"
