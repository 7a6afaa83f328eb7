"""The Makefile and .ci/run, run for real in an empty directory where every program they call is a script that logs.

What is fake: the interpreter (it makes an environment of logging scripts), and for .ci/run also `make` and apt.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("logmq", "ruff", "mypy", "lint-imports")

# A tool writes its name and arguments to $LOG, and fails if $FAIL names it.
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >>"$LOG"
case "$*" in *pytest*) echo "3 passed in 0.01s" ;; esac
[ "$(basename "$0")" != "$FAIL" ]
"""

INTERPRETER = """#!/bin/sh
case "$*" in
    *version_info*) [ "$OLD" != "$(basename "$0")" ] ;;
    *ensurepip*) [ -z "$WITHOUT_VENV" ] ;;
    --version) echo "Python 3.11.0" ;;
    "-m venv"*) echo "$(basename "$0") $*" >>"$LOG"; rm -rf .venv; cp -r environment .venv ;;
    *) exit 99 ;;
esac
"""


class Checkout:
    """A directory with our Makefile and nothing real behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.programs = path / "programs"
        self.programs.mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", path)
        shutil.copytree(ROOT / ".ci", path / ".ci")
        (path / "pyproject.toml").write_text("[project]\n")
        for name in ("src", "tests", "bench"):
            (path / name).mkdir()
        for name in ("python3", "python3.12"):
            self.program(self.programs / name, INTERPRETER)
        for name in ("python", *TOOLS):
            self.program(path / "environment" / "bin" / name, TOOL)

    @staticmethod
    def program(path: Path, text: str) -> None:
        """Write an executable script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command with the fake programs first on the path."""
        environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "LOG": str(self.log),
            "FAIL": "",
            "OLD": "",
            "WITHOUT_VENV": "",
            **(variables or {}),
        }
        return subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    def make(self, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run make."""
        return self.run("make", *arguments, variables=variables)

    def calls(self) -> list[str]:
        """What was called since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_serve_makes_the_environment_installs_and_starts_the_broker(checkout: Checkout) -> None:
    """`make serve` needs nothing beforehand, and hands its flags on."""
    done = checkout.make("serve", 'ARGS=--port 9000 --sync "100ms"')
    assert done.returncode == 0, done.stderr
    venv, install, serve = checkout.calls()
    assert venv == "python3 -m venv --clear .venv"
    assert install.startswith("python -m pip install") and install.endswith("--editable .")
    assert serve == "logmq serve --port 9000 --sync 100ms"


def test_a_second_run_installs_nothing(checkout: Checkout) -> None:
    """pip runs again only when pyproject.toml changed."""
    checkout.make("serve")
    checkout.calls()
    checkout.make("serve")
    assert checkout.calls() == ["logmq serve"]
    soon = time.time() + 10
    os.utime(checkout.path / "pyproject.toml", (soon, soon))
    checkout.make("serve")
    calls = checkout.calls()
    assert [call.split()[:4] for call in calls[:-1]] == [["python", "-m", "pip", "install"]]


def test_an_environment_whose_interpreter_is_gone_is_made_anew(checkout: Checkout) -> None:
    """After an upgrade of Python the old environment's link leads nowhere: everything is installed again."""
    checkout.make("serve")
    checkout.calls()
    link = checkout.path / ".venv" / "bin" / "python"
    link.unlink()
    link.symlink_to("/nonexistent/python3.10")
    assert checkout.make("serve").returncode == 0
    assert [call.split()[0] for call in checkout.calls()] == ["python3", "python", "logmq"]


def test_an_old_python3_is_passed_over_for_a_newer_one(checkout: Checkout) -> None:
    """Where `python3` is too old, a `python3.12` beside it is used."""
    assert checkout.make("serve", variables={"OLD": "python3"}).returncode == 0
    assert checkout.calls()[0] == "python3.12 -m venv --clear .venv"


def test_no_python_is_new_enough(checkout: Checkout) -> None:
    """The message says what is needed and how to name another interpreter; nothing is left behind."""
    done = checkout.make("serve", "PYTHON=python3 no-such-python", variables={"OLD": "python3"})
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make PYTHON=/path/to/python3 serve" in done.stderr
    assert not (checkout.path / ".venv").exists()


def test_python_without_venv(checkout: Checkout) -> None:
    """Debian's Python has no venv module at first: the message names the package."""
    done = checkout.make("test", variables={"WITHOUT_VENV": "yes"})
    assert done.returncode != 0
    assert "sudo apt install python3-venv" in done.stderr
    assert not (checkout.path / ".venv").exists()


def test_test_runs_every_check(checkout: Checkout) -> None:
    """`make test`: style, form, types, layers, and the tests that are not long."""
    done = checkout.make("test")
    assert done.returncode == 0, done.stderr
    calls = checkout.calls()[2:]
    assert calls[:4] == ["ruff check .", "ruff format --check .", "mypy ", "lint-imports "]
    assert calls[4].startswith("python -m pytest") and calls[4].rstrip().endswith("-m not long")
    assert len(calls) == 5


