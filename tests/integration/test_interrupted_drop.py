"""A drop that a crash cut off between Meta and the files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.integration.broker import BrokerProcess


def test_the_next_start_finishes_a_drop(tmp_path: Path) -> None:
    """The files go without being taken for unknown ones, and the name can be used again from offset 0."""
    with BrokerProcess(tmp_path) as broker:
        broker.ask(b"PRODUCE gone hello")
        broker.ask(b"PRODUCE stays hello")
        broker.kill()
    with sqlite3.connect(tmp_path / "meta.sqlite") as database:
        database.execute("UPDATE topics SET dropping = 1 WHERE name = 'gone'")
    database.close()
    with BrokerProcess(tmp_path) as broker:
        assert not (tmp_path / "gone.log").exists()
        assert "belongs to no topic" not in broker.output.text
        unknown, stored, read, kept = broker.ask(
            b"CONSUME gone 0", b"PRODUCE gone again", b"CONSUME gone 0", b"CONSUME stays 0"
        )
    assert unknown.startswith(b"ERR UNKNOWN_TOPIC")
    assert (stored, read, kept) == (b"OK 0", b"MESSAGE 0 5 again", b"MESSAGE 0 5 hello")
