"""What is kept of an answer: only what it says beyond the request, which its caller repeats anyway.

So the guests, the title, the text and the passcodes that a caller wrote are not in the ledger,
wherever an answer repeats them; ids, links and join details that the upstream added are, because
nobody else could tell them again.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from conferencing_service.core.ledger.plain import (
    SHAPES,
    ByClass,
    Shape,
    from_plain,
    text_of,
    to_plain,
)
from conferencing_service.core.model import Event

Json: TypeAlias = str

_SAME: Json = "0"
_SHORTEST = 4
"""How long a text is at least that is looked for within others."""


def reply_from_event(asked: Event, answer: Event) -> Json:
    """Return how an answer differs from what was asked."""
    return _difference(asked, answer, _Words(asked))


def event_from_reply(asked: Event, reply: Json) -> Event:
    """Return the answer that a reply was made from.

    Raises ValueError where the reply does not fit: it was made by another version.
    """
    match from_plain(_changed(to_plain(asked), json.loads(reply), _Words(asked))):
        case Event() as event:
            return event
        case _:
            raise ValueError("the reply makes no event")


class _Words:
    """The texts of a request, the longest first: replies refer to them by their number.

    Args:
        asked: the request.
    """

    def __init__(self, asked: Event) -> None:
        texts: set[str] = set()
        _note_texts(asked, texts)
        texts.discard("")
        self._texts = sorted(sorted(texts), key=len, reverse=True)
        self._numbers = {text: number for number, text in enumerate(self._texts)}
        self._within = [
            (number, text) for number, text in enumerate(self._texts) if len(text) >= _SHORTEST
        ]

    def taken_out(self, text: str) -> list[str | int]:
        """Return a text as parts: what is new in it, and the numbers of what is not."""
        if text in self._numbers:
            return [self._numbers[text]]
        parts: list[str | int] = [text]
        for number, known in self._within:
            if known in text:
                parts = [piece for part in parts for piece in _pieces(part, known, number)]
        return parts

    def put_back(self, parts: list[Any]) -> str:
        """Return the text of parts; raises ValueError where a number is of another request."""
        return "".join(map(self._text_of, parts))

    def _text_of(self, part: Any) -> str:
        match part:
            case str():
                return part
            case int() if 0 <= part < len(self._texts):
                return self._texts[part]
            case _:
                raise ValueError("the reply does not fit the request")


def _note_texts(value: Any, texts: set[str]) -> None:
    """Note every text in a value; the names of fields and the keys of maps are none."""
    for item in _parts[type(value)](value):
        if type(item) is str:
            texts.add(item)
        else:
            _note_texts(item, texts)


def _parts_reader_of(kind: type[object]) -> Callable[[Any], Iterable[Any]]:
    """Return what tells the texts and other values that a class's values are made of."""
    if issubclass(kind, str):
        return lambda value: (str(value),)
    if issubclass(kind, tuple | list):
        return lambda value: value
    if issubclass(kind, Mapping):
        return lambda value: value.values()
    shape = SHAPES[kind]
    if shape is None:
        return lambda _value: ()
    _names, defaults, values_of = shape
    return lambda value: [
        item
        for item, default in zip(values_of(value), defaults, strict=True)
        if item is not default and item != default
    ]


_parts = ByClass(_parts_reader_of)


def _pieces(part: str | int, known: str, number: int) -> list[str | int]:
    """Return a part in pieces, where it holds a known text."""
    if not isinstance(part, str) or known not in part:
        return [part]
    pieces: list[str | int] = []
    for between in part.split(known):
        pieces += [number, between] if between else [number]
    return pieces[1:]


# ---- Values that are new -------------------------------------------------------------------


def _written(value: Any, words: _Words) -> Json:
    """Return a new value without the words of the request; what has any is told from objects."""
    kind = type(value)
    if kind is str:
        parts = words.taken_out(value)
        return encode_basestring(value) if parts == [value] else f'{{"text":{_listed(parts)}}}'
    if (shape := SHAPES[kind]) is not None:
        text = f'{{"of":{{"@":"{kind.__name__}"'
        for name, default, item in zip(*shape[:2], shape.values_of(value), strict=True):
            if item is not default and item != default:
                text += f',"{name}":{_written(item, words)}'
        return text + "}}"
    match value:
        case enum.StrEnum():
            return f'{{"of":{text_of(value)}}}'
        case tuple() | list():
            return f"[{','.join(_written(item, words) for item in value)}]"
        case Mapping():
            items = ",".join(
                f"{encode_basestring(name)}:{_written(item, words)}" for name, item in value.items()
            )
            return f'{{"of":{{"@":"map","items":{{"of":{{{items}}}}}}}}}'
        case _:
            return text_of(value)


