"""The contract as descriptors: its requests, its fields, and how to put a value at a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import field_mask_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from conferencing.v1 import (
    conferencing_pb2,
    conferencing_service_pb2,
    error_reason_pb2,
    event_pb2,
)
from conferencing_service import codec

SERVICE = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
REQUIRED = field_behavior_pb2.REQUIRED
OUTPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY

DECODERS: dict[str, Callable[[Any], Any]] = {
    "CreateEventRequest": codec.create_event_from_proto,
    "GetEventRequest": codec.get_event_from_proto,
    "ListEventsRequest": codec.list_events_from_proto,
    "UpdateEventRequest": codec.update_event_from_proto,
    "DeleteEventRequest": codec.delete_event_from_proto,
    "CheckCompatibilityRequest": codec.check_compatibility_from_proto,
    "ExtractConferencingRequest": codec.extraction_from_proto,
}

GOOD_TEXTS = {
    "url": "https://meet.google.com/abc-defg-hij",
    "email": "ann@example.org",
    "date": "2030-02-27",
    "start_date": "2030-02-27",
    "end_date": "2030-02-28",
}

Path = tuple[FieldDescriptor, ...]


def request_names() -> list[str]:
    """The names of the messages that the service's methods take."""
    return [method.input_type.name for method in SERVICE.methods]


def new_request(name: str) -> Any:
    """An empty request message."""
    return getattr(conferencing_service_pb2, name)()


def decode(request: Any) -> Any:
    """A request message in the domain's words."""
    return DECODERS[request.DESCRIPTOR.name](request)


def enums() -> dict[str, EnumDescriptor]:
    """Every enum of the contract by its name."""
    files = (conferencing_pb2, conferencing_service_pb2, error_reason_pb2, event_pb2)
    return {
        name: descriptor
        for file in files
        for name, descriptor in file.DESCRIPTOR.enum_types_by_name.items()
    }


def has_behavior(field: FieldDescriptor, behavior: int) -> bool:
    """Tell whether a field is marked so."""
    return behavior in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def fields_of(name: str) -> Iterator[Path]:
    """Yield every field that a request can hold, with the fields around it; none twice deep."""
    yield from _fields(new_request(name).DESCRIPTOR, ())


def _fields(descriptor: Any, around: Path) -> Iterator[Path]:
    for field in descriptor.fields:
        path = (*around, field)
        yield path
        inner = field.message_type
        if inner is not None and not inner.full_name.startswith("google.") and not _is_map(field):
            yield from _fields(inner, path)


def name_of(path: Path) -> str:
    """A path as faults name it; of what is repeated the first one."""
    steps = [field.name + ("[0]" if field.is_repeated else "") for field in path[:-1]]
    return ".".join([*steps, path[-1].name])


def parent_of(request: Any, path: Path) -> Any:
    """The message around a path's last field, made present together with those around it."""
    message = request
    for field in path[:-1]:
        if field.is_repeated:
            items = getattr(message, field.name)
            message = items[0] if items else items.add()
        else:
            message = getattr(message, field.name)
            message.SetInParent()
    return message


def put(message: Any, field: FieldDescriptor) -> None:
    """Give a field a value that is not its default, and right by the contract where it can be."""
    value = getattr(message, field.name)
    if field.message_type is not None:
        _put_message(value.add() if field.is_repeated else value, field)
    elif field.is_repeated:
        value.append("value")
    else:
        setattr(message, field.name, _scalar(field))


def _put_message(message: Any, field: FieldDescriptor) -> None:
    message.SetInParent()
    match message:
        case timestamp_pb2.Timestamp():
            message.seconds = 1_893_495_600 if field.name == "end_time" else 1_893_492_000
        case field_mask_pb2.FieldMask():
            message.paths.append("title")
        case struct_pb2.Struct():
            message.update({"key": "value"})
        case _:
            put(message, message.DESCRIPTOR.fields[0])


def _scalar(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return GOOD_TEXTS.get(field.name, "value")
    return 1


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type.GetOptions().map_entry)
