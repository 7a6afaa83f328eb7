"""No client, however many, slow, fast, greedy or mad, takes the broker down, fills its memory or holds up others."""

from __future__ import annotations

import random
import resource
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest
from tests.faults.strace import needs_strace, under
from tests.integration.broker import KIB, MIB, BrokerProcess
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

SEED = 4711


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that does not wait long for anybody."""
    timeouts = {"detect": "200ms", "write-body": "500ms", "slow-reader": "700ms", "idle": "1s"}
    flags = [f"--{name}-timeout-ms={timeout}" for name, timeout in timeouts.items()]
    with BrokerProcess(tmp_path_factory.mktemp("impatient") / "data", *flags) as broker:
        yield broker


def push(client: LineClient, data: bytes, size_max: int) -> int:
    """Send `data` over and over without reading, until no more is taken; returns how much was.

    Raises: ConnectionError when the broker has dropped the client.
    """
    sent, position = 0, 0
    while sent < size_max:
        count = client.send_some(data[position:])
        if not count:
            break
        sent += count
        position = (position + count) % len(data)
    return sent


def await_drop(client: LineClient, data: bytes, timeout_s: float = 30.0) -> float:
    """Go on pushing without reading until the broker drops the connection; returns how long that took."""
    began = monotonic()
    while monotonic() < began + timeout_s:
        try:
            push(client, data, 1 << 40)
            client.await_writable(0.05)
        except (ConnectionResetError, BrokenPipeError):
            return monotonic() - began
    raise AssertionError("the client was not dropped")


# -- connections -----------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_told_so(tmp_path: Path) -> None:
    """Beyond `connections_max` a client reads why and is closed; when another one leaves there is room again."""
    with (
        BrokerProcess(tmp_path / "data", "--connections-max=2") as broker,
        broker.client() as one,
        broker.client() as two,
        broker.client() as three,
    ):
        assert three.rest().startswith(b"ERR TOO_MANY_CONNECTIONS ")
        assert one.ask(b"PING") == two.ask(b"PING") == b"PONG"
        assert two.ask(b"QUIT") == b"BYE"
        assert two.rest() == b""
        while broker.ask(b"PING") != [b"PONG"]:  # the broker learns a moment after the client that it is gone
            pass


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Let this process have as many descriptors as the system grants; yields how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections(tmp_path: Path) -> None:
    """As many clients as there may be, all at once, are all served; those beyond are refused; nobody is forgotten."""
    with many_descriptors() as descriptors, ExitStack() as stack:
        count = min(10_000, descriptors // 2)
        broker = stack.enter_context(BrokerProcess(tmp_path / "data", f"--connections-max={count}"))
        clients = [stack.enter_context(broker.client()) for _ in range(count)]
        for client in clients:
            client.send(b"PING\n")
        assert all(client.line() == b"PONG" for client in clients)
        for _ in range(10):
            with broker.client() as refused:
                assert refused.rest().startswith(b"ERR TOO_MANY_CONNECTIONS ")
        print(f"{count} connections: {broker.memory_bytes() / MIB:.0f} MiB resident")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_connections_leave_descriptors_to_the_logs(tmp_path: Path) -> None:
    """With fewer descriptors than connections_max asks for, the broker says so at the start and refuses clients in
    time: those that are there still find descriptors for their topics."""
    with ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(tmp_path / "data", under=["prlimit", "--nofile=300:300"]))
        (record,) = [each for each in broker.output.records() if each["level"] == "warning"]
        assert (record["connections"], record["connections_max"], record["descriptors"]) == (150, 10_000, 300)
        clients = [stack.enter_context(broker.client()) for _ in range(150)]
        assert all(client.ask(b"PING") == b"PONG" for client in clients)
        with broker.client() as refused:
            assert refused.rest().startswith(b"ERR TOO_MANY_CONNECTIONS ")
        assert all(client.ask(b"PRODUCE t%d x" % number) == b"OK 0" for number, client in enumerate(clients[:40]))


def test_no_descriptor_left_does_not_spin(tmp_path: Path) -> None:
    """When accept fails with EMFILE the broker looks away for a moment instead of trying without end; clients that are
    connected are served meanwhile; when some leave those that waited get in."""
    with ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(tmp_path / "data"))
        inside = stack.enter_context(broker.client())
        inside.produce(b"t", b"before")
        broker.limit(resource.RLIMIT_NOFILE, broker.descriptor_count() + 4)
        clients = [stack.enter_context(broker.client()) for _ in range(20)]
        broker.output.wait_for_count("cannot accept connections", 1)
        began, cpu_s = monotonic(), broker.cpu_s()
        broker.output.wait_for_count("cannot accept connections", 2)
        cpu_s, took_s = broker.cpu_s() - cpu_s, monotonic() - began
        assert cpu_s < 0.25 * took_s, f"{cpu_s:.2f} s of CPU time in {took_s:.2f} s"
        inside.produce(b"t", b"meanwhile")
        for client in clients[:16]:
            client.close()
        assert [client.ask(b"PING") for client in clients[16:]] == [b"PONG"] * 4


def test_no_descriptor_left_does_not_stop_the_store(tmp_path: Path) -> None:
    """While clients hold every descriptor the broker may refuse a message for a log that it would have to open, with an
    error that says so; it goes on, and stores again as soon as there are descriptors."""
    topics = [b"t%d" % number for number in range(30)]
    with ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(tmp_path / "data"))
        broker.ask(*[b"PRODUCE %b before" % topic for topic in topics])
        broker.stop()
        broker = stack.enter_context(BrokerProcess(tmp_path / "data"))
        inside = stack.enter_context(broker.client())
        inside.ask(b"PING")
        broker.limit(resource.RLIMIT_NOFILE, broker.descriptor_count() + 3)
        crowd = [stack.enter_context(broker.client()) for _ in range(10)]
        broker.output.wait_for("cannot accept connections")
        answers = [inside.ask(b"PRODUCE %b meanwhile" % topic) for topic in topics]
        assert all(answer.startswith((b"OK ", b"ERR THROTTLED ")) for answer in answers), answers
        refused = inside.ask(b"PRODUCE new-topic meanwhile")
        assert refused.startswith(b"ERR THROTTLED no file descriptor is left, nothing was stored"), refused
        assert b"ulimit -n" in refused
        for client in crowd:
            client.close()
        broker.limit(resource.RLIMIT_NOFILE, resource.RLIM_INFINITY)
        for topic in topics:
            inside.produce(topic, b"afterwards")
        inside.produce(b"new-topic", b"afterwards")


def test_idle_connections_cost_little(broker: BrokerProcess) -> None:
    """A thousand clients that have said something and now wait add less than 20 MB."""
    with ExitStack() as stack:
        mark = broker.memory_mark()
        clients = [stack.enter_context(broker.client()) for _ in range(1000)]
        for client in clients:
            assert client.ask(b"PING") == b"PONG"
        grown = broker.memory_bytes() - mark.before_bytes
        print(f"1,000 idle connections: {grown / MIB:.1f} MiB")
        assert grown < 20_000_000


# -- deadlines -------------------------------------------------------------------------------------------------------


def test_a_write_whose_bytes_never_come(impatient: BrokerProcess, topic: bytes) -> None:
    """The client is told and closed, nothing is stored."""
    with impatient.client() as client:
        client.send(b"WRITE %b 100\nonly these" % topic)
        answer = client.rest()
    assert answer.startswith(b"ERR TIMEOUT "), answer
    assert impatient.ask(b"CONSUME %b 0" % topic)[0].startswith(b"ERR UNKNOWN_TOPIC ")


def test_a_client_that_says_nothing_is_closed(impatient: BrokerProcess) -> None:
    """After `idle_timeout_ms` it is told why; one that never said a word is closed without one: it may be a browser."""
    with impatient.client() as talked, impatient.client() as silent:
        talked.ask(b"PING")
        assert talked.rest().startswith(b"ERR IDLE ")
        assert silent.rest() == b""


def test_a_follower_is_never_idle(impatient: BrokerProcess, topic: bytes) -> None:
    """FOLLOW waits for messages far longer than `idle_timeout_ms`, which closes another client meanwhile."""
    with impatient.client() as producer, impatient.client() as follower:
        producer.produce(topic, b"one")
        assert follower.ask(b"FOLLOW %b 0" % topic) == b"MESSAGE 0 3 one"
        assert producer.rest().startswith(b"ERR IDLE ")
        impatient.ask(b"PRODUCE %b two" % topic)
        assert follower.line() == b"MESSAGE 7 3 two"
        assert follower.ask(b"") == b"END 14"


@pytest.mark.parametrize("command", [b"CONSUME %b 0\n", b"PRODUCE %b hello-world\n", b"FOLLOW %b 0\n\n"])
def test_a_client_that_never_reads_is_dropped(impatient: BrokerProcess, topic: bytes, command: bytes) -> None:
    """Who pipelines without reading is dropped when `slow_reader_timeout_ms` has passed, and costs no memory until
    then: the broker stops taking what it sends."""
    (answer,) = impatient.ask(b"PRODUCE %b %b" % (topic, b"x" * 50_000))
    assert answer == b"OK 0"
    mark = impatient.memory_mark()
    with LineClient(impatient.port, receive_buffer_size=8 * KIB) as client:
        took_s = await_drop(client, command % topic * 4000)
    print(f"dropped after {took_s:.1f} s, {mark.growth_bytes() / MIB:.1f} MiB more")
    assert took_s >= 0.6
    assert mark.growth_bytes() < 24 * MIB
    assert impatient.ask(b"PING") == [b"PONG"]


def test_a_follower_that_never_reads_is_dropped(impatient: BrokerProcess, topic: bytes) -> None:
    """A FOLLOW whose messages nobody reads ends in the same way, and does not hold up the producer."""
    with LineClient(impatient.port, receive_buffer_size=8 * KIB) as follower, impatient.client() as producer:
        producer.produce(topic, b"x" * 10_000)
        follower.send(b"FOLLOW %b 0\n" % topic)
        mark = impatient.memory_mark()
        producer.exchange([b"PRODUCE %b %b\n" % (topic, b"x" * 10_000)] * 2000, 2000)
        print(f"20 MB followed by nobody: {mark.growth_bytes() / MIB:.1f} MiB more")
        assert mark.growth_bytes() < 24 * MIB
        await_drop(follower, b" ")


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "code"), [(b"PRODUCE %b ", b"MESSAGE_TOO_LARGE"), (b"CONSUME %b ", b"LINE_TOO_LONG")]
)
def test_a_line_without_end(broker: BrokerProcess, topic: bytes, start: bytes, code: bytes) -> None:
    """A line of 100 MB is refused as soon as it is too long, the rest is skipped without being kept, and the next line
    is a command again."""
    mark = broker.memory_mark()
    with broker.client() as client:
        client.send(start % topic)
        block = b"x" * (1000 * 1000)
        for _ in range(100):
            client.send(block)
        client.send(b"\nPRODUCE %b hello-world\n" % topic)
        assert client.line().startswith(b"ERR %b " % code)
        assert client.line() == b"OK 0"
    print(f"a line of 100 MB: {mark.growth_bytes() / MIB:.1f} MiB more")
    assert mark.growth_bytes() < 8 * MIB


def test_a_write_larger_than_allowed(broker: BrokerProcess, topic: bytes) -> None:
    """WRITE of 100 MB is refused at once, its bytes are skipped, even those that look like commands."""
    mark = broker.memory_mark()
    with broker.client() as client:
        block = b"PRODUCE %b from-inside\n" % topic * 1000
        client.send(b"WRITE %b %d\n" % (topic, 100 * len(block)))
        assert client.line().startswith(b"ERR MESSAGE_TOO_LARGE ")
        for _ in range(100):
            client.send(block)
        assert client.ask(b"\nCONSUME %b 0" % topic).startswith(b"ERR UNKNOWN_TOPIC ")
    assert mark.growth_bytes() < 8 * MIB


@pytest.mark.parametrize("begun", [b"PRODUCE %b half a li", b"WRITE %b 100\nhalf a mess", b"PRODU"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_closed_in_the_middle(broker: BrokerProcess, topic: bytes, begun: bytes, how: str) -> None:
    """What was not sent whole is not stored, whole lines before it are; nobody else notices."""
    with broker.client() as other, broker.client() as client:
        client.send(b"PRODUCE %b whole\n" % topic)
        assert client.line() == b"OK 0"
        client.send(begun % topic if b"%b" in begun else begun)
        client.close() if how == "close" else client.reset()
        assert other.produce(topic, b"next") == 9
    assert frames_of(log_bytes(broker.data_dir, topic.decode())) == [(0, b"whole"), (9, b"next")]


def test_a_slow_follower_gets_everything(broker: BrokerProcess, topic: bytes) -> None:
    """Who follows but reads late costs no memory meanwhile, and then reads every message in order."""
    count, size = 3000, 10_000
    with LineClient(broker.port, receive_buffer_size=8 * KIB) as follower, broker.client() as producer:
        producer.produce(topic, b"0".zfill(size))
        follower.send(b"FOLLOW %b 0\n" % topic)
        mark = broker.memory_mark()
        lines = [b"PRODUCE %b %0*d\n" % (topic, size, number) for number in range(1, count)]
        producer.exchange(lines, len(lines))
        assert mark.growth_bytes() < 24 * MIB
        print(f"30 MB read late: {mark.growth_bytes() / MIB:.1f} MiB more")
        for number in range(count):
            assert follower.message() == (number * (size + 4), b"%0*d" % (size, number))


# -- a disk that is too slow -----------------------------------------------------------------------------------------


@needs_strace
def test_producers_faster_than_the_disk(tmp_path: Path) -> None:
    """With a disk that takes 30 ms a sync, eight clients that send as fast as they can fill the queue and no more: the
    broker reads on when there is room, and every message is stored."""
    flags = ("--append-queue-size-bytes=1MiB", "--connection-queue-size-bytes=256KiB")
    slow = under("fdatasync:delay_enter=30000")
    count, payload = 6000, b"x" * 1000
    with ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(tmp_path / "data", *flags, under=slow))
        clients = [stack.enter_context(broker.client(timeout_s=30)) for _ in range(8)]
        broker.ask(b"CREATE t")
        mark = broker.memory_mark()
        data = b"PRODUCE t %b\n" % payload * count
        left = dict.fromkeys(clients, len(data))
        while left:
            for client, size in list(left.items()):
                left[client] -= client.send_some(memoryview(data)[len(data) - size :])
                client.take()
                if not left[client]:
                    del left[client]
        for client in clients:
            assert all(line.startswith(b"OK ") for line in client.lines(count))
        print(f"48 MB faster than the disk: {mark.growth_bytes() / MIB:.1f} MiB more")
        assert mark.growth_bytes() < 24 * MIB
    assert len(frames_of(log_bytes(tmp_path / "data", "t"))) == 8 * count


# -- garbage ---------------------------------------------------------------------------------------------------------

COMMANDS = [
    b"PRODUCE noise hello",
    b"CONSUME noise 0 10",
    b"WRITE noise 12",
    b"FOLLOW noise 0",
    b"CREATE noise-2 3 retention.ms=7d",
    b"ALTER noise retention.ms=default",
    b"DESCRIBE noise",
    b"TOPICS",
    b"COMMIT group noise 4",
    b"COMMITTED group noise",
    b"PING",
    b"HELP",
]


def garbage(rng: random.Random) -> bytes:
    """Anything: random bytes, commands with random bytes in them, beginnings of other protocols."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.choice((1, 10, 1000, 20_000)))
    if kind == 1:
        return rng.choice(
            (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x00\x00\x00\x14\x00\x12", b"\x00" * 50)
        )
    line = bytearray(b"\n".join(rng.choices(COMMANDS, k=rng.randrange(1, 20))) + b"\n")
    for _ in range(rng.randrange(6)):
        line[rng.randrange(len(line))] = rng.randrange(256)
    return bytes(line)


def throw_garbage(broker: BrokerProcess, rng: random.Random) -> None:
    """Be a client that sends bytes and may or may not listen to what the broker makes of them."""
    with broker.client() as client, suppress(ConnectionResetError, BrokenPipeError):
        client.send(garbage(rng))
        if rng.random() < 0.3:
            client.end()
            client.rest()


def test_garbage_does_no_harm(broker: BrokerProcess, topic: bytes) -> None:
    """Whatever bytes come, the broker lives, its memory stays flat, nothing appears outside the data directory, and
    other clients' messages are untouched."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    outside = sorted(broker.data_dir.parent.iterdir())
    with broker.client() as other:
        other.produce(topic, b"hello-world")
        for number in range(1500):
            if number == 200:  # by then the broker has imported what HTTP and Kafka need: some bytes look like theirs
                mark = broker.memory_mark()
            throw_garbage(broker, rng)
            if rng.random() < 0.05:
                assert other.ask(b"CONSUME %b 0" % topic) == b"MESSAGE 0 11 hello-world"
        assert other.produce(topic, b"still here") == 15
        assert mark.growth_bytes() < 16 * MIB
    assert sorted(broker.data_dir.parent.iterdir()) == outside
    assert "Traceback" not in broker.output.text
    assert frames_of(log_bytes(broker.data_dir, topic.decode())) == [(0, b"hello-world"), (15, b"still here")]
