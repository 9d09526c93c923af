"""The simulated world: events per second of each scenario, and the memory that a large file takes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import median_seconds, write

from riskweave.simulation import world

FILE_SCENARIO = "credit_card"

# Runs in a process of its own, so that its peak is its own.
_WRITE = """
import json, resource, sys, time
from pathlib import Path
from riskweave.cli.simulate import write
from riskweave.simulation import world
events, path = int(sys.argv[1]), Path(sys.argv[2])
started = time.process_time()
write(world.stream(sys.argv[3], events), path)
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak, "bytes": path.stat().st_size}))
"""


def run(arguments: argparse.Namespace) -> None:
    events = max(arguments.events // 4, 10_000)
    rates = {}
    for scenario in world.SCENARIOS:
        world.simulate(scenario, 1_000)
        seconds = median_seconds(lambda name=scenario: world.simulate(name, events), arguments.runs)  # type: ignore[misc]
        rates[scenario] = round(events / seconds)
    many, few = 5 * arguments.events, arguments.events // 2
    large, small = written(many), written(few)
    write(
        "simulation",
        {
            "events": events,
            "per_s": rates,
            "file": {
                "scenario": FILE_SCENARIO,
                "events": many,
                "per_s": round(many / large["seconds"]),
                "bytes": large["bytes"],
                "peak_mb": round(large["peak_mb"]),
                "events_start": few,
                "peak_mb_start": round(small["peak_mb"]),
            },
        },
    )


def written(events: int) -> dict[str, float]:
    """Return what a file of so many events cost: processor seconds, peak memory, bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        line = [sys.executable, "-c", _WRITE, str(events), str(path), FILE_SCENARIO]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
