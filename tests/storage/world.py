"""Durable engines on a folder, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riskweave import Policy
from riskweave.engine.durable import DurableEngine, DurableSettings
from riskweave.storage.open import open_stores
from tests.crash.world import START_MS, events, policy

WAIT_S = 60


@contextmanager
def durable(
    folder: Path, made: dict[str, Any] | None = None, url: str | None = None, **settings: Any
) -> Iterator[DurableEngine]:
    """Yield an engine on a folder; closed and let go of at the end."""
    stores = open_stores(folder, url)
    engine = None
    try:
        engine = DurableEngine.open(
            stores, Policy.from_dict(made or policy()), settings=DurableSettings(**settings)
        )
        yield engine
    finally:
        if engine is not None:
            engine.close(WAIT_S)
        stores.close()


def decided(engine: DurableEngine, given: list[dict[str, Any]]) -> list[Any]:
    """Decide events one by one, many at a time."""
    return [each.result(WAIT_S) for each in [engine.submit(event) for event in given]]


__all__ = ["START_MS", "WAIT_S", "decided", "durable", "events", "policy"]
