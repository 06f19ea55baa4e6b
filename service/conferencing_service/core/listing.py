"""Which events of an upstream's page belong on ours.

Upstreams filter by time in their own ways, and not at all beside an iCalendar UID; this decides.
"""

from __future__ import annotations

from datetime import date
from typing import assert_never

from conferencing_service.core.model import Date, Datespan, Event, TimePoint, Timespan, When
from conferencing_service.core.requests import ListEvents

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_EAST = 14 * 3600
_WEST = 12 * 3600


def selects(request: ListEvents, event: Event) -> bool:
    """Tell whether an event lies in the range that was asked for."""
    if event.when is None or event.recurrence:
        # A series is the upstream's to place: its instances lie elsewhere than its first moment.
        return True
    start, end = _bounds(event.when)
    if request.end_time is not None and start >= request.end_time:
        return False
    return request.start_time is None or end > request.start_time or start == request.start_time


def _bounds(when: When) -> tuple[int, int]:
    """Return the first and last second of a when.

    A day begins and ends by the calendar's own time zone, which the event does not tell; so a day
    is taken from its earliest beginning to its latest end anywhere.
    """
    match when:
        case TimePoint():
            return when.time, when.time
        case Timespan():
            return when.start_time, when.end_time
        case Date():
            return _first_second(when.date), _last_second(when.date)
        case Datespan():
            return _first_second(when.start_date), _last_second(when.end_date)
        case _:
            assert_never(when)


def _first_second(day: str) -> int:
    return _midnight(day) - _EAST


def _last_second(day: str) -> int:
    return _midnight(day) + _DAY + _WEST


def _midnight(day: str) -> int:
    """Return when a day begins in UTC; every day of the calendar has an answer."""
    return (date.fromisoformat(day).toordinal() - _EPOCH) * _DAY
