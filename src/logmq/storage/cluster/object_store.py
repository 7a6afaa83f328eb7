"""`Objects` on anything that obstore knows: `s3://`, `gs://`, `az://`; credentials come from the usual variables.

`file://` is a directory that all brokers share (NFS and its like). It is this module's own, because an object has to be
on the disk before anybody is told so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from logmq.errors import StartupError
from logmq.storage.cluster.services import ObjectMissing, Objects, OutcomeUnknown

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_TIMEOUT_S = 30.0
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=_TIMEOUT_S)}
"""Few: who writes tries again for as long as it takes."""
_PROBE = b"LogMQ looks whether it may write here"


async def connect(url: str) -> Objects:
    """The objects at an address, probed: one is written, read, listed and deleted.

    Raises: StartupError: the address makes no sense, or what is there does not do what it must.
    """
    objects = _open(url)
    name = f"probe/{uuid4().hex}"
    try:
        await objects.put(name, _PROBE)
        if await objects.get(name, 0, 1000) != _PROBE or await objects.names("probe/") == []:
            raise StartupError(f"the object store at {url} does not give back what is written to it")
        await objects.delete([name])
    except (OutcomeUnknown, ObjectMissing) as error:
        raise StartupError(f"the object store at {url} cannot be used: {error}") from error
    return objects


def _open(url: str) -> Objects:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return DirectoryObjects(Path(unquote(parts.path)))
    try:
        store = from_url(
            url, client_options={"timeout": f"{_TIMEOUT_S:g}s", "allow_http": True}, retry_config=_RETRIES
        )  # fmt: skip
        return RemoteObjects(store)
    except (BaseError, ValueError) as error:
        raise StartupError(
            f"{url!r} is not the address of an object store: write s3://bucket/path, gs://..., az://... or"
            f" file:///directory ({error})"
        ) from error


class RemoteObjects:
    """A bucket, or a part of one."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, name: str, data: bytes) -> None:
        """See `Objects.put`."""
        try:
            await obstore.put_async(self._store, name, data, use_multipart=False)
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"writing {name}: {error}") from error

    async def get(self, name: str, start: int, size: int) -> bytes:
        """See `Objects.get`."""
        try:
            return bytes(await obstore.get_range_async(self._store, name, start=start, length=size))
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"reading {name}: {error}") from error

    async def names(self, prefix: str) -> list[str]:
        """See `Objects.names`."""
        found: list[str] = []
        try:
            async for page in obstore.list(self._store, prefix.rstrip("/")):
                found += [one["path"] for one in page]
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"listing {prefix}: {error}") from error
        return found

    async def delete(self, names: Iterable[str]) -> None:
        """See `Objects.delete`."""
        wanted = list(names)
        try:
            if wanted:
                await obstore.delete_async(self._store, wanted)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"deleting {len(wanted)} objects: {error}") from error


class DirectoryObjects:
    """A shared directory: an object is a file, which appears under its name once it is whole and synced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, name: str, data: bytes) -> None:
        """See `Objects.put`."""
        try:
            await asyncio.to_thread(self._put, name, data)
        except OSError as error:
            raise OutcomeUnknown(f"writing {name}: {error}") from error

    def _put(self, name: str, data: bytes) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.{uuid4().hex}")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.rename(target)
        for directory in (target.parent, *target.parent.parents):  # those above may be new as well
            _sync_names(directory)
            if directory == self._path:
                break

    async def get(self, name: str, start: int, size: int) -> bytes:
        """See `Objects.get`."""
        try:
            return await asyncio.to_thread(self._get, name, start, size)
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error
        except OSError as error:
            raise OutcomeUnknown(f"reading {name}: {error}") from error

    def _get(self, name: str, start: int, size: int) -> bytes:
        with (self._path / name).open("rb") as file:
            file.seek(start)
            return file.read(size)

    async def names(self, prefix: str) -> list[str]:
        """See `Objects.names`."""
        try:
            return await asyncio.to_thread(self._names, prefix)
        except OSError as error:
            raise OutcomeUnknown(f"listing {prefix}: {error}") from error

    def _names(self, prefix: str) -> list[str]:
        files = (self._path / prefix).rglob("*")
        return sorted(str(file.relative_to(self._path)) for file in files if file.name[0] != "." and file.is_file())

    async def delete(self, names: Iterable[str]) -> None:
        """See `Objects.delete`."""
        wanted = list(names)
        try:
            await asyncio.to_thread(self._delete, wanted)
        except OSError as error:
            raise OutcomeUnknown(f"deleting {len(wanted)} objects: {error}") from error

    def _delete(self, names: list[str]) -> None:
        for name in names:
            (self._path / name).unlink(missing_ok=True)
        for directory in {(self._path / name).parent for name in names}:
            with suppress(OSError):  # those of brokers that are gone become empty; a writer makes its own again
                directory.rmdir()


def _sync_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
