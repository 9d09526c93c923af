"""Without the JIT the kernels are plain Python, and give the same."""

import os
import subprocess
import sys
from pathlib import Path

from riskweave import Engine, Policy
from tests.decision.world import policy, stream

ROOT = Path(__file__).parents[2]
PROGRAM = """
from riskweave import Engine, Policy
from tests.decision.world import policy, stream
for integrator in (policy(), weighted):
    found = Engine(Policy.from_dict(integrator)).decide_many(stream(8, 60))
    print(found.action.tolist(), [score.hex() for score in found.score.tolist()])
"""
WEIGHTED = {**policy(), "decision": {"integrator": "weighted", "model": "score"}}


def test_the_same_decisions_without_the_jit():
    expected = []
    for values in (policy(), WEIGHTED):
        found = Engine(Policy.from_dict(values)).decide_many(stream(8, 60))
        expected.append(f"{found.action.tolist()} {[score.hex() for score in found.score.tolist()]}")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("weighted)", f"{WEIGHTED!r})")],
        env={
            **os.environ,
            "NUMBA_DISABLE_JIT": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == expected
