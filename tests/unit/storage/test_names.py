"""File names: no two logs share one, each can be taken apart again, and all fit a file system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.model import TopicPartition
from logmq.storage.local.names import (
    CHECKPOINT,
    CHECKPOINT_NEW,
    META,
    index_name,
    journal_name,
    log_name,
    parse_journal,
    parse_segment,
    stored_partition,
)

topics = st.one_of(
    st.from_regex(r"[A-Za-z0-9._-]{1,249}", fullmatch=True).filter(lambda name: name not in {".", ".."}),
    st.sampled_from(["a", "a.log", "a.index", "a-1", "journal.1", "checkpoint", "x" * 249, "x" * 248 + "y", "x" * 224]),
)
partitions = st.builds(TopicPartition, topics, st.integers(0, 9_999))
bases = st.integers(0, 10**20 - 1)


def test_the_first_segment_of_partition_0_is_named_after_the_topic() -> None:
    """The specification's `data/<topic>.log`."""
    assert log_name(TopicPartition("orders", 0), 0) == "orders.log"


def test_partition_and_base_offset_follow() -> None:
    """As the module's docstring draws it."""
    orders = TopicPartition("orders", 3)
    assert log_name(orders, 0) == "orders@3.log"
    assert log_name(orders, 1_073_741_824) == "orders@3+00000000001073741824.log"
    assert index_name(orders, 1_073_741_824) == "orders@3+00000000001073741824.index"


@given(partitions, bases)
def test_names_can_be_taken_apart(partition: TopicPartition, base_offset: int) -> None:
    """Parsing a name gives back what it was made of."""
    for name, kind in ((log_name(partition, base_offset), "log"), (index_name(partition, base_offset), "index")):
        assert parse_segment(name) == (stored_partition(partition), base_offset, kind)
        assert parse_journal(name) is None


@given(partitions, bases, partitions, bases)
def test_no_two_segments_share_a_name(a: TopicPartition, base_a: int, b: TopicPartition, base_b: int) -> None:
    """Different partitions and bases have different files, logs as well as indexes."""
    names = {log_name(a, base_a), index_name(a, base_a), log_name(b, base_b), index_name(b, base_b)}
    assert len(names) == (2 if (a, base_a) == (b, base_b) else 4)


@given(partitions, bases)
def test_names_fit_a_file_system(partition: TopicPartition, base_offset: int) -> None:
    """255 bytes are enough for any legal topic, partition and offset."""
    assert len(index_name(partition, base_offset)) <= 255


@pytest.mark.parametrize(
    "name",
    ["", ".log", "a", "a.txt", "a@.log", "a@x.log", "a+1.log", "a@1@2.log", "../a.log", "a/b.log", "a.log\n", META],
)
def test_other_names_are_no_segments(name: str) -> None:
    """What is no segment's name is left alone."""
    assert parse_segment(name) is None


def test_journal_files_are_numbered() -> None:
    """And are told from everything else."""
    assert journal_name(12) == "journal.12"
    assert parse_journal("journal.12") == 12
    for name in (CHECKPOINT, CHECKPOINT_NEW, "journal.", "journal.x", "journal.1.log", "xjournal.1"):
        assert parse_journal(name) is None
    assert parse_segment(journal_name(1)) is None
    assert parse_segment(CHECKPOINT) is None
