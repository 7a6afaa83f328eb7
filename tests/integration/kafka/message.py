"""A record as every driver understands it, and its form in the lines between a test and a driver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Message:
    """A record to produce, or one that was consumed. `timestamp_ms` None: the client chooses."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0
    timestamp_ms: int | None = None
    offset: int = -1

    def content(self) -> Message:
        """What the sender chose: without offset and time, which the other side may have set."""
        return replace(self, timestamp_ms=None, offset=-1)

    def to_json(self) -> dict[str, Any]:
        """Bytes become text of one character a byte (Latin-1), which JSON can carry whatever they are."""
        return {
            "value": _text(self.value),
            "key": _text(self.key),
            "headers": [[name, _text(value)] for name, value in self.headers],
            "partition": self.partition,
            "timestamp": self.timestamp_ms,
            "offset": self.offset,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The opposite of `to_json`."""
        return cls(
            _bytes(fields["value"]),
            _bytes(fields["key"]),
            tuple((name, _bytes(value)) for name, value in fields["headers"]),
            fields["partition"],
            fields["timestamp"],
            fields["offset"],
        )


def _text(data: bytes | None) -> str | None:
    return None if data is None else bytes(data).decode("latin-1")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
