"""The lines that clients read, the table of error codes, and the page that describes them."""

from __future__ import annotations

import importlib
import pkgutil
import random
import re
from pathlib import Path

import pytest
from tests.unit.protocols.fake_broker import FakeBroker
from tests.unit.protocols.text_session import Session

import logmq
from logmq.config import TOPIC_SETTINGS
from logmq.errors import LogMQError, UnknownTopic
from logmq.limits import COMMAND_LINE_SIZE_MAX, CONSUME_COUNT_MAX
from logmq.model import Format, TopicPartition
from logmq.protocols.text import answers, handlers, requests
from logmq.protocols.text.commands import COMMANDS
from logmq.protocols.text.formats import FORMATS, PlainMessages
from logmq.protocols.text.parser import Parser
from logmq.records import frames
from logmq.storage.engine import Chunk

PAGE = Path(logmq.__file__).parents[2] / "docs" / "text-protocol.md"


_ELSEWHERE = ("logmq.cli.", "logmq.client.", "logmq.storage.", "logmq.protocols.kafka.", "logmq.protocols.http.")


def _subclasses(of: type[LogMQError]) -> set[type[LogMQError]]:
    return {of}.union(*(_subclasses(each) for each in of.__subclasses__()))


def _errors() -> set[type[LogMQError]]:
    """All that the broker raises. The command line, the client, engines and other protocols have their own."""
    for module in pkgutil.walk_packages(logmq.__path__, "logmq."):
        if not f"{module.name}.".startswith(_ELSEWHERE) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {
        each
        for each in _subclasses(LogMQError)
        if each.__module__.startswith("logmq.") and not each.__module__.startswith(_ELSEWHERE)
    }


def test_every_error_has_a_code() -> None:
    """The table from errors to codes is total over all that the broker can raise."""
    missing = {each.__qualname__ for each in _errors()} - {each.__qualname__ for each in answers.CODES}
    assert not missing


def test_errors_without_a_code() -> None:
    """An error that should not have come this far has the code of the nearest class that has one."""

    class SurpriseError(UnknownTopic):
        pass

    assert answers.error_line(SurpriseError("x")).startswith(b"ERR UNKNOWN_TOPIC ")


def test_codes_are_words() -> None:
    """A code is one word in capitals, and each has its meaning written down."""
    for code in answers.CODES.values():
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)
    before_there_is_a_parser = {"TOO_MANY_CONNECTIONS", "TLS_REQUIRED", "WRONG_PROTOCOL"}
    assert set(answers.CODES.values()) == set(answers.CODE_MEANINGS) - before_there_is_a_parser


@pytest.mark.parametrize("reason", ["two\nlines", "carriage\rreturn", "\x00 \udc80 \u2028", "long " * 500])
def test_an_error_is_one_line(reason: str) -> None:
    """Whatever the reason holds, the answer is one line of bounded length."""
    line = answers.error_line(LogMQError(reason))
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and b"\r" not in line and len(line) < 3000


def test_error_line() -> None:
    """ERR, the code, the reason."""
    assert answers.error_line(UnknownTopic("x")).startswith(b"ERR UNKNOWN_TOPIC there is no topic 'x'")


def test_acks() -> None:
    """Bulk answers equal those made one by one, for equal and unequal lengths."""
    seed = 7
    print("seed", seed)
    rng = random.Random(seed)
    for sizes in ([0], [5] * 40, [rng.randrange(9000) for _ in range(50)], [4100, 1]):
        _, starts = frames.encode([b"x" * size for size in sizes])
        assert answers.acks(1000, starts) == b"".join(b"OK %d\n" % (1000 + start) for start in starts)


def test_messages() -> None:
    """Payloads stand in their lines as they are, percent signs included."""
    payloads = [b"a", b"", b"%d %s %%", b"\n", b"\xff"]
    lines = answers.messages([1, 2, 3, 4, 5], payloads)
    assert lines == b"MESSAGE 1 1 a\nMESSAGE 2 0 \nMESSAGE 3 8 %d %s %%\nMESSAGE 4 1 \n\nMESSAGE 5 1 \xff\n"


