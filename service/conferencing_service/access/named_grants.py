"""Which grants a request names: read off the contract, so that no field can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor

from conferencing.v1 import conferencing_service_pb2
from conferencing_service.access.policy import Principal

_Path: TypeAlias = tuple[str, ...]

_HELD_AGAINST: Mapping[str, str] = {"grant_id": "grants", "conf_grant_id": "conf_grants"}
"""A field that names a grant, and which of a principal's patterns it is held against."""


class NamedGrants:
    """The fields of a message that name grants, nested ones included.

    Output-only fields name none: they are ignored on input. Raises ValueError for a message with a
    field that names a grant of a kind that nothing is known of.

    Args:
        message: the descriptor of an RPC's request.
    """

    def __init__(self, message: Descriptor) -> None:
        self.paths = tuple(_paths(message, ()))

    def forbidden(self, request: Any, principal: Principal) -> str:
        """Return the path of the first field with a grant that a principal may not use, or ""."""
        for path in self.paths:
            patterns = getattr(principal, _HELD_AGAINST[path[-1]])
            if not all(map(patterns.match, _values(request, path))):
                return ".".join(path)
        return ""


def _paths(message: Descriptor, above: _Path) -> Iterator[_Path]:
    for field in message.fields:
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[_BEHAVIOUR]:
            continue
        path = (*above, field.name)
        inner = field.message_type
        if inner is not None:
            if inner.file.package == message.file.package:
                yield from _paths(inner, path)
        elif field.name.endswith("grant_id"):
            if field.name not in _HELD_AGAINST:
                raise ValueError(f"nothing is known of {message.full_name}.{field.name}")
            yield path


_BEHAVIOUR = field_behavior_pb2.field_behavior


def grants_named_by_rpcs() -> Mapping[str, NamedGrants]:
    """Return, for the name of each RPC, the fields of its request that name grants."""
    service = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
    return {method.name: NamedGrants(method.input_type) for method in service.methods}


def _values(message: Any, path: _Path) -> Iterator[str]:
    """Return the grants at a path; an empty text names none."""
    found = getattr(message, path[0])
    for value in found if isinstance(found, list) or hasattr(found, "add") else (found,):
        if len(path) > 1:
            yield from _values(value, path[1:])
        elif value:
            yield value
