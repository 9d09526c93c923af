"""The parser fuzz: hostile expressions in great number; each is understood or refused with a message."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from benchmarks.measure import write
from benchmarks.peers.workload import ROOT

PROGRAM = ROOT / "benchmarks" / "fuzz_expressions.py"


def run(arguments: argparse.Namespace) -> None:
    if not PROGRAM.is_file():
        print(f"fuzz: left out, there is no {PROGRAM.name}")
        return
    began = time.perf_counter()
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, cwd=ROOT)
    lines = done.stdout.strip().splitlines()
    write(
        "fuzz",
        {
            "passed": done.returncode == 0,
            "seconds": round(time.perf_counter() - began, 1),
            "last_line": lines[-1] if lines else "",
        },
    )
    if done.returncode:
        sys.exit(f"fuzz: {done.stdout[-2000:]}{done.stderr[-2000:]}")
