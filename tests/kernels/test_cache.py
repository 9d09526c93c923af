"""Machine code on disk is never older than any kernel file, also those it only calls."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import riskweave.kernels.compile as compiling

CALLED = """
from parts.compile import inline_kernel

@inline_kernel
def step(x):
    return x + {amount}
"""
CALLER = """
import numpy as np
from parts.between import step
from parts.compile import kernel

@kernel
def run(values):
    for i in range(values.size):
        values[i] = step(values[i])

values = np.zeros(1)
run(values)
print(int(values[0]), sum(run.stats.cache_hits.values()))
"""
BETWEEN = """
from parts.called import step as called
from parts.compile import inline_kernel

@inline_kernel
def step(x):
    return called(x)
"""


def run(folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    environment.pop("NUMBA_DISABLE_JIT", None)
    command = [sys.executable, "-c", "import parts.caller"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_a_change_in_a_called_file_ends_the_cache_of_its_callers(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "__init__.py").touch()
    shutil.copy(compiling.__file__, parts / "compile.py")
    (parts / "caller.py").write_text(CALLER)
    (parts / "between.py").write_text(BETWEEN)
    (parts / "called.py").write_text(CALLED.format(amount=1))
    assert run(tmp_path) == "1 0"
    assert run(tmp_path) == "1 1"
    (parts / "called.py").write_text(CALLED.format(amount=2))
    assert run(tmp_path) == "2 0"
