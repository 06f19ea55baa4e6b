"""When an event takes place: the vendor's four forms, told apart by their field names."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from conferencing_service.sandbox.errors import invalid

_YEAR_10000 = 253_402_300_800
_FAR_FUTURE = _YEAR_10000


def read_when(value: Any) -> dict[str, Any]:
    """The checked ``when``, with the ``object`` that every answer carries."""
    if not isinstance(value, Mapping):
        raise invalid("'when' must be an object")
    found = [
        name for name, (fields, _) in _FORMS.items() if any(field in value for field in fields)
    ]
    if len(found) != 1:
        raise invalid("'when' must be one of time, timespan, date and datespan")
    # The vendor's description says that `time` is never answered. It is kept here as it was
    # written, so that a round trip loses nothing, and with an `object`, without which the official
    # Python client refuses the event.
    return {**_FORMS[found[0]][1](value), "object": found[0]}


def span(when: Mapping[str, Any], recurring: bool) -> tuple[int, int]:
    """The first second and the first second after it, which a list's range is compared with.

    A recurring event is not expanded: its master has no end.
    """
    start, end = _SPANS[when["object"]](when)
    return start, _FAR_FUTURE if recurring else max(end, start + 1)


def _time(value: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {"time": _unix(value, "time")}
    zone = _zone(value, "timezone")
    return read if zone is None else {**read, "timezone": zone}


def _timespan(value: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {
        "start_time": _unix(value, "start_time"),
        "end_time": _unix(value, "end_time"),
    }
    if read["end_time"] <= read["start_time"]:
        raise invalid("'end_time' must be after 'start_time'")
    start, end = _zone(value, "start_timezone"), _zone(value, "end_timezone")
    if (start is None) != (end is None):
        raise invalid("'start_timezone' and 'end_timezone' must be given together")
    return read if start is None else {**read, "start_timezone": start, "end_timezone": end}


def _date(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"date": _day(value, "date")}


def _datespan(value: Mapping[str, Any]) -> dict[str, Any]:
    read = {"start_date": _day(value, "start_date"), "end_date": _day(value, "end_date")}
    # Nylas v3 API description: the end date is inclusive, so it may be the start date.
    if read["end_date"] < read["start_date"]:
        raise invalid("'end_date' must not be before 'start_date'")
    return read


def _unix(value: Mapping[str, Any], name: str) -> int:
    number = value.get(name)
    # A boolean is an int to Python; a number in quotes, or with a fraction, is none to the vendor.
    if type(number) is not int:
        raise invalid(f"'when.{name}' must be a whole number of seconds")
    if not 0 <= number < _YEAR_10000:
        raise invalid(f"'when.{name}' is out of range")
    return number


def _zone(value: Mapping[str, Any], name: str) -> str | None:
    zone = value.get(name)
    if zone is None or zone == "":
        return None
    if not isinstance(zone, str) or zone not in _zones():
        raise invalid(f"'when.{name}' must be an IANA time zone")
    return zone


def _day(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    try:
        if isinstance(text, str) and len(text) == 10:
            return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise invalid(f"'when.{name}' must be a date: {error}") from error
    raise invalid(f"'when.{name}' must be a date, YYYY-MM-DD")


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _midnight(day: str) -> int:
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp())


_DAY = int(timedelta(days=1).total_seconds())

_Reader = Callable[[Mapping[str, Any]], dict[str, Any]]

_FORMS: Mapping[str, tuple[tuple[str, ...], _Reader]] = {
    "time": (("time",), _time),
    "timespan": (("start_time", "end_time"), _timespan),
    "date": (("date",), _date),
    "datespan": (("start_date", "end_date"), _datespan),
}

_SPANS: Mapping[str, Callable[[Mapping[str, Any]], tuple[int, int]]] = {
    "time": lambda when: (when["time"], when["time"]),
    "timespan": lambda when: (when["start_time"], when["end_time"]),
    "date": lambda when: (_midnight(when["date"]), _midnight(when["date"]) + _DAY),
    "datespan": lambda when: (_midnight(when["start_date"]), _midnight(when["end_date"]) + _DAY),
}
