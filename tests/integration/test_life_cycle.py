"""A broker from its start to its end: banner, refusals to start, settings, log lines, and stops that lose nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess, run, serve_command
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT]


def start_in_vain(data_dir: Path, *flags: str) -> tuple[int, str]:
    """Start a broker that should refuse; returns its exit code and what it printed."""
    return run(serve_command(data_dir, *flags))


@contextmanager
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


# -- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_right_after_the_banner_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever has read the first line of the banner may ask the broker to stop: it does, with exit code 0."""
    broker = BrokerProcess(tmp_path / "data", await_ready=False)
    broker.output.wait_for("ready on")
    broker.signal(number)
    assert broker.wait() == 0


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_answers_what_was_begun(tmp_path: Path, number: signal.Signals) -> None:
    """A client with appends in flight gets an OK for each message that it can be sure of; after a restart those are
    there, in order, and behind them at most messages that it had sent as well."""
    payloads = [b"in flight %06d" % number for number in range(20_000)]
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", payloads[0])
        sent = client.send_some(b"".join(b"PRODUCE t %b\n" % payload for payload in payloads[1:]))
        first = client.line()
        broker.signal(number)
        answers = [first, *client.rest().splitlines()]
        assert broker.wait() == 0
    assert sent > 0
    assert all(answer.startswith(b"OK ") for answer in answers), answers[-1]
    acknowledged = [0, *(int(answer[3:]) for answer in answers)]
    stored = frames_of(log_bytes(tmp_path / "data", "t"))
    assert [offset for offset, _ in stored[: len(acknowledged)]] == acknowledged
    assert [payload for _, payload in stored] == payloads[: len(stored)]
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        last = len(acknowledged) - 1
        assert client.ask(b"CONSUME t %d" % acknowledged[-1]).endswith(payloads[last])


def test_a_clean_stop_leaves_nothing_to_recover(tmp_path: Path) -> None:
    """After SIGTERM the next start says that there is nothing to do; after kill -9 it says what it took back."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t hello-world")
    with BrokerProcess(tmp_path / "data") as broker:
        assert "recovery  nothing to do" in broker.output.text
        broker.ask(b"PRODUCE t hello-again")
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker:
        assert "recovery  1 commit taken from the journal" in broker.output.text


def test_idle_and_following_clients_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Clients that wait, whether for a line to send or for messages, are let go at once; a FOLLOW gets its END."""
    with (
        BrokerProcess(tmp_path / "data", "--drain-timeout-ms=1h") as broker,
        broker.client() as silent,
        broker.client() as idle,
        broker.client() as follower,
    ):
        assert idle.ask(b"PRODUCE t hello-world") == b"OK 0"
        assert follower.ask(b"FOLLOW t 0") == b"MESSAGE 0 11 hello-world"
        broker.stop()
        assert follower.rest() == b"END 15\n"
        assert idle.rest() == silent.rest() == b""


def broker_with_a_deaf_client(data_dir: Path, drain_timeout: str) -> tuple[BrokerProcess, LineClient]:
    """A broker and a client with answers under way that it never reads."""
    broker = BrokerProcess(data_dir, f"--drain-timeout-ms={drain_timeout}")
    client = broker.client()
    client.produce(b"t", b"x" * 100_000)
    client.send(b"CONSUME t 0\n" * 2000)
    assert client.message() == (0, b"x" * 100_000)  # so it is at work on 200 MB of answers
    return broker, client


def test_a_client_that_does_not_read_holds_up_a_stop_so_long_and_no_longer(tmp_path: Path) -> None:
    """When `drain_timeout_ms` has passed, who still does not read is dropped, and the stop is as clean as any."""
    broker, client = broker_with_a_deaf_client(tmp_path / "data", "200ms")
    with broker, client:
        broker.stop()


def test_a_signal_that_comes_twice_does_not_cut_the_stop(tmp_path: Path) -> None:
    """Ctrl-C reaches the broker from the terminal and again from `make`, both at once: that is one wish to stop."""
    broker, client = broker_with_a_deaf_client(tmp_path / "data", "300ms")
    with client:
        broker.signal(signal.SIGINT)
        broker.output.wait_for('"stopping"')
        broker.signal(signal.SIGTERM)
        broker.signal(signal.SIGINT)
        assert broker.wait() == 0


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    """Who presses Ctrl-C again and again means it; what was acknowledged is there all the same."""
    broker, client = broker_with_a_deaf_client(tmp_path / "data", "1h")
    with client:
        broker.signal(signal.SIGTERM)
        broker.output.wait_for('"stopping"')
        for _ in range(200):
            broker.signal(signal.SIGTERM)
            with suppress(TimeoutError):
                assert broker.wait(0.05) == -signal.SIGTERM
                break
        assert not broker.is_running()
    assert frames_of(log_bytes(tmp_path / "data", "t")) == [(0, b"x" * 100_000)]


