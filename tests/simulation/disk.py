"""A disk in memory whose power can be cut: `Files` for tests of everything that must survive.

One `random.Random` decides all, so that the same seed and the same calls give the same disk.

What a power cut may take (`crash`), and what it may not:

  * Content that `File.sync` made durable stays, under every name that is durable.
  * Each page (4096 bytes) written since then survives or not, for itself, whatever was written before or after
    it and in whichever file. A lost page shows what it held before. Now and then a page is torn: some of its
    sectors (512 bytes, each whole) are new and some old. A page written several times may be left in a state
    in between.
  * Sizes change on the disk in the order in which they changed in memory: any size since the last sync may be
    the one that is left, and where a file grew also one between. Where the size survived and a page did not,
    there are zeros: a zero-filled tail. A truncation that survived lets nothing of what it cut off come back;
    one that did not may still have zeroed the rest of the page in which it cut.
  * Created, renamed and unlinked names are durable after `Files.sync_names` only. Before that each operation
    survives or not, for itself, but only after earlier ones on the same names. A rename is atomic: the file has
    the old name or the new one, and what it replaces is gone only when it is done. A file whose name was never
    synced may be gone with all of its synced data (POSIX allows it, though ext4 is kinder).
  * Syncing a file says nothing of its name, syncing names nothing of any content.

How much survives is drawn for each file and each cut, from nothing to everything, since evenly mixed losses alone
would hardly ever show the journal whole and the log empty. `crash` may be called again on the same old disk: each
call is another way in which the same cut could have gone.

When a sync fails, the pages it should have written count as clean (as on Linux): still visible, never written by a
later sync, gone when `forget_cached` or a cut comes. The size goes on being dirty, so that a later sync that seems
to work leaves zeros or old content. Names behave alike after a failed `sync_names`.

Not modelled: room is taken up by a file's size, so a hole costs as much as data, and an unlinked file gives its
room back at once, even while it is open; sectors are never half written; nothing is reordered across a sync.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Sequence
from random import Random

from tests.simulation.faults import CHANGES, Fault, OperationName
from tests.simulation.inode import Inode
from tests.simulation.names import Names

from logmq.model import Octets
from logmq.storage.local.files import SyncFailed

_NAME_SIZE_MAX = 255
_STORY_LINES = 200


class PowerCut(BaseException):
    """The machine is off. No `Exception`, so that no error handling of the code under test can live through it."""


class Killed(PowerCut):
    """The process is gone, the machine goes on."""


class SimulatedFile:
    """An open file of a simulated disk."""

    __slots__ = ("_closed", "_disk", "_inode", "name")

    def __init__(self, disk: SimulatedDisk, name: str, inode: Inode) -> None:
        self.name = name
        self._disk = disk
        self._inode = inode
        self._closed = False

    def size(self) -> int:
        """Its visible length in bytes."""
        with self._disk.lock:
            self._check_open()
            return self._inode.size

    def read_at(self, position: int, size: int) -> bytes:
        """Visible bytes, synced or not."""
        with self._disk.lock:
            self._check_open()
            self._disk.begin("read", self.name)
            return self._inode.read(position, size)

    def read_cached_at(self, position: int, size: int) -> bytes | None:
        """`read_at`, or None as often as the disk's `cache_miss_rate` says."""
        with self._disk.lock:
            self._check_open()
            self._disk.begin("read", self.name)
            return None if self._disk.misses_cache() else self._inode.read(position, size)

    def write_at(self, position: int, buffers: Sequence[Octets]) -> None:
        """Write into the page cache, as far as there is room."""
        data = bytes(buffers[0]) if len(buffers) == 1 else b"".join(buffers)
        with self._disk.lock:
            self._check_open()
            stop = self._disk.begin("write", self.name, extent=(position, position + len(data)))
            if stop is not None:
                # Of a write that was cut off everything may be there; one that fails has not written all.
                most = len(data) if isinstance(stop, PowerCut) else max(0, len(data) - 1)
                data = data[: self._disk.rng.randint(0, most)]
            room = max(0, self._disk.end_max(self._inode) - position)
            if room < len(data):
                data, stop = data[:room], stop or _no_room(self.name)
            self._inode.write(position, data, self._disk.rng)
            if stop is not None:
                raise stop

    def truncate(self, size: int) -> None:
        """Cut or extend with zeros."""
        with self._disk.lock:
            self._check_open()
            stop = self._disk.begin("truncate", self.name, extent=(size, self._inode.size))
            if size > self._disk.end_max(self._inode):
                raise stop or _no_room(self.name)
            self._inode.truncate(size, self._disk.rng)
            if stop is not None:
                raise stop

    def sync(self) -> None:
        """Make content and size durable, or lose what is dirty."""
        with self._disk.lock:
            self._check_open()
            try:
                stop = self._disk.begin("sync", self.name)
            except OSError as error:
                self._inode.fail_sync(self._disk.rng, partial=False)
                raise SyncFailed(f"fdatasync of {self.name} failed: {error.strerror}") from error
            if isinstance(stop, OSError):
                self._inode.fail_sync(self._disk.rng, partial=True)
                raise SyncFailed(f"fdatasync of {self.name} failed: {stop.strerror}") from stop
            self._inode.sync()
            if stop is not None:
                raise stop

    def forget_cached(self) -> None:
        """Drop the pages that are not dirty."""
        with self._disk.lock:
            self._check_open()
            self._inode.forget_cached()

    def close(self) -> None:
        """Nothing works after this; it may be called again, and after a power cut."""
        self._closed = True

    def _check_open(self) -> None:
        self._disk.check_power()
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.name)


