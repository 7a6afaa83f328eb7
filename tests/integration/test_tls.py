"""TLS on the one port, as clients of every protocol see it, and what becomes of those that come the wrong way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient
from tests.certificates import DAY, Authority, Pair
from tests.integration.broker import BrokerProcess, logmq, run, serve_command
from websockets.sync.client import connect as connect_websocket

from logmq.client import CannotConnect, Client

API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", ""))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.sign("server")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, server: Pair) -> Iterator[BrokerProcess]:
    """Clients may come with TLS."""
    with BrokerProcess(tmp_path_factory.mktemp("on") / "data", *flags(server)) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, server: Pair, authority: Authority) -> Iterator[BrokerProcess]:
    """Clients must come with TLS and a certificate."""
    more = ("--tls=require", f"--tls-client-ca={authority.file}", "--log-level=debug")
    with BrokerProcess(tmp_path_factory.mktemp("mutual") / "data", *flags(server), *more) as running:
        yield running


def flags(pair: Pair) -> tuple[str, str]:
    return f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}"


def trusting(authority: Authority, own: Pair | None = None) -> ssl.SSLContext:
    """What a client needs, with its own certificate or without."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def exchange(port: int, sent: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """All that the broker answers until it closes. Raises: OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        if context is None:
            return _exchange(plain, sent)
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            return _exchange(connection, sent)


def _exchange(connection: socket.socket, sent: bytes) -> bytes:
    connection.sendall(sent)
    return b"".join(iter(lambda: connection.recv(65536), b""))


def kafka(
    broker: BrokerProcess, authority: Authority, own: Pair | None = None, protocol: str = "SSL"
) -> dict[str, Any]:
    """The settings of a Kafka client."""
    settings = {
        "bootstrap.servers": f"localhost:{broker.port}",
        "broker.address.family": "v4",
        "security.protocol": protocol,
        "ssl.ca.location": str(authority.file),
    }
    if own is not None:
        settings |= {"ssl.certificate.location": str(own.certificate), "ssl.key.location": str(own.key)}
    return settings


