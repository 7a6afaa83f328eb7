"""Open files by name, at most so many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from logmq.storage.local.files import File, Files
from logmq.storage.local.refusal import NO_DESCRIPTOR


class OpenFiles:
    """Opens files when they are first asked for and forgets those longest unused.

    A forgotten file is closed when the last thread that still works with it lets go of it. Safe in any thread.
    """

    def __init__(self, files: Files, limit: int) -> None:
        self._files = files
        self._limit = limit
        self._lock = threading.Lock()
        self._open: dict[str, File] = {}

    def get(self, name: str) -> File:
        """The open file. Raises: FileNotFoundError, OSError."""
        with self._lock:
            file = self._open.pop(name, None) or self._with_a_descriptor(self._files.open, name)
            self._keep(name, file)
            return file

    def create(self, name: str) -> File:
        """A new file, open. Raises: OSError."""
        with self._lock:
            file = self._with_a_descriptor(self._files.create, name)
            self._keep(name, file)
            return file

    def _with_a_descriptor(self, make: Callable[[str], File], name: str) -> File:
        try:
            return make(name)
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR:
                raise
            self._open.clear()  # clients hold all other descriptors: let go of the files that nobody works with
            return make(name)

    def _keep(self, name: str, file: File) -> None:
        self._open[name] = file
        if len(self._open) > self._limit:
            del self._open[next(iter(self._open))]

    def forget(self, name: str) -> None:
        """Let go of a file that is no longer wanted."""
        with self._lock:
            self._open.pop(name, None)

    def __len__(self) -> int:
        return len(self._open)
