"""The Handbook's features by DuckDB window functions over the raw transactions: independent of riskweave.

    python benchmarks/handbook/oracle.py RAW.parquet [--book FEATURES.parquet] [--out ORACLE.parquet]

Customer windows are (t - w, t], terminal windows (t - 7d - w, t - 7d]; of equal times, a transaction
sees those above it in the file. With `--book` the result is compared with the book's published rows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb

DAY_S = 86_400
DELAY_S = 7 * DAY_S
WINDOWS = (1, 7, 30)

_DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
RAW_DEFAULT = _DATA / "card_fdh.parquet"
BOOK_DEFAULT = _DATA / "card_fdh_book_features.parquet"
RAW_COLUMNS = ("TRANSACTION_ID", "TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "TX_FRAUD", "AMOUNT_CENTS")

COUNTS = (
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW" for days in WINDOWS),
    *(f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW" for days in WINDOWS),
)
MEANS = (
    *(f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW" for days in WINDOWS),
    *(f"TERMINAL_ID_RISK_{days}DAY_WINDOW" for days in WINDOWS),
)


def present(path: Path, what: str) -> Path:
    """Return the path, or leave with a message that says how to give another."""
    if not path.is_file():
        sys.exit(
            f"{what} is not at {path}: give its path on the command line (benchmarks/handbook/README.md)"
        )
    return path


def load(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> tuple[list[str], int]:
    """Make a table of a Parquet file; return its columns and how many rows it has."""
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM read_parquet(?)", [str(path)])
    columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    return columns, count(connection, f"SELECT count(*) FROM {name}")


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """Return the one whole number that a query gives."""
    return int(connection.execute(query).fetchall()[0][0])


def features(connection: duckdb.DuckDBPyConnection, raw: Path) -> None:
    """Make the table `oracle` in `connection`: TRANSACTION_ID and every feature of the book."""
    source = f"read_parquet('{str(raw).replace(chr(39), chr(39) * 2)}', file_row_number = true)"
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    absent = [name for name in RAW_COLUMNS if name not in there]
    if absent:
        sys.exit(f"{raw} has no column {', '.join(absent)}: it is no file of the Handbook's raw transactions")
    # `place` orders by time, then by place in the file, so that no two rows are equal. With n > rows,
    # every row of second s lies within [s n, s n + n - 1].
    connection.execute(f"""
        CREATE OR REPLACE TABLE raw AS
        SELECT TRANSACTION_ID, CUSTOMER_ID, TERMINAL_ID,
               TX_TIME_SECONDS::BIGINT AS s, file_row_number::BIGINT AS seq,
               AMOUNT_CENTS::BIGINT AS cents, TX_FRAUD::BIGINT AS fraud,
               parquet.n, s * n + seq AS place
        FROM {source}, (SELECT count(*) + 1 AS n FROM {source}) AS parquet""")
    late = "SELECT count(*) FROM (SELECT s < lag(s) OVER (ORDER BY seq) AS late FROM raw) WHERE late"
    if count(connection, late):
        sys.exit(
            f"{raw} is not in time order: this oracle's windows know no late transactions; sort it first"
        )
    terms = ["TRANSACTION_ID", f"((s // {DAY_S} + 6) % 7 >= 5)::INT AS TX_DURING_WEEKEND"]
    terms.append(f"(s % {DAY_S} // 3600 <= 6)::INT AS TX_DURING_NIGHT")
    frames = []
    for days in WINDOWS:
        length = days * DAY_S
        frames.append(
            f"c{days} AS (PARTITION BY CUSTOMER_ID ORDER BY place"
            f" RANGE BETWEEN {length} * n - n + seq PRECEDING AND CURRENT ROW)"
        )
        frames.append(
            f"t{days} AS (PARTITION BY TERMINAL_ID ORDER BY place RANGE BETWEEN"
            f" {DELAY_S + length} * n - n + seq PRECEDING AND {DELAY_S} * n - n + 1 + seq PRECEDING)"
        )
        terms += [
            f"count(*) OVER c{days} AS CUSTOMER_ID_NB_TX_{days}DAY_WINDOW",
            f"sum(cents) OVER c{days} / 100.0::DOUBLE / count(*) OVER c{days}"
            f" AS CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW",
            f"count(*) OVER t{days} AS TERMINAL_ID_NB_TX_{days}DAY_WINDOW",
            f"coalesce(sum(fraud) OVER t{days} / nullif(count(*) OVER t{days}, 0)::DOUBLE, 0)"
            f" AS TERMINAL_ID_RISK_{days}DAY_WINDOW",
        ]
    connection.execute(
        f"CREATE OR REPLACE TABLE oracle AS SELECT {', '.join(terms)} FROM raw WINDOW {', '.join(frames)}"
    )


def greatest_differences(
    connection: duckdb.DuckDBPyConnection, other: str, key: str, names: tuple[str, ...]
) -> tuple[int, dict[str, float | None]]:
    """Return how many rows `other` shares with the oracle, and each feature's greatest difference.

    A value that only one of the two has counts as infinitely different; None says that nothing was compared.
    """
    differences = ", ".join(
        f"max(CASE WHEN o.{name} IS NULL OR isnan(o.{name}::DOUBLE) THEN 'infinity'::DOUBLE"
        f" ELSE abs(o.{name}::DOUBLE - oracle.{name}::DOUBLE) END)"
        for name in names
    )
    row = connection.execute(
        f"SELECT count(*), {differences} "
        f"FROM oracle JOIN {other} o ON o.{key}::BIGINT = oracle.TRANSACTION_ID"
    ).fetchone()
    assert row is not None
    return row[0], dict(zip(names, row[1:], strict=True))


def report(differences: dict[str, float | None]) -> bool:
    """Print each feature's greatest difference; tell whether all are within bounds."""
    right = True
    for name, difference in differences.items():
        bound = 0.0 if name in COUNTS else 1e-9
        fine = difference is not None and difference <= bound
        right &= fine
        shown = "no rows" if difference is None else f"{difference:.3g}"
        print(f"{name:40} {shown:>12}  {'ok' if fine else 'DIFFERS'}")
    return right


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("raw", nargs="?", type=Path, default=RAW_DEFAULT)
    parser.add_argument("--book", nargs="?", type=Path, const=BOOK_DEFAULT)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    connection = duckdb.connect()
    features(connection, present(given.raw, "the file of raw transactions"))
    print(f"{given.raw}: {count(connection, 'SELECT count(*) FROM oracle')} transactions")
    if given.out:
        connection.execute(f"COPY oracle TO '{given.out}' (FORMAT parquet, COMPRESSION zstd)")
    if given.book:
        _, all_rows = load(connection, "book", present(given.book, "the book's features"))
        rows, differences = greatest_differences(connection, "book", "TRANSACTION_ID", COUNTS + MEANS)
        print(f"{given.book}: {rows} of {all_rows} rows are among them")
        sys.exit(0 if report(differences) and rows == all_rows else 1)


if __name__ == "__main__":
    main()
