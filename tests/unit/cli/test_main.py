"""The command table: every command is there, is loaded only when it runs, and a wrong one is answered well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.logmq_command import logmq

import logmq as package
from logmq.cli import main
from logmq.config import SETTINGS

CLI_DIRECTORY = Path(main.__file__).parent


def modules_loaded_by(code: str) -> set[str]:
    """What a fresh interpreter has imported after running `code`."""
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, check=True, text=True
    )
    return set(shown.stdout.split())


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`logmq --version` prints the package's version."""
    assert logmq("--version") == 0
    assert capsys.readouterr().out == f"logmq {package.__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`logmq --help` has each command of the table with its line of help."""
    assert logmq("--help") == 0
    shown = capsys.readouterr().out
    for name, help_line in main.COMMANDS.items():
        assert f" {name} " in shown
        assert help_line in " ".join(shown.split())


def test_without_a_command_the_help_is_shown() -> None:
    """`logmq` alone is a usage error that shows the help."""
    assert logmq() == 2


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does not exist is a usage error that names the nearest one."""
    assert logmq("cosnume") == 2
    assert "Did you mean 'consume'?" in capsys.readouterr().err


def test_the_help_of_serve_has_every_setting_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal of 80 columns, too, each setting's flag, default and variable are there, and nothing of Python."""
    monkeypatch.setenv("COLUMNS", "80")
    assert logmq("serve", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS.values():
        assert f"{setting.flag} " in shown
        assert f"[default: {setting.default_text}; env: {setting.variable}]" in shown
    assert "Raises:" not in shown


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_of_the_table_loads(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each name in the table is a module of the package that has a command of that name."""
    assert logmq(name, "--help") == 0
    assert f"logmq {name}" in capsys.readouterr().out


def test_python_dash_m_is_the_same_command() -> None:
    """`python -m logmq` runs the command line, under its own name."""
    shown = subprocess.run([sys.executable, "-m", "logmq", "nope"], capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert "Usage: logmq " in shown.stderr


def test_nothing_heavy_is_loaded_before_a_command_is_chosen() -> None:
    """Importing the command line loads neither asyncio nor Rich nor any other layer: it stays quick."""
    loaded = modules_loaded_by("import logmq.cli.main")
    assert not loaded & {"asyncio", "rich", "uvloop", "sqlite3", "tomllib", "logmq.config", "logmq.client"}


def test_serve_loads_neither_rich_nor_the_client() -> None:
    """A broker does not carry what only people and clients need."""
    loaded = modules_loaded_by("import logmq.cli.main as m\nm.load_command('serve')")
    assert not {name for name in loaded if name.split(".")[0] == "rich" or name.startswith("logmq.client")}
