"""Kernels of patterns also run as plain Python, and give the same."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.patterns.conformance import ROOT


def test_own_cases_agree_with_the_jit_off():
    environment = dict(os.environ, NUMBA_DISABLE_JIT="1")
    script = ROOT / "tests" / "patterns" / "conformance.py"
    cases = ROOT / "tests" / "patterns" / "cases" / "handbook.json"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(cases)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "21 of 21 agree" in done.stdout
