"""Places to die at: each kills the process at one exact moment, which random kills rarely meet.

Called in the child, right after its fork; nothing of this is in the product.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from riskweave.engine.durable_activation import Activation
from riskweave.engine.durable_host import History
from riskweave.storage.sqlite import SqliteJournal


def die() -> None:
    """End at once, as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Writer:
    """A connection that does something around each COMMIT."""

    def __init__(self, inner: Any, before: Callable[[], None], after: Callable[[], None]) -> None:
        self.inner = inner
        self.before = before
        self.after = after

    def execute(self, statement: str, *values: Any) -> Any:
        if statement != "COMMIT":
            return self.inner.execute(statement, *values)
        self.before()
        done = self.inner.execute(statement, *values)
        self.after()
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _nothing() -> None:
    pass


def _commits(before: Callable[[], None], after: Callable[[], None]) -> None:
    connected = SqliteJournal._connected
    SqliteJournal._connected = lambda self: _Writer(connected(self), before, after)  # type: ignore[assignment,method-assign,return-value]


def _renames(suffix: str, before: Callable[[], None], after: Callable[[], None]) -> None:
    replace = os.replace

    def renamed(source: Any, target: Any) -> None:
        if not str(target).endswith(suffix):
            return replace(source, target)
        before()
        replace(source, target)
        after()
        return None

    os.replace = renamed  # type: ignore[assignment]


def _fills(step: Callable[[], None]) -> None:
    parts = History.parts

    def each(self: History) -> Iterator[Any]:
        for part in parts(self):
            step()
            yield part
        step()

    History.parts = each  # type: ignore[assignment,method-assign]


def _finishes(before: Callable[[], None], after: Callable[[], None]) -> None:
    finish = Activation.finish

    def finished(self: Activation, *arguments: Any) -> Any:
        before()
        done = finish(self, *arguments)
        after()
        return done

    Activation.finish = finished  # type: ignore[method-assign]


def _activation_appends(before: Callable[[], None], after: Callable[[], None]) -> None:
    append = SqliteJournal._append

    def appended(self: SqliteJournal, entries: Any, policies: Any) -> None:
        if policies:
            before()
        append(self, entries, policies)
        if policies:
            after()

    SqliteJournal._append = appended  # type: ignore[method-assign]


POINTS: dict[str, Callable[[Callable[[], None]], None]] = {
    "rows written, not committed": lambda now: _commits(now, _nothing),
    "committed, not answered": lambda now: _commits(_nothing, now),
    "snapshot written, without its name": lambda now: _renames(".snapshot", now, _nothing),
    "snapshot named, older ones not yet deleted": lambda now: _renames(".snapshot", _nothing, now),
    "ids written, without their name": lambda now: _renames(".ids", now, _nothing),
    "while an activation is filled": _fills,
    "an activation is filled, not gone over to": lambda now: _finishes(now, _nothing),
    "gone over, not journaled": lambda now: _activation_appends(now, _nothing),
    "activation journaled, not answered": lambda now: _activation_appends(_nothing, now),
}


def arm(point: str, times: int) -> None:
    """Die when this point is reached for the so manieth time."""
    left = [times]

    def now() -> None:
        left[0] -= 1
        if left[0] <= 0:
            die()

    POINTS[point](now)
