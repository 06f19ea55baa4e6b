"""Small messages that every caller builds: a conference, and when an event takes place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, overload

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1.conferencing_pb2 import (
    Autocreate,
    ConferenceDetails,
    Conferencing,
    Provider,
)
from conferencing.v1.event_pb2 import Date, Datespan, EventTime, TimePoint, Timespan


def details(
    *,
    url: str,
    provider: Provider.ValueType,
    meeting_code: str = "",
    password: str = "",
    pin: str = "",
    phone: str | Iterable[str] = (),
) -> Conferencing:
    """Return a conference that exists already, to be written on an event.

    Which fields beside `url` can be written depends on the provider; the service's README.md has
    the table, and refuses what the upstream would drop. Facts: conferencing.proto,
    ConferenceDetails.

    Args:
        url: the join link, https.
        provider: whose conference it is.
        meeting_code: the code or number that people type.
        password: what people type to be let in.
        pin: the digits that are typed on a telephone.
        phone: a number to dial in, or several.
    """
    return Conferencing(
        provider=provider,
        details=ConferenceDetails(
            url=url,
            meeting_code=meeting_code,
            password=password,
            pin=pin,
            phone=[phone] if isinstance(phone, str) else phone,
        ),
    )


def autocreate(
    provider: Provider.ValueType | None = None, *, conf_grant_id: str = "", **conf_settings: Any
) -> Conferencing:
    """Return an order to the provider to make a conference.

    Facts: conferencing.proto, Autocreate.

    Args:
        provider: whose conference; None: the calendar's own (Meet on Google, Teams on Microsoft).
        conf_grant_id: the grant that hosts it; always needed for Zoom.
        conf_settings: handed on to the provider as they are: strings, numbers, booleans, None,
            lists and dicts of these. Whole numbers above 2^53 are given as strings.
    """
    order = Autocreate(conf_grant_id=conf_grant_id)
    if conf_settings:
        order.conf_settings.update(conf_settings)
    if provider is None:
        return Conferencing(autocreate=order)
    return Conferencing(provider=provider, autocreate=order)


@overload
def when(start: dt.datetime, end: dt.datetime | None = None) -> EventTime: ...
@overload
def when(start: dt.date, end: dt.date | None = None) -> EventTime: ...
def when(start: dt.date, end: dt.date | None = None) -> EventTime:
    """Return when an event takes place.

    Two datetimes are a time span, one is a moment; two dates are whole days, the last one included,
    one is a whole day. Fractions of a second are dropped. The time zones that people see are those
    of the datetimes when they are IANA zones (`zoneinfo.ZoneInfo`, or UTC); recurring events need
    them. Facts: event.proto, EventTime.

    Args:
        start: the first moment, or the first day.
        end: the last moment, or the last day.

    Raises:
        TypeError: one is a datetime and the other a date, or neither is one.
        ValueError: a datetime has no time zone, or only one of two has an IANA zone.
    """
    for value in (start, start if end is None else end):
        if not isinstance(value, dt.date):
            raise TypeError("start and end are dates, or datetimes with a time zone")
    if end is not None and isinstance(start, dt.datetime) != isinstance(end, dt.datetime):
        raise TypeError("start and end are two datetimes or two dates")
    if isinstance(start, dt.datetime):
        if not isinstance(end, dt.datetime):
            return EventTime(time=TimePoint(time=timestamp(start), timezone=_zone(start)))
        zones = _zone(start), _zone(end)
        if bool(zones[0]) != bool(zones[1]):
            raise ValueError("start and end both have IANA zones, or neither has")
        return EventTime(
            timespan=Timespan(
                start_time=timestamp(start),
                end_time=timestamp(end),
                start_timezone=zones[0],
                end_timezone=zones[1],
            )
        )
    if end is None:
        return EventTime(date=Date(date=start.isoformat()))
    return EventTime(datespan=Datespan(start_date=start.isoformat(), end_date=end.isoformat()))


def timestamp(moment: dt.datetime) -> Timestamp:
    """Return a moment in whole seconds; raises ValueError where it has no time zone."""
    if moment.utcoffset() is None:
        raise ValueError("a datetime needs a time zone")
    return Timestamp(seconds=int(moment.replace(microsecond=0).timestamp()))


def _zone(moment: dt.datetime) -> str:
    if moment.tzinfo is dt.UTC:
        return "UTC"
    return getattr(moment.tzinfo, "key", None) or ""
