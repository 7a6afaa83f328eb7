"""etcd and an S3 server as processes of their own, for tests; both are real, neither is ours."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Process:
    """A server that a test started."""

    def __init__(self, command: Sequence[str], directory: Path, port: int) -> None:
        self._command = command
        self._directory = directory
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(self._command, cwd=self._directory, stdout=output, stderr=output)
        deadline = time.monotonic() + 50
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"{self._command[0]} did not start: {(self._directory / 'output').read_bytes()[-2000:]!r}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class Etcd(Process):
    """One etcd node."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("etcd") is None:
            pytest.skip("etcd is not installed")
        client, peer = free_ports(2)
        self.address = f"127.0.0.1:{client}"
        command = [
            "etcd", "--data-dir", str(directory / "data"),
            "--listen-client-urls", f"http://{self.address}", "--advertise-client-urls", f"http://{self.address}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls",
            f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}",
        ]  # fmt: skip
        super().__init__(command, directory, client)


class Seaweed(Process):
    """SeaweedFS as an S3 server."""

    ACCESS = "test"

    def __init__(self, directory: Path, volume_size_mb: int = 64) -> None:
        """`volume_size_mb`: four volumes of this size are all that it holds."""
        program = Path(sys.executable).with_name("weed")
        if not program.exists():
            pytest.skip("SeaweedFS is not installed")
        ports = free_ports(10)
        self.endpoint = f"http://127.0.0.1:{ports[6]}"
        directory.mkdir(parents=True)
        identity = {
            "name": "test",
            "credentials": [{"accessKey": self.ACCESS, "secretKey": self.ACCESS}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        names = [f"{role}.port{grpc}" for role in ("master", "volume", "filer", "s3") for grpc in ("", ".grpc")]
        names += ["s3.port.iceberg", "s3.port.lance"]
        command = [
            str(program), "server", f"-dir={directory}", "-s3", f"-s3.config={directory / 's3.json'}", "-filer",
            "-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=4",
            f"-master.volumeSizeLimitMB={volume_size_mb}",
            *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
        ]  # fmt: skip
        super().__init__(command, directory, ports[6])

    def await_ready(self) -> None:
        """The port answers before the bucket can be written to: some seconds."""
        import obstore  # noqa: PLC0415
        from obstore.store import S3Store  # noqa: PLC0415

        store = S3Store(
            "test", endpoint=self.endpoint, access_key_id=self.ACCESS, secret_access_key=self.ACCESS,
            region="us-east-1", client_options={"allow_http": True, "timeout": "2s"}, retry_config={"max_retries": 0},
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                obstore.put(store, "ready", b"?", use_multipart=False)
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "AWS_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.ACCESS,
            "AWS_SECRET_ACCESS_KEY": self.ACCESS,
            "AWS_REGION": "us-east-1",
        }