def test_a_stopping_broker_accepts_nobody(tmp_path: Path) -> None:
    """New clients are turned away while it drains, so that they go elsewhere."""
    broker, client = broker_with_a_deaf_client(tmp_path / "data", "1h")
    with client:
        port = broker.port
        broker.signal(signal.SIGTERM)
        broker.output.wait_for('"stopping"')
        with pytest.raises(ConnectionError):
            while True:  # the line is printed a moment before the socket is closed
                LineClient(port).close()
        assert broker.is_running()
        broker.kill()


# -- refusing to start -----------------------------------------------------------------------------------------------


def test_a_second_broker_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """It exits with 1 and says which directory is in use; the first one is not disturbed."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"one")
        code, words = start_in_vain(tmp_path / "data")
        assert code == 1
        assert re.fullmatch(r"logmq: \S+/data is in use by another LogMQ process; .*\n", words), words
        assert client.produce(b"t", b"two") == 7


def test_a_killed_broker_does_not_lock_its_directory(tmp_path: Path) -> None:
    """The lock dies with the process: no lock file has to be removed by hand."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker:
        assert broker.ask(b"PING") == [b"PONG"]


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """It exits with 1 and says which port, and what can be done."""
    with taken_port() as port:
        code, words = start_in_vain(tmp_path / "data", f"--port={port}")
    assert code == 1
    assert re.fullmatch(rf"logmq: cannot listen on 127\.0\.0\.1:{port}: .*--port.*\n", words), words


def test_an_address_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """An address of another machine: exit code 1 and the address."""
    code, words = start_in_vain(tmp_path / "data", "--host=192.0.2.1")
    assert code == 1
    assert words.startswith("logmq: cannot listen on 192.0.2.1:"), words


@pytest.mark.parametrize("place", ["file", "/proc/nobody-can-make-this/data"])
def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path, place: str) -> None:
    """A file in the way, or a place where nothing can be made: exit code 1 and the path."""
    (tmp_path / "file").write_bytes(b"in the way")
    code, words = start_in_vain(tmp_path / place)
    assert code == 1
    assert words.startswith(f"logmq: the data directory {tmp_path / place} cannot be used: "), words


NOBODY = 65534


def as_nobody(*command: str) -> list[str]:
    """A command run by a user who owns nothing."""
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user")
def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    """Somebody else's directory: exit code 1, the path and the reason."""
    code, words = run(as_nobody(sys.executable, "-m", "logmq", "--version"))
    if code != 0:
        pytest.skip(f"another user cannot run this installation: {words.splitlines()[-1]}")
    private = tmp_path / "private"
    with BrokerProcess(private) as broker:
        broker.ask(b"PRODUCE t hello-world")
    code, words = run(as_nobody(*serve_command(private)), cwd=Path("/"))
    assert code == 1
    assert words.startswith(f"logmq: the data directory {private} cannot be used: Permission denied"), words


def spoil_header(path: Path) -> None:
    """Write over the first bytes of a file, by which SQLite knows its own."""
    path.write_bytes(b"not a database, " + path.read_bytes()[16:])


def spoil_pages(path: Path) -> None:
    """Write over all but the first page."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


def test_a_start_that_was_cut_off_is_no_obstacle(tmp_path: Path) -> None:
    """A table that a start makes in the meta database for a moment, and that kill -9 left there, is cleared away."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t hello-world")
    database = sqlite3.connect(tmp_path / "data" / "meta.sqlite")
    database.execute("CREATE TABLE reserve (filler BLOB)")
    database.close()
    with BrokerProcess(tmp_path / "data") as broker:
        assert broker.ask(b"CONSUME t 0") == [b"MESSAGE 0 11 hello-world"]


