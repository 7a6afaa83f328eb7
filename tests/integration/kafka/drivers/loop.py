"""What the drivers in Python share: the loop over commands, and members of groups that read on a thread."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def to_text(data: bytes | None) -> str | None:
    """Bytes as the lines of JSON carry them."""
    return None if data is None else bytes(data).decode("latin-1")


def to_bytes(text: str | None) -> bytes | None:
    """The opposite of `to_text`."""
    return None if text is None else text.encode("latin-1")


def fields(value: Any, key: Any, headers: Any, partition: int, timestamp: int, offset: int) -> dict[str, Any]:
    """A consumed record as the lines of JSON carry it."""
    return {
        "value": to_text(value),
        "key": to_text(key),
        "headers": [[name, to_text(data)] for name, data in headers or ()],
        "partition": partition,
        "timestamp": timestamp,
        "offset": offset,
    }


def numbered(producer: int, count: int) -> list[dict[str, Any]]:
    """What one of many producers sends: values `<producer>:<number>`."""
    return [
        {"value": f"{producer}:{number}", "key": None, "headers": [], "partition": 0, "timestamp": None}
        for number in range(count)
    ]


def serve(driver: Any) -> None:
    """Carry out commands from standard input until it ends."""
    for line in sys.stdin:
        command = json.loads(line)
        op = command.pop("op")
        try:
            answer = {"result": getattr(driver, op)(**command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


class Concurrent:
    """A driver's part that runs many producers at once; `driver.produce_alone` sends with a producer of its own."""

    def produce_concurrently(self, topic: str, producers: int, count: int) -> int:
        """Each of some producers sends `count` values `<producer>:<number>`; returns how many were acknowledged."""

        def one(number: int) -> int:
            return len(self.produce_alone(topic, numbered(number, count)))

        with ThreadPoolExecutor(producers) as pool:
            return sum(pool.map(one, range(producers)))

    def produce_alone(self, topic: str, messages: list[dict[str, Any]]) -> list[int]:
        """Send with a new producer."""
        raise NotImplementedError


class Membership:
    """What a member of a group knows; its reading thread writes it, commands read it."""

    def __init__(self) -> None:
        self.assigned: set[int] = set()
        self.received: list[dict[str, Any]] = []
        self.error: str | None = None
        self.leaving = threading.Event()

    def check(self) -> None:
        """Raises: RuntimeError when the thread has failed."""
        if self.error is not None:
            raise RuntimeError(self.error)
