"""The command line as a user has it: `riskweave ...` in a process of its own."""

import os
import subprocess
import sys


def riskweave(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command; fails when it ends with another exit code than `code`."""
    environment = {**os.environ, "COLUMNS": "200", "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-m", "riskweave", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done
