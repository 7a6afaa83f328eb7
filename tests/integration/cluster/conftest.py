"""The services of a cluster for a file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.cluster.processes import Etcd, Seaweed


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """One etcd for all tests of a file, which use names of their own."""
    with Etcd(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One S3 server for all tests of a file."""
    with Seaweed(tmp_path_factory.mktemp("seaweed") / "s3") as seaweed:
        yield seaweed