def test_plain_messages_are_found_as_needed() -> None:
    """Frames are found only as far as they are asked for, and the same whatever was asked before."""
    seed = 11
    print("seed", seed)
    rng = random.Random(seed)
    payloads = [b"x" * rng.choice([3, 3, 3, rng.randrange(50)]) for _ in range(300)]
    data, starts = frames.encode(payloads)
    offsets = [700 + start for start in starts]
    chunk = Chunk(700, 700 + len(data), data)
    first = PlainMessages(chunk)
    assert first.find(700, 1) == 0 and len(first.offsets) == 1
    assert first.payloads(0, 1) == payloads[:1]
    for _ in range(200):
        decoded = PlainMessages(chunk)
        for _ in range(3):
            number, count = rng.randrange(300), rng.randrange(1, 40)
            index = decoded.find(offsets[number] - rng.choice([0, 0, 1]), count)
            assert decoded.offsets[index] == offsets[number]
            stop = min(index + count, 300)
            assert len(decoded.offsets) >= stop
            assert decoded.payloads(index, stop) == payloads[number : number + count]
        assert decoded.find(offsets[-1] + 1, 5) == len(decoded.offsets) == 300


def test_format_round_trip() -> None:
    """What a format encodes it decodes."""
    for each in FORMATS.values():
        append = each.encode(TopicPartition("t", 0), [b"one", b"", b"three"])
        decoded = each.decode(Chunk(0, append.offset_count, bytes(append.data)))
        assert decoded.find(0, 3) == 0
        assert decoded.payloads(0, 3) == [b"one", b"", b"three"]
    assert Format.PLAIN in FORMATS


def test_every_request_is_answered() -> None:
    """Each kind of request is handled by the connection itself or by exactly one of the tables."""
    own = {
        requests.Produce, requests.Consume, requests.ConsumeEdge, requests.ConsumeMany, requests.Follow,
        requests.Quit, requests.Blank, requests.Invalid,
    }  # fmt: skip
    kinds = set(requests.Request.__args__)
    assert own | set(handlers.IMMEDIATE) | set(handlers.AWAITED) == kinds
    assert not set(handlers.IMMEDIATE) & set(handlers.AWAITED)


def test_examples_are_commands() -> None:
    """Each example is understood, and begins with its command."""
    for command in COMMANDS.values():
        parser = Parser(lambda _topic: 1 << 20)
        parser.feed(command.example.encode() + b"\n")
        request = parser.next_request()
        assert command.example.startswith(command.name) and not isinstance(request, requests.Invalid)
        assert request is not None or parser.awaits_body


def test_the_page_has_every_command() -> None:
    """docs/text-protocol.md has each command's form, effect, answers and example."""
    page = PAGE.read_text(encoding="utf-8")
    for command in COMMANDS.values():
        assert f"`{command.usage}`" in page, command.usage
        assert f"\n{command.example}\n" in page or f"> {command.example}\n" in page, command.example
        for answer in re.findall(r"[A-Z]{2,}(?: <[a-z ]+>)*", command.answers):
            assert answer in page, answer


def test_the_page_has_every_code() -> None:
    """docs/text-protocol.md has a row for each code, with its meaning, and no row for any other."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == dict(answers.CODE_MEANINGS)


def test_the_page_has_the_limits_and_settings() -> None:
    """docs/text-protocol.md names the limits and topic settings that there are."""
    page = PAGE.read_text(encoding="utf-8")
    assert f"{COMMAND_LINE_SIZE_MAX:,} bytes" in page and f"{CONSUME_COUNT_MAX:,}" in page
    for name in TOPIC_SETTINGS:
        assert f"`{name}`" in page


async def test_the_page_is_what_happens() -> None:
    """The conversations on the page, held in their order with one broker, go as they stand there."""
    broker = FakeBroker()
    broker.add_topic("__consumer_offsets")
    session, other = Session(broker), Session(broker)
    blocks = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        if not block.startswith("> ") or "..." in block:
            continue
        expected = heard = b""
        for line in block.splitlines():
            if line.startswith("> "):
                heard += await session.say(line[2:].encode() + b"\n")
            elif line.startswith("(another client: "):
                await other.say(line.removeprefix("(another client: ").removesuffix(")").encode() + b"\n")
                await broker.announce()
                heard += await session.hear()
            else:
                expected += line.encode() + b"\n"
        assert heard == expected
    assert session.transport.closed
