"""Faults ordered in advance: the nth call of an operation on some files fails with an errno."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

OperationName = Literal["open", "create", "read", "write", "truncate", "sync", "rename", "unlink", "sync_names"]
CHANGES = frozenset(get_args(OperationName)) - {"open", "read"}
"""The operations that change the disk, or what of it is durable; only these are counted for a power cut."""

_PARTIAL = frozenset({"write", "sync"})


@dataclass(slots=True)
class Fault:
    """Lets `count` calls of an operation fail, from the `nth` on, counting only calls on names like `only`.

    With `partial` the operation is carried out in part before it fails (a write or a sync only).
    """

    operation: OperationName
    nth: int
    errno: int
    count: int = 1
    only: str = "*"
    partial: bool = False
    _calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.operation not in get_args(OperationName):
            raise ValueError(f"there is no operation {self.operation!r}")
        if self.nth < 1 or self.count < 1:
            raise ValueError("calls are counted from 1")
        if self.partial and self.operation not in _PARTIAL:
            raise ValueError(f"a {self.operation} fails as a whole")

    def strikes(self, operation: OperationName, names: Iterable[str]) -> bool:
        """Take note of a call; whether it is to fail. Not to be asked any more once it has `struck`."""
        if operation != self.operation or not any(fnmatchcase(name, self.only) for name in names):
            return False
        self._calls += 1
        return self._calls >= self.nth

    @property
    def struck(self) -> bool:
        """Whether it has done all that was ordered."""
        return self._calls >= self.nth + self.count - 1

    def error(self, name: str) -> OSError:
        """What the system call answers."""
        return OSError(self.errno, os.strerror(self.errno), name)
