"""From the engine's thread to the event loop: one wake-up for many answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """Awaits futures of other threads.

    A group commit answers hundreds of requests at once. Waking the loop costs a system call, so only the
    first answer of a group does it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: deque[tuple[Future[Any], asyncio.Future[Any], Callable[[Future[Any]], None] | None]] = (
            deque()
        )
        self._awake = False

    def wait(self, future: Future[T], after: Callable[[Future[T]], None] | None = None) -> asyncio.Future[T]:
        """Return a future of this loop; `after` is called here in any case, once it is done."""
        waiter: asyncio.Future[T] = self._loop.create_future()

        def done(finished: Future[T]) -> None:
            self._ready.append((finished, waiter, after))
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._deliver)

        future.add_done_callback(done)
        return waiter

    def _deliver(self) -> None:
        self._awake = False
        while self._ready:
            finished, waiter, after = self._ready.popleft()
            if after is not None:
                after(finished)
            if waiter.cancelled():
                continue
            if finished.cancelled():
                waiter.cancel()
                continue
            error = finished.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(finished.result())
