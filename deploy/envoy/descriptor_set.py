"""Writes what Envoy needs to turn JSON into calls and back: the contract, and the details of errors.

Usage: descriptor_set.py OUTPUT, with a Python that has the client (`make run` makes one).
"""
# ruff: noqa: INP001 - run by people, imported by nobody

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

from conferencing.v1 import conferencing_service_pb2

# Without the second one, an error whose details are of its types comes out as JSON without a body.
_ROOTS = (conferencing_service_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR)


def descriptor_set() -> FileDescriptorSet:
    """Return the files and all that they import, each after what it imports."""
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for each in file.dependencies:
            add(each)
        found.setdefault(file.name, file)

    for root in _ROOTS:
        add(root)
    made = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(made.file.add())
    return made


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(descriptor_set().SerializeToString())
