"""What a command runs with: the settings and an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop

from conferencing_service.commands.endings import Refused
from conferencing_service.settings import Settings, SettingsError, settings_from_environment


def settings() -> Settings:
    """Return the settings; ends with 2 where one is wrong."""
    try:
        return settings_from_environment()
    except SettingsError as error:
        raise Refused(str(error)) from error


def run(work: Coroutine[Any, Any, int]) -> int:
    """Return what the work returns; ends with 2 where a setting does not do for it."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except SettingsError as error:
        raise Refused(str(error)) from error
