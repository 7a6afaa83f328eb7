"""`logmq topic`: what goes to the broker, what is printed for people and for programs."""

from __future__ import annotations

import io
import json

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker


def test_the_list_is_a_table_for_people(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a topic, under headings, numbers to the right."""
    broker.topics = {b"orders": [], b"a-much-longer-name": []}
    assert logmq("topic", "list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "TOPIC               PARTITIONS  FORMAT",
        "a-much-longer-name           1  plain",
        "orders                       1  plain",
    ]


def test_the_list_is_json_for_programs(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """`--format json` prints one array, also when it is empty."""
    assert logmq("topic", "list", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == []
    broker.topics = {b"orders": []}
    assert logmq("topic", "list", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "orders", "partitions": 1, "format": "plain"}]


def test_no_topics_is_said_in_words(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list prints nothing to standard output, and on standard error how a topic comes about."""
    assert logmq("topic", "list") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there are no topics yet" in captured.err


def test_the_brokers_own_topics_are_listed_when_asked_for(
    broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Topics that begin with `__` are not a user's; `--all` shows them."""
    broker.topics = {b"__offsets": [], b"orders": []}
    assert logmq("topic", "list") == 0
    assert "__offsets" not in capsys.readouterr().out
    assert logmq("topic", "list", "--all") == 0
    assert "__offsets" in capsys.readouterr().out


def test_create_sends_partitions_and_settings(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """Options become the arguments of CREATE; what is not given is left to the broker."""
    assert logmq("topic", "create", "t", "-p", "3", "--set", "retention.ms=7d", "-s", "segment.bytes=1MiB") == 0
    assert logmq("topic", "create", "u") == 0
    assert logmq("topic", "create", "b", "--stored-as", "batch") == 0
    assert broker.lines == [b"CREATE t 3 retention.ms=7d segment.bytes=1MiB", b"CREATE u", b"CREATE b format=batch"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "created topic t\ncreated topic u\ncreated topic b\n"


def test_alter_sets_and_resets(broker: ScriptedBroker) -> None:
    """`--reset` takes a setting back to the broker's value."""
    assert logmq("topic", "alter", "t", "--partitions", "4", "--set", "a=1", "--reset", "retention.ms") == 0
    assert broker.lines == [b"ALTER t partitions=4 a=1 retention.ms=default"]


def test_describe_shows_settings_and_partitions(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """For people: values in the units they would write, and where each partition begins and ends."""
    broker.topics = {b"t": [b"abc"]}
    assert logmq("topic", "describe", "t") == 0
    assert capsys.readouterr().out.splitlines() == [
        "topic t, format plain",
        "",
        "SETTING        VALUE  FROM",
        "retention.ms   none   default",
        "segment.bytes  1KiB   topic",
        "",
        "PARTITION  LOG START OFFSET  HIGH WATERMARK  SIZE  SEGMENTS",
        "        0                 0               7     7         1",
    ]


def test_describe_is_json_for_programs(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: plain numbers, null where there is no limit."""
    broker.topics = {b"t": [b"abc"]}
    assert logmq("topic", "describe", "t", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "t",
        "format": "plain",
        "settings": {
            "retention.ms": {"value": None, "from": "default"},
            "segment.bytes": {"value": 1024, "from": "topic"},
        },
        "partitions": [
            {"partition": 0, "log_start_offset": 0, "high_watermark": 7, "size_bytes": 7, "segment_count": 1}
        ],
    }


class Terminal(io.StringIO):
    """Standard input with a person in front of it."""

    def isatty(self) -> bool:
        return True


def test_delete_asks_first(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal the person is asked; anything but yes deletes nothing and is exit code 1."""
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert logmq("topic", "delete", "t") == 1
    assert broker.lines == []
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert logmq("topic", "delete", "t") == 0
    assert broker.lines == [b"DROP t"]
    assert "Delete topic t with all its messages, for good?" in capsys.readouterr().err


def test_a_program_must_say_yes(broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is deleted unless --yes is given."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert logmq("topic", "delete", "t") == 2
    assert broker.lines == []
    assert logmq("topic", "delete", "t", "--yes") == 0
    assert broker.lines == [b"DROP t"]