class SimulatedDisk:
    """A flat directory in memory. Calls from several threads happen one after the other.

    `rng`: decides what a cut takes and where it strikes.
    `capacity`: bytes that all files together may hold, None for no limit; may be changed at any time.
    `cache_miss_rate`: how often `read_cached_at` answers None; drawn apart, so that reads do not alter the cuts.
    `trace`: a list that is told each change, fault and cut, for `story`.
    """

    def __init__(
        self,
        rng: Random,
        *,
        capacity: int | None = None,
        cache_miss_rate: float = 0.1,
        trace: list[str] | None = None,
        names: Names | None = None,
    ) -> None:
        self.rng = rng
        self.capacity = capacity
        self.cache_miss_rate = cache_miss_rate
        self.trace = trace
        self.lock = threading.RLock()
        self.operations = 0
        """How many operations changed something: what `cut_after` counts."""
        self.calls: Counter[str] = Counter()
        """How many calls there were of each operation."""
        self.syncs: Counter[str] = Counter()
        """How many calls of `File.sync` there were for each file name."""
        self._names = Names({}) if names is None else names
        self._cache_rng = Random(rng.getrandbits(64))
        self._faults: list[Fault] = []
        self._cut_in = 0
        self._end: type[PowerCut] = PowerCut  # what comes when `_cut_in` has run out
        self._off = False
        self._killed = False

    # -- the directory: `Files` ----------------------------------------------------------------------------------

    def open(self, name: str) -> SimulatedFile:
        """Open a file that exists."""
        with self.lock:
            self.begin("open", name)
            return SimulatedFile(self, name, self._find(name))

    def create(self, name: str) -> SimulatedFile:
        """Open a file, made empty if it is not there."""
        with self.lock:
            stop = self.begin("create", name)
            inode = self._names.visible.get(name)
            if inode is None:
                inode = Inode({}, 0)
                self._names.set((name, inode))
            if stop is not None:
                raise stop
            return SimulatedFile(self, name, inode)

    def rename(self, old: str, new: str) -> None:
        """Give a file a new name."""
        with self.lock:
            stop = self.begin("rename", old, new)
            self._names.set((old, None), (new, self._find(old)))
            if stop is not None:
                raise stop

    def unlink(self, name: str) -> None:
        """Remove a name; the file lives on in its handles."""
        with self.lock:
            stop = self.begin("unlink", name)
            if name in self._names.visible:
                self._names.set((name, None))
            if stop is not None:
                raise stop

    def sync_names(self) -> None:
        """Make all names durable, or lose what is pending."""
        with self.lock:
            try:
                stop = self.begin("sync_names")
            except OSError as error:
                self._names.fail_sync()
                raise SyncFailed(f"fsync of the directory failed: {error.strerror}") from error
            self._names.sync()
            if stop is not None:
                raise stop

    def sizes(self) -> dict[str, int]:
        """All visible names with their visible sizes."""
        with self.lock:
            self.check_power()
            return {name: inode.size for name, inode in self._names.visible.items()}

    def free_size(self) -> int:
        """What is left of `capacity`; a great deal where there is none."""
        used = sum(self.sizes().values())
        return (1 << 50) if self.capacity is None else max(0, self.capacity - used)

    def disk_size(self) -> int:
        """`capacity`; a great deal where there is none."""
        return (1 << 50) if self.capacity is None else self.capacity

    def close(self) -> None:
        """Nothing: a simulated directory has no lock that another process might want."""

    # -- what can happen to it -----------------------------------------------------------------------------------

    def fail(
        self,
        operation: OperationName,
        nth: int,
        error: int,
        *,
        count: int = 1,
        only: str = "*",
        partial: bool = False,
    ) -> Fault:
        """Let the `nth` call of `operation` from now on fail with the errno `error`, and `count - 1` more after it.

        `only` is a pattern for the names that are counted (`*.log`). A failing sync raises SyncFailed and
        loses its pages, other calls have no effect. With `partial` some bytes are written, or some pages synced.
        """
        with self.lock:
            fault = Fault(operation, nth, error, count, only, partial)
            self._faults.append(fault)
            return fault

    def cut_after(self, count: int) -> None:
        """Cut the power at the `count`th change from now on: before it, within it, or as it is about to return."""
        assert count >= 1, "the next change is the first one"
        with self.lock:
            self._cut_in = count
            self._end = PowerCut

    def kill_after(self, count: int) -> None:
        """End the process at the `count`th change from now on, as `cut_after` does; `kill` has what it left."""
        self.cut_after(count)
        self._end = Killed

    def crash(self) -> SimulatedDisk:
        """Cut the power, if it is not off yet; returns a disk that may be found afterwards.

        This disk and all its files raise PowerCut from now on. Faults and counters are not taken over.
        """
        with self.lock:
            self._off = True
            self._note("--- power cut")
            return self._succeeded_by(self._names.after_cut(self.rng))

    def kill(self) -> SimulatedDisk:
        """End the process and leave the machine on: returns the disk for the next one, with nothing lost or synced."""
        with self.lock:
            if not self._killed:
                self.check_power()
            self._off = self._killed = True
            self._note("--- process killed")
            return self._succeeded_by(self._names)

    def flip(self, name: str, position: int, bit: int) -> None:
        """Turn over one bit of a file, on the disk as well as in the cache."""
        with self.lock:
            inode = self._find(name)
            assert 0 <= position < inode.size, f"{name} has no byte {position}"
            assert 0 <= bit < 8, "a byte has bits 0 to 7"
            self._note("flip", name, f"byte {position} bit {bit}")
            inode.flip(position, bit)

    def content(self, name: str) -> bytes:
        """The visible bytes of a whole file; not counted as a read, and no fault strikes it."""
        with self.lock:
            inode = self._find(name)
            return inode.read(0, inode.size)

    def story(self) -> str:
        """The last lines of the trace, to be printed when a test fails."""
        return "\n".join((self.trace or ["(no trace was kept)"])[-_STORY_LINES:])

    # -- for its files -------------------------------------------------------------------------------------------

    def begin(
        self, operation: OperationName, *names: str, extent: tuple[int, int] | None = None
    ) -> BaseException | None:
        """Count an operation. Raises what was ordered for it, or returns what must be raised once it is (partly) done.

        What it returns is a PowerCut for any operation, or an OSError for a partial fault.
        """
        self.check_power()
        for name in names:
            _check_name(name)
        self.calls[operation] += 1
        if operation == "sync":
            self.syncs[names[0]] += 1
        if operation in CHANGES:
            self.operations += 1
            if self.trace is not None:
                self._note(operation, *names, "" if extent is None else f"[{extent[0]}, {extent[1]})")
            cut = self._cut()
            if cut is not None:
                return cut
        return self._fault(operation, names) if self._faults else None

    def check_power(self) -> None:
        """Raise PowerCut if the power is off."""
        if self._off:
            raise self._end("all is over")

    def misses_cache(self) -> bool:
        """Whether a read finds its page not cached."""
        return self._cache_rng.random() < self.cache_miss_rate

    def end_max(self, inode: Inode) -> int:
        """Up to where a file may reach now."""
        if self.capacity is None:
            return 1 << 62
        free = self.capacity - sum(other.size for other in self._names.visible.values())
        return inode.size + max(0, free)

    def _cut(self) -> PowerCut | None:
        if self._cut_in == 0:
            return None
        self._cut_in -= 1
        if self._cut_in:
            return None
        self._off = True
        self._killed = self._end is Killed
        if self.rng.random() < 0.5:
            self._note("cut before it")
            raise self._end("all was over before this operation")
        self._note("cut within it")
        return self._end("all was over during this operation")

    def _fault(self, operation: OperationName, names: Sequence[str]) -> OSError | None:
        # Every fault must count the call, also those behind the one that strikes.
        struck = [fault for fault in self._faults if fault.strikes(operation, names or ("",))]
        if not struck:
            return None
        self._faults = [fault for fault in self._faults if not fault.struck]
        error = struck[0].error(names[0] if names else "")
        self._note("fails:", operation, *names, error.strerror or "")
        if struck[0].partial:
            return error
        raise error

    def _find(self, name: str) -> Inode:
        try:
            return self._names.visible[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from None

    def _succeeded_by(self, names: Names) -> SimulatedDisk:
        return SimulatedDisk(
            self.rng,
            capacity=self.capacity,
            cache_miss_rate=self.cache_miss_rate,
            trace=self.trace,
            names=names,
        )

    def _note(self, *words: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.operations:6d}  {' '.join(words)}")


def _no_room(name: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


def _check_name(name: str) -> None:
    assert "/" not in name, "names hold no slash"
    if len(os.fsencode(name)) > _NAME_SIZE_MAX:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name)
