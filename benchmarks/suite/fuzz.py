"""The parser fuzz: hostile expressions in great number; each is understood or refused with a message."""

from __future__ import annotations

import argparse
import os
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
    command = [sys.executable, "-m", f"benchmarks.{PROGRAM.stem}"]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    write(
        "fuzz",
        {
            "passed": done.returncode == 0,
            "seconds": round(time.perf_counter() - began, 1),
            "said": done.stdout.strip().splitlines(),
        },
    )
    if done.returncode:
        sys.exit(f"fuzz: {done.stdout[-2000:]}{done.stderr[-2000:]}")
