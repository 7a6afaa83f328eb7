"""Times and sizes as text: `7d`, `100ms`, `1GiB`, `64MB`, `4096`; shown so that they read back exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from logmq.limits import GIB, KIB, MIB

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_DURATION_UNITS = {"": 1, "ms": 1, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "kib": KIB,
    "mb": 10**6,
    "mib": MIB,
    "gb": 10**9,
    "gib": GIB,
    "tb": 10**12,
    "tib": 1024 * GIB,
}
_QUANTITY = re.compile(r"(-?[0-9]{1,19}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")


def parse_whole(text: str) -> int:
    """A whole number, written in decimal digits. Raises: ValueError."""
    return _parse_quantity(text, {"": 1})


def parse_duration(text: str) -> int:
    """Milliseconds in a text such as `100ms`, `30s`, `10m`, `12h`, `7d`, `250`. Raises: ValueError."""
    return _parse_quantity(text, _DURATION_UNITS)


def parse_size(text: str) -> int:
    """Bytes in a text such as `1GiB` (1024s), `64MB` (1000s), `4096`. Raises: ValueError."""
    return _parse_quantity(text, _SIZE_UNITS)


def show_duration(duration_ms: int) -> str:
    """Milliseconds as the shortest text that `parse_duration` reads back exactly."""
    return _show_quantity(duration_ms, {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}, "ms")


def show_size(size: int) -> str:
    """Bytes as the shortest text that `parse_size` reads back exactly."""
    return _show_quantity(size, {"TiB": 1024 * GIB, "GiB": GIB, "MiB": MIB, "KiB": KIB}, "")


def _parse_quantity(text: str, units: Mapping[str, int]) -> int:
    match = _QUANTITY.fullmatch(text)
    unit = None if match is None else units.get(match[2].lower())
    if match is None or unit is None:
        raise ValueError(text)
    quantity = Fraction(match[1]) * unit
    if quantity.denominator != 1:
        raise ValueError(text)
    return quantity.numerator


def _show_quantity(quantity: int, units: Mapping[str, int], base: str) -> str:
    for unit, size in units.items():
        if quantity and quantity % size == 0:
            return f"{quantity // size}{unit}"
    return f"{quantity}{base}" if quantity else "0"
