"""Has an update arrived? Digests of what was asked, to be compared with the event as it is.

Kept in the ledger while an update may be in doubt, so that anybody can settle it; digests, because
what people wrote has no business there. A comparison errs on the side of "no": a field that the
upstream rewrites leaves an update unresolved, and never calls one done that is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from conferencing_service.core import reading
from conferencing_service.core.ledger.plain import digest
from conferencing_service.core.model import (
    Autocreate,
    Details,
    Event,
    Reminders,
    TimePoint,
    Timespan,
)

_ANOTHER = "conferencing.another_than"
_NONE_BEFORE = ""


def _own_text(event: Event) -> str:
    """Return the words of a description that are not the conference's own."""
    source = event.conferencing.source if event.conferencing is not None else None
    text = event.description
    if isinstance(source, Details):
        text = reading.without_block(text, source)
    return " ".join(text.split())


def _instants(event: Event) -> object:
    match event.when:
        case TimePoint(time=time):
            return (time,)
        case Timespan(start_time=start, end_time=end):
            return (start, end)
        case days:
            return days


def _reminders(event: Event) -> Reminders:
    return event.reminders or Reminders(use_default=True)


def _url_of(event: Event) -> str:
    source = event.conferencing.source if event.conferencing is not None else None
    return source.url if isinstance(source, Details) else ""


def _conference(event: Event) -> object:
    source = event.conferencing.source if event.conferencing is not None else None
    if event.conferencing is None or not isinstance(source, Details):
        return None
    provider = event.conferencing.provider
    return (provider, source.url, source.meeting_code, source.password, source.pin, source.phone)


def _name(email: str, name: str) -> str:
    """Return a name; upstreams that know none give the address instead."""
    return "" if name.lower() == email.lower() else name


_ASPECTS: Mapping[str, Callable[[Event], object]] = {
    "title": lambda event: event.title.strip(),
    "description": _own_text,
    "location": lambda event: event.location.strip(),
    "when": lambda event: event.when,
    "when.instants": _instants,
    "participants": lambda event: sorted(each.email.lower() for each in event.participants),
    "participants.whole": lambda event: sorted(
        (each.email.lower(), _name(each.email, each.name), each.comment, each.phone_number)
        for each in event.participants
    ),
    "recurrence": lambda event: event.recurrence,
    "reminders": _reminders,
    "reminders.minutes": lambda event: (
        _reminders(event).use_default,
        [each.minutes for each in _reminders(event).overrides],
    ),
    "visibility": lambda event: event.visibility,
    "busy": lambda event: event.busy is not False,
    "metadata": lambda event: event.metadata,
    "resources": lambda event: sorted(each.email.lower() for each in event.resources),
    "resources.whole": lambda event: sorted(
        (each.email.lower(), _name(each.email, each.name)) for each in event.resources
    ),
    "conferencing": _url_of,
    "conferencing.whole": _conference,
    "hide_participants": lambda event: event.hide_participants,
    "capacity": lambda event: event.capacity,
}


def expectation_of(
    asked: Event, fields: Collection[str], current: Event | None
) -> Mapping[str, str]:
    """Return digests of what an update asks for.

    Args:
        asked: the event as it is to be.
        fields: the fields that the caller named.
        current: the event as it was, where that was read.
    """
    expected: dict[str, str] = {}
    for name in sorted(fields):
        if name == "visibility" and asked.visibility is None:
            continue  # what the calendar makes of a cleared one is its own affair
        if name == "conferencing" and _is_autocreated(asked):
            before = _url_of(current) if current is not None else ""
            expected[_ANOTHER] = digest(before) if before else _NONE_BEFORE
            continue
        seen = asked
        if name == "description" and asked.conferencing is None and current is not None:
            seen = dataclasses.replace(asked, conferencing=current.conferencing)
        aspect = _aspect_of(name, asked, current)
        expected[aspect] = digest(_ASPECTS[aspect](seen))
    return expected


def _aspect_of(name: str, asked: Event, current: Event | None) -> str:
    """Return the aspect of a field that tells whether it was written.

    Upstreams add to what they keep, so less is asked for where that is enough: where it was
    different before.
    """
    if name == "when" and not _has_zone(asked):
        return "when.instants"  # upstreams fill in a zone where none is given
    if name == "reminders" and not any(each.method for each in _reminders(asked).overrides):
        return "reminders.minutes"  # the same with a method
    whole, part = f"{name}.whole", _ASPECTS[name]
    if whole in _ASPECTS and (current is None or part(asked) == part(current)):
        return whole
    return name


def is_met(expected: Mapping[str, str], event: Event) -> bool:
    """Tell whether an event is what an update asked for; False where nothing was noted."""
    if not expected:
        return False
    for name, value in expected.items():
        if name == _ANOTHER:
            url = _url_of(event)
            if not url or digest(url) == value:
                return False
        elif name not in _ASPECTS or digest(_ASPECTS[name](event)) != value:
            return False
    return True


def is_another(expected: Mapping[str, str], event: Event) -> bool:
    """Tell whether an event's conference is not the one that an autocreate was to replace."""
    return _ANOTHER not in expected or is_met({_ANOTHER: expected[_ANOTHER]}, event)


def _has_zone(event: Event) -> bool:
    match event.when:
        case TimePoint(timezone=zone) | Timespan(start_timezone=zone):
            return bool(zone)
        case _:
            return True


def _is_autocreated(event: Event) -> bool:
    return event.conferencing is not None and isinstance(event.conferencing.source, Autocreate)
