"""The kernels are plain Python too: with the JIT off they give the same answers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SMALL_PART = """
import warnings
warnings.simplefilter("error")
from hypothesis import settings
settings.register_profile("quiet", deadline=None, derandomize=True, database=None)
settings.load_profile("quiet")
from tests.models import test_equal_their_definition as these
these.test_trees_by_masks_and_by_walking()
these.test_contributions_are_shapley_values()
these.test_lstm()
these.test_sequences_keep_the_last_events_in_order_of_time()
these.test_calibration()
these.test_inputs_are_encoded_filled_in_and_scaled()
"""


def test_a_small_part_holds_with_the_jit_off():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", SMALL_PART], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
