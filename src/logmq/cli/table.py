"""Tables on standard output: with Rich on a terminal, plain columns where no person looks."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

import typer


def print_table(headers: Sequence[str], rows: Collection[Sequence[str | int]], *, exact: Collection[str] = ()) -> None:
    """Print rows in columns under `headers`; numbers stand to the right.

    On a terminal thousands are separated, but not in the columns `exact`: an offset is copied into the next command.
    """
    numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(headers))]
    if sys.stdout.isatty():
        _print_rich(headers, rows, numeric, exact)
    else:
        for line in plain_lines(headers, rows, numeric):
            typer.echo(line)


def plain_lines(headers: Sequence[str], rows: Collection[Sequence[str | int]], numeric: Sequence[bool]) -> list[str]:
    """The table as lines of columns two spaces apart."""
    texts = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _print_rich(
    headers: Sequence[str], rows: Collection[Sequence[str | int]], numeric: Sequence[bool], exact: Collection[str]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - loaded only where it is looked at
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header, right in zip(headers, numeric, strict=True):
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    for row in rows:
        cells = zip(headers, row, strict=True)
        table.add_row(
            *(f"{cell:,}" if isinstance(cell, int) and header not in exact else str(cell) for header, cell in cells)
        )
    Console(highlight=False, markup=False).print(table)