@pytest.mark.parametrize("tool", ["ruff", "mypy", "lint-imports"])
def test_a_failed_lint_fails_the_run_and_the_tests_still_run(checkout: Checkout, tool: str) -> None:
    """One run shows all there is to mend, and pytest's closing line is there."""
    done = checkout.make("test", variables={"FAIL": tool})
    assert done.returncode != 0
    assert "3 passed in 0.01s" in done.stdout
    assert "lint-imports " in checkout.calls()


def test_failed_tests_fail_the_run(checkout: Checkout) -> None:
    """`make test` exits non-zero when pytest does."""
    checkout.make("lint")
    assert checkout.make("test", variables={"FAIL": "python"}).returncode != 0


def test_a_failed_installation_is_tried_again(checkout: Checkout) -> None:
    """No stamp is left when pip failed."""
    assert checkout.make("serve", variables={"FAIL": "python"}).returncode != 0
    assert checkout.make("serve").returncode == 0
    assert checkout.calls()[-1] == "logmq serve"


def test_clean_keeps_the_data(checkout: Checkout) -> None:
    """`make clean` removes what was built and nothing that was stored."""
    checkout.make("serve")
    (checkout.path / "data").mkdir()
    assert checkout.make("clean").returncode == 0
    assert not (checkout.path / ".venv").exists()
    assert (checkout.path / "data").is_dir()


def test_help_lists_every_target(checkout: Checkout) -> None:
    """`make` alone says what there is."""
    shown = checkout.make().stdout
    public = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"serve", "test", "test-long", "bench", "lint", "format", "clean", "dist"} <= public
    assert all(f"make {target}" in shown for target in public)


APT = '#!/bin/sh\necho "apt-get $*" >>"$LOG"\n'
PROGRAM_OF_PACKAGE = {
    "netcat-openbsd": "nc",
    "strace": "strace",
    "tmux": "tmux",
    "redis-server": "redis-server",
    "kcat": "kcat",
    "nodejs": "node",
    "npm": "npm",
    "openjdk-17-jdk-headless": "javac",
    "maven": "mvn",
    "chromium": "chromium",
    "etcd-server": "etcd",
}


def ci_programs(checkout: Checkout, uid: int, missing: set[str]) -> dict[str, str]:
    """Variables under which .ci/run finds nothing but these programs."""
    path = checkout.path / "ci"
    for name in ("bash", "dirname", "basename", "env"):
        found = shutil.which(name)
        assert found is not None
        path.mkdir(exist_ok=True)
        (path / name).symlink_to(found)
    checkout.program(path / "id", f"#!/bin/sh\necho {uid}\n")
    checkout.program(path / "apt-get", APT)
    checkout.program(path / "make", TOOL)
    for package, program in PROGRAM_OF_PACKAGE.items():
        if package not in missing:
            checkout.program(path / program, TOOL)
    clients = checkout.path / "clients"  # as if the Kafka clients had been installed before
    (clients / "node" / "node_modules" / "kafkajs").mkdir(parents=True)
    (clients / "java").mkdir()
    version = re.search(r"^KAFKA=(\S+)$", (ROOT / ".ci" / "kafka-clients").read_text(), re.MULTILINE)
    assert version is not None
    (clients / "java" / f"kafka-clients-{version[1]}.jar").touch()
    packages = checkout.path / "console" / "node_modules"  # and the console's packages after its lock file
    packages.mkdir(parents=True)
    (packages / ".package-lock.json").touch()
    return {"PATH": str(path), "KAFKA_CLIENTS_DIR": str(clients)}


def test_ci_runs_make_test(checkout: Checkout) -> None:
    """With everything there, .ci/run calls `make test` and nothing else."""
    done = checkout.run(".ci/run", variables=ci_programs(checkout, 0, set()))
    assert done.returncode == 0, done.stderr
    assert checkout.calls() == ["make test"]


def test_ci_fails_when_make_test_fails(checkout: Checkout) -> None:
    """.ci/run exits with the status of `make test`."""
    variables = {**ci_programs(checkout, 0, set()), "FAIL": "make"}
    assert checkout.run(".ci/run", variables=variables).returncode == 1


def test_ci_installs_what_is_missing(checkout: Checkout) -> None:
    """As root, only the missing packages are installed."""
    checkout.run(".ci/run", variables=ci_programs(checkout, 0, {"strace", "tmux"}))
    calls = checkout.calls()
    assert [call.split()[-1] for call in calls if " install " in call] == ["strace", "tmux"]
    assert calls[-1] == "make test"


def test_ci_without_root_says_what_is_missing(checkout: Checkout) -> None:
    """Without root nothing is installed, the rest is run."""
    done = checkout.run(".ci/run", variables=ci_programs(checkout, 1000, {"strace"}))
    assert done.returncode == 0
    assert "strace" in done.stderr
    assert checkout.calls() == ["make test"]


def test_ci_is_strict() -> None:
    """.ci/run stops at the first error and is executable."""
    script = ROOT / ".ci" / "run"
    assert "set -euo pipefail" in script.read_text()
    assert os.access(script, os.X_OK)
