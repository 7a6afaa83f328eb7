"""The specification's contract, sentence by sentence and byte for byte, against a broker as people run it."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

SEED = 20_26

needs_nc = pytest.mark.skipif(shutil.which("nc") is None, reason="nc is not installed (netcat-openbsd)")


def nc(port: int, text: bytes) -> bytes:
    """What a person sees who pipes `text` into nc."""
    command = ["nc", "127.0.0.1", str(port)]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, timeout=20, check=True).stdout


# -- one client ------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification(client: LineClient, topic: bytes) -> None:
    """PRODUCE item-1 is answered with its offset, CONSUME with that offset, the length and the payload, then EOF."""
    assert client.ask(b"PRODUCE %b item-1" % topic) == b"OK 0"
    assert client.ask(b"CONSUME %b 0" % topic) == b"MESSAGE 0 6 item-1"
    assert client.ask(b"CONSUME %b 10" % topic) == b"EOF"


def test_the_file_is_a_length_and_the_payload(broker: BrokerProcess, client: LineClient, topic: bytes) -> None:
    """`data/<topic>.log` is there when OK arrives, and is 00 00 00 0B and hello-world to the byte."""
    assert client.ask(b"PRODUCE %b hello-world" % topic) == b"OK 0"
    assert (broker.data_dir / f"{topic.decode()}.log").read_bytes() == b"\x00\x00\x00\x0bhello-world"


def test_an_offset_is_a_position_in_the_file(broker: BrokerProcess, client: LineClient, topic: bytes) -> None:
    """Each offset is where the frame starts, the next one 4 + length further."""
    payloads = [b"x" * size for size in (1, 2, 300, 1, 70_000, 5)]
    offsets = [client.produce(topic, payload) for payload in payloads]
    expected = [sum(4 + len(before) for before in payloads[:number]) for number in range(len(payloads))]
    assert offsets == expected
    assert frames_of(log_bytes(broker.data_dir, topic.decode())) == list(zip(offsets, payloads, strict=True))


def test_a_client_walks_through_a_topic_by_adding_lengths(client: LineClient, topic: bytes) -> None:
    """From 0 on, offset + 4 + length leads to each message in turn and to EOF in the end."""
    payloads = [b"message number %d" % number for number in range(50)]
    for payload in payloads:
        client.produce(topic, payload)
    found, offset = [], 0
    while (answer := client.ask(b"CONSUME %b %d" % (topic, offset))) != b"EOF":
        word, at, size, payload = answer.split(b" ", 3)
        assert (word, int(at), int(size)) == (b"MESSAGE", offset, len(payload))
        found.append(payload)
        offset += 4 + len(payload)
    assert found == payloads


@pytest.mark.parametrize("offset", [15, 16, 10**6, 2**63 - 1])
def test_eof_at_the_end_and_anywhere_beyond(client: LineClient, topic: bytes, offset: int) -> None:
    """CONSUME at or beyond the end is EOF, not an error."""
    client.produce(topic, b"hello-world")
    assert client.ask(b"CONSUME %b %d" % (topic, offset)) == b"EOF"


@pytest.mark.parametrize(
    "payload",
    [
        b"two words",
        b" leading",
        b"trailing ",
        b"  many   spaces  ",
        b"tab\tand\x0bmore",
        b"caf\xc3\xa9",
        b"\xff\xfe",
        b"\x00\x01",
    ],
)
def test_the_payload_is_the_rest_of_the_line_verbatim(client: LineClient, topic: bytes, payload: bytes) -> None:
    """Everything behind the one space after the topic comes back as it was sent, and lengths count bytes."""
    client.produce(topic, payload)
    assert client.ask(b"CONSUME %b 0" % topic) == b"MESSAGE 0 %d %b" % (len(payload), payload)


def test_an_empty_message(broker: BrokerProcess, client: LineClient, topic: bytes) -> None:
    """A message of no bytes is a frame of length 0 and is read back as one."""
    assert client.ask(b"PRODUCE %b " % topic) == b"OK 0"
    assert client.ask(b"CONSUME %b 0" % topic) == b"MESSAGE 0 0 "
    assert log_bytes(broker.data_dir, topic.decode()) == bytes(4)


def test_a_carriage_return_before_the_newline_is_dropped(
    broker: BrokerProcess, client: LineClient, topic: bytes
) -> None:
    """Lines may end as telnet ends them; the message does not hold that byte, but all others before it."""
    client.send(b"PRODUCE %b hello-world\r\nPRODUCE %b a\rb\r\r\n" % (topic, topic))
    assert client.lines(2) == [b"OK 0", b"OK 15"]
    assert log_bytes(broker.data_dir, topic.decode()) == b"\x00\x00\x00\x0bhello-world\x00\x00\x00\x04a\rb\r"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"NONSENSE", b"UNKNOWN_COMMAND"),
        (b"PRODUCE", b"MISSING_ARGUMENT"),
        (b"PRODUCE only-a-topic", b"MISSING_ARGUMENT"),
        (b"CONSUME", b"MISSING_ARGUMENT"),
        (b"CONSUME only-a-topic", b"MISSING_ARGUMENT"),
        (b"CONSUME t zero", b"BAD_OFFSET"),
        (b"CONSUME t -1", b"BAD_OFFSET"),
        (b"CONSUME t 1.5", b"BAD_OFFSET"),
        (b"CONSUME t 9223372036854775808", b"BAD_OFFSET"),
        (b"CONSUME no-such-topic 0", b"UNKNOWN_TOPIC"),
        (b"PRODUCE ../x evil", b"BAD_TOPIC"),
        (b"PRODUCE .. evil", b"BAD_TOPIC"),
        (b"PRODUCE /etc/passwd evil", b"BAD_TOPIC"),
        (b"PRODUCE %b long" % (b"n" * 300), b"BAD_TOPIC"),
        (b"PRODUCE nu\x00l evil", b"BAD_TOPIC"),
        (b"PRODUCE  two-spaces", b"BAD_TOPIC"),
    ],
)
def test_what_is_wrong_is_said_and_the_connection_goes_on(
    broker: BrokerProcess, client: LineClient, topic: bytes, command: bytes, code: bytes
) -> None:
    """Anything else is answered with ERR, a code and a reason in words; the next command works; no file appears."""
    before = {path.name for path in broker.data_dir.iterdir()}
    word, got, reason = client.ask(command).split(b" ", 2)
    assert (word, got) == (b"ERR", code)
    assert len(reason.split()) >= 3
    assert {path.name for path in broker.data_dir.iterdir()} == before
    assert client.ask(b"PRODUCE %b hello-world" % topic) == b"OK 0"


def test_pipelined_commands_are_answered_in_order(client: LineClient, topic: bytes) -> None:
    """Many commands in one packet: each sees what those before it did, and the answers come in their order."""
    client.send(
        b"CONSUME %(t)b 0\nPRODUCE %(t)b one\nCONSUME %(t)b 0\nPRODUCE %(t)b two\n"
        b"WHAT\nCONSUME %(t)b 7\nCONSUME %(t)b 14\n" % {b"t": topic}
    )
    answers = client.lines(7)
    assert answers[0].startswith(b"ERR UNKNOWN_TOPIC ")
    assert answers[1:4] == [b"OK 0", b"MESSAGE 0 3 one", b"OK 7"]
    assert answers[4].startswith(b"ERR UNKNOWN_COMMAND ")
    assert answers[5:] == [b"MESSAGE 7 3 two", b"EOF"]


def test_commands_may_come_in_pieces(client: LineClient, topic: bytes) -> None:
    """A line is a line however the network cuts it: here after every single byte."""
    for byte in b"PRODUCE %b hello-world\nCONSUME %b 0\n" % (topic, topic):
        client.send(bytes([byte]))
    assert client.lines(2) == [b"OK 0", b"MESSAGE 0 11 hello-world"]


# -- nc --------------------------------------------------------------------------------------------------------------


@needs_nc
def test_the_contract_through_nc(broker: BrokerProcess, topic: bytes) -> None:
    """What the banner suggests works: pipe commands into nc and see the answers."""
    text = b"PRODUCE %b hello-world\nCONSUME %b 0\nCONSUME %b 15\nQUIT\n" % (topic, topic, topic)
    assert nc(broker.port, text) == b"OK 0\nMESSAGE 0 11 hello-world\nEOF\nBYE\n"


@needs_nc
def test_nc_that_closes_its_side_gets_all_answers(broker: BrokerProcess, topic: bytes) -> None:
    """`nc -N` closes its sending side at the end of its input; everything it asked is still answered."""
    lines = b"".join(b"PRODUCE %b message-%05d\n" % (topic, number) for number in range(1000))
    command = ["nc", "-N", "127.0.0.1", str(broker.port)]
    output = subprocess.run(command, input=lines, stdout=subprocess.PIPE, timeout=20, check=True).stdout
    assert output == b"".join(b"OK %d\n" % (17 * number) for number in range(1000))


# -- many clients ----------------------------------------------------------------------------------------------------

CLIENT_COUNT = 16
MESSAGE_COUNT = 250


def produce_all(port: int, topic: bytes, name: int, offsets: list[list[int]]) -> None:
    """Send one client's messages, some one at a time and some many at once, and note the offsets it is told."""
    rng = random.Random(SEED + name)
    lines = [b"PRODUCE %b client-%02d message-%04d\n" % (topic, name, number) for number in range(MESSAGE_COUNT)]
    with LineClient(port) as client:
        while lines:
            batch, lines = lines[: (count := rng.choice((1, 1, 1, 7, 40)))], lines[count:]
            client.send(b"".join(batch))
            offsets[name] += [int(line.removeprefix(b"OK ")) for line in client.lines(len(batch))]


