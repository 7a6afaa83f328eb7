"""One figure: what was measured, and what it was to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table; `details` is what a program or a doubter would want besides."""

    title: str
    goal: str
    measured: str
    met: bool
    details: dict[str, Any] = field(default_factory=dict)
