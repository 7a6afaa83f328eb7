"""Runs a plan in several processes at once, for brokers that are faster than one generator process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from logmq.client.errors import CannotConnect, ClientError
from logmq.client.load.plan import Plan
from logmq.client.load.result import Progress, Result, merge
from logmq.client.load.run import OnProgress, run
from logmq.client.load.wire import WrongServer


class GeneratorFailed(ClientError):
    """A process of the generator ended without a result."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a process could not begin; `server` is set when it could not connect."""

    server: str | None
    reason: str


def run_in_processes(plan: Plan, count: int, on_progress: OnProgress | None = None) -> list[Result]:
    """`run` with the clients spread over `count` processes (no more than there are clients).

    Raises:
        CannotConnect, WrongServer: as `run`.
        GeneratorFailed: a process died.
    """
    count = min(count, max(load.clients for load in plan.loads))
    if count <= 1:
        return run(plan, on_progress)
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    children = []
    for index in range(count):
        ours, theirs = context.Pipe()
        child = context.Process(target=_work, args=(theirs, plan.share(index, count)), daemon=True)
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    try:
        return _conduct(pipes, on_progress)
    finally:
        for child in children:
            child.terminate()
            child.join()


def _work(pipe: Connection, plan: Plan) -> None:
    """In the child: connect, say so, wait for the start, send progress and at last the results."""

    def before_start() -> None:
        pipe.send("connected")
        pipe.recv()

    try:
        pipe.send(run(plan, pipe.send, before_start))
    except CannotConnect as error:
        pipe.send(_Failure(error.server, error.reason))
    except ClientError as error:
        pipe.send(_Failure(None, str(error)))
    except KeyboardInterrupt:
        return


def _conduct(pipes: Sequence[Connection], on_progress: OnProgress | None) -> list[Result]:
    for pipe in pipes:
        _receive(pipe)
    for pipe in pipes:
        pipe.send("start")
    latest: dict[Connection, Progress] = {}
    fresh: set[Connection] = set()
    results: list[list[Result]] = []
    waiting = list(pipes)
    while waiting:
        ready = wait(waiting)
        for pipe in [pipe for pipe in waiting if pipe in ready]:
            message = _receive(pipe)
            if isinstance(message, Progress):
                latest[pipe] = message
                fresh.add(pipe)
            elif isinstance(message, list):
                results.append(message)
                waiting.remove(pipe)
        if on_progress is not None and len(latest) == len(pipes) and fresh.issuperset(waiting):
            on_progress(_sum(list(latest.values())))
            fresh.clear()
    return [merge(parts) for parts in zip(*results, strict=True)]


def _receive(pipe: Connection) -> object:
    try:
        message = pipe.recv()
    except EOFError:
        raise GeneratorFailed("a process of the generator died") from None
    if isinstance(message, _Failure):
        raise WrongServer(message.reason) if message.server is None else CannotConnect(message.server, message.reason)
    return message


def _sum(parts: list[Progress]) -> Progress:
    first = parts[0]
    counts = tuple(map(sum, zip(*(part.message_counts for part in parts), strict=True)))
    errors = sum(part.error_count for part in parts)
    return Progress(first.elapsed_s, first.total_s, first.warming_up, counts, errors)
