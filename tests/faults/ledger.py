"""What clients were told, and whether it is true of the files and of what the broker serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.faults.load import Follower, Identity, Sender, identity_of
from tests.integration.broker import BrokerProcess
from tests.integration.stored import frames_of, log_bytes

Frames = list[tuple[int, bytes]]


class Ledger:
    """Acknowledgements by topic, and up to where each topic's files have been checked."""

    def __init__(self) -> None:
        self._offsets: dict[str, dict[Identity, int]] = defaultdict(dict)
        self._latest: dict[str, dict[Identity, int]] = defaultdict(dict)
        """Those that were taken last and are not checked yet."""
        self._sent: dict[str, set[Identity]] = defaultdict(set)
        self._checked: dict[str, int] = defaultdict(int)
        self.message_count = 0

    def checked_end(self, topic: str) -> int:
        """The end of a topic when it was last checked."""
        return self._checked[topic]

    def take(self, senders: Iterable[Sender]) -> None:
        """Note what they have sent and what they were told."""
        for sender in senders:
            assert len(sender.offsets) <= len(sender.sent), "more answers than messages"
            for topic, identity in sender.sent:
                self._sent[topic].add(identity)
            for (topic, identity), offset in zip(sender.sent, sender.offsets, strict=False):
                self._latest[topic][identity] = offset
            self.message_count += len(sender.offsets)

    # -- checks ------------------------------------------------------------------------------------------------------

    def check(self, broker: BrokerProcess, topics: Iterable[str], followers: Iterable[Follower] = ()) -> None:
        """Check what was added to some topics since the last time, and move on. Raises: AssertionError."""
        followed = {follower.topic: bytes(follower.received) for follower in followers}
        for topic in topics:
            if not (broker.data_dir / f"{topic}.log").exists():
                assert not self._latest[topic], f"{topic} was acknowledged and is gone"
                continue
            start = self._checked[topic]
            frames = frames_of(log_bytes(broker.data_dir, topic, start), start)
            self._check_frames(topic, frames, self._latest[topic])
            self._offsets[topic] |= self._latest.pop(topic)
            shown = b"".join(b"MESSAGE %d %d %b\n" % (at, len(payload), payload) for at, payload in frames)
            assert shown.startswith(followed.get(topic, b"")), f"{topic}: a reader was shown what is not there"
            end = frames[-1][0] + 4 + len(frames[-1][1]) if frames else start
            self._check_served(broker, topic, start, end, shown)
            self._checked[topic] = end

    def check_all(self, data_dir: Path) -> None:
        """Check every byte of every topic once more: what came later must not have changed what was there."""
        for topic, end in self._checked.items():
            data = log_bytes(data_dir, topic) if end else b""
            assert len(data) == end
            self._check_frames(topic, frames_of(data), self._offsets[topic])

    def _check_frames(self, topic: str, frames: Frames, acknowledged: Mapping[Identity, int]) -> None:
        """Everything acknowledged is at its offset; nothing else than what was sent; each client's order is kept."""
        stored: dict[Identity, int] = {}
        counts: dict[tuple[int, int], int] = defaultdict(int)
        for offset, payload in frames:
            identity = identity_of(payload)
            assert identity in self._sent[topic], f"{topic} holds {identity}, which was sent elsewhere"
            assert identity not in stored, f"{topic} holds {identity} twice"
            stream = (identity.round, identity.client)
            assert identity.number == counts[stream], f"{topic}: {identity} comes after number {counts[stream] - 1}"
            counts[stream] += 1
            stored[identity] = offset
        for identity, offset in acknowledged.items():
            assert stored.get(identity) == offset, f"{topic}: {identity} was acknowledged at {offset}"

    def _check_served(self, broker: BrokerProcess, topic: str, start: int, end: int, shown: bytes) -> None:
        """The broker serves what the file holds, to its end and no further."""
        with broker.client() as client:
            client.send(b"CONSUME %b %d 1000000\nCONSUME %b %d\n" % (topic.encode(), start, topic.encode(), end))
            assert client.exactly(len(shown)) == shown, f"{topic} is served otherwise than it is stored"
            assert client.lines(2) == [b"END %d" % end, b"EOF"]
