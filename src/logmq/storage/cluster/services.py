"""THE contract with the two services that a cluster stands on: a consistent store of small keys, and one of objects.

Either may answer late, or never: then nobody knows whether it did what was asked, and it may still do it. Whoever
calls them has to be right in each of these cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

RETRY_S = 0.1
"""Pause before a service that did not answer is asked again."""


class OutcomeUnknown(Exception):
    """The service did not answer: what was asked was done, or is done later, or never."""


class ObjectMissing(Exception):
    """There is no object of this name."""


class Stored(NamedTuple):
    """A key's value, and the revision of the transaction that put it there."""

    value: bytes
    revision: int


class Presence(Protocol):
    """A key that is there for as long as its process says again and again that it lives."""

    revision: int
    """Of the key, for the expectations of a transaction."""

    async def renew(self) -> bool:
        """Say so; False when it was too late and the key is gone for good. Raises: OutcomeUnknown."""
        ...

    async def withdraw(self) -> None:
        """Take the key away. Raises: OutcomeUnknown."""
        ...


class Keys(Protocol):
    """Small keys with revisions and transactions (etcd)."""

    async def get(self, key: str) -> Stored | None:
        """The key now, as every transaction before this call left it. Raises: OutcomeUnknown."""
        ...

    async def under(self, prefix: str) -> dict[str, Stored]:
        """All keys that begin with `prefix`, as of one moment. Raises: as `get`."""
        ...

    async def commit(
        self, expected: Mapping[str, int], puts: Mapping[str, bytes], deletes: Iterable[str] = ()
    ) -> int | None:
        """If every key in `expected` has that revision (0: is not there), carry out all of it, else nothing.

        Returns the transaction's revision, or None if an expectation did not hold. Raises: OutcomeUnknown.
        """
        ...

    async def announce(self, key: str, value: bytes, ttl_s: float) -> Presence:
        """Put a key that goes when it is not renewed for `ttl_s`. Raises: OutcomeUnknown."""
        ...


class Objects(Protocol):
    """Objects that are written once and read in ranges (S3 and its like)."""

    async def put(self, name: str, data: bytes) -> None:
        """Write an object. Durability: it is there for good when this returns. Raises: OutcomeUnknown."""
        ...

    async def get(self, name: str, start: int, size: int) -> bytes:
        """Some bytes, fewer at the object's end. Raises: ObjectMissing, OutcomeUnknown."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """All objects that begin with `prefix`. Raises: OutcomeUnknown."""
        ...

    async def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already are fine. Raises: OutcomeUnknown."""
        ...


async def until_answered(ask: Callable[[], Awaitable[T]], pause_s: float = RETRY_S) -> T:
    """Ask again and again, for as long as it takes. Only for what may be done twice."""
    while True:
        try:
            return await ask()
        except OutcomeUnknown:
            await asyncio.sleep(pause_s)
