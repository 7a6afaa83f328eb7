"""More addresses than the port: each for every protocol, or for one alone."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess, run, serve_command
from tests.integration.line_client import LineClient

ADDRESSES = ("kafka://127.0.0.1:0", "text://127.0.0.1:0", "any://127.0.0.1:0")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker with an address for Kafka, one for text, and a second one for all."""
    flags = [f"--listen={address}" for address in ADDRESSES]
    with BrokerProcess(tmp_path_factory.mktemp("listen") / "data", *flags) as running:
        yield running


def port_for(broker: BrokerProcess, clients: str) -> int:
    """The port that the banner shows for these clients."""
    return int(broker.output.wait_for(rf"also on   127\.0\.0\.1:(\d+), for {clients}\n")[1])


def exchange(port: int, sent: bytes) -> bytes:
    """All that the broker answers to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.skipif(shutil.which("kcat") is None, reason="needs kcat")
def test_a_kafka_client_stays_on_the_address_for_kafka_alone(broker: BrokerProcess) -> None:
    """kcat writes and reads there, and the cluster that it sees has that very address."""
    port = port_for(broker, "Kafka alone")
    kcat = ["kcat", "-b", f"127.0.0.1:{port}"]
    subprocess.run([*kcat, "-P", "-t", "letters"], input=b"a\nb\n", check=True, timeout=20)
    read = subprocess.run([*kcat, "-C", "-t", "letters", "-e", "-q"], stdout=subprocess.PIPE, check=True, timeout=20)
    assert read.stdout == b"a\nb\n"
    seen = subprocess.run([*kcat, "-L"], stdout=subprocess.PIPE, check=True, timeout=20)
    assert f"broker 0 at 127.0.0.1:{port} ".encode() in seen.stdout
    assert broker.ask(b"CONSUME letters 1") == [b"MESSAGE 1 1 b"]


@pytest.mark.skipif(shutil.which("kcat") is None, reason="needs kcat")
def test_the_advertised_address_is_what_kafka_clients_are_told(tmp_path: Path) -> None:
    """Whatever address they came to."""
    with BrokerProcess(tmp_path / "data", "--advertise=broker.example.com:9092") as broker:
        kcat = ["kcat", "-b", f"127.0.0.1:{broker.port}", "-L"]
        seen = subprocess.run(kcat, stdout=subprocess.PIPE, check=True, timeout=20)
        assert b"broker 0 at broker.example.com:9092 " in seen.stdout


@pytest.mark.skipif(shutil.which("nc") is None, reason="needs nc")
def test_nc_is_refused_on_the_address_for_kafka_alone(broker: BrokerProcess) -> None:
    """It gets one line that says what is spoken there, and the end; nothing was done."""
    port = port_for(broker, "Kafka alone")
    done = subprocess.run(
        ["nc", "127.0.0.1", str(port)],
        input=b"PRODUCE greetings hello\n",
        stdout=subprocess.PIPE,
        check=True,
        timeout=20,
    )
    assert done.stdout == b"ERR WRONG_PROTOCOL this port speaks Kafka, not text\n"
    assert broker.ask(b"CONSUME greetings 0")[0].startswith(b"ERR UNKNOWN_TOPIC ")


def test_a_browser_is_refused_in_words(broker: BrokerProcess) -> None:
    """On an address for another protocol HTTP is answered by a status and a sentence."""
    answer = exchange(port_for(broker, "text alone"), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501 ") and answer.endswith(b"\r\n\r\nthis port speaks text, not HTTP\n")


def test_a_kafka_client_is_closed_on_the_address_for_text(broker: BrokerProcess) -> None:
    """It would not understand a word."""
    api_versions = bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", ""))
    assert exchange(port_for(broker, "text alone"), api_versions) == b""


def test_text_is_spoken_where_it_may(broker: BrokerProcess) -> None:
    """On the port, on the address for text and on the one for every protocol, all of one broker."""
    broker.ask(b"PRODUCE places one")
    for clients in ("text alone", "every protocol"):
        with LineClient(port_for(broker, clients)) as client:
            assert client.ask(b"CONSUME places 0") == b"MESSAGE 0 3 one"


def test_an_address_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    """Exit code 1, the address and what can be done; the port that could be had is given back."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, words = run(serve_command(tmp_path / "data", f"--listen=kafka://127.0.0.1:{port}"))
    assert code == 1
    assert re.fullmatch(rf"logmq: cannot listen on 127\.0\.0\.1:{port}: .*another address for --listen\n", words), words


def test_what_is_no_address_stops_the_start(tmp_path: Path) -> None:
    """Exit code 2 and what may stand there."""
    code, words = run(serve_command(tmp_path / "data", "--listen=0.0.0.0:9092"))
    assert code == 2
    assert "--listen: '0.0.0.0:9092' is not allowed; it takes addresses such as kafka://0.0.0.0:9092" in words
