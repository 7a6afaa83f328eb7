"""What is counted of the text protocol's requests."""

from __future__ import annotations

from typing import get_args

from tests.unit.protocols.fake_broker import FakeBroker
from tests.unit.protocols.text_session import Session

from logmq.errors import Damaged, DiskFull
from logmq.protocols.text.commands import COMMANDS
from logmq.protocols.text.requests import KINDS, Blank, Request


def counts(broker: FakeBroker) -> dict[str, int]:
    """Requests by command."""
    return {kind: requests.count for kind, requests in broker.metrics.text.items()}


def errors(broker: FakeBroker) -> dict[tuple[str, str], int]:
    """Errors by command and code."""
    counted = broker.metrics.text.items()
    return {(kind, code): count for kind, requests in counted for code, count in requests.errors.items()}


def test_every_request_has_a_kind() -> None:
    """Kinds are commands, so that no client can make more of them; blank lines are nothing."""
    assert set(KINDS) == set(get_args(Request)) - {Blank}
    assert set(KINDS.values()) - {"INVALID"} == {name.decode() for name in COMMANDS} - {"WRITE"}


async def test_each_line_counts() -> None:
    """However many lines came at once, and whatever was between them."""
    session = Session()
    await session.say(b"PRODUCE t a\n" * 300 + b"\nPRODUCE u b\nPRODUCE t c\nWRITE t 3\nabc\n")
    await session.say(b"CONSUME t 0\n" * 40 + b"CONSUME t latest\nCONSUME t 0 2\nPING\nTOPICS\n")
    assert counts(session.broker) == {"PRODUCE": 303, "CONSUME": 42, "PING": 1, "TOPICS": 1}
    assert errors(session.broker) == {}


async def test_each_error_line_counts() -> None:
    """By what was asked for and by the code that the client saw, within runs of lines too."""
    broker = FakeBroker()
    session = Session(broker)
    await session.say(b"PRODUCE t a\nPRODUCE t/7 ERR\nPRODUCE t/7 x\nPRODUCE t b\n")
    broker.failure = DiskFull("no space")
    await session.say(b"PRODUCE t a\nPRODUCE t b\n")
    broker.damaged[0] = Damaged("t/0", 0, 5)
    await session.say(b"CONSUME t 0\nCONSUME nothing 0\nCONSUME t 0 5\nWHAT\nDROP nothing\nFOLLOW nothing 0\n")
    assert errors(broker) == {
        ("PRODUCE", "UNKNOWN_PARTITION"): 2,
        ("PRODUCE", "DISK_FULL"): 2,
        ("CONSUME", "DAMAGED"): 2,
        ("CONSUME", "UNKNOWN_TOPIC"): 1,
        ("INVALID", "UNKNOWN_COMMAND"): 1,
        ("DROP", "UNKNOWN_TOPIC"): 1,
        ("FOLLOW", "UNKNOWN_TOPIC"): 1,
    }
    assert counts(broker)["PRODUCE"] == 6
