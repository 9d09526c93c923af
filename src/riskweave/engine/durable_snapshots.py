"""Snapshots on the way: copied between two groups, written by a thread of their own."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable

from riskweave.engine.durable_draft import Draft
from riskweave.engine.durable_host import Host
from riskweave.engine.durable_retention import retire
from riskweave.engine.ports import DurableSettings, SnapshotFile, Stores, Tip
from riskweave.engine.snapshot import Snapshot
from riskweave.errors import RiskweaveError

log = logging.getLogger("riskweave.durable")


class Snapshotter:
    """Takes a snapshot after so many events or seconds; `stall_ms` is how long the engine waited for it."""

    def __init__(self, stores: Stores, settings: DurableSettings) -> None:
        self.stores = stores
        self.settings = settings
        self.last = 0
        self.stall_ms = 0.0
        self.error: str | None = None
        self.soon = False
        self._taken_at: float | None = None
        self._due_at = time.monotonic() + settings.snapshot_every_s
        self._position = 0
        self._thread: threading.Thread | None = None

    def age_s(self) -> float | None:
        """Return the age of the last snapshot of this process."""
        return None if self._taken_at is None else time.monotonic() - self._taken_at

    def grown(self, tip: Tip) -> None:
        """Note how long the journal is."""
        self._position = tip.position

    def maybe(self, host: Host, draft: Draft, commit: Callable[[], None]) -> None:
        """Take a snapshot when it is time."""
        grown = self._position - self.last >= self.settings.snapshot_every_events
        late = time.monotonic() >= self._due_at and self._position > self.last
        if not (grown or late or self.soon) or self._busy():
            return
        commit()
        self.take(host, draft.committed)

    def take(self, host: Host, tip: Tip) -> int:
        """Copy the state and have it written; return its position."""
        self.wait(None)
        self.soon = False
        started = time.perf_counter()
        state = host.snapshot()
        self.stall_ms = (time.perf_counter() - started) * 1e3
        self._due_at = time.monotonic() + self.settings.snapshot_every_s
        shadows = tuple((name, version, content) for name, (version, content) in host.shadows.items())
        # In a box, so that the thread can let go of it: a thread keeps its arguments to its end.
        box = [state]
        del state
        arguments = (tip, host.policy.number, box, shadows)
        self._thread = threading.Thread(
            target=self._write, args=arguments, name="riskweave-snapshot", daemon=True
        )
        self._thread.start()
        return tip.position

    def wait(self, timeout: float | None) -> None:
        """Wait until the snapshot on its way is stored."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _write(
        self, tip: Tip, policy: int, box: list[Snapshot], shadows: tuple[tuple[str, str, bytes], ...]
    ) -> None:
        try:
            identity = self.stores.journal.identity
            self.stores.snapshots.write(
                SnapshotFile(tip.position, tip.chain, policy, identity, box.pop().to_bytes(), shadows)
            )
            self.last = tip.position
            self._taken_at = time.monotonic()
            self.stores.snapshots.keep(self.settings.snapshots_kept)
            retire(self.stores, self.settings)
            self.error = None
        except (RiskweaveError, OSError, MemoryError) as error:
            self.error = str(error) or type(error).__name__
            log.error("a snapshot could not be written: %s", self.error)
        finally:
            box.clear()
            _give_back()


def _give_back() -> None:
    """Return what the copies took to the system: the C library would keep it, in each thread's own arena."""
    # Arrow has a pool of its own, and only what was archived needed it.
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
