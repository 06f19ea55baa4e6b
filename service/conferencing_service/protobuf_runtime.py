"""Which implementation of protobuf runs. The one in Python recurses without a bound (CVE-2025-4565)."""

from __future__ import annotations

from google.protobuf.internal import api_implementation

from conferencing_service.settings import SettingsError

SAFE = "upb"
"""The one in C, which every wheel of protobuf holds, and which our limits were measured with."""


def check_protobuf_runtime() -> None:
    """Raise SettingsError where protobuf is not the implementation in C."""
    found = api_implementation.Type()
    if found != SAFE:
        raise SettingsError(
            f"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: protobuf runs as {found!r}, and only "
            f"{SAFE!r} reads messages of strangers safely; unset it, and install protobuf's wheel"
        )
