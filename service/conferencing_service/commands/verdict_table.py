"""The compatibility table for people: a row for the ways that share a verdict, ways out below."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import error_reason_pb2
from conferencing_service.commands.telling import clean

_PROVIDERS = {
    c.PROVIDER_GOOGLE_MEET: "Google Meet",
    c.PROVIDER_ZOOM_MEETING: "Zoom",
    c.PROVIDER_MICROSOFT_TEAMS: "Microsoft Teams",
    c.PROVIDER_WEBEX: "WebEx",
    c.PROVIDER_GOTOMEETING: "GoToMeeting",
    c.PROVIDER_SKYPE_FOR_BUSINESS: "Skype for Business",
    c.PROVIDER_SKYPE_FOR_CONSUMER: "Skype for Consumer",
}
_STYLES = {
    c.DECISION_ALLOWED: "green",
    c.DECISION_CONDITIONAL: "yellow",
    c.DECISION_REFUSED: "red",
}
_UNBOUNDED = 10_000


def verdict_table(answer: s.CheckCompatibilityResponse, about: str, stream: TextIO) -> str:
    """Return an answer as a table, as wide and coloured as the stream can show it.

    Args:
        answer: the answer.
        about: what was asked about.
        stream: where it will be written.
    """
    is_terminal = stream.isatty()
    console = Console(
        file=stream,
        force_terminal=is_terminal,
        # Where nobody looks, lines stay whole for grep and the like.
        width=None if is_terminal else _UNBOUNDED,
        highlight=False,
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("PROVIDER", "WAYS", "DECISION", "WHY, AND THE WAYS OUT"):
        table.add_column(name, no_wrap=name == "DECISION")
    for provider, of_provider in groupby(answer.verdicts, lambda verdict: verdict.provider):
        for verdicts in _alike(of_provider):
            table.add_row(
                _PROVIDERS.get(provider, c.Provider.Name(provider)),
                ", ".join(_name(c.Way.Name(each.way), "WAY_").lower() for each in verdicts),
                Text(
                    _name(c.Decision.Name(verdicts[0].decision), "DECISION_"),
                    _STYLES.get(verdicts[0].decision, ""),
                ),
                Text("\n".join(_lines(verdicts[0]))),
            )
        table.add_section()
    with console.capture() as capture:
        platform = _name(c.Platform.Name(answer.platform), "PLATFORM_").lower()
        console.print(Text(f"{about}, {platform}" if about != "platform" else platform, "bold"))
        console.print()
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)


def _alike(verdicts: Iterator[c.Verdict]) -> Iterator[list[c.Verdict]]:
    """Yield the verdicts of a provider, those that say the same together."""
    together: dict[tuple[object, ...], list[c.Verdict]] = {}
    for verdict in verdicts:
        key = (verdict.decision, *_lines(verdict))
        together.setdefault(key, []).append(verdict)
    yield from together.values()


def _lines(verdict: c.Verdict) -> Iterator[str]:
    reason = error_reason_pb2.ErrorReason.Name(verdict.reason).removeprefix("ERROR_REASON_")
    if verdict.reason:
        yield f"{reason}: {clean(verdict.explanation)}"
    elif verdict.explanation:
        yield clean(verdict.explanation)
    for requirement in verdict.requirements:
        yield f"needs: {clean(requirement)}"
    for alternative in verdict.alternatives:
        yield f"instead: {clean(alternative.explanation)}"
