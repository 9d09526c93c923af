"""Looking at old entries while the engine works: a start checks only what lies behind its snapshot."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from riskweave.engine.durable_recovery import fault
from riskweave.engine.ports import CHAIN_START, Entry, Stores
from riskweave.errors import RiskweaveError

log = logging.getLogger("riskweave.durable")

# For each second of looking, so many of rest.
_REST = 3.0
_DAMAGE_MAX = 20


class Checker:
    """Checks the entries up to a position, archive first; `unchecked` positions are still to come."""

    def __init__(self, stores: Stores, upto: int) -> None:
        self.stores = stores
        self.upto = upto
        self.position = 0
        self.damage: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="riskweave-check", daemon=True)

    @property
    def unchecked(self) -> int:
        """Return how many positions were not looked at yet."""
        return max(self.upto - self.position, 0)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float | None = 10.0) -> None:
        """End the thread, wherever it is."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def wait(self, timeout: float | None) -> None:
        """Wait until all was looked at."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._look()
        except (RiskweaveError, OSError) as error:
            self._found(f"the journal cannot be read behind position {self.position}: {error}")

    def _look(self) -> None:
        chain = CHAIN_START
        started = time.perf_counter()
        for entry in self._entries():
            why = fault(entry, self.position, chain)
            if why is not None:
                self._found(f"the journal at position {entry.position}: {why}")
            self.position, chain = entry.last, entry.chain
            took = time.perf_counter() - started
            if self._stop.wait(_REST * took if took > 0.002 else 0.0):
                return
            started = time.perf_counter()

    def _entries(self) -> Iterator[Entry]:
        journal, archive = self.stores.journal, self.stores.archive
        first = journal.first().position
        expected = 1
        if first:
            for entry in archive.read(1, first):
                yield entry
                expected = entry.last + 1
        for entry in journal.read(expected, self.upto):
            if entry.position > expected:
                # They went to the archive while we were reading.
                yield from archive.read(expected, entry.position - 1)
            yield entry
            expected = entry.last + 1

    def _found(self, text: str) -> None:
        log.error("storage damage: %s", text)
        if len(self.damage) < _DAMAGE_MAX:
            self.damage.append(text)
