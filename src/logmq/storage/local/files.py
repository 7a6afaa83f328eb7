"""The file layer: the one module that opens, writes, syncs and renames.

Everything durable goes through `Files`, so that tests can put a simulated disk in its place and cut its power
between any two calls. A `Files` is one flat directory; names hold no slash.

What a call promises (Linux, man 2 fdatasync): written bytes survive a power cut only after `File.sync` returned;
a created, renamed or unlinked name only after `Files.sync_names` returned. A failed sync is final: the kernel has
dropped the pages, so nobody may try it again (`SyncFailed` is never caught and retried).
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from logmq.errors import DirectoryInUse, LogMQError, UnreadableDirectory
from logmq.model import Octets

_IOV_MAX = 1024
_ZEROS = bytes(1 << 20)
_SCRATCH_SIZE_MAX = 2 << 20
_thread = threading.local()


class SyncFailed(LogMQError):
    """The kernel could not make written bytes or names durable; what is on the disk is unknown from here on."""


class File(Protocol):
    """An open file, written and read by position."""

    name: str

    def size(self) -> int:
        """Its length in bytes."""
        ...

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position` on; fewer only at the end of the file. Raises: OSError."""
        ...

    def read_cached_at(self, position: int, size: int) -> bytes | None:
        """`read_at` if it need not wait for the disk, else None."""
        ...

    def write_at(self, position: int, buffers: Sequence[Octets]) -> None:
        """Write all buffers one after the other. Raises: OSError, after any part of them may have been written.

        Durability: none before `sync`.
        """
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend (with zeros) to `size` bytes. Durability: none before `sync`."""
        ...

    def sync(self) -> None:
        """Make all written bytes and the size durable. Raises: SyncFailed, which is final."""
        ...

    def forget_cached(self) -> None:
        """Let the next reads come from the disk itself, as far as the kernel grants it."""
        ...

    def close(self) -> None:
        """Release it. Durability: closing syncs nothing."""
        ...


class Files(Protocol):
    """A flat directory of files."""

    def open(self, name: str) -> File:
        """Open a file that exists. Raises: FileNotFoundError, OSError."""
        ...

    def create(self, name: str) -> File:
        """Open a file, made empty if it is not there. Durability: its name is durable after `sync_names`."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file a new name, in place of any file that had it. Durability: as `create`."""
        ...

    def unlink(self, name: str) -> None:
        """Remove a name, if it is there. Durability: as `create`."""
        ...

    def sync_names(self) -> None:
        """Make all creations, renames and removals durable. Raises: SyncFailed, which is final."""
        ...

    def sizes(self) -> dict[str, int]:
        """All file names with their sizes."""
        ...

    def free_size(self) -> int:
        """Bytes that can still be written, as far as the file system says."""
        ...

    def disk_size(self) -> int:
        """Bytes of the whole file system."""
        ...


