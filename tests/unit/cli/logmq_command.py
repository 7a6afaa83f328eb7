"""Runs `logmq` inside the test's process: what it prints goes through pytest's capture, its exit code comes back."""

from __future__ import annotations

import pytest

from logmq.cli.main import main


def logmq(*args: str) -> int:
    """Run the command line; returns its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(args)
    code = caught.value.code
    assert code is None or isinstance(code, int)
    return code or 0
