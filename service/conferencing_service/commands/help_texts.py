"""Commands whose help stands as it is written: examples and tables keep their lines."""

from __future__ import annotations

import inspect
from typing import Any

import click

WIDTH = 100
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH}


class Command(click.Command):
    """A command with texts that are not filled anew."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": CONTEXT, **kwargs})

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command is for."""
        del ctx
        _write(formatter, self.help)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and exit statuses."""
        del ctx
        _write(formatter, self.epilog)


class Group(click.Group, Command):
    """The same with commands below it."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they were written."""
        del ctx
        return list(self.commands)


def _write(formatter: click.HelpFormatter, text: str | None) -> None:
    if text:
        formatter.write_paragraph()
        formatter.write(inspect.cleandoc(text) + "\n")
