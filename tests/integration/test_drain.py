"""A stop, or a QUIT, under load: what was acknowledged reaches the client before the connection ends."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

from tests.integration.broker import BrokerProcess

LINE = b"PRODUCE load " + b"x" * 100 + b"\n"


def _send_without_end(connection: socket.socket, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            connection.sendall(LINE * 500)
    except OSError:
        return


def _receive_all(connection: socket.socket) -> bytes:
    received = []
    while data := connection.recv(1 << 20):
        received.append(data)
    return b"".join(received)


def test_a_stop_under_load_loses_no_acknowledgement(tmp_path: Path) -> None:
    """A client that pipelines without end gets an orderly end, and its last OK is the last message in the log."""
    for number in range(5):
        directory = tmp_path / str(number)
        with BrokerProcess(directory) as broker, socket.create_connection(("127.0.0.1", broker.port)) as connection:
            stop = threading.Event()
            sender = threading.Thread(target=_send_without_end, args=(connection, stop))
            sender.start()
            first = connection.recv(1 << 16)
            broker.signal(signal.SIGTERM)
            answers = first + _receive_all(connection)
            stop.set()
            sender.join()
            broker.stop()
        offsets = [int(line.split()[1]) for line in answers.split(b"\n")[:-1] if line.startswith(b"OK ")]
        assert answers.endswith(b"\n")
        assert (directory / "load.log").stat().st_size == offsets[-1] + 104


def test_quit_is_answered_even_if_more_was_sent(tmp_path: Path) -> None:
    """BYE arrives although the client had already sent what nobody will read."""
    with BrokerProcess(tmp_path) as broker:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", broker.port)) as connection:
                connection.sendall(b"PRODUCE t hello\nQUIT\n" + LINE * 2000)
                assert _receive_all(connection).endswith(b"BYE\n")
