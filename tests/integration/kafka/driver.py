"""A Kafka client in a process of its own, so that clients of all languages look alike and a crash is a kill -9.

Test and driver exchange lines of JSON: `{"op": "produce", ...}` one way, `{"result": ...}` or `{"error": "..."}` the
other. What a driver must be able to do is what the methods here say; each is an operation of the same name.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from tests.integration.kafka.message import Message

ROOT = Path(__file__).parents[3]
EARLIEST = -2
LATEST = -1


class ClientError(Exception):
    """The client library reported an error; its words are the message."""


class Driver:
    """A running driver, connected to one broker by its address alone."""

    def __init__(self, command: Sequence[str], port: int, variables: Mapping[str, str]) -> None:
        """Start it; returns at once, the first command waits until it is up."""
        self._process = subprocess.Popen(
            [*command, f"127.0.0.1:{port}"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that what it started dies with it
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self._answers.put(line.decode())
        self._answers.put(None)

    # -- commands and answers ----------------------------------------------------------------------------------------

    def begin(self, op: str, **arguments: Any) -> Callable[[], Any]:
        """Send a command; what is returned waits for its result. Commands are carried out one after the other."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        return self._result

    def _result(self, timeout_s: float = 50.0) -> Any:
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(f"the client did not answer within {timeout_s} s") from None
        assert line is not None, "the client ended"
        answer = json.loads(line)
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["result"]

    def ask(self, op: str, **arguments: Any) -> Any:
        """Carry out a command. Raises: ClientError."""
        return self.begin(op, **arguments)()

    # -- records -----------------------------------------------------------------------------------------------------

    def begin_produce(
        self, topic: str, messages: Sequence[Message], *, codec: str = "none", idempotent: bool = False
    ) -> Callable[[], Any]:
        """As `produce`, without waiting for it."""
        sent = [message.to_json() for message in messages]
        return self.begin("produce", topic=topic, messages=sent, codec=codec, idempotent=idempotent)

    def produce(
        self, topic: str, messages: Sequence[Message], *, codec: str = "none", idempotent: bool = False
    ) -> list[int]:
        """Send messages with acks=all and wait for all; returns their offsets, -1 where the client does not tell.

        One producer serves all calls that agree in codec and idempotence. Raises: ClientError.
        """
        offsets: list[int] = self.begin_produce(topic, messages, codec=codec, idempotent=idempotent)()
        return offsets

    def consume(self, topic: str, count: int, starts: Mapping[int, int] | None = None) -> list[Message]:
        """Read `count` messages without a group, by partition from an offset, or EARLIEST; from partition 0 if none.

        Raises: ClientError: they did not come in time.
        """
        wanted = [[partition, offset] for partition, offset in (starts or {0: EARLIEST}).items()]
        return [Message.from_json(one) for one in self.ask("consume", topic=topic, starts=wanted, count=count)]

    def offset_at(self, topic: str, timestamp_ms: int, partition: int = 0) -> int:
        """The offset for a time, or for EARLIEST or LATEST; -1 if there is none."""
        offset: int = self.ask("offset_at", topic=topic, partition=partition, timestamp=timestamp_ms)
        return offset

    # -- groups ------------------------------------------------------------------------------------------------------

    def join(self, group: str, topic: str, *, protocol: str = "classic", instance_id: str | None = None) -> None:
        """Become a member, from the earliest offset where none is committed; commits behind all it has read."""
        self.ask("join", group=group, topic=topic, protocol=protocol, instance_id=instance_id)

    def assigned(self) -> list[int]:
        """The partitions this member has now, in order."""
        assigned: list[int] = self.ask("assigned")
        return sorted(assigned)

    def received(self) -> list[Message]:
        """What this member has read so far."""
        return [Message.from_json(one) for one in self.ask("received")]

    def leave(self) -> None:
        """Commit and leave the group as the client library does it on a clean end."""
        self.ask("leave")

    # -- how it ends -------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """kill -9, with all that it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for what other processes will bring about. Raises: AssertionError when it does not come."""
    deadline = monotonic() + timeout_s
    while not condition():
        assert monotonic() < deadline, f"this did not come true within {timeout_s} s"
        sleep(0.05)