def round_trip(settings: dict[str, Any], topic: str) -> bytes | None:
    """Produce a message and read it with a group."""
    producer = confluent_kafka.Producer(settings)
    producer.produce(topic, b"hello")
    assert producer.flush(20) == 0
    consumer = confluent_kafka.Consumer(settings | {"group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message and message.error()
        value: bytes | None = message.value()
        return value
    finally:
        consumer.close()


# -- every protocol, with TLS and without --------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_text_by_openssl(broker: BrokerProcess, authority: Authority) -> None:
    """`openssl s_client` is the nc of TLS, and nc goes on as before."""
    place = ["-connect", f"127.0.0.1:{broker.port}", "-CAfile", str(authority.file), "-verify_return_error"]
    done = subprocess.run(
        ["openssl", "s_client", "-quiet", *place],
        input=b"PRODUCE letters a\nCONSUME letters 0\nQUIT\n",
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert done.stdout == b"OK 0\nMESSAGE 0 1 a\nBYE\n", done.stderr
    assert broker.ask(b"CONSUME letters 0") == [b"MESSAGE 0 1 a"]


def test_text_in_bulk(broker: BrokerProcess, authority: Authority) -> None:
    """A megabyte of lines, more than a TLS record holds by far, in one go; each is answered, in order."""
    lines = b"".join(b"PRODUCE bulk %06d%s\n" % (number, b"x" * 94) for number in range(10_000))
    answers = exchange(broker.port, lines + b"QUIT\n", trusting(authority)).splitlines()
    assert answers[0] == b"OK 0" and len(answers) == 10_001 and answers[-1] == b"BYE"
    read = exchange(broker.port, b"CONSUME bulk 0 10000\nQUIT\n", trusting(authority)).splitlines()
    assert [line.split()[-1][:6] for line in read[:10_000]] == [b"%06d" % number for number in range(10_000)]


def test_kafka(broker: BrokerProcess, authority: Authority) -> None:
    """security.protocol=SSL and PLAINTEXT, on the one port."""
    assert round_trip(kafka(broker, authority), "kafka-tls") == b"hello"
    assert round_trip(kafka(broker, authority, protocol="PLAINTEXT"), "kafka-plain") == b"hello"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_https_by_curl(broker: BrokerProcess, authority: Authority) -> None:
    """The API and the console; /broker says how TLS is set, /metrics when the certificate expires."""
    curl = ["curl", "-sS", "--fail", "--max-time", "20", "--cacert", str(authority.file)]

    def get(path: str, scheme: str = "https") -> str:
        place = f"{scheme}://localhost:{broker.port}{path}"
        return subprocess.run([*curl, place], capture_output=True, check=True, timeout=30).stdout.decode()

    tls = json.loads(get("/broker"))["tls"]
    assert tls["mode"] == "on"
    assert tls["certificate_expires_ms"] / 1000 == pytest.approx(time.time() + 90 * 86_400, abs=600)
    assert json.loads(get("/broker", "http"))["tls"] == tls
    lines = get("/metrics").splitlines()
    assert any(line.startswith("logmq_tls_certificate_expiry_timestamp_seconds 1.") for line in lines)
    assert any(line.startswith("logmq_tls_handshakes_total ") and not line.endswith(" 0.0") for line in lines)
    curl += ["-H", "Accept: text/html"]
    assert get("/").lower().startswith("<!doctype html>")


def test_websockets(broker: BrokerProcess, authority: Authority) -> None:
    """wss:// carries a live stream."""
    broker.ask(b"PRODUCE live first")
    place = f"wss://localhost:{broker.port}/topics/live/stream?offset=earliest"
    with connect_websocket(place, ssl=trusting(authority), open_timeout=20) as live:
        kinds = [json.loads(live.recv(timeout=20)) for _ in ("begin", "record")]
        assert kinds[1]["record"]["value"] == "first"


def test_browsers_agree_on_http_1_1(broker: BrokerProcess, authority: Authority) -> None:
    """ALPN has an answer for them; a client that speaks something else by ALPN is served as well, without one."""
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        context = trusting(authority)
        context.set_alpn_protocols(offered)
        with (
            socket.create_connection(("127.0.0.1", broker.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            assert connection.selected_alpn_protocol() == chosen


def test_old_versions_are_refused(broker: BrokerProcess, authority: Authority) -> None:
    """TLS 1.2 is served, 1.1 is not."""
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert exchange(broker.port, b"PING\nQUIT\n", context) == b"PONG\nBYE\n"
    old = trusting(authority)
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError, match=r"."):
        exchange(broker.port, b"PING\nQUIT\n", old)


# -- our own client ------------------------------------------------------------------------------------------------


def test_the_command_line(broker: BrokerProcess, authority: Authority) -> None:
    """`logmqs://` in --server; without the authority nothing is said, with verify=no whoever it is is trusted."""
    place = f"logmqs://localhost:{broker.port}"
    assert logmq("produce", "cli", "hello", "--server", f"{place}?ca={authority.file}")[0] == 0
    code, words = logmq("consume", "cli", "--from", "earliest", "--server", f"{place}?verify=no")
    assert code == 0 and "hello" in words
    code, words = logmq("topic", "list", "--server", place)
    assert code == 3 and "its certificate is not accepted" in words and "?ca=FILE" in words
    code, words = logmq("topic", "list", "--server", f"{place}?ca=/nowhere.pem")
    assert code == 3 and "/nowhere.pem: No such file" in words


def test_the_load_generator(broker: BrokerProcess, authority: Authority) -> None:
    """Pipelined and one at a time, reading and writing."""
    place = [
        "--server",
        f"logmqs://localhost:{broker.port}?ca={authority.file}",
        "--duration",
        "300ms",
        "--warmup",
        "0",
    ]
    for command in (["produce", "--pipeline", "2000", "--size", "1KiB"], ["produce"], ["consume", "--mode", "follow"]):
        code, words = logmq("bench", *command, *place)
        assert code == 0, words


def test_the_python_client(broker: BrokerProcess, authority: Authority) -> None:
    """As without TLS; a broker with a certificate for another name is refused."""
    with Client(f"logmqs://localhost:{broker.port}?ca={authority.file}") as client:
        offsets = client.produce_many("python", [b"x" * 1000] * 3000)
        assert len(offsets) == 3000 and len(list(client.messages("python"))) == 3000
    with pytest.raises(CannotConnect, match=r"certificate is not accepted: .*mismatch"):
        Client(f"logmqs://0.0.0.0:{broker.port}?ca={authority.file}")


# -- bad input -----------------------------------------------------------------------------------------------------


def test_garbage_hurts_nobody_else(broker: BrokerProcess, authority: Authority) -> None:
    """Beside garbage and half of a handshake, others are served."""
    with socket.create_connection(("127.0.0.1", broker.port)) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        garbage = os.urandom(1000)
        print("garbage", garbage.hex())
        with suppress(ConnectionError):
            assert exchange(broker.port, b"\x16" + garbage) == b""
        assert exchange(broker.port, b"PING\nQUIT\n", trusting(authority)) == b"PONG\nBYE\n"
        assert broker.ask(b"PING") == [b"PONG"]
    broker.output.wait_for(r"a TLS handshake failed")


def test_tls_where_there_is_none(tmp_path: Path, authority: Authority) -> None:
    """The client gets an alert and the log a line; the command line says what is wrong."""
    with BrokerProcess(tmp_path / "data") as off:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            exchange(off.port, b"PING\n", trusting(authority))
        off.output.wait_for(r"refused a client: there is no TLS here")
        code, words = logmq("topic", "list", "--server", f"logmqs://localhost:{off.port}")
        assert code == 3 and "does the broker have a certificate" in words


def test_plaintext_where_tls_is_required(mutual: BrokerProcess) -> None:
    """Each protocol is told in its words, Kafka is closed, and the log has a line of each."""
    assert exchange(mutual.port, b"PRODUCE t x\n").startswith(b"ERR TLS_REQUIRED ")
    answer = exchange(mutual.port, b"GET /topics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"code": "TLS_REQUIRED"' in answer
    assert exchange(mutual.port, API_VERSIONS) == b""
    mutual.output.wait_for(r"without TLS, which is required.*Kafka")
    code, words = logmq("topic", "list", "--server", f"localhost:{mutual.port}")
    assert code == 1 and "logmqs://" in words


def test_clients_with_a_certificate(mutual: BrokerProcess, authority: Authority) -> None:
    """Kafka, text and our own client get in by one of the authority's; the log names them at debug."""
    alice = authority.sign("alice", organization="Example")
    assert round_trip(kafka(mutual, authority, alice), "mutual") == b"hello"
    assert exchange(mutual.port, b"PING\nQUIT\n", trusting(authority, alice)) == b"PONG\nBYE\n"
    mutual.output.wait_for(r"a client has come with TLS.*CN=alice,O=Example")
    own = f"cert={alice.certificate}&key={alice.key}"
    with Client(f"logmqs://localhost:{mutual.port}?ca={authority.file}&{own}") as client:
        client.ping()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_clients_without_a_good_certificate(mutual: BrokerProcess, authority: Authority, tmp_path: Path) -> None:
    """None, an expired one, a self-signed one and one of another authority: none of them is served a byte."""
    foreign = Authority(tmp_path, "foreign")
    expired = authority.sign("expired", left=-1 * DAY)
    own = tmp_path / "own.pem"
    key = tmp_path / "own-key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-subj", "/CN=me", "-keyout", key, "-out", own], check=True, capture_output=True)
    for failures, pair in enumerate((None, expired, Pair(own, key), foreign.sign("bob")), 1):
        with suppress(OSError):  # how a client learns of it depends on how far it was
            assert exchange(mutual.port, b"PING\nQUIT\n", trusting(authority, pair)) == b""
        mutual.output.wait_for(rf"(?s)(a TLS handshake failed.*){{{failures}}}")
    admin = AdminClient(kafka(mutual, authority))
    with pytest.raises(confluent_kafka.KafkaException):
        admin.list_topics(timeout=2)
    alice = authority.sign("carol")
    assert exchange(mutual.port, b"PING\nQUIT\n", trusting(authority, alice)) == b"PONG\nBYE\n"


# -- the certificate's life ----------------------------------------------------------------------------------------


def common_name(port: int, authority: Authority) -> str:
    """What the certificate is for that a new client is shown."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        certificate: Any = connection.getpeercert()
        (((_, name),),) = certificate["subject"]
        return str(name)


def test_a_renewal(tmp_path: Path, authority: Authority) -> None:
    """On SIGHUP, and by itself within seconds; who is connected stays so, and bad files are survived and told."""
    pair = authority.sign("first", left=5 * DAY)
    with BrokerProcess(tmp_path / "data", *flags(pair)) as broker:
        broker.output.wait_for(r"the certificate of TLS expires soon")
        with (
            socket.create_connection(("127.0.0.1", broker.port), timeout=20) as plain,
            trusting(authority).wrap_socket(plain, server_hostname="localhost") as early,
        ):
            assert common_name(broker.port, authority) == "first"
            second = authority.sign("second")
            second.certificate.replace(pair.certificate)
            broker.signal(signal.SIGHUP)
            broker.output.wait_for(r"what was read before stays.*not the key of the certificate")
            assert common_name(broker.port, authority) == "first"
            second.key.replace(pair.key)
            broker.signal(signal.SIGHUP)
            broker.output.wait_for(r"read the files of TLS again")
            assert common_name(broker.port, authority) == "second"
            third = authority.sign("third")
            third.key.replace(pair.key)
            third.certificate.replace(pair.certificate)
            broker.output.wait_for(r"(?s)(read the files of TLS again.*){2}")
            assert common_name(broker.port, authority) == "third"
            early.sendall(b"PING\n")
            assert early.recv(100) == b"PONG\n"


def test_what_stops_the_start(tmp_path: Path, server: Pair) -> None:
    """Settings that do not fit are exit code 2, files that cannot be used are 1, each with a sentence."""
    code, words = run(serve_command(tmp_path / "data", "--tls=require"))
    assert code == 2 and "logmq: tls=require needs a certificate: give its file as tls_cert" in words
    code, words = run(serve_command(tmp_path / "data", f"--tls-cert={server.certificate}"))
    assert code == 1 and f"tls_key {server.certificate}: no certificate with its key" in words