def test_many_clients_at_once(broker: BrokerProcess, client: LineClient, topic: bytes) -> None:
    """Each message of each client is stored exactly once, at the offset that the client was told, in its order."""
    print(f"seed {SEED}")
    offsets: list[list[int]] = [[] for _ in range(CLIENT_COUNT)]
    threads = [
        threading.Thread(target=produce_all, args=(broker.port, topic, name, offsets)) for name in range(CLIENT_COUNT)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = dict(frames_of(log_bytes(broker.data_dir, topic.decode())))
    assert len(stored) == CLIENT_COUNT * MESSAGE_COUNT
    for name, told in enumerate(offsets):
        assert told == sorted(told)
        assert [stored[offset] for offset in told] == [
            b"client-%02d message-%04d" % (name, number) for number in range(MESSAGE_COUNT)
        ]
    answers = client.exchange([b"CONSUME %b %d\n" % (topic, offset) for offset in stored], len(stored))
    assert answers == [b"MESSAGE %d %d %b" % (offset, len(stored[offset]), stored[offset]) for offset in stored]


# -- restarts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill -9"])
def test_a_restart_keeps_everything(tmp_path: Path, how: str) -> None:
    """After a restart every message is at its offset, the file is unchanged, and offsets go on where they were."""
    data_dir = tmp_path / "data"
    payloads = [b"kept-%d" % number for number in range(100)]
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        offsets = [client.produce(b"kept", payload) for payload in payloads]
        before = log_bytes(data_dir, "kept")
        if how == "stop":
            broker.signal(signal.SIGTERM)
            assert broker.wait() == 0
        else:
            broker.kill()
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        assert log_bytes(data_dir, "kept") == before
        for offset, payload in zip(offsets, payloads, strict=True):
            assert client.ask(b"CONSUME kept %d" % offset) == b"MESSAGE %d %d %b" % (offset, len(payload), payload)
        assert client.ask(b"CONSUME kept %d" % len(before)) == b"EOF"
        assert client.produce(b"kept", b"and on it goes") == len(before)
