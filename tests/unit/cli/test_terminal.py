"""What is shown where a person looks: tables and progress on a terminal, and none of it elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from logmq.cli import progress as module
from logmq.cli.progress import ProgressLine, Silence, progress
from logmq.cli.table import print_table


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_table_has_separated_thousands_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """People get grouped digits, programs get digits."""
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        monkeypatch.setattr(sys, "stdout", stream)
        print_table(["NAME", "SIZE"], [("a", 1_234_567), ("[b]", 2)])
    assert "1,234,567" in terminal.getvalue()
    assert "[b]" in terminal.getvalue()  # not taken for markup
    assert file.getvalue() == "NAME     SIZE\na     1234567\n[b]         2\n"


def test_offsets_are_shown_as_they_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied from a table into `--from` has no separators."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_table(["OFFSET", "LAG"], [(1_234_567, 7_654_321)], exact=("OFFSET",))
    assert "1234567" in terminal.getvalue()
    assert "7,654,321" in terminal.getvalue()


def test_progress_is_shown_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error in a file, or --quiet, gets no progress."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress("x", 1), Silence)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress("x", 1), ProgressLine)
    assert isinstance(progress("x", 1, wanted=False), Silence)


@pytest.mark.parametrize("total", [None, 200])
def test_progress_appears_when_work_takes_a_while(monkeypatch: pytest.MonkeyPatch, total: int | None) -> None:
    """Quick work shows nothing; after a moment there is a line with count and rate, gone at the end."""
    now = [0.0]
    monkeypatch.setattr(module, "time", type("Time", (), {"monotonic": staticmethod(lambda: now[0])}))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("to t", total) as shown:
        shown.advance(50, 5)
        assert terminal.getvalue() == ""
        now[0] = 2.0
        shown.advance(50, 5)
    written = terminal.getvalue()
    assert "10 messages, 5/s" in written
    assert ("50 %" in written) is (total is not None)
