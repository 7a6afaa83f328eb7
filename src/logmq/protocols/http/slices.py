"""Bodies without end, taken slice by slice: a task reads ahead while what was taken before is being worked on.

    body        |....|..........|.......|....        as it comes
    slices      | a  |   b               |           whole parts: what came while the slice before was worked on

A splitter says what a whole part is: a line, or a JSON object.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from starlette.requests import ClientDisconnect, Request

from logmq.errors import LogMQError
from logmq.limits import HTTP_SLICE_SIZE
from logmq.protocols.http.bodies import body_too_large, chunks_of
from logmq.protocols.http.problems import InvalidInput


class Splitter(Protocol):
    """Finds whole parts in pieces that are cut anywhere. It does no I/O."""

    def add(self, data: bytes) -> Iterator[bytes]:
        """Whole parts that end in `data`. Raises: InvalidInput."""
        ...

    def end(self) -> Iterator[bytes]:
        """What is left at the end of the body, if it is a part. Raises: InvalidInput."""
        ...

    @property
    def held_size(self) -> int:
        """Bytes of a part that has begun."""
        ...


class Slices:
    """The parts of a request's body, up to about two slices of them. Made by `slices_of`."""

    def __init__(self, request: Request, splitter: Splitter, part_size_max: int) -> None:
        self._request = request
        self._splitter = splitter
        self._part_size_max = part_size_max
        self._parts: list[bytes] = []
        self._size = 0
        self._error: Exception | None = None
        self._ended = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    async def read(self) -> None:
        """Take the body as it comes, until it ends or fails, which `next` will say."""
        try:
            async for chunk in chunks_of(self._request):
                self._keep(self._splitter.add(chunk))
                if self._splitter.held_size > self._part_size_max:
                    raise body_too_large(self._part_size_max, "one record")
                while self._size >= HTTP_SLICE_SIZE:
                    self._taken.clear()
                    await self._taken.wait()
            self._keep(self._splitter.end())
        except (LogMQError, ClientDisconnect) as error:
            self._error = error
        self._ended = True
        self._changed.set()

    def _keep(self, parts: Iterator[bytes]) -> None:
        for part in parts:
            self._parts.append(part)
            self._size += len(part)
        if self._parts:
            self._changed.set()

    async def next(self) -> list[bytes]:
        """The parts that came since the last call, at least one; none at the end of the body.

        Raises: InvalidInput, BodyTooLarge, BodyTooSlow, ClientDisconnect, after all parts that came before.
        """
        while not self._parts and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._parts and self._error is not None:
            raise self._error
        parts, self._parts = self._parts, []
        self._size = 0
        self._taken.set()
        return parts


@asynccontextmanager
async def slices_of(request: Request, splitter: Splitter, part_size_max: int) -> AsyncIterator[Slices]:
    """Read ahead for as long as the context lasts."""
    slices = Slices(request, splitter, part_size_max)
    reading = asyncio.create_task(slices.read())
    try:
        yield slices
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


class LineSplitter:
    """Runs of whole lines: a run is one part, so that nothing is done a line."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.held_size = 0

    def add(self, data: bytes) -> Iterator[bytes]:
        """See `Splitter.add`."""
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join((*self._pieces, data[:end]))
            self._pieces.clear()
            self.held_size = 0
        self._pieces.append(data[end:])
        self.held_size += len(data) - end

    def end(self) -> Iterator[bytes]:
        """The last line, which need not have a line end."""
        if self.held_size:
            yield b"".join(self._pieces)
            self.held_size = 0


_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BACKSLASHES = re.compile(rb"\\*\Z")


class ObjectSplitter:
    """JSON objects one behind the other, with or without white space between (concatenated JSON).

    It only counts brackets outside of strings: whether an object is JSON is for its reader to find out.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False
        """Whether the last byte was a backslash that makes the next one part of a string."""
        self.held_size = 0

    def add(self, data: bytes) -> Iterator[bytes]:
        """See `Splitter.add`."""
        start = position = 0
        while (found := self._next_end(data, position)) is not None:
            position = found
            if self._depth == 0:
                yield b"".join((*self._pieces, data[start:position])).lstrip()
                self._pieces.clear()
                self.held_size = 0
                start = position
        if self._depth == 0:
            self._expect_space(data[start:])
        else:
            self._pieces.append(data[start:])
            self.held_size += len(data) - start

    def _next_end(self, data: bytes, position: int) -> int | None:
        """Go on behind the next bracket or string; None if there is none that ends here."""
        if self._in_string:
            return self._end_string(data, position)
        found = _STRUCTURE.search(data, position)
        if self._depth == 0:
            self._expect_space(data[position : found.start()] if found else data[position:])
        if found is None:
            return None
        mark = found[0]
        if self._depth == 0 and mark != b"{":
            raise _not_an_object(mark)
        if mark == b'"':
            self._in_string = True
            return self._end_string(data, found.end())
        self._depth += 1 if mark in b"{[" else -1
        return found.end()

    def _end_string(self, data: bytes, position: int) -> int | None:
        if self._escaped and position < len(data):
            self._escaped = False
            position += 1
        found = _STRING_END.match(data, position)
        if found is not None:
            self._in_string = False
            return found.end()
        if position < len(data):
            backslashes = _BACKSLASHES.search(data, position)
            assert backslashes is not None
            self._escaped = len(backslashes[0]) % 2 == 1
        return None

    def end(self) -> Iterator[bytes]:
        """Nothing may be left."""
        if self.held_size:
            raise InvalidInput("the body ends in the middle of a JSON object")
        return iter(())

    def _expect_space(self, data: bytes) -> None:
        if rest := data.strip():
            raise _not_an_object(rest)


def _not_an_object(data: bytes) -> InvalidInput:
    return InvalidInput(f"where a JSON object should begin stands {data[:20].decode('utf-8', 'backslashreplace')!r}")
