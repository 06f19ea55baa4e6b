"""The query string, read as the vendor reads it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from conferencing_service.sandbox.errors import invalid

_BOOLEANS = {"true": True, "false": False}


class Query:
    """Query parameters; of a repeated one only the last counts, as it does with the vendor."""

    def __init__(self, raw: bytes) -> None:
        self._values = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))

    def names(self) -> set[str]:
        """The names of the parameters that were given."""
        return set(self._values)

    def text(self, name: str) -> str | None:
        """The parameter, None when it is absent or empty."""
        return self._values.get(name) or None

    def required(self, name: str) -> str:
        """The parameter, refused with 400 when it is absent or empty."""
        value = self.text(name)
        if value is None:
            raise invalid(f"query parameter '{name}' is required")
        return value

    def boolean(self, name: str) -> bool | None:
        """The parameter as a boolean in any case: the official Python client sends ``True``."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in _BOOLEANS:
            raise invalid(f"query parameter '{name}' must be a boolean")
        return _BOOLEANS[value.lower()]

    def integer(self, name: str, low: int = 0, high: int = 2**53) -> int | None:
        """The parameter as a whole number within bounds."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 18):
            raise invalid(f"query parameter '{name}' must be a whole number")
        number = int(value)
        if not low <= number <= high:
            raise invalid(f"query parameter '{name}' must be between {low} and {high}")
        return number