class DiskFile:
    """A file of the operating system. Closed when the last reference to it goes."""

    __slots__ = ("_fd", "_sync_failed", "_syncing", "name")

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self._fd = fd
        # The kernel tells of lost pages once a descriptor; whoever syncs after that would believe that all is well.
        self._sync_failed = False
        self._syncing = threading.Lock()

    def size(self) -> int:
        """Its length in bytes."""
        return os.fstat(self._fd).st_size

    def read_at(self, position: int, size: int) -> bytes:
        """Read until `size` bytes are there or the file ends."""
        data = os.pread(self._fd, size, position)
        if len(data) == size or not data:
            return data
        parts = [data]
        got = len(data)
        while got < size and (data := os.pread(self._fd, size - got, position + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def read_cached_at(self, position: int, size: int) -> bytes | None:
        """Read with RWF_NOWAIT (man 2 preadv2): None when a page is not in the page cache."""
        view = memoryview(_scratch(size))[:size]
        try:
            got = os.preadv(self._fd, [view], position, os.RWF_NOWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # tmpfs and some network file systems; they answer at once anyway
                return self.read_at(position, size)
            raise
        if got < size and position + got < self.size():
            return None
        return bytes(view[:got])

    def write_at(self, position: int, buffers: Sequence[Octets]) -> None:
        """Write all buffers, going on after short writes."""
        if len(buffers) == 1:
            size = len(buffers[0])
            written = os.pwrite(self._fd, buffers[0], position)
        elif len(buffers) <= _IOV_MAX:
            size = sum(map(len, buffers))
            written = os.pwritev(self._fd, buffers, position)
        else:
            self.write_at(position, (b"".join(buffers),))
            return
        if written != size:
            self._write_rest(position, b"".join(buffers), written)

    def _write_rest(self, position: int, data: bytes, written: int) -> None:
        rest = memoryview(data)
        while written < len(data):
            count = os.pwrite(self._fd, rest[written:], position + written)
            if count == 0:
                raise OSError(errno.EIO, "the file system took no bytes and gave no reason", self.name)
            written += count

    def truncate(self, size: int) -> None:
        """Cut or extend to `size` bytes."""
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """fdatasync. Once it has failed it goes on failing."""
        with self._syncing:
            if self._sync_failed:
                raise SyncFailed(f"fdatasync of {self.name} failed before")
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                self._sync_failed = True
                raise SyncFailed(f"fdatasync of {self.name} failed: {error.strerror}") from error

    def forget_cached(self) -> None:
        """posix_fadvise(DONTNEED); dirty pages stay."""
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Close the descriptor; further calls do nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


def _scratch(size: int) -> bytearray:
    """A buffer of at least `size` bytes whose content is nobody's: this thread's own, if that is not too large.

    A new one for each read would be filled with zeros first, which costs half as much as the reading.
    """
    if size > _SCRATCH_SIZE_MAX:
        return bytearray(size)
    buffer: bytearray | None = getattr(_thread, "scratch", None)
    if buffer is None or len(buffer) < size:
        buffer = _thread.scratch = bytearray(size)
    return buffer


class Directory:
    """A directory of the operating system, locked against a second process from construction to `close`."""

    def __init__(self, path: Path) -> None:
        """Create the directory if need be, and lock it.

        Raises:
            DirectoryInUse: another process has it.
            UnreadableDirectory: it cannot be created or opened.
        """
        self.path = path
        try:
            _make_directories(path)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UnreadableDirectory(f"the data directory {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise DirectoryInUse(str(path)) from None

    def open(self, name: str) -> DiskFile:
        """Open a file that exists."""
        return DiskFile(name, os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._fd))

    def create(self, name: str) -> DiskFile:
        """Open a file, made empty if it is not there."""
        return DiskFile(name, os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640, dir_fd=self._fd))

    def rename(self, old: str, new: str) -> None:
        """rename(2) within the directory."""
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        """unlink(2); a name that is gone already is no error."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return

    def sync_names(self) -> None:
        """Fsync of the directory itself."""
        _sync_directory(self._fd, str(self.path))

    def sizes(self) -> dict[str, int]:
        """All regular files with their sizes."""
        with os.scandir(self._fd) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}

    def free_size(self) -> int:
        """Bytes available to this user (man 3 statvfs)."""
        found = os.fstatvfs(self._fd)
        return found.f_bavail * found.f_frsize

    def disk_size(self) -> int:
        """Bytes of the file system (man 3 statvfs)."""
        found = os.fstatvfs(self._fd)
        return found.f_blocks * found.f_frsize

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._fd)


def _make_directories(path: Path) -> None:
    """`mkdir -p` whose result survives a power cut: the parent of each new directory is synced."""
    if path.is_dir():
        return
    _make_directories(path.parent)
    os.mkdir(path, 0o750)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync_directory(parent, str(path.parent))
    finally:
        os.close(parent)


def _sync_directory(fd: int, name: str) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        raise SyncFailed(f"fsync of the directory {name} failed: {error.strerror}") from error
