"""How everything here is measured: one core, CPU seconds, medians of several runs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

RESULTS = Path(__file__).parent / "results"

Made = TypeVar("Made")


def on_one_core() -> None:
    """Keep this process on one core, and its libraries to one thread."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ[name] = "1"
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    import pyarrow

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)


def median_seconds(run: Callable[[], object], runs: int) -> float:
    """Return the median CPU seconds of one call: what other programs do on the machine counts less."""
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


@dataclass(frozen=True)
class Times:
    """Seconds on the processor and on the wall."""

    cpu: float
    wall: float


def median_times(run: Callable[[], object], runs: int) -> Times:
    """Return the median seconds of one call."""
    cpu, wall = [], []
    for _ in range(runs):
        on_wall, on_cpu = time.perf_counter(), time.process_time()
        run()
        cpu.append(time.process_time() - on_cpu)
        wall.append(time.perf_counter() - on_wall)
    return Times(statistics.median(cpu), statistics.median(wall))


def timed(run: Callable[[], Made]) -> tuple[Made, float]:
    """Return a result and the CPU seconds it took."""
    started = time.process_time()
    result = run()
    return result, time.process_time() - started


def percentiles_us(seconds: list[float]) -> dict[str, float]:
    """Return p50, p90, p99 and p99.9 in microseconds."""
    ordered = sorted(seconds)
    return {
        f"p{share:g}": round(1e6 * ordered[min(int(len(ordered) * share / 100), len(ordered) - 1)], 2)
        for share in (50, 90, 99, 99.9)
    }


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version()}


def write(name: str, result: dict[str, object]) -> None:
    """Keep a result as JSON beside the others, and print it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **result}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {json.dumps(result)}", flush=True)
