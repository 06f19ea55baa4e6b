"""Domain values as JSON and back: what fingerprints are made of and what replies are kept as.

Two values have the same plain form exactly when they are equal. What has its default is left out,
so that a field added later changes no fingerprint made before.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from conferencing_service.core import model

_KIND = "@"
_MAP = "map"

_CLASSES: Mapping[str, Any] = {
    value.__name__: value
    for value in vars(model).values()
    if isinstance(value, type)
    and (dataclasses.is_dataclass(value) or issubclass(value, enum.StrEnum))
}


def to_plain(value: Any) -> Any:
    """Return a domain value as JSON's values; raises TypeError for anything else."""
    match value:
        case enum.StrEnum():
            return {_KIND: type(value).__name__, "value": value.value}
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [to_plain(item) for item in value]
        case frozenset():
            return sorted(value)
        case Mapping():
            return {_KIND: _MAP, "items": {key: to_plain(item) for key, item in value.items()}}
        case _ if dataclasses.is_dataclass(value):
            fields = {
                each.name: to_plain(getattr(value, each.name))
                for each in dataclasses.fields(value)
                if getattr(value, each.name) != _default_of(each)
            }
            return {_KIND: type(value).__name__, **fields}
    raise TypeError(f"a {type(value).__name__} has no plain form")


def from_plain(plain: Any) -> Any:
    """Return the domain value of a plain form; raises ValueError where it is none."""
    match plain:
        case list():
            return tuple(map(from_plain, plain))
        case {"@": "map", "items": dict() as items}:
            return {key: _item_from_plain(item) for key, item in items.items()}
        case {"@": str() as kind, **fields}:
            values = {str(name): from_plain(item) for name, item in fields.items()}
            try:
                made = _CLASSES[kind](**values)
            except (KeyError, TypeError) as error:
                raise ValueError("not the plain form of a value of this version") from error
            return made
        case dict():
            raise ValueError("a plain object has a kind")
        case _:
            return plain


def _item_from_plain(plain: Any) -> Any:
    """Return what a map holds: JSON's values, whose lists are lists; tuples are the model's own."""
    if isinstance(plain, list):
        return list(map(_item_from_plain, plain))
    return from_plain(plain)


def digest(value: Any) -> str:
    """Return SHA-256 of a domain value, in hexadecimal: the same for equal values alone."""
    canonical = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
