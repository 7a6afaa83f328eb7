"""The web console: its logic, its types, its screens in Chromium, and that its built files are what its sources build.

The tests themselves are in `console/tests`, in TypeScript. `.ci/console` installs what they need; without it they skip.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "console"
BUILT = ROOT / "src" / "logmq" / "protocols" / "http" / "console"
PROGRAMS = SOURCES / "node_modules" / ".bin"
BROWSERS = [Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"), Path("/usr/bin/google-chrome")]
SIZE_MAX = 60_000
"""Bytes that a browser loads, compressed. Readers of a console on a slow line wait for each of them."""

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not PROGRAMS.exists(), reason="Node or the console's packages are not installed"
)
needs_browser = pytest.mark.skipif(
    "CHROMIUM" not in os.environ and not any(path.exists() for path in BROWSERS), reason="Chromium is not installed"
)


def run(program: str, *arguments: str, timeout_s: float = 50) -> None:
    """Run a program of the console's packages; its output is what a failing test shows."""
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=SOURCES,
        env=os.environ | {"LOGMQ_TEST_PYTHON": sys.executable, "NO_COLOR": "1", "TZ": "Europe/Lisbon"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@needs_node
def test_types() -> None:
    """The sources are sound by strict TypeScript."""
    run("tsc", "--noEmit")


@needs_node
def test_logic() -> None:
    """What needs no browser: rates, quantiles, windows of lists, hex, JSON, times."""
    run("vitest", "run", "--project", "unit")


@needs_node
@needs_browser
@pytest.mark.timeout(300)
def test_screens() -> None:
    """Every screen in a browser, on a real broker with data: see console/tests/browser."""
    run("vitest", "run", "--project", "browser", timeout_s=280)


@needs_node
def test_the_built_files_are_what_the_sources_build(tmp_path: Path) -> None:
    """Byte for byte: whoever changes the sources builds them, and nobody edits what was built."""
    run("vite", "build", "--outDir", str(tmp_path), "--emptyOutDir", "--logLevel", "warn")
    assert contents(tmp_path) == contents(BUILT), "run `make console` and commit what it builds"


def test_the_lock_file_names_no_registry() -> None:
    """Which one the packages come from is npm's setting, not ours; their checksums are here."""
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert len(packages) > 10
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_the_assets_are_small() -> None:
    """All that a browser loads."""
    size = sum(len(gzip.compress(path.read_bytes())) for path in BUILT.rglob("*") if path.is_file())
    assert 10_000 < size < SIZE_MAX


def contents(directory: Path) -> dict[str, bytes]:
    """The files below a directory by their names."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
