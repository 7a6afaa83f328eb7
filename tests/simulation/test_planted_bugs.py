"""Bugs planted on purpose, each of which the campaigns must find: what is never red proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from tests.simulation import campaign, test_failing_calls, test_full_disk
from tests.simulation.disk import SimulatedFile
from tests.simulation.ledger import Violation

from logmq.storage.calls import Call
from logmq.storage.local import checkpoint, checkpointer, recovery
from logmq.storage.local.checkpoint import Checkpoint
from logmq.storage.local.checkpointer import DirtySegment
from logmq.storage.local.commit import Commits
from logmq.storage.local.files import Files, SyncFailed
from logmq.storage.local.journal import HEADER_SIZE, FileHeader, Journal, JournalFile, encode_header
from logmq.storage.local.log import Log, Written
from logmq.storage.local.names import CHECKPOINT, CHECKPOINT_NEW

SEEDS = range(100)
"""The unpatched engine passes these: the tests of the campaigns run them all."""
FEW_SEEDS = range(20)

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Bug:
    """What is done wrong, and which campaign must find it."""

    name: str
    plant: Callable[[Patch], None]
    run: Callable[[int], Any] = campaign.run
    seeds: Iterable[int] = SEEDS

    def __str__(self) -> str:
        return self.name


class NamesUnsynced:
    """A file layer that does not sync names."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def sync_names(self) -> None:
        """Nothing."""


def acknowledge_before_sync(patch: Patch) -> None:
    sync, write = Commits.sync, Commits.write

    def late_write(commits: Commits, calls: list[Call]) -> None:
        sync(commits)
        write(commits, calls)

    patch.setattr(Commits, "sync", Commits.publish)
    patch.setattr(Commits, "write", late_write)


def do_not_sync_names_after_a_roll(patch: Patch) -> None:
    roll = Log.roll

    def careless(log: Log, timestamp_ms: int) -> None:
        files, log._files = log._files, NamesUnsynced(log._files)
        roll(log, timestamp_ms)
        log._files = files

    patch.setattr(Log, "roll", careless)


def do_not_sync_names_after_the_rename_of_a_checkpoint(patch: Patch) -> None:
    write = checkpoint.write
    patch.setattr(checkpoint, "write", lambda files, made: write(NamesUnsynced(files), made))


def publish_before_sync(patch: Patch) -> None:
    write = Commits.write

    def hasty(commits: Commits, calls: list[Call]) -> None:
        write(commits, calls)
        commits.publish()

    patch.setattr(Commits, "write", hasty)


def keep_torn_tails(patch: Patch) -> None:
    patch.setattr(recovery._Recovery, "_cut", lambda self, log: None)


def ignore_a_failed_sync_of_the_journal(patch: Patch) -> None:
    def sync(journal: Journal) -> None:
        with suppress(SyncFailed):
            journal._active.file.sync()
        journal.synced = journal.commit

    patch.setattr(Journal, "sync", sync)


def ignore_a_failed_sync_of_a_log(patch: Patch) -> None:
    sync = SimulatedFile.sync

    def careless(file: SimulatedFile) -> None:
        try:
            sync(file)
        except SyncFailed:
            if not file.name.endswith(".log"):
                raise

    patch.setattr(SimulatedFile, "sync", careless)


def leave_the_bytes_of_a_failed_append(patch: Patch) -> None:
    def undo(log: Log, written: Written) -> None:
        log.tail.restore(written.before, written.entry_count_before)

    patch.setattr(Log, "undo", undo)


def go_on_behind_a_failed_append(patch: Patch) -> None:
    patch.setattr(Log, "undo", lambda log, written: None)


def salt_the_journal_always_alike(patch: Patch) -> None:
    def begin(journal: Journal, file: JournalFile) -> None:
        file.file.write_at(0, [encode_header(FileHeader(0, journal.commit + 1))])
        journal._active, journal._salt, journal._position = file, 0, HEADER_SIZE

    patch.setattr(Journal, "_begin", begin)


def rename_the_checkpoint_before_it_is_synced(patch: Patch) -> None:
    def write(files: Files, made: Checkpoint) -> None:
        file = files.create(CHECKPOINT_NEW)
        file.truncate(0)
        file.write_at(0, [checkpoint.encode(made)])
        files.rename(CHECKPOINT_NEW, CHECKPOINT)
        files.sync_names()
        file.sync()

    patch.setattr(checkpoint, "write", write)


def do_not_sync_spans(patch: Patch) -> None:
    both = Commits._sync_spans_and_journal

    def journal_only(commits: Commits) -> None:
        commits._spans.clear()
        both(commits)

    patch.setattr(Commits, "_sync_spans_and_journal", journal_only)


def do_not_sync_logs_at_a_checkpoint(patch: Patch) -> None:
    def write(one: DirtySegment) -> None:
        one.segment.index.write(one.entry_count)

    patch.setattr(checkpointer, "_write_segment", write)


def let_two_journal_files_begin_at_one_commit(patch: Patch) -> None:
    patch.setattr(recovery, "disown", lambda journal_files, last_commit: None)


def hostile(seed: int) -> None:
    campaign.run(seed, hostile=True)


def fail_syncs(seed: int) -> None:
    test_failing_calls.fail_each("sync", 5, seed)


BUGS = [
    Bug("acknowledged before the sync", acknowledge_before_sync),
    Bug("directory not synced after a create", do_not_sync_names_after_a_roll),
    Bug("directory not synced after a rename", do_not_sync_names_after_the_rename_of_a_checkpoint),
    Bug("unsynced bytes served", publish_before_sync),
    Bug("torn tail kept", keep_torn_tails),
    Bug("failed sync of the journal ignored", ignore_a_failed_sync_of_the_journal, fail_syncs, [18]),
    Bug("failed sync of a log ignored", ignore_a_failed_sync_of_a_log, fail_syncs, [18]),
    Bug("bytes of a failed append left", leave_the_bytes_of_a_failed_append, test_full_disk.run, FEW_SEEDS),
    Bug("went on behind a failed append", go_on_behind_a_failed_append, test_full_disk.run, FEW_SEEDS),
    Bug("journal salt constant", salt_the_journal_always_alike, hostile, FEW_SEEDS),
    Bug("checkpoint renamed before its sync", rename_the_checkpoint_before_it_is_synced, campaign.sweep, FEW_SEEDS),
    Bug("span not synced", do_not_sync_spans),
    Bug("log not synced at a checkpoint", do_not_sync_logs_at_a_checkpoint),
    Bug("two journal files begun at one commit", let_two_journal_files_begin_at_one_commit),
]


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """With this bug in it the engine breaks a promise within these seeds."""
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        for count, seed in enumerate(bug.seeds, 1):
            try:
                bug.run(seed)
            except Violation as found:
                print(f"{bug}: found after {count} seeds: {str(found).splitlines()[0]}")
                return
    pytest.fail(f"nothing noticed: {bug}")
