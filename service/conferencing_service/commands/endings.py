"""How commands end: the exit statuses, and the one line on stderr that says why."""

from __future__ import annotations

from typing import IO, Any

import click

DONE = 0
NOT_DONE = 1
REFUSED = 2
INTERRUPTED = 130


class NotDone(click.ClickException):
    """What was asked cannot be done, or is not so; the text is one line that says why."""

    exit_code = NOT_DONE

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line."""
        click.echo(f"conferencing-service: {self.message}", file, err=True)


class Refused(NotDone):
    """The start is refused: a setting is wrong, or what is to be read cannot be read."""

    exit_code = REFUSED
