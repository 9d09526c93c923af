"""The kernels mean the same as plain Python, without the JIT."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_examples_hold_with_the_jit_off():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    tests = ["tests/expressions/test_cases.py", "tests/expressions/test_compile.py"]
    arguments = [sys.executable, "-m", "pytest", "-q", "-x", "-k", "not many_distinct", *tests]
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
