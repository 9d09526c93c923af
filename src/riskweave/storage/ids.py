"""Which position holds an event id: sorted runs of 64-bit hashes on disk, the latest in memory.

A database index over random hashes would rewrite a page for almost every event. Here the latest ids are
a dict; when it is full, a thread sorts it into a run, and runs of like size are merged, so there are few.
All of it can be built anew from the journal, and is, when a run is damaged.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.ports import Archive, Hashes, Journal, Positions
from riskweave.errors import StorageFailed

IN_MEMORY = 200_000

_HEAD = struct.Struct("<8sqqqI")
_MAGIC = b"rwids 1\n"
_PIECE = 8_192


@dataclass(frozen=True, slots=True)
class Run:
    """Hashes in order, and their positions; all of them in [first, last] of the journal."""

    first: int
    last: int
    hashes: NDArray[np.uint64]
    positions: NDArray[np.int64]
    path: Path | None = None

    def find(self, hashes: Hashes, out: Positions) -> None:
        """Fill in the positions of those that are here."""
        if not self.hashes.size:
            return
        at = np.searchsorted(self.hashes, hashes)
        at[at == self.hashes.size] = 0
        here = self.hashes[at] == hashes
        out[here] = self.positions[at[here]]


class IdRuns:
    """What `engine.ports.Ids` asks for, in a folder."""

    def __init__(self, folder: Path, archive: Archive | None = None, in_memory: int = IN_MEMORY) -> None:
        self.folder = folder
        self.archive = archive
        self.in_memory = in_memory
        self.latest: dict[int, int] = {}
        self.frozen: dict[int, int] = {}
        self.runs: list[Run] = []
        self.first = 1
        self.last = 0
        self._thread: threading.Thread | None = None

    def find(self, hashes: Hashes) -> Positions:
        """Return the position of each, -1 where there is none."""
        out = np.full(hashes.size, -1, np.int64)
        if not hashes.size:
            return out
        runs, frozen, latest = self.runs, self.frozen, self.latest
        if hashes.size > 64 and runs:
            order = np.argsort(hashes, kind="stable")
            ordered, found = hashes[order], np.full(hashes.size, -1, np.int64)
            for run in runs:
                run.find(ordered, found)
            out[order] = found
        else:
            for run in runs:
                run.find(hashes, out)
        listed = hashes.tolist()
        for table in (frozen, latest):
            if table:
                get = table.get
                for k, each in enumerate(listed):
                    position = get(each)
                    if position is not None:
                        out[k] = position
        return out

    def add(self, hashes: Hashes, first_position: int) -> None:
        """Take in events at consecutive positions."""
        last = first_position + hashes.size - 1
        if last <= self.last:
            return
        pairs = zip(hashes.tolist(), range(first_position, last + 1), strict=True)
        self.latest.update(pairs)
        self.latest.pop(0, None)
        self.last = last
        if len(self.latest) >= self.in_memory and not self._busy():
            self._freeze()

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _freeze(self) -> None:
        assert not self.frozen
        self.frozen, self.latest = self.latest, {}
        first, last = self.first, self.last
        self.first = self.last + 1
        self._thread = threading.Thread(
            target=self._store, args=(first, last), name="riskweave-ids", daemon=True
        )
        self._thread.start()

    def _store(self, first: int, last: int) -> None:
        """Sort what is frozen into a run; merge runs of like size."""
        hashes = _gathered(self.frozen.keys(), len(self.frozen), np.uint64)
        positions = _gathered(self.frozen.values(), len(self.frozen), np.int64)
        order = np.argsort(hashes)
        runs = [*self.runs, Run(first, last, hashes[order], positions[order])]
        while len(runs) > 1 and runs[-2].hashes.size <= 2 * runs[-1].hashes.size:
            runs[-2:] = [_merged(runs[-2], runs[-1])]
        old = [run.path for run in self.runs if run.path is not None]
        try:
            runs = [run if run.path is not None else self._written(run) for run in runs]
        except OSError:
            # It is but a copy of what the journal has: stay in memory until the disk is back.
            old = []
        self.runs = runs
        self.frozen = {}
        kept = {run.path for run in runs}
        for path in old:
            if path not in kept:
                path.unlink(missing_ok=True)

    def _written(self, run: Run) -> Run:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{run.first:020d}-{run.last:020d}.ids"
        columns = [
            np.ascontiguousarray(each).view(np.uint8).data
            for each in (run.hashes.astype("<u8", copy=False), run.positions.astype("<i8", copy=False))
        ]
        crc = zlib.crc32(columns[1], zlib.crc32(columns[0]))
        head = _HEAD.pack(_MAGIC, run.first, run.last, run.hashes.size, crc)
        beside = path.with_suffix(".part")
        try:
            with beside.open("wb") as stream:
                stream.write(head + struct.pack("<I", zlib.crc32(head)))
                for column in columns:
                    stream.write(column)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        return _read(path)

    def ready(self, journal: Journal) -> list[str]:
        """Read the runs, and what the journal has beyond them; return what was damaged."""
        self.wait()
        tip = journal.tip().position
        damaged = self._load(tip)
        loaded = {run.path for run in self.runs}
        for path in self._files():
            if path not in loaded:
                path.unlink(missing_ok=True)
        start = self.last + 1
        kept_from = journal.first().position + 1
        if start < kept_from and self.archive is not None:
            for entry in self.archive.read(start, kept_from - 1):
                if entry.ids:
                    self._catch_up(np.frombuffer(entry.ids, "<u8"), entry.position)
        for position, count, ids in journal.ids(max(start, kept_from)):
            if ids:
                self._catch_up(np.frombuffer(ids, "<u8"), position)
            self.last = max(self.last, position + count - 1)
        return damaged

    def stored(self) -> tuple[IdRuns, int, list[str]]:
        """Return the runs on disk as they are; nothing is changed."""
        found = IdRuns(self.folder)
        damaged = found._load(None)
        return found, found.last, damaged

    def _files(self) -> list[Path]:
        # Of two that begin alike the longer one was merged from the other.
        def place(path: Path) -> tuple[str, str]:
            first, _, last = path.stem.partition("-")
            return first, "".join(chr(0x7F - ord(each)) for each in last)

        return sorted(self.folder.glob("*.ids"), key=place) if self.folder.exists() else []

    def _load(self, tip: int | None) -> list[str]:
        """Open the runs that follow each other up to the tip; return what is damaged."""
        self.runs, self.latest, self.frozen = [], {}, {}
        self.first, self.last = 1, 0
        damaged: list[str] = []
        for path in self._files():
            try:
                run = _read(path)
            except FileNotFoundError:
                continue  # merged into another meanwhile
            except (StorageFailed, OSError, ValueError) as error:
                damaged.append(f"{path.name}: {error}")
                continue
            # One that was merged already, or that is ahead of the journal, is no damage: a kill leaves it.
            if run.first == self.last + 1 and (tip is None or run.last <= tip):
                self.runs.append(run)
                self.first, self.last = run.last + 1, run.last
        return damaged

    def _catch_up(self, hashes: Hashes, position: int) -> None:
        self.add(hashes, position)
        self.wait()

    def forget_from(self, position: int) -> None:
        """Drop positions from there on; `ready` has to follow."""
        self.wait()
        for path in sorted(self.folder.glob("*.ids")) if self.folder.exists() else []:
            if int(path.stem.partition("-")[2]) >= position:
                path.unlink(missing_ok=True)
        self.runs, self.latest, self.frozen = [], {}, {}
        self.first, self.last = 1, 0

    def wait(self) -> None:
        """Wait for the run on its way."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self.wait()


