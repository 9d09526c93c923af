"""Fuzz the expression language: `python -m benchmarks.fuzz_expressions [inputs] [seed]`.

Fails when anything but a PolicyError comes out, or when one text takes longer than the bound.
"""

from __future__ import annotations

import sys
import time

from tests.expressions.fuzzing import fuzz

INPUTS = 100_000
MILLISECONDS_MAX = 500.0


def main() -> None:
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else INPUTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    begin = time.perf_counter()
    result = fuzz(inputs, seed)
    slowest_ms = float(str(result["slowest_s"])) * 1000.0
    print(f"{inputs} inputs in {time.perf_counter() - begin:.1f} s, {result['accepted']} accepted")
    print(f"slowest: {slowest_ms:.1f} ms (bound {MILLISECONDS_MAX:.0f} ms): {result['slowest']!r}")
    if slowest_ms > MILLISECONDS_MAX:
        sys.exit("too slow")


if __name__ == "__main__":
    main()
