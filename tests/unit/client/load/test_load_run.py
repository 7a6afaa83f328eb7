from __future__ import annotations

import socket

import pytest

from logmq.client.address import Address
from logmq.client.errors import CannotConnect
from logmq.client.load.plan import Load, Plan
from logmq.client.load.processes import run_in_processes
from logmq.client.load.result import Progress, merge
from logmq.client.load.run import run
from logmq.client.load.text import TextConsume, TextFollow, TextProduce
from logmq.client.load.wire import Wire, WrongServer


def plan_of(port: int, *loads: Load, duration_s: float = 30.0) -> Plan:
    """A run that ends when the budgets are spent."""
    return Plan(Address("127.0.0.1", port), loads, duration_s, drain_timeout_s=0.05)


CONSUME = TextConsume("t", 4, 0, 800, 8)


@pytest.mark.parametrize(
    ("wire", "messages_each"),
    [(TextProduce("t", 100), 1), (CONSUME, 1), (CONSUME.by(10), 10)],
    ids=["produce", "consume", "consume many"],
)
@pytest.mark.parametrize(("clients", "depth"), [(1, 1), (3, 1), (1, 100), (3, 7)])
def test_every_request_is_answered_once(
    broker_port: int, wire: Wire, messages_each: int, clients: int, depth: int
) -> None:
    """With a budget a run ends by itself, and every request is sent, answered, counted and timed exactly once."""
    (result,) = run(plan_of(broker_port, Load("x", wire, clients, depth, budget=500)))
    assert result.message_count == 500 * clients * messages_each
    assert result.latency.count == 500 * clients
    assert result.error_count == 0
    assert 0 < result.latency.percentile(50) <= result.latency.max_ns
    assert 0 < result.seconds < 30


def test_large_windows_survive_full_socket_buffers(broker_port: int) -> None:
    """More than fits the socket's buffers is sent piece by piece, in order, completely."""
    (result,) = run(plan_of(broker_port, Load("x", TextProduce("t", 100_000), 1, 200, budget=300)))
    assert result.message_count == 300
    assert result.error_count == 0


def test_a_stream_ends_with_its_budget(broker_port: int) -> None:
    """A follower of a finished log gets each message once and then is done."""
    (result,) = run(plan_of(broker_port, Load("follow", TextFollow("t", 4), 2, budget=1000)))
    assert result.message_count == 2000
    assert result.error_count == 0
    assert result.latency.count == 0


def test_paced_requests_go_out_at_the_rate(broker_port: int) -> None:
    """An open loop sends what is due in the time, no more, over all clients together."""
    load = Load("x", TextProduce("t", 10), 4, 1, rate=2000)
    (result,) = run(plan_of(broker_port, load, duration_s=0.3))
    assert 0 < result.message_count <= 2000 * result.seconds + 4
    assert result.error_count == 0


def test_refusals_are_counted_by_their_words(broker_port: int) -> None:
    """An ERR is no message; it is counted and its words are kept."""
    (result,) = run(plan_of(broker_port, Load("x", TextProduce("refused", 10), 2, 5, budget=50)))
    assert result.message_count == 0
    assert result.errors == {"ERR DISK_FULL the disk is full": 100}


def test_a_lost_connection_is_an_error(broker_port: int) -> None:
    """What was under way on a connection that broke counts as never answered."""
    (result,) = run(plan_of(broker_port, Load("x", TextProduce("hangup", 10), 1, 5, budget=50)))
    assert [words for words in result.errors if words.startswith("connection lost")]
    assert result.error_count > 0
    assert result.unanswered > 0


def test_a_silent_server_leaves_requests_unanswered(broker_port: int) -> None:
    """A run ends in time although nothing comes, and says so."""
    (result,) = run(plan_of(broker_port, Load("x", TextProduce("silent", 10), 2, 5), duration_s=0.02))
    assert result.message_count == 0
    assert result.unanswered == 10


def test_two_loads_are_measured_apart(broker_port: int) -> None:
    """Loads that run together have their own figures, in the order of the plan."""
    loads = (
        Load("produce", TextProduce("t", 10), 1, 5, budget=100),
        Load("follow", TextFollow("t", 4), 1, budget=1000),
    )
    results = run(plan_of(broker_port, *loads))
    assert [(result.name, result.message_count) for result in results] == [("produce", 100), ("follow", 1000)]


def test_progress_is_told(broker_port: int) -> None:
    """At least once, at the end of each part, with cumulative counts."""
    told: list[Progress] = []
    run(plan_of(broker_port, Load("x", TextProduce("t", 10), 1, 1, budget=100)), told.append)
    assert told[-1].message_counts == (100,)
    assert told[-1].error_count == 0


def test_processes_share_the_clients(broker_port: int) -> None:
    """Two processes together do what one would have done, and their figures are added up."""
    told: list[Progress] = []
    plan = plan_of(broker_port, Load("x", TextProduce("t", 10), 3, 2, budget=100))
    (result,) = run_in_processes(plan, 2, told.append)
    assert result.message_count == 300
    assert result.latency.count == 300
    assert result.processes == 2
    assert result.error_count == 0


def test_a_process_without_clients_of_some_load_counts_as_well(broker_port: int) -> None:
    """With more processes than followers some only produce; figures and progress still have both loads."""
    told: list[Progress] = []
    loads = (
        Load("produce", TextProduce("t", 10), 2, 2, budget=100),
        Load("follow", TextFollow("t", 4), 1, budget=1000),
        Load("paced", TextProduce("t", 10), 1, rate=1e6),
    )
    plan = plan_of(broker_port, *loads, duration_s=0.1)
    results = run_in_processes(plan, 2, told.append)
    assert [result.message_count for result in results[:2]] == [200, 1000]
    assert results[2].message_count > 0
    assert told[-1].message_counts[:2] == (200, 1000)


def test_nobody_listening_is_said_with_the_address() -> None:
    """The error names the address, from one process and from several."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        plan = plan_of(unused.getsockname()[1], Load("x", TextProduce("t", 10), 2, 1, budget=1))
        for processes in (1, 2):
            with pytest.raises(CannotConnect, match=r"127\.0\.0\.1"):
                run_in_processes(plan, processes)


def test_another_protocol_is_said(stranger_port: int) -> None:
    """What answers in HTTP is not loaded."""
    plan = plan_of(stranger_port, Load("x", TextProduce("t", 10), 2, 1, budget=1))
    for processes in (1, 2):
        with pytest.raises(WrongServer, match="HTTP"):
            run_in_processes(plan, processes)


def test_shares_add_up() -> None:
    """Each client belongs to exactly one process, whatever the numbers."""
    for clients in (1, 5, 8):
        load = Load("x", TextProduce("t", 10), clients)
        shares = [load.share(index, 3) for index in range(3)]
        assert sum(share.clients for share in shares) == clients
        assert [share.first_client for share in shares] == [clients * i // 3 for i in range(3)]


def test_merging_adds_up(broker_port: int) -> None:
    """Counts, latencies and errors of two parts are those of the whole."""
    plan = plan_of(broker_port, Load("x", TextProduce("refused", 10), 1, 5, budget=50))
    (one,), (two,) = run(plan), run(plan)
    both = merge([one, two])
    assert both.errors.total() == 100
    assert both.latency.count == 100
    assert both.seconds == max(one.seconds, two.seconds)
    assert both.to_json()["errors"] == {"ERR DISK_FULL the disk is full": 100}
