"""The files an operator starts LogMQ with: they agree with each other, with pyproject.toml and with the settings."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from logmq.cli.exits import ExitCode
from logmq.config import Config, load_config, parse_duration
from logmq.server.engines import EXIT_SYNC_FAILED

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


# -- Dockerfile -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile, its continuation lines joined."""

    name: str
    rest: str

    def exec_form(self) -> list[str]:
        """The words of `["word", ...]`; ValueError where it is in shell form."""
        words: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return words


def parse_dockerfile(text: str) -> list[list[Instruction]]:
    """The instructions of each stage."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[Instruction]] = []
    for line in joined.splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, rest.strip()))
    return stages


STAGES = parse_dockerfile((ROOT / "Dockerfile").read_text())


def one(name: str) -> Instruction:
    """The only instruction of this name in the last stage."""
    found = [each for each in STAGES[-1] if each.name == name]
    assert len(found) == 1, (name, found)
    return found[0]


def image_environment() -> dict[str, str]:
    """What ENV sets in the last stage."""
    return dict(pair.split("=", 1) for pair in shlex.split(one("ENV").rest))


def test_the_image_starts_the_broker() -> None:
    """The entry point is in exec form, so that the broker is process 1 and gets the signals, and its command exists."""
    command = one("ENTRYPOINT").exec_form()
    assert command == ["logmq", "serve"]
    assert command[0] in PROJECT["scripts"]
    assert one("STOPSIGNAL").rest == "SIGTERM"
    assert not [each for each in STAGES[-1] if each.name == "CMD"]


def test_the_image_runs_as_nobody_special() -> None:
    """The user is fixed by number, is not root, and owns the data directory."""
    user = one("USER").rest
    uid, _, gid = user.partition(":")
    assert uid == gid and int(uid) >= 1000
    setup = " ".join(each.rest for each in STAGES[-1] if each.name == "RUN")
    assert f"--uid {uid}" in setup and f"--gid {gid}" in setup
    assert re.search(rf"install --directory --owner=logmq .*{one('VOLUME').rest}", setup)
    names = [each.name for each in STAGES[-1]]
    assert names.index("RUN") < names.index("USER") < names.index("VOLUME")


def test_the_image_sets_only_settings_that_exist() -> None:
    """Its LOGMQ_ variables are settings with allowed values; data, port and host are what the image says elsewhere."""
    ours = {name: value for name, value in image_environment().items() if name.startswith("LOGMQ_")}
    config = load_config({}, ours)
    assert config.data_dir == Path(one("VOLUME").rest)
    assert str(config.port) == one("EXPOSE").rest == str(Config().port)
    assert config.host == "0.0.0.0"


def test_the_last_stage_builds_nothing() -> None:
    """What the build stage made is copied; pip and the sources stay behind."""
    assert len(STAGES) == 2
    assert not any("pip" in each.rest for each in STAGES[-1] if each.name == "RUN")
    copies = [each.rest for each in STAGES[-1] if each.name == "COPY"]
    assert copies == ["--from=build /opt/logmq /opt/logmq"]
    assert image_environment()["PATH"].startswith("/opt/logmq/bin:")


def test_what_the_image_copies_is_there() -> None:
    """Each file that the build copies exists, is not ignored, and is all that the package needs."""
    copies = [each.rest.split()[:-1] for each in STAGES[0] if each.name == "COPY"]
    sources = {Path(word).name for words in copies for word in words}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert kept == sources
    assert all((ROOT / source).exists() for source in sources)
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= kept


def test_the_base_image_is_a_python_we_support() -> None:
    """Both stages have the same base, and pyproject.toml names its version."""
    bases = {stage[0].rest.split()[0] for stage in STAGES}
    assert len(bases) == 1
    match = re.fullmatch(r"python:(3\.\d+)-slim", bases.pop())
    assert match is not None
    assert f"Programming Language :: Python :: {match[1]}" in PROJECT["classifiers"]


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server on a port of its own that gives one client one answer to its first line."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                assert client.makefile("rb").readline() == b"PING\n"
                client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=10)


def check_health(port: int) -> int:
    """The exit status of the image's health check."""
    python, *arguments = one("HEALTHCHECK").exec_form()
    assert python == "python"
    return subprocess.run(
        [sys.executable, *arguments], env={"LOGMQ_PORT": str(port)}, capture_output=True, timeout=30, check=False
    ).returncode


def test_the_health_check_wants_a_pong() -> None:
    """Healthy is a broker that answers PING with PONG; anything else is not, and neither is silence."""
    with answering(b"PONG\n") as port:
        assert check_health(port) == 0
    with answering(b"ERR UNAVAILABLE stopping\n") as port:
        assert check_health(port) == 1
    with answering(b"") as port:
        assert check_health(port) == 1


