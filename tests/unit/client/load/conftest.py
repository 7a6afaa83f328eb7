"""A server that answers as a broker would, from memory, in a thread."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest


class Handler(socketserver.StreamRequestHandler):
    """Speaks just enough: what it answers depends on the topic's name."""

    def handle(self) -> None:
        for line in self.rfile:
            words = line.split()
            self.wfile.write(answer(words))
            if words[1:2] == [b"hangup"]:
                return


def answer(words: list[bytes]) -> bytes:
    """The lines with which a request is answered."""
    match words:
        case [b"PING"]:
            return b"PONG\n"
        case [b"PRODUCE", b"refused", *_]:
            return b"ERR DISK_FULL the disk is full\n"
        case [b"PRODUCE", b"silent", *_]:
            return b""
        case [b"PRODUCE", *_]:
            return b"OK 104\n"
        case [b"DESCRIBE", name]:
            return b"TOPIC %s 1 plain\nPARTITION 0 0 8000 8000 1\nEND 1\n" % name
        case [b"CONSUME", b"empty", _]:
            return b"EOF\n"
        case [b"CONSUME", _, b"earliest"]:
            return b"MESSAGE 0 4 abcd\n"
        case [b"CONSUME", _, offset]:
            return b"MESSAGE %s 4 abcd\n" % offset
        case [b"CONSUME", _, offset, count]:
            return b"MESSAGE %s 4 abcd\n" % offset * int(count) + b"END 99\n"
        case [b"FOLLOW", _, _]:
            return b"MESSAGE 0 4 abcd\n" * 1000
        case _:
            return b"ERR UNKNOWN_COMMAND what?\n"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is no news."""


@pytest.fixture(scope="session")
def broker_port() -> Iterator[int]:
    """The port on which such a server listens."""
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def stranger_port() -> Iterator[int]:
    """The port of a server that speaks something else."""

    class Stranger(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 400 Bad Request\n")

    with Server(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
