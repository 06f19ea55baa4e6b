"""Writes the reference of the contract as Markdown. Usage: generate_reference.py IMAGE OUTPUT.

The image is a descriptor set with source info. What is said of a name is its own comment in protos/,
which is Markdown (AIP-192); lines that are indented by four spaces are code. The same contract gives
the same bytes.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

PACKAGE = "conferencing.v1"
WIDTH = 130

HEAD = """\
<!-- Generated out of protos/ by `make protos`; not edited by hand. -->
# Reference

Everything in `conferencing.v1`, in the words of the comments in [protos](../protos/conferencing/v1). [errors.md](errors.md)
tells what a caller does about each reason.

A field has a name, a number, a type, and one of these:

- *required*: a request without it is INVALID_FIELD.
- *optional*: it can be left out, where its text does not say otherwise. *With presence*: unset is not the same as zero or false.
- *output only*: the service sets it. What a request says there is ignored.
"""

_Path = tuple[int, ...]
# The numbers that descriptor.proto has for the way to a message, a field of it, and so on.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _ONEOFS, _VALUES, _METHODS = 2, 8, 2, 2

_REPEATED = FieldDescriptorProto.LABEL_REPEATED
_BEHAVIOURS = {
    field_behavior_pb2.REQUIRED: "required",
    field_behavior_pb2.OPTIONAL: "optional",
    field_behavior_pb2.OUTPUT_ONLY: "output only",
}

_CODE = re.compile(r"`[^`]*`")
_NAME = re.compile(r"`[^`]*`|\b[A-Za-z]\w*\b")
_SEVERAL_HUMPS = re.compile(r"(?:[A-Z][a-z]+){2,}")
# A line that begins like this would be no continuation of a paragraph.
_BLOCK = re.compile(r"#{1,6} |[-+*] |1[.)] |>|```|~~~|=+$|-+$")
_UNBROKEN = "\0"


class CannotShowError(Exception):
    """The contract holds something that the reference has no form for."""


@dataclass(frozen=True)
class Source:
    """A file of the contract, and its comments."""

    file: FileDescriptorProto
    comments: Mapping[_Path, str]

    def said_of(self, *path: int) -> str:
        """Return the comment of what is at a path."""
        if path not in self.comments:
            raise CannotShowError(f"{self.file.name}: nothing is said of {path}")
        return self.comments[path]


def main(image: str, output: str) -> None:
    """Write the reference."""
    files = FileDescriptorSet.FromString(Path(image).read_bytes()).file
    text = "\n".join(reference([file for file in files if file.package == PACKAGE]))
    Path(output).write_text(text, encoding="utf-8")


def reference(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    sources = [Source(file, _comments(file)) for file in _users_first(files)]
    names = Names(sources)
    yield HEAD
    for source in sources:
        yield from _contents(source, names)
    for source in sources:
        yield f"## {Path(source.file.name).name}\n"
        for number, service in enumerate(source.file.service):
            yield from _service(source, names, number, service)
        for number, message in enumerate(source.file.message_type):
            yield from _message(source, names, number, message)
        for number, enum in enumerate(source.file.enum_type):
            yield from _enum(source, names, number, enum)


# ---- What there is ------------------------------------------------------------------------------


def _comments(file: FileDescriptorProto) -> dict[_Path, str]:
    """Return what stands before each name, without the space after the slashes."""
    return {
        tuple(location.path): "\n".join(
            line.removeprefix(" ") for line in location.leading_comments.rstrip().split("\n")
        )
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _users_first(files: Iterable[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Return each file before those that it imports."""
    by_name = {file.name: file for file in sorted(files, key=lambda file: file.name)}
    found: dict[str, FileDescriptorProto] = {}

    def visit(name: str) -> None:
        if name in by_name and name not in found:
            for imported in by_name[name].dependency:
                visit(imported)
            found[name] = by_name[name]

    for name in by_name:
        visit(name)
    return list(reversed(found.values()))


