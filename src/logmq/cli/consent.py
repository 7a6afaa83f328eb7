"""Asking before something is deleted for good."""

from __future__ import annotations

import sys

import typer

from logmq.cli.exits import ExitCode


def ask_to_delete(what: str) -> None:
    """Ask the person whether to delete `what`; a program must have said --yes.

    Raises: typer.BadParameter: nobody is at the terminal. typer.Exit: the answer is no.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("deleting asks first, and nobody is at the terminal: give --yes")
    if not typer.confirm(f"Delete {what}, for good?", err=True):
        typer.echo("nothing was deleted", err=True)
        raise typer.Exit(ExitCode.REFUSED)
