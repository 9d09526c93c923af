"""Shadow policies: they follow the journal in threads of their own, and only take notes.

Each has an engine of its own; when one fails, it stops and says why, and nothing else notices.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from riskweave.batch import ACTIONS
from riskweave.engine.durable_host import Host, How, entries, history, source_of
from riskweave.engine.durable_policies import unpack_policy
from riskweave.engine.ports import Entry, Kind, PolicyRow, ShadowRecord, Stores

log = logging.getLogger("riskweave.durable")

_POLL_S = 0.5


class Shadows:
    """Starts and stops the shadows that the journal names."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._running: dict[str, _Shadow] = {}

    def start(self, wanted: Mapping[str, tuple[str, bytes]]) -> None:
        """Begin with the shadows of a recovered engine."""
        self.follow(wanted)

    def follow(self, wanted: Mapping[str, tuple[str, bytes]]) -> None:
        """Start what is new, stop what is no longer wanted."""
        for name in [each for each in self._running if each not in wanted]:
            self._running.pop(name).stop()
        for name, (version, content) in wanted.items():
            if name not in self._running:
                self._running[name] = _Shadow(self.stores, name, version, content)

    def wake(self) -> None:
        """Tell that the journal has grown."""
        for shadow in list(self._running.values()):
            shadow.signal.set()

    def states(self) -> dict[str, str]:
        """Return how each shadow is."""
        return {name: shadow.state for name, shadow in sorted(self._running.copy().items())}

    def wait(self, position: int, timeout_s: float = 60.0) -> None:
        """Wait until every shadow has seen a position, or has failed."""
        for shadow in list(self._running.values()):
            shadow.reached(position, timeout_s)

    def stop(self) -> None:
        for shadow in list(self._running.values()):
            shadow.stop()


class _Shadow:
    def __init__(self, stores: Stores, name: str, version: str, content: bytes) -> None:
        self.stores = stores
        self.name = name
        self.version = version
        self.content = content
        self.state = "starting"
        self.position = 0
        self.signal = threading.Event()
        self.moved = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, name=f"riskweave-shadow-{name}", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping = True
        self.signal.set()
        self.thread.join(30.0)

    def reached(self, position: int, timeout_s: float) -> None:
        with self.moved:
            self.moved.wait_for(
                lambda: self.position >= position or self.state.startswith("failed"), timeout_s
            )

    def _run(self) -> None:
        try:
            host = self._forked()
            self.state = "ok"
            while not self.stopping:
                self._follow(host)
                self.signal.wait(_POLL_S)
                self.signal.clear()
        except BaseException as error:
            self.state = f"failed: {type(error).__name__}: {error}"
            log.exception("shadow policy %s failed", self.name)
            with self.moved:
                self.moved.notify_all()

    def _forked(self) -> Host:
        """Return a host under the shadow's policy, where its notes end or where it was added."""
        from riskweave.engine.durable_recovery import host_at

        noted = self.stores.shadows.last(self.name)
        position = noted or self._added_at()
        host = host_at(self.stores, position)
        row = PolicyRow(0, self.version, self.content, b"", 0)
        policy = unpack_policy(self.stores.journal.content(self.content), self.stores.folder)
        host.activate(row, policy, history(self.stores, 1, position))
        self.position = position
        return host

    def _added_at(self) -> int:
        from riskweave.engine.durable_commands import ShadowAdded, decode_command

        for entry in self.stores.journal.read_back():
            if entry.kind is Kind.COMMAND:
                command = decode_command(entry.body)
                if isinstance(command, ShadowAdded) and command.name == self.name:
                    return entry.position
        return self.stores.journal.tip().position

    def _follow(self, host: Host) -> None:
        for entry in entries(self.stores, self.position + 1):
            if self.stopping:
                return
            if entry.position <= self.position:
                continue
            if entry.kind.holds_events:
                self.stores.shadows.add(self.name, self._noted(host, entry))
            else:
                host.follow(entry, self.stores)
            with self.moved:
                self.position = entry.last
                self.moved.notify_all()

    def _noted(self, host: Host, entry: Entry) -> list[ShadowRecord]:
        source = source_of(entry)
        decoded = host.decoded(source)
        decisions, _ = host.block(decoded, source, How())
        host.failures.take()
        return [
            ShadowRecord(
                entry.position + row,
                self.name,
                ACTIONS[int(decisions.action[k])],
                float(decisions.score[k]),
                tuple(decisions.rules(k)),
            )
            for k, row in enumerate(decisions.rows.tolist())
        ]
