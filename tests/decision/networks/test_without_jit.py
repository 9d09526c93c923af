"""The kernels are plain Python too: with the JIT off they give the same answers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

SMALL_PART = """
import warnings
warnings.simplefilter("error")
from hypothesis import settings
settings.register_profile("quiet", deadline=None, derandomize=True, database=None, max_examples=10)
settings.load_profile("quiet")
from tests.decision.networks import test_equal_their_definition as these
these.test_compiled_posteriors()
these.test_an_event_does_not_depend_on_its_neighbours()
"""


def test_a_small_part_holds_with_the_jit_off():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", SMALL_PART], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
