"""Runs a plan in this process: one epoll loop over all connections."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Self

from logmq.client.load.client import Client
from logmq.client.load.histogram import Histogram
from logmq.client.load.pacer import Pacer
from logmq.client.load.plan import Load, Plan
from logmq.client.load.result import Progress, Result
from logmq.client.load.window import ClosedWindow, PacedWindow, StreamWindow, Window

_PROGRESS_INTERVAL_NS = 500_000_000
_PACE_WAIT_MIN_S = 50e-6
"""Requests due within this time go out together: at high rates a wake-up each would cost more than the requests."""

OnProgress = Callable[[Progress], None]


def run(
    plan: Plan, on_progress: OnProgress | None = None, before_start: Callable[[], None] | None = None
) -> list[Result]:
    """Connect, load, measure, drain; one result a load.

    `before_start` is called when all clients are connected. Blocks for warm-up and duration, or until every client has
    spent its budget.

    Raises:
        CannotConnect: a client cannot connect.
        WrongServer: what listens there is something else.
    """
    with Runner(plan, on_progress) as runner:
        if before_start is not None:
            before_start()
        return runner.run()


class Team:
    """The connected clients of one load and what they measured."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.clients: list[Client] = []
        self.latency = Histogram()
        self.pacer: Pacer | None = None

    def begin(self, now_ns: int) -> None:
        """Give every client its window."""
        load = self.load
        if load.rate and self.clients:
            total = load.clients_total or load.clients
            self.pacer = Pacer(self.clients, load.first_client, total, now_ns, load.rate)
        for index, client in enumerate(self.clients):
            client.begin(self._window(index, client), now_ns)

    def _window(self, index: int, client: Client) -> Window:
        if self.load.wire.streams:
            return StreamWindow(client.exchange, self.latency, self.load.budget)
        if self.pacer is None:
            return ClosedWindow(self.load.depth, self.latency, self.load.budget)
        start_ns, period_ns = self.pacer.client_start_ns(index), self.pacer.period_ns
        return PacedWindow(self.load.depth, self.latency, start_ns, period_ns)

    @property
    def message_count(self) -> int:
        """Messages of all clients so far."""
        return sum(client.message_count for client in self.clients)

    def errors(self) -> Counter[str]:
        """What was refused so far."""
        return sum((client.exchange.errors for client in self.clients), Counter())


class Runner:
    """A plan being run. Connected from construction on."""

    def __init__(
        self, plan: Plan, on_progress: OnProgress | None = None, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._now_ns = now_ns
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Client] = {}
        self._teams = [Team(load) for load in plan.loads]
        self._active = 0
        self._marks: list[tuple[int, ...]] = []
        try:
            for team in self._teams:
                self._connect(team)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, team: Team) -> None:
        load = team.load
        depth = 1 if load.depth == 1 and not load.wire.streams else max(load.depth, 2)
        for index in range(load.clients):
            exchange = load.wire.connect(load.first_client + index, load.depth)
            client = Client(self._plan.server, exchange, depth, self._epoll.modify, self._now_ns)
            team.clients.append(client)
            self._by_descriptor[client.fileno()] = client
            self._epoll.register(client.fileno(), select.EPOLLIN)

    def run(self) -> list[Result]:
        """Warm up, measure, drain."""
        plan = self._plan
        start_ns = self._now_ns()
        self._active = len(self._by_descriptor)
        for team in self._teams:
            team.begin(start_ns)
        warm_ns = start_ns + int(plan.warmup_s * 1e9)
        self._drive_until(warm_ns, start_ns)
        measured_ns, cpu_s = self._now_ns(), time.process_time()
        for team in self._teams:
            team.latency.clear()
        self._marks = [self._message_counts()]
        self._drive_until(warm_ns + int(plan.duration_s * 1e9), start_ns)
        seconds = (self._now_ns() - measured_ns) / 1e9
        cpu_s = time.process_time() - cpu_s
        self._marks.append(self._message_counts())
        latencies = [team.latency.copy() for team in self._teams]
        self._drain()
        return [self._result(index, team, seconds, latencies[index], cpu_s) for index, team in enumerate(self._teams)]

    def _drive_until(self, end_ns: int, start_ns: int) -> None:
        """Serve all sockets until then or until all clients are finished, telling progress now and then."""
        while self._active and (now_ns := self._now_ns()) < end_ns:
            self._drive(min(now_ns + _PROGRESS_INTERVAL_NS, end_ns))
            if self._marks:
                self._marks.append(self._message_counts())
            if self._on_progress is not None:
                self._on_progress(self._progress(start_ns))

    def _drive(self, until_ns: int) -> None:
        pacers = [team.pacer for team in self._teams if team.pacer is not None]
        clients = self._by_descriptor
        while self._active and (now_ns := self._now_ns()) < until_ns:
            for pacer in pacers:
                pacer.push(now_ns)
            for descriptor, events in self._wait(pacers, until_ns):
                client = clients[descriptor]
                alive = client.readable() if events & ~select.EPOLLOUT else True
                if alive and events & select.EPOLLOUT:
                    alive = client.writable()
                if not alive:
                    self._retire(descriptor)

    def _wait(self, pacers: list[Pacer], until_ns: int) -> list[tuple[int, int]]:
        if not pacers:
            return self._epoll.poll(max((until_ns - self._now_ns()) / 1e9, 0.001))
        # epoll counts in milliseconds; waiting for the epoll descriptor itself is exact to microseconds.
        next_ns = min(until_ns, *(pacer.next_due_ns for pacer in pacers))
        select.select([self._epoll], [], [], max((next_ns - self._now_ns()) / 1e9, _PACE_WAIT_MIN_S))
        return self._epoll.poll(0)

    def _retire(self, descriptor: int) -> None:
        client = self._by_descriptor.pop(descriptor)
        if not client.closed:
            self._epoll.unregister(descriptor)
            client.close()
        self._active -= 1

    def _drain(self) -> None:
        """Await the last answers, so that each is checked."""
        for descriptor, client in list(self._by_descriptor.items()):
            if not client.stop():
                self._retire(descriptor)
        for team in self._teams:
            team.pacer = None
        self._drive(self._now_ns() + int(self._plan.drain_timeout_s * 1e9))

    def _message_counts(self) -> tuple[int, ...]:
        return tuple(team.message_count for team in self._teams)

    def _progress(self, start_ns: int) -> Progress:
        elapsed_s = (self._now_ns() - start_ns) / 1e9
        errors = sum(team.errors().total() for team in self._teams)
        total_s = self._plan.warmup_s + self._plan.duration_s
        return Progress(elapsed_s, total_s, not self._marks, self._message_counts(), errors)

    def _result(self, index: int, team: Team, seconds: float, latency: Histogram, cpu_s: float) -> Result:
        counts = [mark[index] for mark in self._marks]
        per_second = counts[::2]  # two marks a second
        return Result(
            name=team.load.name,
            message_count=counts[-1] - counts[0],
            message_count_total=team.message_count,
            message_size=team.load.wire.message_size,
            seconds=seconds,
            latency=latency,
            errors=team.errors(),
            unanswered=sum(client.unanswered for client in team.clients),
            cpu_s=cpu_s,
            processes=1,
            per_second=tuple(after - before for before, after in pairwise(per_second)),
        )

    def close(self) -> None:
        """Close all connections."""
        for team in self._teams:
            for client in team.clients:
                client.close()
        self._epoll.close()
