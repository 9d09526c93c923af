"""The common workload, made by the generator that stands beside the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / ".." / "shared" / "bench" / "generate.py"
DATA = ROOT / ".bench-data"

RULES = (100, 1000, 2000)

# The outputs of the windows workload, in this order everywhere.
USER_WINDOWS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000}
DEVICE_COUNT_MS = 3_600_000
DEVICE_USERS_MS = 86_400_000
IP_COUNT_MS = 600_000
OUTPUTS = (
    *(f"user_{what}_{length}" for length in USER_WINDOWS for what in ("count", "sum", "mean", "max")),
    "device_count_1h",
    "device_users_24h",
    "ip_count_10m",
)


def generate(events: int = 1_000_000, seed: int = 20240607, generator: Path = GENERATOR) -> Path:
    """Return the folder of that workload, made now when it is not there yet."""
    folder = DATA / f"{events}-{seed}"
    if (folder / f"rules_{RULES[-1]}.json").is_file():
        return folder
    if not generator.is_file():
        raise SystemExit(f"there is no workload generator at {generator}")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(generator), str(folder), "--events", str(events), "--seed", str(seed)]
    subprocess.run(command, check=True)
    return folder
