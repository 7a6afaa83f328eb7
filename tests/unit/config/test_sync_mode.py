"""The sync modes show what selects them."""

from __future__ import annotations

from logmq.config import SYNC_ALWAYS, SYNC_NEVER, SyncMode


def test_sync_modes_print_as_they_are_written() -> None:
    """The three sync modes show the text that selects them."""
    assert str(SYNC_ALWAYS) == "always"
    assert str(SYNC_NEVER) == "never"
    assert str(SyncMode.every(100)) == "100ms"
