"""Compare a replay's features with the oracle's: counts must be equal, means within 1e-9.

    riskweave replay benchmarks/handbook/policy RAW.parquet --out OURS.parquet
    python benchmarks/handbook/compare.py RAW.parquet OURS.parquet

Prints the greatest difference of each feature; exits with 1 when one is too great or a row is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb
from oracle import COUNTS, MEANS, RAW_DEFAULT, count, features, greatest_differences, load, present, report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("raw", type=Path, nargs="?", default=RAW_DEFAULT)
    parser.add_argument("ours", type=Path)
    given = parser.parse_args()
    connection = duckdb.connect()
    features(connection, present(given.raw, "the file of raw transactions"))
    columns, all_rows = load(connection, "ours", present(given.ours, "the replay's output"))
    absent = [name for name in ("event_id", *COUNTS, *MEANS) if name not in columns]
    if absent:
        sys.exit(f"{given.ours} has no column {', '.join(absent)}")
    rows, differences = greatest_differences(connection, "ours", "event_id", COUNTS + MEANS)
    wanted = count(connection, "SELECT count(*) FROM oracle")
    right = report(differences)
    if not rows == wanted == all_rows:
        print(f"{given.raw} has {wanted} transactions, {given.ours} {all_rows}; {rows} have the same id")
        right = False
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
