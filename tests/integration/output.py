"""What a child process prints, gathered while it runs, so that a test can wait for words instead of time."""

from __future__ import annotations

import json
import re
import threading
from typing import IO, Any


class Output:
    """One stream of a process. A thread reads it, so that the process never waits for us."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._data = bytearray()
        self._ended = False
        self._grown = threading.Condition()
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        with self._stream:
            while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]
                with self._grown:
                    self._data += chunk
                    self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    @property
    def text(self) -> str:
        """All that was printed so far."""
        with self._grown:
            return self._data.decode(errors="replace")

    def wait_for(self, pattern: str, timeout_s: float = 45.0) -> re.Match[str]:
        """The first match of `pattern` once it is printed. Raises: AssertionError when it is not, in time or ever."""
        with self._grown:
            self._grown.wait_for(
                lambda: self._ended or re.search(pattern, self._data.decode(errors="replace")), timeout_s
            )
            match = re.search(pattern, self._data.decode(errors="replace"))
        assert match is not None, f"{pattern!r} was not printed, but:\n{self.text}"
        return match

    def wait_for_count(self, words: str, count: int, timeout_s: float = 45.0) -> None:
        """Wait until `words` were printed `count` times. Raises: AssertionError."""
        with self._grown:
            self._grown.wait_for(lambda: self._ended or self._data.count(words.encode()) >= count, timeout_s)
            assert self._data.count(words.encode()) >= count, f"{words!r} was not printed {count} times:\n{self.text}"

    def records(self) -> list[dict[str, Any]]:
        """The log lines, which are JSON where nobody sits at a terminal."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def join(self) -> str:
        """Wait for the end of the stream; returns all of it."""
        self._thread.join(45)
        return self.text
