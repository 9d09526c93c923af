"""The kernels are plain Python too: with the JIT off they give the same answers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SMALL_PART = """
import warnings
warnings.simplefilter("error")
from tests.features.test_equal_their_definition import S, check, everything, long_stream
for seed in (1, 2):
    check(everything(), *long_stream(seed, 60, keys=seed, labels=40), forget=20 * S, splits=(10, 11, 40))
from tests.features import test_state_is_one_thing as state
state.test_a_new_policy_goes_on_with_what_the_old_one_knew(40)
state.test_a_key_that_moves_word_for_word_goes_on_bit_for_bit(13)
"""


def test_a_small_part_holds_with_the_jit_off():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", SMALL_PART], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
