"""Score the reader on the corpus: a table per provider, every case that is not right, the ending.

The rules are those of README.md beside this file.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from conferencing_service.core import reading
from conferencing_service.core.model import Conferencing, Details, Provider

CORPUS = Path(__file__).with_name("conferencing.jsonl")
DETAILS = ("meeting_code", "password", "pin", "phone")
NO_MEETING = "(no meeting)"
PROVIDERS: Mapping[str, Provider] = {
    "Google Meet": Provider.GOOGLE_MEET,
    "Zoom Meeting": Provider.ZOOM_MEETING,
    "Teams for Business": Provider.MICROSOFT_TEAMS,
    "WebEx": Provider.WEBEX,
    "GoToMeeting": Provider.GOTOMEETING,
    "Skype for Business": Provider.SKYPE_FOR_BUSINESS,
    "Skype for Consumer": Provider.SKYPE_FOR_CONSUMER,
}
NAMES = {provider: name for name, provider in PROVIDERS.items()}

Reader: TypeAlias = Callable[["Case"], Conferencing | None]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the corpus.

    Attributes:
        id: its unique name.
        platform: google, microsoft, ical or text.
        event: the native fragment.
        provider: the expected provider as the corpus names it, None where nothing may be returned.
        details: the expected details; a key that is not there may be anything.
        forbid: what must appear nowhere in the result.
    """

    id: str
    platform: str
    event: Mapping[str, Any]
    provider: str | None
    details: Mapping[str, Any]
    forbid: tuple[str, ...]

    @property
    def row(self) -> str:
        """Return the row of the table that the case is counted in."""
        return NO_MEETING if self.provider is None else self.provider


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as expected: a detail's name, provider, false positive, ..."""

    what: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case."""

    case: Case
    faults: tuple[Fault, ...]

    def is_right(self, *what: str) -> bool:
        """Tell whether the case has no fault at all, or none of those that are named."""
        return not any(fault.what in what or not what for fault in self.faults)


def cases(path: Path = CORPUS) -> list[Case]:
    """Return the cases of the corpus in their order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_case(json.loads(line)) for line in lines if line.strip()]


def _case(line: Mapping[str, Any]) -> Case:
    expected = line["expected"]
    return Case(
        id=line["id"],
        platform=line["platform"],
        event=line["event"],
        provider=None if expected is None else expected["provider"],
        details={} if expected is None else expected["details"],
        forbid=tuple(line.get("forbid", ())),
    )


def read(case: Case) -> Conferencing | None:
    """Return what the reader makes of a case."""
    match case.platform:
        case "google":
            return reading.conferencing_from_google(dict(case.event))
        case "microsoft":
            return reading.conferencing_from_microsoft(dict(case.event))
        case "ical":
            return reading.conferencing_from_icalendar(case.event["vevent"])
        case "text":
            return reading.conferencing_from_text(case.event["text"])
    raise ValueError(f"{case.id}: {case.platform} is no platform of the corpus")


def judge(case: Case, found: Conferencing | None) -> Verdict:
    """Return what is wrong with a result."""
    return Verdict(case, tuple(_faults(case, found)))


def _faults(case: Case, found: Conferencing | None) -> Iterator[Fault]:
    if case.provider is None:
        if found is not None:
            yield Fault("false positive", None, shown(found))
        return
    if found is None:
        yield Fault("provider", case.provider, None)
    elif found.provider is not PROVIDERS[case.provider]:
        yield Fault("provider", case.provider, NAMES.get(found.provider, found.provider))
    source = found.source if found and isinstance(found.source, Details) else Details()
    for key, expected in case.details.items():
        got = getattr(source, key)
        got = list(got) if isinstance(got, tuple) else got
        same = _same_url(expected, got) if key == "url" else expected == got
        if not same:
            yield Fault(key, expected, got)
    for value in case.forbid:
        for holder in _strings(found):
            if value in holder:
                yield Fault("forbidden", f"nowhere {value!r}", holder)


def _same_url(one: str, other: str) -> bool:
    """Tell whether two URLs are the same, where scheme and host have no case."""
    return _folded_host(one) == _folded_host(other)


def _folded_host(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return scheme.lower() + mark + rest[:end].lower() + rest[end:]


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a value, whether or not a repr shows it."""
    if isinstance(value, str):
        yield str(value)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _strings(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _strings(list(value.items()))
    elif isinstance(value, Iterable):
        for item in value:
            yield from _strings(item)


def shown(found: Conferencing | None) -> dict[str, Any] | None:
    """Return a result with what its repr leaves out."""
    return None if found is None else dataclasses.asdict(found)


def score(corpus: Iterable[Case], reader: Reader = read) -> list[Verdict]:
    """Return the verdicts on all cases; a reader that raises is wrong, not the end."""
    verdicts = []
    for case in corpus:
        try:
            found = reader(case)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader must not raise it
            verdicts.append(Verdict(case, (Fault("provider", case.row, repr(error)),)))
        else:
            verdicts.append(judge(case, found))
    return verdicts


def table(verdicts: list[Verdict]) -> str:
    """Return the table: a row per provider, one for the cases without a meeting, the total."""
    rows = [["", "cases", "provider+URL", *DETAILS, "false pos.", "forbidden", "all right"]]
    for name in (*PROVIDERS, NO_MEETING, "total"):
        of_row = [v for v in verdicts if name in {"total", v.case.row}]
        rows.append([name, str(len(of_row)), *_cells(of_row)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _cells(verdicts: list[Verdict]) -> Iterator[str]:
    meetings = [v for v in verdicts if v.case.provider is not None]
    yield _ratio(meetings, "provider", "url")
    for key in DETAILS:
        yield _ratio([v for v in meetings if key in v.case.details], key)
    yield _count(verdicts, "false positive")
    yield _count([v for v in verdicts if v.case.forbid], "forbidden")
    yield _ratio(verdicts)


def _ratio(verdicts: list[Verdict], *what: str) -> str:
    right = sum(verdict.is_right(*what) for verdict in verdicts)
    return f"{right}/{len(verdicts)}" if verdicts else "-"


def _count(verdicts: list[Verdict], what: str) -> str:
    return str(sum(not v.is_right(what) for v in verdicts)) if verdicts else "-"


def listing(verdicts: list[Verdict]) -> str:
    """Return every case that is not right, with what was expected and what came."""
    lines = []
    for verdict in verdicts:
        if not verdict.is_right():
            lines.append(f"{verdict.case.id} ({verdict.case.platform})")
            for fault in verdict.faults:
                lines.append(f"  {fault.what}: expected {fault.expected!r}")
                lines.append(f"  {' ' * len(fault.what)}       got {fault.got!r}")
    return "\n".join(lines)


def main(corpus: Iterable[Case] | None = None, reader: Reader = read) -> int:
    """Print the table and what is not right; return 0 only for a perfect score."""
    verdicts = score(cases() if corpus is None else corpus, reader)
    wrong = [verdict for verdict in verdicts if not verdict.is_right()]
    right = len(verdicts) - len(wrong)
    sys.stdout.write(table(verdicts) + "\n")
    if wrong:
        sys.stdout.write("\nNot right:\n" + listing(wrong) + "\n")
    share = 100 * right / len(verdicts) if verdicts else 0.0
    sys.stdout.write(f"\n{right} of {len(verdicts)} cases right: {share:.1f} %\n")
    return 0 if verdicts and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
