"""The conferencing service: one typed contract in front of the REST APIs that hold calendars."""

from __future__ import annotations

from importlib import metadata

__version__ = metadata.version("conferencing-service")
