"""The writing side of a connection: answers are collected, written in few calls, and held back by a slow reader."""

from __future__ import annotations

import asyncio

from logmq.limits import KIB

OUTPUT_SIZE = 64 * KIB
"""Answers are collected up to this size before they are written: a write costs more than many of them."""


class Outlet:
    """What goes to one client. Whoever writes looks at `full` before it makes more: nothing here is refused."""

    __slots__ = ("_answers", "_room", "_size", "_transport", "full", "full_count", "written")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answers: list[bytes] = []
        self._size = 0
        self._room: asyncio.Future[None] | None = None
        self.full = False
        """Whether the client has to read before it gets more."""
        self.full_count = 0
        """How often that began."""
        self.written = 0
        """Bytes in all."""

    def open(self, transport: asyncio.Transport) -> None:
        """Write to this from now on."""
        self._transport = transport

    def close(self) -> None:
        """Forget what is not written: nobody will read it."""
        self._transport = None
        self._answers.clear()

    def write(self, answer: bytes) -> None:
        """Add to what is written with the next `flush`, or at once when it is enough."""
        self._answers.append(answer)
        self._size += len(answer)
        self.written += len(answer)
        if self._size >= OUTPUT_SIZE:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the transport."""
        answers = self._answers
        if not answers:
            return
        output = answers[0] if len(answers) == 1 else b"".join(answers)
        answers.clear()
        self._size = 0
        if self._transport is not None:
            self._transport.write(output)

    def pause(self) -> None:
        """The transport has more than enough."""
        self.full = True
        self.full_count += 1

    def resume(self) -> bool:
        """The client has read. Returns whether somebody waited for it in `room`."""
        self.full = False
        room, self._room = self._room, None
        if room is None:
            return False
        if not room.done():
            room.set_result(None)
        return True

    async def room(self) -> None:
        """Wait until the client has read enough; if it has, let others have their turn."""
        if not self.full:
            await asyncio.sleep(0)
            return
        self._room = asyncio.get_running_loop().create_future()
        await self._room