@pytest.mark.parametrize("spoil", [spoil_header, spoil_pages])
def test_a_damaged_meta_database_is_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """When the topics cannot be read the broker does not start as if there were none: exit code 1 and the file."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t hello-world")
    before = (tmp_path / "data" / "t.log").read_bytes()
    spoil(tmp_path / "data" / "meta.sqlite")
    code, words = start_in_vain(tmp_path / "data")
    assert code == 1, words
    assert re.fullmatch(r"logmq: .*meta\.sqlite cannot be read: .*\n", words), words
    assert (tmp_path / "data" / "t.log").read_bytes() == before


def test_a_lost_meta_database_does_not_cost_messages(tmp_path: Path) -> None:
    """Without meta.sqlite the broker knows no topics; it says which files it does not know, and writes to none."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t hello-world")
    for path in (tmp_path / "data").glob("meta.sqlite*"):
        path.unlink()
    with BrokerProcess(tmp_path / "data") as broker:
        unknown = [record["file"] for record in broker.output.records() if "belongs to no topic" in record["message"]]
        assert {"t.log", "t.index"} <= set(unknown)
        (answer,) = broker.ask(b"PRODUCE t something-else")
        assert answer.startswith(b"ERR "), answer
        assert b"t.log" in answer
    assert (tmp_path / "data" / "t.log").read_bytes() == b"\x00\x00\x00\x0bhello-world"


# -- settings, banner, log lines -------------------------------------------------------------------------------------


def test_the_banner_says_what_an_operator_wants_to_know(tmp_path: Path) -> None:
    """Version, address, directory, what OK means, what recovery found, where a browser goes, and a line to try."""
    with BrokerProcess(tmp_path / "data") as broker:
        lines = broker.output.text.splitlines()
        assert re.fullmatch(rf"LogMQ \d+\.\d+\.\d+  ready on 127\.0\.0\.1:{broker.port} after \d+ ms", lines[0])
        assert lines[1] == f"  data      {tmp_path / 'data'}"
        assert lines[2] == "  sync      always: OK means that the message survives a power cut"
        assert lines[3] == "  recovery  a new directory"
        assert lines[4] == f"  console   http://127.0.0.1:{broker.port}/"
        assert lines[5].endswith(f"nc 127.0.0.1 {broker.port}")


def test_flags_go_before_environment_before_file(tmp_path: Path) -> None:
    """Each source of settings is heard, and the more particular one wins."""
    (tmp_path / "logmq.toml").write_text('sync = "never"\nmessage_size_max_bytes = 10\nconnections_max = 1\n')
    variables = {"LOGMQ_SYNC": "250ms", "LOGMQ_CONNECTIONS_MAX": "2"}
    flags = ("--connections-max=3",)
    with BrokerProcess(tmp_path / "data", *flags, variables=variables, cwd=tmp_path) as broker:
        assert "  sync      every 250ms: " in broker.output.text
        with broker.client() as one, broker.client(), broker.client(), broker.client() as one_too_many:
            assert one.ask(b"PRODUCE t twelve-bytes").startswith(b"ERR MESSAGE_TOO_LARGE ")
            assert one_too_many.line().startswith(b"ERR TOO_MANY_CONNECTIONS ")


@pytest.mark.parametrize(
    ("variables", "file", "words"),
    [
        ({"LOGMQ_PROT": "1"}, "", "environment variable LOGMQ_PROT: no such setting; did you mean LOGMQ_PORT?"),
        (
            {"LOGMQ_JOURNAL_FILE_SIZE_BYTES": "4MiB"},
            "",
            "environment variable LOGMQ_JOURNAL_FILE_SIZE_BYTES: '4MiB' is",
        ),
        ({}, "prot = 1", "configuration file logmq.toml, key prot: no such setting; did you mean port?"),
    ],
)
def test_a_wrong_setting_stops_the_start(tmp_path: Path, variables: dict[str, str], file: str, words: str) -> None:
    """Exit code 2, where the mistake stands, and no directory made."""
    (tmp_path / "logmq.toml").write_text(file)
    code, printed = run(serve_command(tmp_path / "data"), cwd=tmp_path, variables=variables)
    assert (code, printed.startswith(f"logmq: {words}")) == (2, True), printed
    assert not (tmp_path / "data").exists()


def test_log_lines_are_json_where_nobody_sits_at_a_terminal(tmp_path: Path) -> None:
    """Every line but the banner's is an object with time, level, logger and message, and fields of its own."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PING")
    lines = [line for line in broker.output.text.splitlines() if not line.startswith(("LogMQ ", "  "))]
    records = broker.output.records()
    assert len(lines) == len(records) >= 2
    for record in records:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
        assert record["level"] in {"debug", "info", "warning", "error", "critical"}
        assert record["logger"].startswith("logmq")
    assert [record["message"] for record in records] == ["stopping", "stopped"]
    assert "connections" in records[0]


def test_log_lines_are_text_if_wanted(tmp_path: Path) -> None:
    """`log_format=text` writes them for people."""
    with BrokerProcess(tmp_path / "data", "--log-format=text") as broker:
        pass
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO    logmq\.server  stopped$", broker.output.text, re.M
    )
