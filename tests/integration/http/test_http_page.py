"""docs/http.md against a real broker: each call is there, and what its lines answer is what the page says.

`"..."` in an answer stands for any value, for the rest of a list, and as a name for all other fields; `...` in text for
any text.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.broker import BrokerProcess

from logmq.protocols.http import problems
from logmq.protocols.http.routes import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
ANY = "..."


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    """Lines for the shell, with the kind and the text of the answer behind them."""
    return re.findall(r"^```sh\n(.*?)^```\n\n```(json|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def differences(shown: Any, found: Any, at: str = "") -> list[str]:
    """Where an answer is not what the page shows."""
    if shown == ANY:
        return []
    if isinstance(shown, dict) and isinstance(found, dict):
        names = set(shown) - {ANY} if ANY in shown else set(shown) | set(found)
        return [
            line
            for name in sorted(names)
            for line in (
                differences(shown[name], found[name], f"{at}.{name}")
                if name in shown and name in found
                else [f"{at}.{name} is only in one of the two"]
            )
        ]
    if isinstance(shown, list) and isinstance(found, list):
        open_ended = bool(shown) and shown[-1] == ANY
        shown = shown[:-1] if open_ended else shown
        if len(found) < len(shown) or (len(found) > len(shown) and not open_ended):
            return [f"{at} has {len(found)} items"]
        return [line for index, each in enumerate(shown) for line in differences(each, found[index], f"{at}[{index}]")]
    return [] if shown == found and type(shown) is type(found) else [f"{at}: {shown!r} is {found!r}"]


def test_the_page_has_exactly_the_calls_that_exist() -> None:
    """A heading each."""
    headings = re.findall(r"^### `(\w+) (\S+)`$", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted((each.method, each.path) for each in OPERATIONS)


def test_each_call_has_a_line_and_an_answer() -> None:
    """Under its heading, with its method and path."""
    sections = re.split(r"^##+ ", PAGE, flags=re.MULTILINE)
    for operation in OPERATIONS:
        (section,) = [each for each in sections if each.startswith(f"`{operation.method} {operation.path}`\n")]
        assert re.search(r"^```sh\n.*?^```\n\n```(json|text)\n", section, re.MULTILINE | re.DOTALL), operation.path
        path = re.sub(r"\\\{\w+\\\}", r"[^/\\s'\"?]+", re.escape(operation.path))
        assert re.search(rf"localhost:8080{path}['\"?\s]", section), operation.path


def subclasses(kind: type[problems.RequestProblem]) -> set[type[problems.RequestProblem]]:
    """All below a class."""
    return {each for below in kind.__subclasses__() for each in {below, *subclasses(below)}}


def test_codes_on_the_page_exist() -> None:
    """Whatever is written like one."""
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE))
    assert named
    known = {code for _, code in problems._TABLE.values()} | {each.code for each in subclasses(problems.RequestProblem)}
    assert named <= known


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_of_the_page_answer_what_it_says(tmp_path: Path) -> None:
    """All of them, one after the other, on a new broker."""
    wrong = []
    with BrokerProcess(tmp_path / "data", "--sync=never") as broker:
        for line, kind, shown in examples():
            found = run(line, broker.port)
            if kind == "json":
                wrong += [f"{line}{each}" for each in differences(json.loads(shown), json.loads(found or "null"))]
            elif not re.fullmatch(re.escape(shown.strip()).replace(r"\.\.\.", ".*"), found.strip()):
                wrong.append(f"{line}answers {found!r}")
    assert not wrong, "\n".join(wrong)


def run(line: str, port: int) -> str:
    """What a line for the shell prints."""
    done = subprocess.run(
        ["bash", "-c", line.replace("localhost:8080", f"localhost:{port}")],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.stdout


def test_the_program_in_python_works(broker: BrokerProcess) -> None:
    """As it stands there."""
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program.replace("localhost:8080", f"localhost:{broker.port}")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["1000"], "")
