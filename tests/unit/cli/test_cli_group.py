"""`logmq group`: what goes to the broker, what is printed for people and for programs."""

from __future__ import annotations

import json

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker

LISTED = b"GROUP Empty 0 billing\nGROUP Stable 3 a name with spaces\nEND 2\n"
DESCRIBED = b"GROUP Empty 0 billing\nOFFSET orders/2 1040 2000 960\nOFFSET payments/0 7 7 0\nEND 2\n"


def test_the_list_is_a_table_for_people_and_json_for_programs(
    broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a group, whatever its name holds; an empty list says how a group comes about."""
    broker.answers[b"GROUPS"] = LISTED
    assert logmq("group", "list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "GROUP               STATE   MEMBERS",
        "billing             Empty         0",
        "a name with spaces  Stable        3",
    ]
    assert logmq("group", "list", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)[1] == {"name": "a name with spaces", "state": "Stable", "members": 3}
    broker.answers[b"GROUPS"] = b"END 0\n"
    assert logmq("group", "list") == 0
    assert "there are no groups yet" in capsys.readouterr().err


def test_a_group_is_described_with_its_lag(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a partition, for people; the same facts as JSON."""
    broker.answers[b"GROUP billing"] = DESCRIBED
    assert logmq("group", "describe", "billing") == 0
    assert capsys.readouterr().out.splitlines() == [
        "group billing, Empty, members: 0",
        "",
        "TOPIC     PARTITION  OFFSET  HIGH WATERMARK  LAG",
        "orders            2    1040            2000  960",
        "payments          0       7               7    0",
    ]
    assert logmq("group", "describe", "billing", "--format", "json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["offsets"][0] == {
        "topic": "orders",
        "partition": 2,
        "offset": 1040,
        "high_watermark": 2000,
        "lag": 960,
    }


def test_a_group_with_members_shows_who_reads_what(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of members before that of offsets, partitions in few words; as JSON each one of them."""
    broker.answers[b"GROUP billing"] = (
        b"GROUP Stable 2 billing\nMEMBER 10.0.0.7 app app-1 with words\n"
        b"READS orders/0\nREADS orders/1\nREADS orders/2\nREADS orders/7\nREADS payments/0\n"
        b"MEMBER 10.0.0.8 - idle\nOFFSET orders/2 1040 2000 960\nEND 1\n"
    )
    assert logmq("group", "describe", "billing") == 0
    assert capsys.readouterr().out.splitlines() == [
        "group billing, Stable, members: 2",
        "",
        "CLIENT  HOST      READS                    MEMBER",
        "app     10.0.0.7  orders/0-2,7 payments/0  app-1 with words",
        "-       10.0.0.8  -                        idle",
        "",
        "TOPIC   PARTITION  OFFSET  HIGH WATERMARK  LAG",
        "orders          2    1040            2000  960",
    ]
    assert logmq("group", "describe", "billing", "--format", "json") == 0
    readers = json.loads(capsys.readouterr().out)["readers"]
    assert [len(reader["partitions"]) for reader in readers] == [5, 0]
    assert readers[0]["partitions"][3] == {"topic": "orders", "partition": 7}
    assert (readers[0]["member_id"], readers[1]["host"]) == ("app-1 with words", "10.0.0.8")


def test_a_group_is_moved_to_a_number_or_an_end(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """earliest and latest are looked up first; anything else is no offset, and nothing is sent."""
    broker.topics, broker.ends = {b"orders": [b"one"]}, {b"orders": 7}
    assert logmq("group", "seek", "billing", "orders/2", "1040") == 0
    assert logmq("group", "seek", "billing", "orders", "latest") == 0
    assert logmq("group", "seek", "billing", "orders", "earliest") == 0
    assert [line for line in broker.lines if line.startswith(b"COMMIT")] == [
        b"COMMIT billing orders/2 1040",
        b"COMMIT billing orders 7",
        b"COMMIT billing orders 0",
    ]
    assert logmq("group", "seek", "billing", "orders", "soon") == 2
    assert logmq("group", "seek", "billing", "orders/5", "latest") == 2
    assert "has no partition 5" in capsys.readouterr().err


def test_deleting_asks_first(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """With nobody at the terminal it needs --yes."""
    assert logmq("group", "delete", "billing") == 2
    assert broker.lines == []
    assert logmq("group", "delete", "billing", "--yes") == 0
    assert broker.lines == [b"FORGET billing"]
    assert "deleted group billing" in capsys.readouterr().err


def test_what_the_broker_refuses_is_shown(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """Its code and reason, and exit code 1."""
    broker.answers[b"GROUP nobody"] = b"ERR UNKNOWN_GROUP there is no group 'nobody'\n"
    broker.answers[b"FORGET busy"] = b"ERR GROUP_HAS_MEMBERS group 'busy' has members\n"
    assert logmq("group", "describe", "nobody") == 1
    assert logmq("group", "delete", "busy", "-y") == 1
    captured = capsys.readouterr().err
    assert "there is no group 'nobody'" in captured and "has members" in captured