def _listed(items: Sequence[str | int]) -> Json:
    return f"[{','.join(encode_basestring(item) if isinstance(item, str) else str(item) for item in items)}]"


def _read(written: Any, words: _Words) -> Any:
    match written:
        case {"text": list() as parts}:
            return words.put_back(parts)
        case list():
            return [_read(item, words) for item in written]
        case {"of": dict() as items}:
            return {name: _read(item, words) for name, item in items.items()}
        case None | bool() | int() | float() | str():
            return written
        case _:
            raise ValueError("the reply does not fit the request")


# ---- Values that changed -------------------------------------------------------------------


def _difference(old: Any, new: Any, words: _Words) -> Json:
    kind = type(new)
    if kind is type(old):
        if (shape := SHAPES[kind]) is not None:
            return _fields_difference(shape, old, new, words)
        if old == new:
            return _SAME
    match old, new:
        case Mapping(), Mapping():
            return f'{{"in":{{"items":{_items_difference(old, new, words)}}},"out":[]}}'
        case ((tuple() | list()), (tuple() | list())):
            return f'{{"each":{_each_difference(old, new, words)}}}'
        case _:
            return f'{{"is":{_written(new, words)}}}'


def _fields_difference(shape: Shape, old: Any, new: Any, words: _Words) -> Json:
    changes, gone = [], []
    for name, default, before, after in zip(
        *shape[:2], shape.values_of(old), shape.values_of(new), strict=True
    ):
        if before is after:
            continue
        if after is default or after == default:
            if before != default:
                gone.append(name)
        elif before is default or before == default:
            changes.append(f'"{name}":{{"is":{_written(after, words)}}}')
        elif (change := _difference(before, after, words)) != _SAME:
            changes.append(f'"{name}":{change}')
    return _in(changes, gone)


def _items_difference(old: Mapping[str, Any], new: Mapping[str, Any], words: _Words) -> Json:
    changes = []
    for name, item in new.items():
        if name not in old:
            changes.append(f'{encode_basestring(name)}:{{"is":{_written(item, words)}}}')
        elif (change := _difference(old[name], item, words)) != _SAME:
            changes.append(f"{encode_basestring(name)}:{change}")
    return _in(changes, [name for name in old if name not in new])


def _in(changes: Sequence[Json], gone: Sequence[str]) -> Json:
    if not changes and not gone:
        return _SAME
    return f'{{"in":{{{",".join(changes)}}},"out":{_listed(gone)}}}'


def _each_difference(old: Sequence[Any], new: Sequence[Any], words: _Words) -> Json:
    """Return what a list is made of: an old item by its place and what changed, or a new one.

    Upstreams add people to a list, the organizer among them, so guests are known by their address.
    """
    places = {_address(item): place for place, item in enumerate(old)}
    parts: list[Any] = []
    for index, item in enumerate(new):
        address = _address(item)
        place = places.get(address) if address else index
        if place is None or place >= len(old):
            parts.append(f'{{"is":{_written(item, words)}}}')
        else:
            parts.append(f"[{place},{_difference(old[place], item, words)}]")
    return f"[{','.join(parts)}]"


def _address(item: Any) -> str:
    address: str = getattr(item, "email", "")
    return address.lower()


def _changed(old: Any, change: Any, words: _Words) -> Any:
    match change:
        case 0:
            return old
        case {"is": new}:
            return _read(new, words)
        case {"each": list() as each} if isinstance(old, list):
            return [_item(old, part, words) for part in each]
        case {"in": dict() as changed, "out": list() as gone} if isinstance(old, dict):
            kept = {name: value for name, value in old.items() if name not in gone}
            return kept | {
                name: _changed(old.get(name), inner, words) for name, inner in changed.items()
            }
        case _:
            raise ValueError("the reply does not fit the request")


def _item(old: list[Any], part: Any, words: _Words) -> Any:
    match part:
        case [int() as place, change] if 0 <= place < len(old):
            return _changed(old[place], change, words)
        case {"is": new}:
            return _read(new, words)
        case _:
            raise ValueError("the reply does not fit the request")