def _gathered(values: Iterable[int], size: int, kind: type[np.generic]) -> NDArray[Any]:
    """Return numbers of a dict as an array, piece by piece: in one go nobody else would run meanwhile."""
    found = np.empty(size, kind)
    numbers = iter(values)
    for at in range(0, size, _PIECE):
        count = min(_PIECE, size - at)
        found[at : at + count] = np.fromiter(islice(numbers, count), kind, count)
    return found


def _merged(first: Run, second: Run) -> Run:
    hashes = np.concatenate([first.hashes, second.hashes])
    positions = np.concatenate([first.positions, second.positions])
    order = np.argsort(hashes, kind="stable")
    return Run(first.first, second.last, hashes[order], positions[order])


def _read(path: Path) -> Run:
    """Open a run: mapped into memory, once its checksum is right."""
    mapped: Any = np.memmap(path, np.uint8, "r")
    start = _HEAD.size + 4
    head = mapped[: _HEAD.size].tobytes()
    if (
        mapped.size < start
        or zlib.crc32(head) != struct.unpack("<I", mapped[_HEAD.size : start].tobytes())[0]
    ):
        raise StorageFailed("the head is damaged")
    magic, first, last, size, crc = _HEAD.unpack(head)
    if magic != _MAGIC or mapped.size != start + 16 * size or zlib.crc32(mapped[start:]) != crc:
        raise StorageFailed("the file is damaged")
    hashes = np.frombuffer(mapped, np.uint64, size, start)
    positions = np.frombuffer(mapped, np.int64, size, start + 8 * size)
    return Run(first, last, hashes, positions, path)
