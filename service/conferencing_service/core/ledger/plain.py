"""Domain values as JSON and back: what fingerprints are made of and what replies are kept as.

Two values have the same plain form exactly when they are equal. What has its default is left out,
so that a field added later changes no fingerprint made before. The text is canonical: without
spaces, in ASCII, and with the names in their order.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple, TypeVar

from conferencing_service.core import model

T = TypeVar("T")

_CLASSES: Mapping[str, Any] = {
    value.__name__: value
    for value in vars(model).values()
    if isinstance(value, type)
    and (dataclasses.is_dataclass(value) or issubclass(value, enum.StrEnum))
}


def digest(value: Any) -> str:
    """Return SHA-256 of a domain value, in hexadecimal: the same for equal values alone."""
    return hashlib.sha256(text_of(value).encode("ascii")).hexdigest()


def text_of(value: Any) -> str:
    """Return the plain form of a domain value as JSON; raises TypeError for anything else."""
    return _writers[type(value)](value)


def to_plain(value: Any) -> Any:
    """Return a domain value as JSON's values; raises TypeError for anything else."""
    return json.loads(text_of(value))


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


# ---- What a class is like ------------------------------------------------------------------
#
# Whole events are written at every turn, so it is found out once for each class.


class Shape(NamedTuple):
    """The fields of a dataclass in the order of their names, and what reads them all."""

    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    values_of: Callable[[Any], tuple[Any, ...]]


class ByClass(dict[type[object], T]):
    """What is known of classes.

    Args:
        find: finds it out of a class that was not asked about yet.
    """

    def __init__(self, find: Callable[[type[object]], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, kind: type[object]) -> T:
        found = self[kind] = self._find(kind)
        return found


def _shape_of(kind: type[object]) -> Shape | None:
    if not dataclasses.is_dataclass(kind):
        return None
    fields = sorted(dataclasses.fields(kind), key=lambda field: field.name)
    names = tuple(field.name for field in fields)
    values_of = operator.attrgetter(*names)
    if len(names) == 1:
        return Shape(names, (_default_of(fields[0]),), lambda value: (values_of(value),))
    return Shape(names, tuple(map(_default_of, fields)), values_of)


SHAPES: Mapping[type[object], Shape | None] = ByClass(_shape_of)
"""The shapes of all dataclasses; None is that of any other class."""


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _writer_of(kind: type[object]) -> Callable[[Any], str]:
    for base, writer in _WRITERS:
        if issubclass(kind, base):
            return writer
    shape = SHAPES[kind]
    if shape is None:
        raise TypeError(f"a {kind.__name__} has no plain form")
    return functools.partial(_text_of_fields, f'{{"@":"{kind.__name__}"', *shape)


def _text_of_fields(
    text: str,
    names: tuple[str, ...],
    defaults: tuple[Any, ...],
    values_of: Callable[[Any], tuple[Any, ...]],
    value: Any,
) -> str:
    for name, default, item in zip(names, defaults, values_of(value), strict=True):
        if item is not default and item != default:
            text += f',"{name}":{text_of(item)}'
    return text + "}"


def _text_of_map(value: Mapping[str, Any]) -> str:
    items = (f"{text_of(key)}:{text_of(item)}" for key, item in sorted(value.items()))
    return f'{{"@":"map","items":{{{",".join(items)}}}}}'


_WRITERS: Sequence[tuple[type[object] | tuple[type[object], ...], Callable[[Any], str]]] = (
    (
        enum.StrEnum,
        lambda value: f'{{"@":"{type(value).__name__}","value":{encode_basestring_ascii(value)}}}',
    ),
    (str, encode_basestring_ascii),
    ((type(None), bool, float), json.dumps),
    (int, int.__repr__),
    ((tuple, list), lambda value: f"[{','.join(map(text_of, value))}]"),
    (frozenset, lambda value: f"[{','.join(map(text_of, sorted(value)))}]"),
    (Mapping, _text_of_map),
)

_writers = ByClass(_writer_of)
