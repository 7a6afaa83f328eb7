"""docs/cli.md against the commands: every command and every option is there, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logmq.cli.main import COMMANDS, load_command
from logmq.config import SETTINGS

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"
DESCRIBED_ELSEWHERE = {"serve", "bench"}
"""docs/settings.md has the flags of serve, docs/benchmarks.md those of bench."""


def sections() -> dict[str, str]:
    """The page's sections by heading."""
    return {part.partition("\n")[0]: part for part in DOCS.read_text().split("\n## ")[1:]}


def options(command: Any) -> Iterator[str]:
    """The long and short options of a command and of the commands below it."""
    for parameter in command.params:
        yield from (option for option in parameter.opts if option.startswith("-") and option != "--help")
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


def test_every_command_has_a_section() -> None:
    """The page describes exactly the commands that exist, in the order of the help."""
    assert [name for name in sections() if name != "Exit codes"] == list(COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in DESCRIBED_ELSEWHERE])
def test_every_option_is_in_the_table(name: str) -> None:
    """The table of a command's section has exactly its options."""
    rows = [line.split("|")[1] for line in sections()[name].splitlines() if line.startswith("| `-")]
    listed = [option for row in rows for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)]
    assert sorted(listed) == sorted(set(options(load_command(name))))


def test_serve_has_a_flag_for_every_setting() -> None:
    """What docs/settings.md says of flags holds: each setting has one, and there is none beside them but --config."""
    assert set(options(load_command("serve"))) == {"--config", *(setting.flag for setting in SETTINGS.values())}
