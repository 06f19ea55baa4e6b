"""JSON objects with something replaced somewhere, and bytes with something cut or put in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in a tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def replaced(
    tree: dict[str, Any],
    changes: Sequence[tuple[float, Any]],
    put: Callable[[Any, Any], Any] = lambda _old, new: new,
) -> dict[str, Any]:
    """Return a tree with values put where others stood.

    Args:
        tree: the tree, which stays as it is.
        changes: a float says where, the other what.
        put: makes what is put out of the old value and the new one.
    """
    tree = copy.deepcopy(tree)
    for at, value in changes:
        ways = list(places(tree))
        if ways:
            *way, last = ways[int(at * (len(ways) - 1))]
            holder: Any = tree
            for key in way:
                holder = holder[key]
            holder[last] = put(holder[last], value)
    return tree


unit = st.floats(0, 1)
byte_edits = st.lists(
    st.tuples(unit, st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=4
)


def edited(data: bytes, changes: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Return bytes in which other ones stand at some places."""
    for at, length, piece in changes:
        start = int(at * len(data))
        data = data[:start] + piece + data[start + length :]
    return data
