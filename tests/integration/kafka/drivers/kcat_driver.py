"""kcat: the command line tool, on an old librdkafka (2.0.2 in Debian), which is picky about ApiVersions."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import groupby
from typing import Any

from tests.integration.kafka.drivers.loop import Membership, serve, to_text

TIMEOUT_S = 25
BETWEEN = b"\x02\x01\x03\x01"
"""Stands between messages on standard input."""
BEHIND_KEY = b"\x02\x01\x04\x01"
FORMAT = r"%p\n%o\n%T\n%K\n%S\n%h\n%k%s"


class KcatDriver:
    """See driver.py. Keys and headers hold for all messages of a call, so each run of alike ones is a call."""

    def __init__(self, address: str) -> None:
        self._kcat = ["kcat", "-b", address, "-X", "message.max.bytes=2000000"]
        self._membership = Membership()
        self._member: subprocess.Popen[bytes] | None = None
        self._stderr = ""

    def _run(self, *arguments: str | bytes, data: bytes = b"") -> bytes:
        done = subprocess.run(
            [*self._kcat, *arguments], input=data, capture_output=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode != 0 or b"% ERROR" in done.stderr or b"Delivery failed" in done.stderr:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return done.stdout

    # -- records -----------------------------------------------------------------------------------------------------

    def produce(self, topic: str, messages: list[dict[str, Any]], codec: str, idempotent: bool) -> list[int]:
        settings = ["-z", codec, "-X", f"enable.idempotence={str(idempotent).lower()}", "-X", "acks=all"]

        def alike(message: dict[str, Any]) -> Any:
            return message["partition"], message["key"], message["headers"], message["value"] in {None, ""}

        by_partition = sorted(messages, key=lambda message: int(message["partition"]))
        for (partition, key, headers, empty), run in groupby(by_partition, alike):
            where: list[Any] = ["-P", "-t", topic, "-p", str(partition), *settings, "-D", BETWEEN]
            for name, value in headers:
                where += ["-H", name.encode() + b"=" + value.encode("latin-1")]
            values = [message["value"] for message in run]
            if empty:
                self._produce_empty(where, key, values)
            elif key is None:
                self._run(*where, data=_joined(values))
            else:
                self._run(*where, "-k", key.encode("latin-1"), data=_joined(values))
        return [-1] * len(messages)

    def _produce_empty(self, where: list[Any], key: str, values: list[str | None]) -> None:
        """A line that ends behind the key is an empty message; -Z makes it null."""
        for value in values:
            null = ["-Z"] if value is None else []
            self._run(*where, *null, "-K", BEHIND_KEY, data=key.encode("latin-1") + BEHIND_KEY)

    def consume(self, topic: str, starts: list[list[int]], count: int) -> list[dict[str, Any]]:
        read = ["-C", "-q", "-t", topic, "-c", str(count), "-f", FORMAT]
        if len(starts) == 1:
            ((partition, offset),) = starts
            read += ["-p", str(partition), "-o", "beginning" if offset < 0 else str(offset)]
        found = _messages(self._run(*read))  # without a partition: all, from their beginning
        if len(found) < count:
            raise TimeoutError(f"{len(found)} of {count} messages came")
        return found

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        answer = self._run("-Q", "-t", f"{topic}:{partition}:{timestamp}").decode()
        return int(answer.rsplit("offset ", 1)[1])

    # -- groups ------------------------------------------------------------------------------------------------------

    def join(self, group: str, topic: str, protocol: str, instance_id: str | None) -> None:
        self._membership = Membership()
        settings = ["session.timeout.ms=6000", "heartbeat.interval.ms=500", "auto.offset.reset=earliest"]
        settings += [f"group.instance.id={instance_id}"] if instance_id is not None else []
        command = list(self._kcat)
        for setting in settings:
            command += ["-X", setting]
        self._member = subprocess.Popen(
            [*command, "-u", "-f", FORMAT, "-G", group, topic],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._read, args=(self._member, self._membership), daemon=True).start()
        threading.Thread(target=self._listen, args=(self._member, self._membership), daemon=True).start()

    def _read(self, member: subprocess.Popen[bytes], membership: Membership) -> None:
        assert member.stdout is not None
        data = b""
        while chunk := member.stdout.read1(65536):  # type: ignore[attr-defined]
            data += chunk
            messages, data = _split(data)
            membership.received += messages

    def _listen(self, member: subprocess.Popen[bytes], membership: Membership) -> None:
        """kcat says `% Group g rebalanced (memberid m): assigned: topic [0], topic [1]`."""
        assert member.stderr is not None
        for line in member.stderr:
            text = line.decode(errors="replace")
            self._stderr += text
            for word in ("assigned: ", "revoked: "):
                if word in text:
                    listed = text.split(word, 1)[1].split("[")[1:]
                    partitions = {int(part.split("]")[0]) for part in listed}
                    membership.assigned = partitions if word == "assigned: " else membership.assigned - partitions

    def assigned(self) -> list[int]:
        return sorted(self._membership.assigned)

    def received(self) -> list[dict[str, Any]]:
        return self._membership.received

    def leave(self) -> None:
        assert self._member is not None
        self._member.terminate()
        if self._member.wait(TIMEOUT_S) != 0:
            raise RuntimeError(self._stderr)


def _joined(values: list[str]) -> bytes:
    return BETWEEN.join(value.encode("latin-1") for value in values)


def _messages(data: bytes) -> list[dict[str, Any]]:
    messages, rest = _split(data)
    if rest:
        raise ValueError(f"kcat printed half a message: {rest[:100]!r}")
    return messages


def _split(data: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """The whole messages in what kcat printed by FORMAT, and the rest. A length of -1 stands for null."""
    messages: list[dict[str, Any]] = []
    position = 0
    while True:
        parts = data[position:].split(b"\n", 6)
        if len(parts) < 7:
            return messages, data[position:]
        partition, offset, timestamp, key_size, value_size = (int(part) for part in parts[:5])
        start = position + sum(len(part) + 1 for part in parts[:6])
        middle = start + max(key_size, 0)
        end = middle + max(value_size, 0)
        if end > len(data):
            return messages, data[position:]
        key = None if key_size < 0 else to_text(data[start:middle])
        value = None if value_size < 0 else to_text(data[middle:end])
        messages.append(
            {
                "value": value,
                "key": key,
                "headers": _headers(parts[5]),
                "partition": partition,
                "timestamp": timestamp,
                "offset": offset,
            }
        )
        position = end


def _headers(printed: bytes) -> list[list[str | None]]:
    """`a=1,b=2`, where values in these tests hold neither sign."""
    pairs = [pair.partition(b"=") for pair in printed.split(b",") if pair]
    return [[name.decode(), to_text(value)] for name, _, value in pairs]


if __name__ == "__main__":
    serve(KcatDriver(sys.argv[1]))
