"""For whom a command prints: `--format text|json`."""

from __future__ import annotations

from enum import StrEnum


class OutputFormat(StrEnum):
    """The form of what goes to standard output."""

    TEXT = "text"
    """Words and columns, for people."""
    JSON = "json"
    """One document, or one object a line, for programs."""