class Names:
    """Where the names of the contract are told, and who can send what.

    Args:
        sources: the contract's files.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._anchors: dict[str, str] = {}
        self._messages: dict[str, DescriptorProto] = {}
        asked: list[str] = []
        for source in sources:
            for service in source.file.service:
                self._add_heading(service.name)
                for method in service.method:
                    self._add_heading(method.name)
                    asked.append(_local(method.input_type))
            for message in source.file.message_type:
                self._add_heading(message.name)
                self._messages[message.name] = message
            for number, enum in enumerate(source.file.enum_type):
                self._add_enum(enum, has_headings=_has_headings(source, number, enum))
        self._sent = self._reached_from(asked)

    def _add_heading(self, name: str) -> None:
        if name.lower() in self._anchors.values():
            raise CannotShowError(f"two headings are called {name}")
        self._anchors[name] = name.lower()

    def _add_enum(self, enum: EnumDescriptorProto, *, has_headings: bool) -> None:
        self._add_heading(enum.name)
        for value in enum.value:
            if has_headings:
                self._add_heading(_short(enum, value.name))
            else:
                self._anchors[value.name] = self._anchors[enum.name]

    def _reached_from(self, names: list[str]) -> frozenset[str]:
        left, reached = list(names), set(names)
        while left:
            for field in self._messages[left.pop()].field:
                inner = _local(field.type_name)
                if inner in self._messages and inner not in reached and not _is_output(field):
                    reached.add(inner)
                    left.append(inner)
        return frozenset(reached)

    def is_sent(self, message: str) -> bool:
        """Tell whether callers send it."""
        return message in self._sent

    def link(self, name: str) -> str:
        """Return a type's name, as a link when the type is the contract's own."""
        local = _local(name)
        if local == name:
            return f"`{name.removeprefix('.')}`"
        return f"[{local}](#{self._anchors[local]})"

    def linked(self, text: str, here: str) -> str:
        """Return a comment with links on the names in it that are told elsewhere.

        Words that are names by accident ("Date", "Way") are links in backticks only.
        """

        def link(found: re.Match[str]) -> str:
            word = found.group(0)
            name = word.strip("`")
            anchor = self._anchors.get(name)
            is_name = word != name or "_" in name or _SEVERAL_HUMPS.fullmatch(name)
            if anchor is None or not is_name or anchor == self._anchors[here]:
                return word
            return f"[{word}](#{anchor})"

        return _NAME.sub(link, text)


def _local(type_name: str) -> str:
    """Return the name within the package, or as it is when it is another package's."""
    return type_name.removeprefix(f".{PACKAGE}.")


def _short(enum: EnumDescriptorProto, value: str) -> str:
    """Return a value's name without the prefix that all of its enum have."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name)
    return value.removeprefix(f"{words.upper()}_")


def _has_headings(source: Source, number: int, enum: EnumDescriptorProto) -> bool:
    """Tell whether more is said of an enum's values than fits into a list."""
    return any(
        "\n\n" in source.said_of(_ENUMS, number, _VALUES, place) for place in range(len(enum.value))
    )


def _behaviours(field: FieldDescriptorProto) -> set[int]:
    return set(field.options.Extensions[field_behavior_pb2.field_behavior])


def _is_output(field: FieldDescriptorProto) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in _behaviours(field)


# ---- How it is told -----------------------------------------------------------------------------


def _contents(source: Source, names: Names) -> Iterator[str]:
    file = source.file
    yield f"[{Path(file.name).name}](#{Path(file.name).name.replace('.', '')})\n"
    listed: list[str] = []
    for service in file.service:
        methods = ", ".join(names.link(f".{PACKAGE}.{method.name}") for method in service.method)
        listed.append(f"{names.link(f'.{PACKAGE}.{service.name}')}: {methods}")
    for title, types in (("messages", file.message_type), ("enums", file.enum_type)):
        if types:
            links = ", ".join(names.link(f".{PACKAGE}.{each.name}") for each in types)
            listed.append(f"{title}: {links}")
    yield "\n".join(_wrapped(each, "- ") for each in listed) + "\n"


def _service(
    source: Source, names: Names, number: int, service: ServiceDescriptorProto
) -> Iterator[str]:
    yield f"### {service.name}\n"
    yield from _paragraphs(source.said_of(_SERVICES, number), names, service.name)
    for place, method in enumerate(service.method):
        if method.client_streaming or method.server_streaming:
            raise CannotShowError(f"{method.name} streams")
        yield f"#### {method.name}\n"
        asked, answered = names.link(method.input_type), names.link(method.output_type)
        yield _wrapped(f"Takes {asked}, answers {answered}.") + "\n"
        said = source.said_of(_SERVICES, number, _METHODS, place)
        yield from _paragraphs(said, names, method.name)


