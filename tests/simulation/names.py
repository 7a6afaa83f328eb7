"""The names of a simulated directory: which are visible, which are durable, and what happened in between.

A pending operation is a tuple of (name, what it stands for from now on or None). It is made durable as a whole or not
at all, and only after all earlier operations on the same names: so a rename is atomic, and a name goes through its
states in order, while operations on different names survive in any mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from tests.simulation.inode import SURVIVAL_RATES, Inode

Operation = tuple[tuple[str, Inode | None], ...]


class Names:
    """A flat directory."""

    __slots__ = ("_durable", "_pending", "_stuck", "visible")

    def __init__(self, durable: dict[str, Inode]) -> None:
        self.visible = dict(durable)
        self._durable = durable
        self._pending: list[Operation] = []
        self._stuck: set[str] = set()  # names whose last change was lost in a failed sync; later ones are too

    def set(self, *operation: tuple[str, Inode | None]) -> None:
        """Let names stand for other files, or for none, in one atomic operation."""
        _apply(self.visible, operation)
        self._pending.append(operation)

    def sync(self) -> None:
        """Make all operations durable."""
        self._stuck = _carry_out(self._pending, self._durable, self._stuck, lambda: True)
        self._pending.clear()

    def fail_sync(self) -> None:
        """Lose the pending operations. They stay visible, and no later sync brings them back."""
        self._stuck = self._stuck.union(*map(_names, self._pending))
        self._pending.clear()

    def after_cut(self, rng: Random) -> Names:
        """One of the directories that this one may be after a power cut. Leaves this one as it is."""
        names = dict(self._durable)
        rate = rng.choice(SURVIVAL_RATES)
        _carry_out(self._pending, names, self._stuck, lambda: rng.random() < rate)
        return Names({name: inode.after_cut(rng) for name, inode in names.items()})


def _carry_out(
    operations: Iterable[Operation], names: dict[str, Inode], stuck: set[str], survives: Callable[[], bool]
) -> set[str]:
    """Apply the operations that survive and depend on none that did not; returns the names that are stuck now."""
    stuck = set(stuck)
    for operation in operations:
        if survives() and stuck.isdisjoint(_names(operation)):
            _apply(names, operation)
        else:
            stuck |= _names(operation)
    return stuck


def _names(operation: Operation) -> set[str]:
    return {name for name, _ in operation}


def _apply(names: dict[str, Inode], operation: Operation) -> None:
    for name, inode in operation:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
