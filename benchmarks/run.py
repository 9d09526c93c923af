"""Every benchmark, each beside a peer in the same run: python -m benchmarks.run [NAME...]

windows   workload b in batches            beside Polars and DuckDB, outputs compared
rules     workload a with 100..2,000 rules beside NumPy, hits compared
patterns  workload c, many patterns, a flood  beside a Python loop, matches compared
decision  evidence to action with four utilities and three tests, beside NumPy
single    one event from a dict to a decision; one event against 1,000 rules
files     Parquet in, Parquet out
policy    a policy of 1,000 rules becomes live; first and later starts
memory    bytes per event kept and per idle key; ten million events over a million keys
growth    events/s against rules, features, entities, window length, state size (plots)
handbook  the Handbook's features, compared with the oracle
networks  public Bayesian networks       beside pyAgrum and pgmpy, marginals compared; compiled posteriors
explanation  a full explanation of a decision  beside the decision itself
scenarios every scenario in a simulated city  beside its rules and its model alone, in money
fuzz      a hundred thousand hostile expressions
simulation  events of each scenario; five million to a file

Results go to benchmarks/results; then docs/performance.md is written anew from all that are there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.measure import on_one_core

from benchmarks import report

NAMES = (
    "windows",
    "rules",
    "patterns",
    "decision",
    "single",
    "files",
    "policy",
    "memory",
    "growth",
    "handbook",
    "networks",
    "explanation",
    "scenarios",
    "fuzz",
    "simulation",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20240607)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--handbook", type=Path, help="the Handbook's transactions (card_fdh.parquet)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    on_one_core()
    for name in arguments.names or NAMES:
        importlib.import_module(f"benchmarks.suite.{name}").run(arguments)
    report.main()


if __name__ == "__main__":
    main()
