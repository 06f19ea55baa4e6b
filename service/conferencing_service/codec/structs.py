"""google.protobuf.Struct to plain JSON values.

Struct has doubles only; a vendor that takes 60 may refuse 60.0, so integral numbers become
integers. json_format is not used: it costs twenty times as much.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

_EXACT = 2**53


def plain_from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return the object that a Struct holds."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _EXACT else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return plain_from_struct(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case _:
            return None
