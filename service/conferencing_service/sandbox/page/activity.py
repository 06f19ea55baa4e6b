"""What happened: the armed faults, the last REST calls and the effect log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from conferencing_service.sandbox.faults import KINDS, WRITES, Fault
from conferencing_service.sandbox.page.calendars import grant_link, more
from conferencing_service.sandbox.page.markup import Html, Row, badge, element, join, table
from conferencing_service.sandbox.page.moments import stamp
from conferencing_service.sandbox.page.snapshot import Excerpt, Snapshot
from conferencing_service.sandbox.request_log import LoggedRequest

_AT_ONCE = 8

_Item = TypeVar("_Item")


def activity(snapshot: Snapshot) -> Html:
    """The three sections of what happened."""
    return join((_faults(snapshot.faults), _calls(snapshot.calls), _effects(snapshot.effects)))


def _faults(faults: Excerpt[Fault]) -> Html:
    rows = [Row(f"fault {place}", _fault(fault)) for place, fault in enumerate(faults.items)]
    return _section(
        "faults",
        "Armed faults",
        faults.count,
        table("faults", "Armed faults", ("Fault", "Befalls", "Times"), rows)
        if rows
        else element("p", "None: every call is answered as it should be.", class_="quiet"),
        more(faults, "faults"),
    )


def _fault(fault: Fault) -> Sequence[Html | str]:
    meaning = KINDS[fault.kind].meaning
    value = (
        None
        if fault.value is None and meaning == "no value"
        else f"{_json(fault.value)} ({meaning})"
    )
    grants = "all grants" if fault.grant_id is None else grant_link(fault.grant_id)
    return (
        join((badge(fault.kind, "bad"), element("span", value, class_="line aside"))),
        join((_befallen(fault), " of ", grants)),
        "always" if fault.times is None else str(fault.times),
    )


def _befallen(fault: Fault) -> str:
    kind = KINDS[fault.kind]
    unnamed = "writes" if kind.unnamed == WRITES else "reads and writes"
    words = [
        fault.method or unnamed,
        fault.resource,
        "autocreate" if kind.autocreate_only else None,
    ]
    return ", ".join(word for word in words if word)


def _json(value: Any) -> str:
    return "null" if value is None else str(value)


def _calls(calls: Excerpt[LoggedRequest]) -> Html:
    headings = ("Time (UTC)", "Call, grant and trace id", "Status")
    return _log("calls", "REST calls", headings, calls, _call)


def _call(call: LoggedRequest) -> Row:
    query = f"?{call.query}" if call.query else ""
    return Row(
        f"call {call.seq}",
        (
            stamp(call.at),
            join(
                (
                    element(
                        "code", element("b", call.method), f" {call.path}{query}", class_="call"
                    ),
                    element(
                        "span",
                        None if call.grant_id is None else grant_link(call.grant_id),
                        " ",
                        element("code", call.trace_id or "no trace"),
                        class_="line aside",
                    ),
                    None if call.fault is None else badge(call.fault, "bad"),
                )
            ),
            _outcome(call),
        ),
    )


def _outcome(call: LoggedRequest) -> Html:
    return join(
        (
            _status(call),
            None
            if call.ended_at is None
            else element(
                "span", f"{max(call.ended_at - call.at, 0) * 1000:.0f} ms", class_="line aside"
            ),
        )
    )


def _status(call: LoggedRequest) -> Html:
    if call.status is not None:
        return badge(str(call.status), _COLOURS.get(call.status // 100, "bad"))
    return badge("under way") if call.ended_at is None else badge("reset", "bad")


_COLOURS: Mapping[int, str] = {2: "good", 4: "warn"}


def _effects(effects: Excerpt[dict[str, Any]]) -> Html:
    headings = ("No.", "Effect", "Grant", "Event", "Time (UTC)")
    return _log("effects", "Effect log", headings, effects, _effect)


def _effect(effect: Mapping[str, Any]) -> Row:
    event_id = effect["event_id"]
    return Row(
        f"effect {effect['seq']}",
        (
            effect["seq"],
            element("span", effect["kind"], class_=f"effect {effect['kind']}"),
            grant_link(effect["grant_id"]),
            element("code", event_id, class_="line cut", title=event_id)
            if event_id
            else element("span", "none", class_="quiet"),
            stamp(effect["at"]),
        ),
    )


def _log(
    name: str,
    heading: str,
    headings: Sequence[str],
    entries: Excerpt[_Item],
    row: Callable[[_Item], Row],
) -> Html:
    """A log, the newest first: some rows at once, the older ones to be unfolded."""
    rows = [row(entry) for entry in entries.items]
    newest, older = rows[:_AT_ONCE], rows[_AT_ONCE:]
    unfolded = element(
        "details",
        element("summary", f"{len(older)} older", id=f"older-{name}"),
        table(name, f"{heading}, older", headings, older),
        more(entries, name),
    )
    return _section(
        name,
        heading,
        entries.count,
        table(name, heading, headings, newest)
        if newest
        else element("p", "Nothing yet.", class_="quiet"),
        unfolded if older else None,
    )


def _section(name: str, heading: str, count: int, *contents: Html | None) -> Html:
    return element(
        "section",
        element("h2", heading, " ", element("span", count, class_="count"), id=f"{name}-heading"),
        *contents,
        id=name,
        aria_labelledby=f"{name}-heading",
    )
