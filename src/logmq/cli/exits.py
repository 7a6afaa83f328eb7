"""What an exit code of `logmq` says, and which error leads to which: the one place where the two meet.

docs/cli.md has the same table for people.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from logmq.errors import InvalidConfig, LogMQError, RequestError


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    REFUSED = 1
    """The broker refused, damage was found, or the system did: a file, the disk."""
    USAGE = 2
    """The command line or the configuration is wrong; nothing was done."""
    UNREACHABLE = 3
    """No broker could be reached, or the connection to it was lost."""
    DISK_FAILED = 74
    """The broker stopped since a sync failed; look at the disk before starting it again (EX_IOERR of sysexits.h)."""
    TAKEN_OVER = 75
    """In a cluster: another broker leads now; started again this one stands by (EX_TEMPFAIL of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it (128 + SIGINT)."""
    BROKEN_PIPE = 141
    """Whoever read standard output has gone, as shells count it (128 + SIGPIPE)."""


@contextmanager
def reported() -> Iterator[None]:
    """Turn what a command raises into words on standard error and an exit code.

    Raises:
        typer.Exit: with the code. An error that is nobody's plan passes through, so that its trace is seen.
    """
    try:
        yield
        sys.stdout.flush()
    except typer.Exit:
        raise
    except (KeyboardInterrupt, typer.Abort):
        typer.echo(err=True)  # the terminal shows ^C, and the prompt belongs on the next line
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        _silence_stdout()
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        code, words = known
        typer.echo(f"logmq: {words}", err=True)
        raise typer.Exit(code) from None


def explain(error: Exception) -> tuple[ExitCode, str] | None:
    """The exit code and the words for an error; None if it was not foreseen."""
    # Here, not above: only a command that talks to a broker has loaded the client, and serve must not.
    from logmq.client.errors import CannotConnect, ClientError, ConnectionLost  # noqa: PLC0415

    match error:
        case CannotConnect():
            return ExitCode.UNREACHABLE, f"{error}; is it running? start it with: logmq serve"
        case ConnectionLost():
            return ExitCode.UNREACHABLE, str(error)
        case InvalidConfig() | RequestError():
            # A RequestError that is raised here, and not by the broker, is about a name or value typed.
            return ExitCode.USAGE, str(error)
        case ClientError() | LogMQError():
            return ExitCode.REFUSED, str(error)
        case OSError() if error.strerror:
            return ExitCode.REFUSED, f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return None


def _silence_stdout() -> None:
    # Python flushes standard output once more when it exits, and would complain there.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
