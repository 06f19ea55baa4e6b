"""Times as people read them: of an event in its own zone, of a log in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from conferencing_service.sandbox.page.markup import Html, element, join


def stamp(at: float) -> Html:
    """When something was logged, to the millisecond."""
    then = datetime.fromtimestamp(at, UTC)
    clock = (
        then.isoformat(sep=" ", timespec="milliseconds").partition(" ")[2].removesuffix("+00:00")
    )
    return element(
        "time",
        element("span", f"{then.day} {then:%b}", class_="day"),
        f" {clock}",
        datetime=then.isoformat(timespec="milliseconds"),
        title=f"{then:%Y-%m-%d} {clock} UTC",
    )


def when(value: Mapping[str, Any]) -> Html:
    """When an event takes place, in its own zone; UTC where it names none."""
    return _FORMS[value["object"]](value)


def _time(value: Mapping[str, Any]) -> Html:
    at = _local(value["time"], value.get("timezone"))
    return join((_line(f"{_day(at)}, {at:%H:%M}"), _zone(at)))


def _timespan(value: Mapping[str, Any]) -> Html:
    start = _local(value["start_time"], value.get("start_timezone"))
    end = _local(value["end_time"], value.get("end_timezone"))
    one_zone = str(start.tzinfo) == str(end.tzinfo)
    if one_zone and start.date() == end.date():
        return join((_line(_day(start)), _line(f"{start:%H:%M} to {end:%H:%M}"), _zone(end)))
    return join(
        (
            _line(f"{_day(start)}, {start:%H:%M}"),
            None if one_zone else _zone(start),
            _line(f"to {_day(end)}, {end:%H:%M}"),
            _zone(end),
        )
    )


def _date(value: Mapping[str, Any]) -> Html:
    return join((_line(_day(date.fromisoformat(value["date"]))), _line("all day")))


def _datespan(value: Mapping[str, Any]) -> Html:
    start, end = (date.fromisoformat(value[name]) for name in ("start_date", "end_date"))
    return join((_line(_day(start)), _line(f"to {_day(end)}"), _line("all day")))


def _local(seconds: int, zone: str | None) -> datetime:
    at = datetime.fromtimestamp(seconds, UTC)
    try:
        return at.astimezone(ZoneInfo(zone or "UTC"))
    except (OverflowError, ZoneInfoNotFoundError):
        # The last hours that the calendar knows end in UTC; a zone may come from a file that was
        # written where more of them are known.
        return at


def _zone(at: datetime) -> Html:
    # A long name may go on in the next line after its slash, and nowhere else.
    parts = str(at.tzinfo).split("/")
    broken = [
        Html("/<wbr>") if place % 2 else parts[place // 2] for place in range(len(parts) * 2 - 1)
    ]
    return element("span", *broken, class_="line aside")


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b} {day.year}"


def _line(text: str) -> Html:
    return element("span", text, class_="line")


_FORMS: Mapping[str, Callable[[Mapping[str, Any]], Html]] = {
    "time": _time,
    "timespan": _timespan,
    "date": _date,
    "datespan": _datespan,
}
