"""What the recovery of local files found, for people and for the log."""

from __future__ import annotations

import logging

from logmq.storage.local.recovery import Report

_log = logging.getLogger("logmq.recovery")


def recovery_summary(report: Report) -> str:
    """One line for people."""
    if report.new:
        return "a new directory"
    if report.clean:
        return "nothing to do"
    facts = [
        (report.replayed_commits, f"{_count(report.replayed_commits, 'commit')} taken from the journal"),
        (report.undone_commits, f"{_count(report.undone_commits, 'unfinished commit')} undone"),
        (report.cut_bytes, f"{_count(sum(report.cut_bytes.values()), 'byte')} cut that were never acknowledged"),
        (report.repaired_indexes, f"indexes repaired: {len(report.repaired_indexes)}"),
        (report.mended_journals, f"{_count(len(report.mended_journals), 'journal header')} mended"),
        (report.checkpoint_damaged, "the checkpoint was damaged and made anew"),
        (report.missing_commits, f"{len(report.missing_commits)} COMMITS LOST from the journal"),
        (report.damaged, f"{len(report.damaged)} DAMAGED RANGES, see the log"),
    ]
    return "; ".join(text for there, text in facts if there)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def report_recovery(report: Report) -> None:
    """Log each thing that recovery found, one line each."""
    for damage in report.damaged:
        _log.error(
            "records are damaged and cannot be served",
            extra={
                "partition": str(damage.partition),
                "first_offset": damage.first_offset,
                "next_offset": damage.next_offset,
            },
        )
    if report.missing_commits:
        _log.error(
            "commits cannot be read from the journal any more",
            extra={"first": report.missing_commits[0], "last": report.missing_commits[-1]},
        )
    for name, size in report.cut_bytes.items():
        _log.warning("cut bytes that were never acknowledged", extra={"file": name, "bytes": size})
    for name in report.mended_journals:
        _log.warning("mended a damaged journal header", extra={"file": name})
    for name in report.repaired_indexes:
        _log.warning("repaired an index", extra={"file": name})
    for name in report.unknown_files:
        _log.warning("a file belongs to no topic and was left alone", extra={"file": name})
