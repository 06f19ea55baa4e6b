"""What is kept of an answer: only what it says beyond the request, which its caller repeats anyway.

So the guests, the title, the text and the passcodes that a caller wrote are not in the ledger,
wherever an answer repeats them; ids, links and join details that the upstream added are, because
nobody else could tell them again.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterable, Iterator
from typing import Any

from conferencing_service.core.ledger.plain import from_plain, to_plain
from conferencing_service.core.model import Event

_SAME = 0
_SHORTEST = 4
"""How long a text is at least that is looked for within others."""


def reply_from_event(asked: Event, answer: Event) -> str:
    """Return, as JSON, how an answer differs from what was asked."""
    plain = to_plain(asked)
    change = _difference(plain, to_plain(answer), _Words(plain))
    return json.dumps(change, separators=(",", ":"), ensure_ascii=False)


def event_from_reply(asked: Event, reply: str) -> Event:
    """Return the answer that a reply was made from.

    Raises ValueError where the reply does not fit: it was made by another version.
    """
    plain = to_plain(asked)
    match from_plain(_changed(plain, json.loads(reply), _Words(plain))):
        case Event() as event:
            return event
        case _:
            raise ValueError("the reply makes no event")


class _Words:
    """The texts of a request, the longest first: replies refer to them by their number.

    Args:
        plain: the request.
    """

    def __init__(self, plain: Any) -> None:
        self._texts = sorted(set(_texts_in(plain)), key=lambda text: (-len(text), text))
        self._parts: dict[str, list[str | int]] = {
            text: [number] for number, text in enumerate(self._texts)
        }

    def taken_out(self, text: str) -> list[str | int]:
        """Return a text as parts: what is new in it, and the numbers of what is not."""
        if text not in self._parts:
            self._parts[text] = self._parts_of(text)
        return self._parts[text]

    def put_back(self, parts: list[Any]) -> str:
        """Return the text of parts; raises ValueError where a number is of another request."""
        return "".join(map(self._text_of, parts))

    def _parts_of(self, text: str) -> list[str | int]:
        parts: list[str | int] = [text]
        first = bisect.bisect_left(self._texts, -len(text), key=lambda each: -len(each))
        for number in range(first, len(self._texts)):
            known = self._texts[number]
            if len(known) < _SHORTEST:
                break
            if known in text:
                parts = [piece for part in parts for piece in _pieces(part, known, number)]
        return parts

    def _text_of(self, part: Any) -> str:
        match part:
            case str():
                return part
            case int() if 0 <= part < len(self._texts):
                return self._texts[part]
            case _:
                raise ValueError("the reply does not fit the request")


def _texts_in(plain: Any) -> Iterator[str]:
    """Yield every text of a plain form; the names of kinds are none."""
    items: Iterable[Any] = ()
    match plain:
        case str() if plain:
            yield plain
        case list():
            items = plain
        case {"@": "map", "items": dict() as pairs}:
            items = pairs.values()
        case {"@": _, **fields}:
            items = fields.values()
        case _:
            pass
    for item in items:
        yield from _texts_in(item)


def _pieces(part: str | int, known: str, number: int) -> list[str | int]:
    """Return a part in pieces, where it holds a known text."""
    if not isinstance(part, str) or known not in part:
        return [part]
    pieces: list[str | int] = []
    for between in part.split(known):
        pieces += [number, between] if between else [number]
    return pieces[1:]


# ---- Values that are new -------------------------------------------------------------------


def _written(value: Any, words: _Words) -> Any:
    """Return a new value without the words of the request; what has any is told from objects."""
    match value:
        case str():
            parts = words.taken_out(value)
            return value if parts == [value] else {"text": parts}
        case list():
            return [_written(item, words) for item in value]
        case dict():
            return {"of": {name: _written(item, words) for name, item in value.items()}}
        case _:
            return value


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


def _difference(old: Any, new: Any, words: _Words) -> Any:
    if old == new and type(old) is type(new):
        return _SAME
    match old, new:
        case dict(), dict():
            changes = {
                name: _difference(old[name], value, words)
                if name in old
                else {"is": _written(value, words)}
                for name, value in new.items()
            }
            return {
                "in": {name: change for name, change in changes.items() if change != _SAME},
                "out": [name for name in old if name not in new],
            }
        case list(), list():
            return {"each": _items_difference(old, new, words)}
        case _:
            return {"is": _written(new, words)}


def _items_difference(old: list[Any], new: list[Any], words: _Words) -> list[Any]:
    """Return what a list is made of: an old item by its place and what changed, or a new one.

    Upstreams add people to a list, the organizer among them, so guests are known by their address.
    """
    places = {_address(item): place for place, item in enumerate(old)}
    parts: list[Any] = []
    for index, item in enumerate(new):
        place = places.get(_address(item)) if _address(item) else index
        if place is None or place >= len(old):
            parts.append({"is": _written(item, words)})
        else:
            parts.append([place, _difference(old[place], item, words)])
    return parts


def _address(item: Any) -> str:
    address = item.get("email") if isinstance(item, dict) else None
    return address.lower() if isinstance(address, str) else ""


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
