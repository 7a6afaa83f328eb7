"""What somebody does who has just found LogMQ: start it, talk to it, pull the plug, start it again, find everything.

Commands are typed into a shell as they stand in the documents. The long tests begin where a newcomer does, with a
checkout and nothing installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess, environment
from tests.integration.output import Output

ROOT = Path(__file__).parents[2]

needs_nc = pytest.mark.skipif(shutil.which("nc") is None, reason="nc is not installed")


def shell(command: str, cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    """What a command prints to standard output. Raises: AssertionError when it fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=cwd,
        env=environment({"PATH": path, **(variables or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def suggestion(broker: BrokerProcess) -> str:
    """The command that the banner says to try."""
    return broker.output.wait_for(r"  try +(.*)\n")[1]


@needs_nc
def test_the_banner_leads_to_the_first_message_and_a_power_cut_does_not_take_it(tmp_path: Path) -> None:
    """What the banner says to try works as it stands; after kill -9 the next broker has the message at its offset."""
    with BrokerProcess(tmp_path / "data") as broker:
        assert shell(suggestion(broker), tmp_path) == "OK 0\nMESSAGE 0 11 hello-world\nBYE\n"
        assert (tmp_path / "data" / "greetings.log").read_bytes() == b"\x00\x00\x00\x0bhello-world"
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker:
        read = f"printf 'CONSUME greetings 0\\nCONSUME greetings 15\\nQUIT\\n' | nc 127.0.0.1 {broker.port}"
        assert shell(read, tmp_path) == "MESSAGE 0 11 hello-world\nEOF\nBYE\n"


def test_the_command_line_goes_the_same_way(tmp_path: Path) -> None:
    """Produce lines, look at the topic, read them back, stop the broker, check and show what it left."""
    (tmp_path / "lines").write_text("first\nsecond\nthird\n")
    with BrokerProcess(tmp_path / "data") as broker:
        server = {"LOGMQ_SERVER": f"127.0.0.1:{broker.port}"}
        assert shell("logmq produce orders zeroth", tmp_path, server) == "0\n"
        shell("logmq produce orders < lines", tmp_path, server)
        assert shell("logmq consume orders", tmp_path, server) == "zeroth\nfirst\nsecond\nthird\n"
        messages = shell("logmq consume orders --from 10 --count 2 --format json", tmp_path, server).splitlines()
        assert [json.loads(line)["value"] for line in messages] == ["first", "second"]
        topics = json.loads(shell("logmq topic list --format json", tmp_path, server))
        assert "orders" in json.dumps(topics)
    shell("logmq verify", tmp_path)
    assert "orders.log" in shell("logmq dump", tmp_path)


def test_the_image_finds_a_broker_healthy(tmp_path: Path) -> None:
    """The container's health check, as it stands in the Dockerfile, succeeds while a broker runs and fails after."""
    check = re.search(r"^ +CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert check is not None
    _, *arguments = json.loads(check[1])
    with BrokerProcess(tmp_path / "data") as broker:
        variables = environment({"LOGMQ_PORT": str(broker.port)})
        assert subprocess.run([sys.executable, *arguments], env=variables, timeout=30, check=False).returncode == 0
    gone = subprocess.run([sys.executable, *arguments], env=variables, capture_output=True, timeout=30, check=False)
    assert gone.returncode == 1


# -- the README, as it stands ----------------------------------------------------------------------------------------

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def typed(command: str) -> str:
    """A line of a block without its comment."""
    return re.sub(r"\s+#.*", "", command)


def test_the_readme_opens_with_two_commands() -> None:
    """Whoever reads no further knows how to start the broker and how to run all tests."""
    assert [typed(line) for line in blocks("sh")[0].splitlines()] == ["make serve", "make test"]
    assert README.index("```sh") < 20


def test_the_readmes_conversation_happens(tmp_path: Path) -> None:
    """What is typed into nc at the top of the README gets the answers that stand there, and the file the bytes."""
    conversation, dump = blocks("console")[:2]
    lines = iter(conversation.splitlines()[1:])
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        for command, answer in zip(lines, lines, strict=True):
            assert client.ask(command.encode()).decode() == answer
    shown = dump.splitlines()[1]
    first_bytes = bytes.fromhex(shown[10:49])
    assert (tmp_path / "data" / "greetings.log").read_bytes().startswith(first_bytes)


@needs_nc
def test_the_readmes_commands_work(tmp_path: Path) -> None:
    """Each command of the README's five minutes does what it is there for; those that wait for Ctrl-C are left out."""
    commands = [typed(line) for block in blocks("sh")[1:] for line in block.splitlines()]
    assert len(commands) >= 9
    with BrokerProcess(tmp_path / "data") as broker:
        for command in commands:
            if "--follow" in command or "logmq verify" in command:
                continue
            here = command.replace("8080", str(broker.port))
            shell(here, tmp_path, {"LOGMQ_SERVER": f"127.0.0.1:{broker.port}"})
        (last,) = broker.ask(b"CONSUME orders 0")
        assert last == b"MESSAGE 0 11 first order"
    for command in commands:
        if "logmq verify" in command:
            shell(command, tmp_path)


def test_the_readmes_python_runs(tmp_path: Path) -> None:
    """The README's Python sends a message and prints it when it comes back; it would then wait for more."""
    (code,) = blocks("python")
    with BrokerProcess(tmp_path / "data") as broker:
        code = code.replace("8080", str(broker.port)).replace("print(", "return print(")
        imports, body = code.split("\n\n", 1)
        program = (
            f"{imports}\nimport asyncio\nasync def main():\n{textwrap.indent(body, '    ')}\nasyncio.run(main())\n"
        )
        (tmp_path / "program.py").write_text(program)
        assert shell("python program.py", tmp_path) == "0 b'hello'\n"


# -- from nothing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a newcomer has after cloning: the files, and nothing that was built from them."""
    built = shutil.ignore_patterns(
        ".git", ".venv", "data", "dist", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "node_modules"
    )
    return Path(shutil.copytree(ROOT, tmp_path / "checkout", ignore=built))


@contextmanager
def serving(command: list[str], cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command that starts a broker, in a session of its own, and the port by its banner; killed if all else fails."""
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    output = Output(process.stderr)
    try:
        yield process, int(output.wait_for(r"ready on \S+:(\d+)", 240)[1])
        process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.join()


@pytest.mark.long
@pytest.mark.timeout(300)
@needs_nc
def test_make_serve_on_a_fresh_checkout(checkout: Path) -> None:
    """`make serve` makes the environment, installs and starts a broker that takes messages and stops when asked."""
    with serving(["make", "serve", "ARGS=--port 0"], checkout) as (process, port):
        asked = f"printf 'PRODUCE greetings hello-world\\nQUIT\\n' | nc 127.0.0.1 {port}"
        assert shell(asked, checkout) == "OK 0\nBYE\n"
        process.terminate()
    assert (checkout / "data" / "greetings.log").read_bytes() == b"\x00\x00\x00\x0bhello-world"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pip_install_and_serve(checkout: Path) -> None:
    """`pip install .` brings all that `logmq serve` needs, and nothing of what only developers have."""
    environment_path = checkout / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment_path)], check=True, timeout=120)
    logmq = environment_path / "bin" / "logmq"
    subprocess.run([environment_path / "bin" / "pip", "install", "--quiet", "."], cwd=checkout, check=True, timeout=240)
    with serving([str(logmq), "serve", "--port", "0", "--data-dir", "elsewhere"], checkout) as (process, port):
        server = f"127.0.0.1:{port}"
        produced = subprocess.run(
            [logmq, "produce", "greetings", "hello-world", "--server", server],
            capture_output=True,
            check=True,
            timeout=30,
        )
        assert produced.stdout == b"0\n"
        process.terminate()
    assert process.returncode == 0
    assert (checkout / "elsewhere" / "greetings.log").exists()
