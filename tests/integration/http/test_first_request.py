"""The first HTTP clients of a broker, which has loaded nothing of HTTP until they come."""

from __future__ import annotations

from pathlib import Path

from tests.integration.broker import MIB, BrokerProcess
from tests.integration.http.raw_client import HOST, RawClient

GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


def test_all_who_come_first_are_answered(tmp_path: Path) -> None:
    """Whether they have sent all, a part, several requests or their end; clients of `nc` are served meanwhile."""
    with BrokerProcess(tmp_path / "data") as broker:
        clients = [RawClient(broker.port) for _ in range(20)]
        early, *others = clients
        early.send(GET[:10])
        for client in others[:-1]:
            client.send(GET * 3)
        others[-1].send(GET).end()
        assert broker.ask(b"PING") == [b"PONG"]
        for client in others[:-1]:
            assert [client.answer().status for _ in range(3)] == [200] * 3
        assert others[-1].answer().status == 200
        assert early.ask(GET[10:]).status == 200
        for client in clients:
            client.socket.close()


def test_a_broker_that_stops_while_it_loads_http_stops_cleanly(tmp_path: Path) -> None:
    """Whoever waits is dropped."""
    with BrokerProcess(tmp_path / "data") as broker, RawClient(broker.port) as client:
        client.send(GET)
        broker.stop()


def test_who_never_uses_http_does_not_pay_for_it(tmp_path: Path) -> None:
    """It costs some 9 MiB once it is loaded."""
    with BrokerProcess(tmp_path / "data") as broker:
        assert broker.ask(b"PRODUCE t x") == [b"OK 0"]
        before = broker.memory_bytes()
        with RawClient(broker.port) as client:
            assert client.ask(GET).status == 200
        assert broker.memory_bytes() - before > 4 * MIB
