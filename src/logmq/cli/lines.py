"""Lines out of chunks of bytes, cut anywhere: each line is put together once, however long it is."""

from __future__ import annotations


class LineCutter:
    """Cuts chunks into lines at `\\n`, and at nothing else; the newline is left out."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete with `chunk`."""
        first, *others = chunk.split(b"\n")
        self._pieces.append(first)
        if not others:
            return []
        lines = [b"".join(self._pieces), *others]
        last = lines.pop()
        self._pieces = [last] if last else []
        return lines

    def finish(self) -> list[bytes]:
        """What stands behind the last newline, if there is anything."""
        rest = b"".join(self._pieces)
        self._pieces = []
        return [rest] if rest else []