def test_the_health_check_fails_where_nobody_listens() -> None:
    """A port without a broker is unhealthy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert check_health(port) == 1


# -- compose.yaml ---------------------------------------------------------------------------------------------------

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["logmq"]


def test_compose_keeps_the_data_in_a_volume() -> None:
    """The volume is declared and mounted where the image keeps its data."""
    volume, path = SERVICE["volumes"][0].split(":")
    assert volume in COMPOSE["volumes"]
    assert path == one("VOLUME").rest


def test_compose_publishes_the_port_to_this_machine_only() -> None:
    """Without passwords, the port is not opened to the network."""
    assert SERVICE["ports"] == [f"127.0.0.1:{Config().port}:{one('EXPOSE').rest}"]


def test_compose_sets_only_settings_that_exist() -> None:
    """Its variables are settings with allowed values."""
    load_config({}, SERVICE["environment"])


def test_compose_waits_until_the_broker_has_drained() -> None:
    """Docker kills the broker only well after it should have stopped."""
    assert parse_duration(SERVICE["stop_grace_period"]) >= 2 * Config().drain_timeout_ms


def test_compose_allows_a_descriptor_a_connection() -> None:
    """More descriptors than connections, segments and indexes together."""
    assert SERVICE["ulimits"]["nofile"]["soft"] > 2 * Config().connections_max
    assert SERVICE["restart"] == "unless-stopped"


COMPOSE_KEYS = {
    *("build", "image", "command", "entrypoint", "environment", "env_file", "ports", "expose", "volumes"),
    *("restart", "stop_grace_period", "stop_signal", "healthcheck", "ulimits", "user", "read_only", "tmpfs"),
    *("cap_add", "cap_drop", "security_opt", "depends_on", "networks", "logging", "labels", "deploy"),
}
"""Keys of a service in the Compose Specification that a broker may have a use for."""


def test_compose_has_only_keys_that_compose_knows() -> None:
    """Compose refuses a file with a key it does not know."""
    assert set(COMPOSE) <= {"name", "services", "volumes", "networks"}
    assert set(SERVICE) <= COMPOSE_KEYS


# -- deploy/logmq.service -------------------------------------------------------------------------------------------

UNIT_FILE = ROOT / "deploy" / "logmq.service"


def unit() -> dict[str, list[str]]:
    """The [Service] section: every value of every key."""
    values: dict[str, list[str]] = {}
    section = UNIT_FILE.read_text().split("[Service]")[1].split("[Install]")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def test_the_unit_starts_the_broker() -> None:
    """The command is ours, its variables are settings, and the data lies where the unit may write."""
    service = unit()
    program, command = service["ExecStart"][0].split()
    assert Path(program).name in PROJECT["scripts"] and command == "serve"
    variables = dict(each.split("=", 1) for each in service["Environment"])
    config = load_config({}, {name: value for name, value in variables.items() if name.startswith("LOGMQ_")})
    assert config.data_dir == Path("/var/lib") / service["StateDirectory"][0]


def test_the_unit_lets_the_broker_drain() -> None:
    """systemd kills only well after the broker should have stopped."""
    service = unit()
    assert service["KillSignal"] == ["SIGTERM"]
    assert int(service["TimeoutStopSec"][0]) * 1000 >= 2 * Config().drain_timeout_ms
    assert int(service["LimitNOFILE"][0]) > 2 * Config().connections_max


def test_the_unit_does_not_start_again_what_a_restart_cannot_mend() -> None:
    """A failed sync and a wrong setting want a person; after anything else the broker is started again."""
    service = unit()
    assert service["Restart"] == ["on-failure"]
    statuses = {int(status) for status in service["RestartPreventExitStatus"][0].split()}
    assert statuses == {ExitCode.USAGE, EXIT_SYNC_FAILED}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("DynamicUser", "yes"),
        ("CapabilityBoundingSet", ""),
        ("PrivateDevices", "yes"),
    ],
)
def test_the_unit_is_hardened(key: str, value: str) -> None:
    """The broker gets its directory and its port, and nothing else of the machine."""
    assert unit()[key] == [value]


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd's own check finds nothing to complain about."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # The check wants the program to be there.
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT_FILE.read_text(), flags=re.MULTILINE)
    copy = tmp_path / "logmq.service"
    copy.write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# -- the wheel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what a wheel is built from."""
    copy = tmp_path / "sources"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build_wheel(sources: Path) -> subprocess.CompletedProcess[str]:
    """Build it into `sources/dist`."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_wheel_has_the_console(sources: Path) -> None:
    """Its page, and each file that the page names."""
    assert build_wheel(sources).returncode == 0
    (wheel,) = (sources / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        page = archive.read("logmq/protocols/http/console/index.html").decode()
        assets = re.findall(r"/console/(assets/[\w.-]+)", page)
        assert len(assets) >= 3
        assert {f"logmq/protocols/http/console/{asset}" for asset in assets} <= set(archive.namelist())


@pytest.mark.parametrize("missing", ["", "index.html", "assets"])
def test_no_wheel_without_the_console(sources: Path, missing: str) -> None:
    """The build fails, and says what to do."""
    path = sources / "src" / "logmq" / "protocols" / "http" / "console" / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    built = build_wheel(sources)
    assert built.returncode != 0
    assert "has no built console: run `make console`" in built.stderr
    assert not (sources / "dist").exists() or not list((sources / "dist").iterdir())
