from __future__ import annotations

from logmq.client.load.pacer import Pacer


class Recorder:
    """Remembers when it was pushed."""

    def __init__(self) -> None:
        self.pushes: list[int] = []

    def push(self, now_ns: int) -> None:
        self.pushes.append(now_ns)


def test_clients_are_pushed_in_turn_when_due() -> None:
    """At 1,000 a second over two clients someone is due each millisecond, alternating."""
    clients = [Recorder(), Recorder()]
    pacer = Pacer(clients, 0, 2, start_ns=0, rate=1000)
    assert pacer.next_due_ns == 0
    for now_ns in range(0, 4_000_000, 500_000):
        pacer.push(now_ns)
    assert clients[0].pushes == [0, 2_000_000]
    assert clients[1].pushes == [1_000_000, 3_000_000]
    assert pacer.next_due_ns == 4_000_000


def test_after_a_pause_each_client_is_pushed_once() -> None:
    """A window takes all that is due in one go, so being late costs one push a client."""
    clients = [Recorder() for _ in range(3)]
    pacer = Pacer(clients, 0, 3, start_ns=0, rate=1e6)
    pacer.push(5_000_000)
    assert [client.pushes for client in clients] == [[5_000_000]] * 3
    assert pacer.next_due_ns == 5_001_000


def test_parts_in_several_processes_make_the_whole() -> None:
    """The clients of two pacers that share a load are due at the same times as those of one."""
    whole = Pacer([Recorder() for _ in range(4)], 0, 4, start_ns=0, rate=1000)
    parts = [Pacer([Recorder(), Recorder()], first, 4, start_ns=0, rate=1000) for first in (0, 2)]
    assert [whole.client_start_ns(i) for i in range(4)] == [p.client_start_ns(i) for p in parts for i in range(2)]
    due: list[float] = []
    for part in parts:
        for _ in range(4):
            due.append(part.next_due_ns)
            part.push(int(part.next_due_ns))
    assert sorted(due) == [i * 1e6 for i in range(8)]
