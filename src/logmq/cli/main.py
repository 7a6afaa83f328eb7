"""`logmq`: finds the command that was typed, and loads no more than that one.

Each command is a module of this package, named like it, with a function of that name or a Typer `app` of commands of
its own. The table below knows their names and one line of help each, so that neither `logmq --help` nor `logmq serve`
loads what the other commands need.

Help is plain text (`rich_markup_mode`): boxes cut long flags off on a narrow terminal, and what stands in brackets
would be taken for markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from logmq import __version__
from logmq.cli.exits import reported

COMMANDS = {
    "serve": "Start the broker.",
    "topic": "List, create, describe, alter and delete topics.",
    "group": "List, describe, move and delete consumer groups.",
    "produce": "Store messages: one given, or each line of standard input.",
    "consume": "Print the messages of a topic.",
    "bench": "Load a broker and print what it carried.",
    "dump": "Show what a file of the data directory holds, without a broker.",
    "verify": "Check everything in a data directory, without a broker.",
}
"""Every command, in the order of the help, and what it is for."""


class LazyGroup(TyperGroup):
    """Shows every command by its line of help, and imports the module of the one that is run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, help_line in COMMANDS.items():
            self.add_command(TyperCommand(name, help=help_line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Called to run a command (and to complete its words), not to list it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed, and exit as docs/cli.md says."""
        with reported():
            return super().invoke(ctx)


def load_command(name: str) -> Any:
    """Import a command's module and make a command of it."""
    module = import_module(f"logmq.cli.{name}")
    app = getattr(module, "app", None)
    if app is not None:
        return get_group(app)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(getattr(module, name))
    return get_command(alone)


app = typer.Typer(
    cls=LazyGroup,
    name="logmq",
    help="A durable log on plain files: start a broker, and talk to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"logmq {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A durable log on plain files: start a broker, and talk to it."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit the process with its code."""
    raise SystemExit(get_command(app).main(args, prog_name="logmq"))
