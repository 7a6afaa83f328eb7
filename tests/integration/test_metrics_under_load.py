"""`GET /metrics` of a broker at work: what it says adds up with what its clients did."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.exposition import Exposition
from tests.integration.broker import BrokerProcess

PRODUCERS = 4
RUNS = 25
RUN_LINES = 400


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path / "data") as running:
        yield running


class Scraper:
    """A client that asks again and again over one connection."""

    def __init__(self, broker: BrokerProcess) -> None:
        self._connection = HTTPConnection("127.0.0.1", broker.port, timeout=30)

    def scrape(self) -> Exposition:
        """All metrics now."""
        self._connection.request("GET", "/metrics")
        answer = self._connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return Exposition(text)

    def close(self) -> None:
        """Go."""
        self._connection.close()


def scrape(broker: BrokerProcess) -> Exposition:
    """One scrape."""
    with closing(Scraper(broker)) as scraper:
        return scraper.scrape()


def produce(broker: BrokerProcess, topic: str) -> int:
    """Send runs of PRODUCE lines; returns how many bytes they take in the log."""
    with broker.client() as client:
        for number in range(RUNS):
            client.send(
                b"".join(b"PRODUCE %b run %d line %d\n" % (topic.encode(), number, i) for i in range(RUN_LINES))
            )
            for _ in range(RUN_LINES):
                assert client.line().startswith(b"OK ")
    return sum(4 + len(b"run %d line %d" % (number, i)) for number in range(RUNS) for i in range(RUN_LINES))


def test_numbers_add_up(broker: BrokerProcess) -> None:
    """Records, bytes, requests and offsets are those that clients sent, counters never go back while they send, and
    each commit has its sync."""
    topics = [f"t{number}" for number in range(PRODUCERS)]
    before = scrape(broker)
    with ThreadPoolExecutor(PRODUCERS) as pool, closing(Scraper(broker)) as scraper:
        producing = [pool.submit(produce, broker, topic) for topic in topics]
        scrapes = [before]
        while not all(task.done() for task in producing):
            scrapes.append(scraper.scrape())
        sizes = [task.result() for task in producing]
    scrapes.append(scrape(broker))
    after = scrapes[-1]
    for name in ("logmq_appended_records_total", "logmq_requests_total", "logmq_fdatasync_seconds_count"):
        seen = [each.total(name) for each in scrapes]
        assert seen == sorted(seen), name

    lines = PRODUCERS * RUNS * RUN_LINES
    assert after.total("logmq_appended_records_total") - before.total("logmq_appended_records_total") == lines
    assert after.total("logmq_appended_bytes_total") - before.total("logmq_appended_bytes_total") == sum(sizes)
    assert after.value("logmq_requests_total", protocol="text", api="PRODUCE") == lines
    assert after.total("logmq_request_errors_total") == 0
    assert 0 < after.total("logmq_appends_total") <= lines
    for topic, size in zip(topics, sizes, strict=True):
        assert after.value("kafka_topic_partition_current_offset", topic=topic) == size
        assert after.value("logmq_log_size_bytes", topic=topic) == size
    assert after.value("logmq_fdatasync_seconds_count") == after.value("logmq_commits_total") > 0
    assert after.value("logmq_fdatasync_seconds_bucket", le="+Inf") == after.value("logmq_fdatasync_seconds_count")
    assert after.value("logmq_commit_seconds_sum") >= after.value("logmq_fdatasync_seconds_sum") > 0
    assert after.value("logmq_append_queue_bytes") == after.value("logmq_append_queue_calls") == 0
    assert after.value("logmq_request_seconds_count", api="GET /metrics") == len(scrapes) - 1
    assert after.value("logmq_ready") == 1


def test_the_lag_of_a_group(broker: BrokerProcess) -> None:
    """What a group has not read yet: in records where offsets count records, in bytes where they are positions."""
    made = [b"CREATE counted format=batch", b"PRODUCE counted a", b"PRODUCE counted b", b"PRODUCE counted c"]
    made += [b"PRODUCE plain hello", b"PRODUCE plain world"]
    assert broker.ask(*made) == [b"OK", b"OK 0", b"OK 1", b"OK 2", b"OK 0", b"OK 9"]
    assert broker.ask(b"COMMIT readers counted 1", b"COMMIT readers plain 9") == [b"OK", b"OK"]
    found = scrape(broker)
    assert found.value("kafka_consumergroup_lag", consumergroup="readers", topic="counted", partition="0") == 2
    assert found.value("kafka_consumergroup_lag_sum", consumergroup="readers", topic="plain") == 9
    assert found.value("kafka_consumergroup_current_offset", consumergroup="readers", topic="counted") == 1
    assert found.value("kafka_consumergroup_members", consumergroup="readers") == 0


def test_connections_are_counted(tmp_path: Path) -> None:
    """Open ones by protocol, and those that were turned away."""
    with BrokerProcess(tmp_path / "data", "--connections-max=3") as broker, ExitStack() as stack:
        scraper = stack.enter_context(closing(Scraper(broker)))
        scraper.scrape()
        for _ in range(2):
            assert stack.enter_context(broker.client()).ask(b"PING") == b"PONG"
        for _ in range(3):
            assert stack.enter_context(broker.client()).line().startswith(b"ERR TOO_MANY_CONNECTIONS")
        found = scraper.scrape()
    assert found.series("logmq_connections") == {("http",): 1, ("kafka",): 0, ("text",): 2, ("undecided",): 0}
    assert found.series("logmq_connections_accepted_total") == {("http",): 1, ("kafka",): 0, ("text",): 2}
    assert found.value("logmq_connections_refused_total") == 3
    assert found.value("logmq_connections_max") == 3


def test_what_recovery_found(tmp_path: Path) -> None:
    """After a kill the next broker says how many commits it took from the journal."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t a", b"PRODUCE t b")
        assert scrape(broker).value("logmq_recovery_replayed_commits") == 0
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker:
        found = scrape(broker)
        assert found.value("logmq_recovery_replayed_commits") == 2
        assert found.value("logmq_recovery_missing_commits") == found.value("logmq_recovery_damaged_ranges") == 0
        assert found.value("logmq_recovery_seconds") > 0
