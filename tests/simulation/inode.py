"""The content of one simulated file: what is on the disk, what is in the page cache, and what is dirty.

    disk    page number -> 4096 bytes that are durable; a page that is absent holds zeros
    cache   page number -> visible content of the pages that were written and may differ from the disk
    dirty   pages of the cache that the next sync writes; the others are left from a failed sync
    sizes   [durable size, size after each later change, ...]; the last one is visible

Zeros written where there are zeros store nothing, so that preallocated files cost no memory.
"""

from __future__ import annotations

from random import Random

PAGE_SIZE = 4096
SECTOR_SIZE = 512

SURVIVAL_RATES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""What part of the unsynced writes of a file (or of the directory) lives through a cut; drawn for each file, so that
"the one file has everything and the other has nothing" comes up as often as an even mix."""

_TORN_RATE = 1 / 16
_WRITEBACK_RATE = 1 / 16
_ZERO_PAGE = bytes(PAGE_SIZE)
_ZEROS = bytes(1 << 20)


class Inode:
    """A file without a name."""

    __slots__ = ("_floor", "cache", "dirty", "disk", "sizes")

    def __init__(self, disk: dict[int, bytes], size: int) -> None:
        self.disk = disk
        self.cache: dict[int, bytearray] = {}
        self.dirty: set[int] = set()
        self.sizes = [size]
        self._floor = size  # the least of `sizes`: from here on the disk's pages are hidden by a truncation

    @property
    def size(self) -> int:
        """The visible length in bytes."""
        return self.sizes[-1]

    def read(self, position: int, size: int) -> bytes:
        """Visible bytes `[position, position + size)`, fewer at the end of the file."""
        end = min(position + size, self.sizes[-1])
        if position >= end:
            return b""
        first, last = position // PAGE_SIZE, (end - 1) // PAGE_SIZE
        parts: list[bytes | bytearray] = [self._page(page) or _ZERO_PAGE for page in range(first, last + 1)]
        parts[-1] = parts[-1][: end - last * PAGE_SIZE]
        parts[0] = parts[0][position - first * PAGE_SIZE :]
        return b"".join(parts)

    def write(self, position: int, data: bytes, rng: Random) -> None:
        """Put `data` into the page cache."""
        if not data:
            return
        end = position + len(data)
        if end > self.sizes[-1]:
            self._resize(end)
        for page in self._touched(position, data):
            start = page * PAGE_SIZE
            low, high = max(position, start), min(end, start + PAGE_SIZE)
            self._put(page, low - start, data[low - position : high - position], rng)

    def truncate(self, size: int, rng: Random) -> None:
        """Cut or extend with zeros. As a kernel does, the rest of the last page is zeroed by a write of that page."""
        if size < self.sizes[-1]:
            page, inside = divmod(size, PAGE_SIZE)
            if inside and self._page(page) is not None:
                self._put(page, inside, bytes(PAGE_SIZE - inside), rng)
            for gone in [cached for cached in self.cache if cached * PAGE_SIZE >= size]:
                del self.cache[gone]
                self.dirty.discard(gone)
        if size != self.sizes[-1]:
            self._resize(size)

    def sync(self) -> None:
        """Make the visible size and all dirty pages durable."""
        if self._floor < self.sizes[0]:
            _cut(self.disk, self._floor)
        for page in self.dirty:
            self.disk[page] = bytes(self.cache.pop(page))
        self.dirty.clear()
        self.sizes = [self.sizes[-1]]
        self._floor = self.sizes[0]

    def fail_sync(self, rng: Random, partial: bool) -> None:
        """Mark the dirty pages clean as Linux does, whether or not they reached the disk; with `partial` some did."""
        if partial:
            for page in sorted(self.dirty):
                if rng.random() < 0.5:
                    self.disk[page] = bytes(self.cache[page])
        self.dirty.clear()

    def forget_cached(self) -> None:
        """Drop the pages that are not dirty, so that reads show the disk."""
        for page in self.cache.keys() - self.dirty:
            del self.cache[page]

    def flip(self, position: int, bit: int) -> None:
        """Turn one bit over, on the disk and in the cache."""
        page, inside = divmod(position, PAGE_SIZE)
        if page not in self.cache and page * PAGE_SIZE >= self._floor:
            self.cache[page] = bytearray(PAGE_SIZE)
            self.dirty.add(page)
        if page in self.cache:
            self.cache[page][inside] ^= 1 << bit
        if page in self.disk or page not in self.cache:
            content = bytearray(self.disk.get(page, _ZERO_PAGE))
            content[inside] ^= 1 << bit
            self.disk[page] = bytes(content)

    def after_cut(self, rng: Random) -> Inode:
        """One of the files that this one may be after a power cut. Leaves this one as it is."""
        disk = dict(self.disk)
        if not self.dirty and len(self.sizes) == 1:
            return Inode(disk, self.sizes[0])
        size, floor = self._surviving_size(rng)
        if floor < self.sizes[0]:
            _cut(disk, floor)
        rate = rng.choice(SURVIVAL_RATES)
        for page in sorted(self.dirty):
            if rng.random() < rate:
                disk[page] = bytes(self.cache[page])
            elif rate and rng.random() < _TORN_RATE:
                disk[page] = _tear(disk.get(page, _ZERO_PAGE), bytes(self.cache[page]), rng)
        _cut(disk, size)
        return Inode(disk, size)

    def _page(self, page: int) -> bytes | bytearray | None:
        cached = self.cache.get(page)
        if cached is not None:
            return cached
        return self.disk.get(page) if page * PAGE_SIZE < self._floor else None

    def _touched(self, position: int, data: bytes) -> range | list[int]:
        """The pages that a write changes; of zeros, only those that hold anything."""
        pages = range(position // PAGE_SIZE, (position + len(data) - 1) // PAGE_SIZE + 1)
        if len(pages) > 1 and _ZEROS.startswith(data):
            return [page for page in pages if self._page(page) is not None]
        return pages

    def _put(self, page: int, inside: int, chunk: bytes, rng: Random) -> None:
        cached = self.cache.get(page)
        if cached is None:
            known = self._page(page)
            if known is None and _ZERO_PAGE.startswith(chunk):
                return
            cached = self.cache[page] = bytearray(PAGE_SIZE if known is None else known)
        elif page in self.dirty and rng.random() < _WRITEBACK_RATE:
            self.disk[page] = bytes(cached)
        cached[inside : inside + len(chunk)] = chunk
        self.dirty.add(page)

    def _resize(self, size: int) -> None:
        sizes = self.sizes
        if len(sizes) > 1 and sizes[-2] < sizes[-1] < size:
            sizes[-1] = size  # one growth went on: the sizes between are drawn at the cut
        else:
            sizes.append(size)
        self._floor = min(self._floor, size)

    def _surviving_size(self, rng: Random) -> tuple[int, int]:
        """A size that the disk may hold after a cut, and the least size on the way to it."""
        last = len(self.sizes) - 1
        index = rng.choice((0, last, rng.randint(0, last)))
        size, floor = self.sizes[index], min(self.sizes[: index + 1])
        grown_from = self.sizes[index - 1] if index else size
        if grown_from < size and rng.random() < 0.25:
            size = rng.randint(grown_from, size)
            if rng.random() < 0.5:
                size = max(grown_from, size - size % PAGE_SIZE)
        return size, floor


def _cut(disk: dict[int, bytes], size: int) -> None:
    """Zero everything from `size` on."""
    for page in [page for page in disk if page * PAGE_SIZE >= size]:
        del disk[page]
    page, inside = divmod(size, PAGE_SIZE)
    if page in disk:
        disk[page] = disk[page][:inside].ljust(PAGE_SIZE, b"\0")


def _tear(old: bytes, new: bytes, rng: Random) -> bytes:
    """A page of which only some sectors were written."""
    starts = range(0, PAGE_SIZE, SECTOR_SIZE)
    return b"".join(rng.choice((old, new))[start : start + SECTOR_SIZE] for start in starts)
