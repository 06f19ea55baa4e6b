"""The writable fields of an event, each with the check that the vendor makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conferencing_service.sandbox.errors import invalid
from conferencing_service.sandbox.when import read_when

INDEXED_KEYS = ("key1", "key2", "key3", "key4", "key5")

_TITLE_LENGTH = 1024
_LOCATION_LENGTH = 255
_GOOGLE_DESCRIPTION_LENGTH = 8192
_METADATA_PAIRS = 50
_METADATA_VALUE_LENGTH = 500
_REMINDER_METHODS = ("popup", "email", "display", "sound")
_PARTICIPANT_STATUSES = ("noreply", "yes", "no", "maybe")
_RECURRENCE_RULES = ("RRULE", "EXDATE")


def read_fields(body: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """The checked fields of a create or update body; unknown ones are ignored."""
    return {
        name: read(name, body[name], provider) for name, read in _FIELDS.items() if name in body
    }


def read_rsvp(body: Mapping[str, Any]) -> str:
    """The answer that a ``send-rsvp`` body gives."""
    status = body.get("status")
    if status not in ("yes", "no", "maybe"):
        raise invalid("'status' must be yes, no or maybe")
    return str(status)


def _text(name: str, value: Any, longest: int | None = None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    if longest is not None and len(value) > longest:
        raise invalid(f"'{name}' must have at most {longest} characters")
    return value


def _title(name: str, value: Any, _provider: str) -> str | None:
    if value == "":
        raise invalid("'title' must have at least 1 character")
    return _text(name, value, _TITLE_LENGTH)


def _description(name: str, value: Any, provider: str) -> str | None:
    return _text(name, value, _GOOGLE_DESCRIPTION_LENGTH if provider == "google" else None)


def _location(name: str, value: Any, _provider: str) -> str | None:
    return _text(name, value, _LOCATION_LENGTH)


def _boolean(name: str, value: Any, _provider: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(f"'{name}' must be a boolean")
    return value


def _whole(name: str, value: Any, _provider: str) -> int | None:
    # 60.0 and true are refused: the vendor's type is an integer.
    if value is not None and type(value) is not int:
        raise invalid(f"'{name}' must be a whole number")
    return value


def _visibility(_name: str, value: Any, provider: str) -> str | None:
    allowed = ("default", "private", "public") if provider == "google" else ("private", "public")
    if value is not None and value not in allowed:
        raise invalid(f"'visibility' must be one of {list(allowed)} on this provider")
    return None if value is None else str(value)


def _objects(name: str, value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise invalid(f"'{name}' must be a list of objects")
    return value


def _email(name: str, item: Mapping[str, Any]) -> str:
    email = item.get("email")
    if not isinstance(email, str) or "@" not in email:
        raise invalid(f"'{name}' needs an 'email' in each entry")
    return email


def _participants(name: str, value: Any, _provider: str) -> list[dict[str, Any]]:
    participants = []
    for item in _objects(name, value):
        participant: dict[str, Any] = {"email": _email(name, item)}
        for key in ("name", "comment", "phone_number"):
            if item.get(key) is not None:
                participant[key] = _text(f"{name}.{key}", item[key])
        participant["status"] = item.get("status", "noreply")
        if participant["status"] not in _PARTICIPANT_STATUSES:
            raise invalid(f"'{name}.status' must be one of {list(_PARTICIPANT_STATUSES)}")
        participants.append(participant)
    return participants


def _resources(name: str, value: Any, _provider: str) -> list[dict[str, Any]]:
    return [
        {"email": _email(name, item), "name": _text(f"{name}.name", item.get("name"))}
        for item in _objects(name, value)
    ]


def _recurrence(_name: str, value: Any, _provider: str) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(rule, str) for rule in value):
        raise invalid("'recurrence' must be a list of strings")
    if not all(rule.startswith(_RECURRENCE_RULES) for rule in value):
        raise invalid(f"'recurrence' takes {' and '.join(_RECURRENCE_RULES)} only")
    return value or None


def _reminders(_name: str, value: Any, provider: str) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise invalid("'reminders' must be an object")
    overrides = []
    for item in _objects("reminders.overrides", value.get("overrides")):
        minutes, method = item.get("reminder_minutes"), item.get("reminder_method")
        if type(minutes) is not int:
            raise invalid("'reminder_minutes' must be a whole number")
        if method is not None and method not in _REMINDER_METHODS:
            raise invalid(f"'reminder_method' must be one of {list(_REMINDER_METHODS)}")
        overrides.append({"reminder_minutes": minutes, "reminder_method": method or "popup"})
    use_default = value.get("use_default", False)
    return {
        "use_default": _boolean("reminders.use_default", use_default, provider),
        "overrides": overrides,
    }


def _metadata(_name: str, value: Any, _provider: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(entry, str) for entry in value.values()
    ):
        raise invalid("'metadata' must be an object of strings")
    if len(value) > _METADATA_PAIRS:
        raise invalid(f"'metadata' must have at most {_METADATA_PAIRS} pairs")
    if any(len(entry) > _METADATA_VALUE_LENGTH for entry in value.values()):
        raise invalid(
            f"a value of 'metadata' must have at most {_METADATA_VALUE_LENGTH} characters"
        )
    return dict(value)


def _notetaker(_name: str, value: Any, _provider: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise invalid("'notetaker' must be an object")
    return None if value is None else dict(value)


def _when(_name: str, value: Any, _provider: str) -> dict[str, Any]:
    return read_when(value)


_FIELDS: Mapping[str, Callable[[str, Any, str], Any]] = {
    "title": _title,
    "description": _description,
    "location": _location,
    "when": _when,
    "busy": _boolean,
    "visibility": _visibility,
    "hide_participants": _boolean,
    "capacity": _whole,
    "participants": _participants,
    "resources": _resources,
    "recurrence": _recurrence,
    "reminders": _reminders,
    "metadata": _metadata,
    "notetaker": _notetaker,
}
