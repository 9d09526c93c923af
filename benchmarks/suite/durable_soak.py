"""A durable engine that runs for ever: does its memory stay flat, and the folder too?

    python -m benchmarks.suite.durable_soak [MILLIONS OF EVENTS]

The world of `soak`, sent as tables through the journal, with single events between them, labels, snapshots,
retention to the archive, and a restart every so often. Sampled all along: what this process holds in
memory of its own, and mapped files beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import write
from benchmarks.suite.soak import BLOCK, World, policy

from riskweave.engine.durable import DurableEngine
from riskweave.engine.ports import DurableSettings
from riskweave.errors import EventError
from riskweave.storage.open import open_stores

SAMPLES = 40


def run(millions: float = 5.0, people: int = 5_000) -> dict[str, object]:
    """Carry so many events through; return the samples and the growth after the first third."""
    world = World(7, people)
    blocks = max(SAMPLES, int(millions * 1e6) // BLOCK)
    settings = DurableSettings(
        block_rows=BLOCK, snapshot_every_events=25 * BLOCK, snapshots_kept=2, keep_days=0.0
    )
    made = policy("6h", extra=False)
    samples: list[dict[str, float]] = []
    restarts = 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        data = Path(home) / "data"
        engine = DurableEngine.open(open_stores(data), made, settings=settings)
        for number in range(blocks):
            table = world.table()
            singles = table.slice(0, 50).to_pylist()
            futures = [engine.submit(event) for event in singles]
            engine.submit_many(table.slice(50)).result()
            for future in futures:
                if not isinstance(error := future.exception(), EventError | None):
                    raise error
            for label in world.labels():
                engine.feedback(label).result()
            if (number + 1) % max(blocks // SAMPLES, 1) == 0:
                samples.append({"events": world.events, **_memory(), "folder_mb": _folder_mb(data)})
                print(samples[-1], flush=True)
            if (number + 1) % max(blocks // 5, 1) == 0 and number + 1 < blocks:
                engine.close()
                engine.stores.close()
                engine = DurableEngine.open(open_stores(data), made, settings=settings)
                restarts += 1
        damage = list(engine.health().damage)
        engine.close()
        engine.stores.close()
    third = samples[len(samples) // 3 :]
    return {
        "events": world.events,
        "restarts": restarts,
        "seconds": round(time.perf_counter() - started, 1),
        "own_mb_after_a_third": third[0]["own_mb"],
        "own_mb_at_the_end": third[-1]["own_mb"],
        "own_mb_peak": max(each["own_mb"] for each in samples),
        "own_mb_per_million_events": _slope(third),
        "damage": damage,
        "samples": samples,
    }


def _memory() -> dict[str, float]:
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return {
        "own_mb": round(int(status["RssAnon"].split()[0]) / 1024, 1),
        "mapped_mb": round(int(status["RssFile"].split()[0]) / 1024, 1),
    }


def _folder_mb(folder: Path) -> float:
    return round(sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6, 1)


def _slope(samples: list[dict[str, float]]) -> float:
    """Return the megabytes that a million events add: least squares."""
    count = len(samples)
    x = [each["events"] / 1e6 for each in samples]
    y = [each["own_mb"] for each in samples]
    mean_x, mean_y = sum(x) / count, sum(y) / count
    spread = sum((each - mean_x) ** 2 for each in x)
    return round(sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / max(spread, 1e-9), 1)


if __name__ == "__main__":
    write("durable_soak", run(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
