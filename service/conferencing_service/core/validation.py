"""Is the request itself right? Every rule about a field, and what each looks at.

Rules never stop at the first fault: they add to `Faults`, which raises once with all of them. A
fault names the field's path in the request and never repeats its value. Limits are those that the
contract's comments state.
"""

from __future__ import annotations

import math
import re
import zoneinfo
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from conferencing_service.core.errors import InvalidField, Violation

MAX_VIOLATIONS = 20

MAX_DESCRIPTION = 8192
"""How many characters a description may have."""

_ID = re.compile(r"[!-~]{1,256}")
_ID_FORBIDDEN = frozenset("/\\?#%")
_CALENDAR_ID = re.compile(r"[ -~]{1,512}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_IN_EMAIL = re.compile(r"[\s<>,;\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,127}")
# The last ranges are invisible, or turn round what follows: a person would read another link.
_NOT_IN_URL = re.compile(
    r"[\s\\\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBERS = re.compile(r"[+-]?\d{1,3}(?:,[+-]?\d{1,3}){0,400}", re.ASCII)
_COUNT = re.compile(r"[1-9]\d{0,5}", re.ASCII)
_DAY = r"(?:[+-]?\d{1,2})?(?:MO|TU|WE|TH|FR|SA|SU)"
_DAYS_OR_MOMENTS = re.compile(r"\d{8}(?:T\d{6}Z?)?(?:,\d{8}(?:T\d{6}Z?)?){0,60}", re.ASCII)
_RRULE_PARTS: Mapping[str, re.Pattern[str]] = {
    "FREQ": re.compile(r"[A-Z]{1,10}"),
    "COUNT": _COUNT,
    "INTERVAL": _COUNT,
    "UNTIL": re.compile(r"\d{8}(?:T\d{6}Z?)?", re.ASCII),
    "WKST": re.compile(r"MO|TU|WE|TH|FR|SA|SU"),
    "BYDAY": re.compile(rf"{_DAY}(?:,{_DAY}){{0,400}}", re.ASCII),
    **dict.fromkeys(
        [
            "BYSECOND",
            "BYMINUTE",
            "BYHOUR",
            "BYMONTHDAY",
            "BYYEARDAY",
            "BYWEEKNO",
            "BYMONTH",
            "BYSETPOS",
        ],
        _NUMBERS,
    ),
}
_FREQUENCIES = frozenset({"SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"})


class Faults:
    """The violations found so far in one request."""

    def __init__(self, found: Iterable[Violation] = ()) -> None:
        self._found = list(found)

    def add(self, path: str, description: str) -> None:
        """Note that the field at `path` is wrong."""
        self._found.append(Violation(path, description))

    @property
    def found(self) -> tuple[Violation, ...]:
        """The violations in the order in which they were found."""
        return tuple(self._found)

    def raise_any(self) -> None:
        """Raise InvalidField with every violation, at most 20; return when there are none."""
        if self._found:
            raise InvalidField(self._found[:MAX_VIOLATIONS], len(self._found))


class TimeZones:
    """Knows the IANA time zones of the machine."""

    def __init__(self) -> None:
        self._names = zoneinfo.available_timezones()

    def __contains__(self, name: str) -> bool:
        return name in self._names


def check_id(faults: Faults, path: str, value: str) -> None:
    """Grant and event ids stand in an upstream's path: one segment of printable ASCII."""
    if not value:
        faults.add(path, "is required")
    elif not _ID.fullmatch(value) or not _ID_FORBIDDEN.isdisjoint(value) or value in {".", ".."}:
        faults.add(
            path,
            "must be printable ASCII of at most 256 bytes without / \\ ? # % and white space, "
            "and not . or ..",
        )


def check_calendar_id(faults: Faults, path: str, value: str) -> None:
    """Calendar ids stand in an upstream's query and path: printable ASCII, no dot segment."""
    if not value:
        faults.add(path, "is required")
    elif not _CALENDAR_ID.fullmatch(value) or value.isspace() or value in {".", ".."}:
        faults.add(path, "must be printable ASCII of at most 512 bytes, and not . or ..")


def check_request_id(faults: Faults, path: str, value: str, *, required: bool) -> None:
    """Request ids are UUIDs in their 36-character form (RFC 9562)."""
    if not value:
        if required:
            faults.add(path, "is required: a UUID, kept when the request is repeated")
    elif not _UUID.fullmatch(value):
        faults.add(path, "must be a UUID of 36 characters")


def check_line(faults: Faults, path: str, value: str, limit: int) -> None:
    """A line: at most `limit` characters, no control characters."""
    if len(value) > limit:
        faults.add(path, f"must be at most {limit} characters")
    if _CONTROL.search(value):
        faults.add(path, "must not hold control characters or line breaks")


def check_text(faults: Faults, path: str, value: str, limit: int) -> None:
    """A text: at most `limit` characters; line breaks and tabs are its only control characters."""
    if len(value) > limit:
        faults.add(path, f"must be at most {limit} characters")
    if _CONTROL_IN_TEXT.search(value):
        faults.add(path, "must not hold control characters other than tab and line breaks")


def check_email(faults: Faults, path: str, value: str) -> None:
    """An address: something, one @ and a domain; at most 320 bytes (RFC 3696 errata)."""
    local, at, domain = value.rpartition("@")
    if not value:
        faults.add(path, "is required")
    elif len(value.encode()) > 320:
        faults.add(path, "must be at most 320 bytes")
    elif (
        not (local and at and _DOMAIN.fullmatch(domain))
        or "@" in local
        or _NOT_IN_EMAIL.search(value)
    ):
        faults.add(path, "must be an e-mail address")


def check_join_url(faults: Faults, path: str, value: str) -> None:
    """A join link: absolute https, no user information, at most 2,048 bytes.

    The host may be any but one that only this machine knows (a zone id) or that is not spelled out
    (escapes); the port any but 0.
    """
    if not value:
        faults.add(path, "is required")
        return
    if len(value.encode()) > 2048:
        faults.add(path, "must be at most 2048 bytes")
        return
    if _NOT_IN_URL.search(value):
        faults.add(path, "must not hold white space, control characters or backslashes")
        return
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, None
    if parts is None or parts.scheme != "https" or not host or port == 0:
        faults.add(path, "must be an absolute https URL")
    elif "@" in parts.netloc:
        faults.add(path, "must not hold user information")
    elif "%" in parts.netloc:
        faults.add(path, "must not hold escapes or a zone in its host")


def check_timezone(
    faults: Faults, path: str, value: str, zones: Collection[str] | TimeZones
) -> None:
    """A time zone: a name of the IANA database."""
    if value and value not in zones:
        faults.add(path, "must be an IANA time zone")


def check_date(faults: Faults, path: str, value: str) -> date | None:
    """A day as YYYY-MM-DD (RFC 3339 full-date); return it, or None where it is none."""
    if not value:
        faults.add(path, "is required")
        return None
    if _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    faults.add(path, "must be a day as YYYY-MM-DD")
    return None


def check_recurrence(faults: Faults, path: str, lines: tuple[str, ...]) -> None:
    """Recurrence: RRULE and EXDATE lines of RFC 5545, at least one RRULE."""
    if len(lines) > 32:
        faults.add(path, "must be at most 32 lines")
        return
    for index, line in enumerate(lines):
        where = f"{path}[{index}]"
        name, colon, value = line.partition(":")
        if len(line.encode()) > 512:
            faults.add(where, "must be at most 512 bytes")
        elif _CONTROL.search(line):
            faults.add(where, "must not hold control characters or line breaks")
        elif not colon or name not in {"RRULE", "EXDATE"} or not value:
            faults.add(where, "must be an RRULE or EXDATE line of RFC 5545")
        elif name == "RRULE":
            _check_rrule(faults, where, value)
        elif not _DAYS_OR_MOMENTS.fullmatch(value):
            faults.add(where, "must be days or moments as RFC 5545 has them")
    if lines and not any(line.startswith("RRULE:") for line in lines):
        faults.add(path, "must hold an RRULE")


def _check_rrule(faults: Faults, path: str, value: str) -> None:
    parts: dict[str, str] = {}
    for part in value.split(";"):
        key, equals, argument = part.partition("=")
        if not (key and equals and argument) or key.upper() in parts:
            faults.add(path, "must be an RRULE of RFC 5545, each part once as NAME=VALUE")
            return
        parts[key.upper()] = argument.upper()
    if parts.get("FREQ") not in _FREQUENCIES:
        faults.add(path, "must name a FREQ of RFC 5545")
    for name, argument in parts.items():
        pattern = _RRULE_PARTS.get(name)
        if pattern is None or not pattern.fullmatch(argument):
            faults.add(path, f"{name if pattern else 'a part'} is not as RFC 5545 has it")
    if "UNTIL" in parts and "COUNT" in parts:
        faults.add(path, "must not hold both UNTIL and COUNT")


def check_metadata(
    faults: Faults, path: str, metadata: Mapping[str, str], reserved: Collection[str] = ()
) -> None:
    """Metadata: at most 49 pairs; keys 1 to 40 characters, none reserved; values at most 500."""
    if len(metadata) > 49:
        faults.add(path, "must be at most 49 pairs")
        return
    for key in sorted(metadata.keys() & set(reserved)):
        faults.add(path, f"{key} is reserved")
    for key, value in metadata.items():
        if not key or len(key) > 40 or _CONTROL.search(key):
            faults.add(path, "keys must be 1 to 40 characters without control characters")
        if len(value) > 500 or "\x00" in value:
            faults.add(path, "values must be at most 500 characters without NUL")


def check_settings(faults: Faults, path: str, settings: Mapping[str, Any]) -> None:
    """Provider settings: at most 8 levels, 64 keys a level and 16 KiB; numbers JSON can hold."""
    problems: set[str] = set()
    size = _settings_size(settings, 1, problems)
    if size > 16_384:
        problems.add("must be at most 16 KiB")
    for problem in sorted(problems):
        faults.add(path, problem)


def _settings_size(value: Any, depth: int, problems: set[str]) -> int:
    """Return about how many bytes a value takes as JSON, noting what is wrong with it."""
    if depth > 8 and isinstance(value, Mapping | list | tuple):
        problems.add("must be at most 8 levels deep")
        return 0
    match value:
        case Mapping():
            if len(value) > 64:
                problems.add("must have at most 64 keys a level")
            return 2 + sum(
                _settings_size(str(key), depth, problems)
                + 2
                + _settings_size(item, depth + 1, problems)
                for key, item in value.items()
            )
        case list() | tuple():
            return 2 + sum(1 + _settings_size(item, depth + 1, problems) for item in value)
        case str():
            if "\x00" in value:
                problems.add("must not hold NUL")
            return len(value.encode()) + 2
        case bool() | None:
            return 5
        case int() | float():
            if not math.isfinite(value):
                problems.add("must not hold NaN or infinity")
            elif abs(value) > 2**53:
                problems.add("integers above 2^53 must be given as strings")
            return 8
        case _:
            problems.add("must hold JSON values only")
            return 0