def _message(source: Source, names: Names, number: int, message: DescriptorProto) -> Iterator[str]:
    yield f"### {message.name}\n"
    yield from _paragraphs(source.said_of(_MESSAGES, number), names, message.name)
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    if len(maps) != len(message.nested_type) or message.enum_type:
        raise CannotShowError(f"{message.name} holds types of its own")
    rows: list[str] = []
    told: set[int] = set()
    for place, field in enumerate(message.field):
        said = source.said_of(_MESSAGES, number, _FIELDS, place)
        indent = ""
        if field.HasField("oneof_index") and not field.proto3_optional:
            indent = "  "
            if field.oneof_index not in told:
                told.add(field.oneof_index)
                oneof = message.oneof_decl[field.oneof_index].name
                about = source.said_of(_MESSAGES, number, _ONEOFS, field.oneof_index)
                about = names.linked(_joined(about), message.name)
                rows.append(_wrapped(f"`{oneof}`, one of these: {about}", "- "))
        behaviour = _behaviour(field, is_sent=names.is_sent(message.name))
        # The comment says the behaviour as well.
        said = re.sub(r"^(Required|Output only)\. ", "", _joined(said))
        head = f"**`{field.name}`** ({field.number}, {_type(field, maps, names)}, {behaviour})"
        rows.append(_wrapped(f"{head}: {names.linked(said, message.name)}", f"{indent}- "))
    yield "\n".join(rows or ["It has no fields."]) + "\n"


def _behaviour(field: FieldDescriptorProto, *, is_sent: bool) -> str:
    found = [_BEHAVIOURS[behaviour] for behaviour in _behaviours(field)]
    if not found and not is_sent:
        found = ["output only"]
    if len(found) != 1:
        raise CannotShowError(f"{field.name} needs one behaviour")
    return f"{found[0]}, with presence" if field.proto3_optional else found[0]


def _type(field: FieldDescriptorProto, maps: Mapping[str, DescriptorProto], names: Names) -> str:
    entry = maps.get(field.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = (_type(each, {}, names) for each in entry.field)
        return f"map of {key} to {value}"
    if field.type_name:
        name = names.link(field.type_name)
    else:
        name = f"`{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"
    return f"repeated {name}" if field.label == _REPEATED else name


def _enum(source: Source, names: Names, number: int, enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"### {enum.name}\n"
    yield from _paragraphs(source.said_of(_ENUMS, number), names, enum.name)
    rows: list[str] = []
    for place, value in enumerate(enum.value):
        said = source.said_of(_ENUMS, number, _VALUES, place)
        if _has_headings(source, number, enum):
            short = _short(enum, value.name)
            yield f"#### {short}\n"
            yield f"`{value.name}` = {value.number}\n"
            yield from _paragraphs(said, names, short)
        else:
            said = names.linked(_joined(said), enum.name)
            rows.append(_wrapped(f"**`{value.name}`** = {value.number}: {said}", "- "))
    if rows:
        yield "\n".join(rows) + "\n"


def _joined(comment: str) -> str:
    """Return a comment of one paragraph as one line."""
    if "\n\n" in comment:
        raise CannotShowError(f"one paragraph has to do: {comment}")
    return " ".join(comment.split())


def _paragraphs(comment: str, names: Names, here: str) -> Iterator[str]:
    for paragraph in comment.split("\n\n"):
        if paragraph.startswith("    "):
            yield f"```json\n{textwrap.dedent(paragraph)}\n```\n"
        else:
            yield _wrapped(names.linked(" ".join(paragraph.split()), here)) + "\n"


def _wrapped(text: str, bullet: str = "") -> str:
    """Return a paragraph, or an item of a list, in lines; code and links stay whole."""
    whole = _CODE.sub(lambda found: found.group(0).replace(" ", _UNBROKEN), text)
    lines = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines[1:]:
        if _BLOCK.match(line.strip()):
            raise CannotShowError(f"a line would not be read as text: {line}")
    return "\n".join(lines).replace(_UNBROKEN, " ")


if __name__ == "__main__":
    main(*sys.argv[1:])
