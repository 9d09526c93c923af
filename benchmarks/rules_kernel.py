"""Rules per second: the matcher on workload a, its hits compared with NumPy's.

python benchmarks/rules_kernel.py DATA [--rules 100 1000 2000 10000]

DATA holds tx.parquet, features.npy and rules_2000.json as the benchmark's generator writes them.
More rules than there are: the same rules again with other constants.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from riskweave.rules.matcher import Matcher, build_matcher
from riskweave.rules.ranges import EVERYTHING, Ranges, codes, compare, points

Rule = list[tuple[str, str, object]]


def read_columns(folder: Path) -> tuple[list[str], np.ndarray, dict[str, dict[str, int]]]:
    """Return column names, values (a row per column) and the codes of text columns."""
    table = pq.read_table(folder / "tx.parquet", columns=["amount", "lat", "mcc", "country", "channel"])
    features = np.load(folder / "features.npy")
    names = [f"f{index}" for index in range(features.shape[1])]
    columns = [features[:, index] for index in range(features.shape[1])]
    texts: dict[str, dict[str, int]] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        names.append(name)
        if name in ("country", "channel"):
            coded = column.dictionary_encode()
            texts[name] = {text: code for code, text in enumerate(coded.dictionary.to_pylist())}
            column = coded.indices
        columns.append(column.to_numpy().astype(np.float64))
    return names, np.ascontiguousarray(np.stack(columns)), texts


def read_rules(folder: Path, count: int) -> list[Rule]:
    """Return `count` rules, beyond 2,000 with constants shifted a little."""
    rules = [rule for _, rule in json.loads((folder / "rules_2000.json").read_text())]
    generator = np.random.default_rng(7)
    while len(rules) < count:
        shift = float(generator.uniform(-0.01, 0.01))
        rules += [
            [(name, op, value + shift if isinstance(value, float) else value) for name, op, value in rule]
            for rule in rules[:2000]
        ]
    return rules[:count]


def to_rows(rule: Rule, names: list[str], texts: dict[str, dict[str, int]]) -> dict[int, Ranges]:
    """Return what a rule allows, by row."""
    found: dict[int, Ranges] = {}
    for name, op, value in rule:
        if op == "eq":
            allowed = codes([texts[name].get(str(value), 10_000)])
        elif op == "in":
            allowed = points(float(each) for each in value)  # type: ignore[attr-defined]
        else:
            allowed = compare({"gt": ">", "lt": "<"}[op], float(value))  # type: ignore[arg-type]
        row = names.index(name)
        found[row] = found.get(row, EVERYTHING) & allowed
    return found


def numpy_hits(
    rules: list[Rule], names: list[str], values: np.ndarray, texts: dict[str, dict[str, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same hits by plain NumPy: offsets and rule numbers."""
    hits = np.zeros((len(rules), values.shape[1]), bool)
    for index, rule in enumerate(rules):
        holds = np.ones(values.shape[1], bool)
        for name, op, value in rule:
            column = values[names.index(name)]
            if op == "gt":
                holds &= column > value
            elif op == "lt":
                holds &= column < value
            elif op == "eq":
                holds &= column == texts[name].get(value, 10_000)
            else:
                holds &= np.isin(column, value)
        hits[index] = holds
    return np.concatenate([[0], np.cumsum(hits.sum(axis=0))]), np.nonzero(hits.T)[1]


def median_seconds(run, times: int = 5) -> float:  # type: ignore[no-untyped-def]
    """Return the median CPU seconds of a call: the machine is shared."""
    seconds = []
    for _ in range(times):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return sorted(seconds)[times // 2]


def one_event_us(matcher: Matcher, values: np.ndarray) -> float:
    """Return the median microseconds of a batch of one, over different events."""
    events = [np.ascontiguousarray(values[:, index : index + 1]) for index in range(2000)]
    seconds = []
    for event in events:
        begin = time.perf_counter()
        matcher.match(event)
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[len(seconds) // 2] * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--rules", type=int, nargs="+", default=[100, 1000, 2000, 10000])
    arguments = parser.parse_args()
    names, values, texts = read_columns(arguments.data)
    begin = time.perf_counter()
    build_matcher([{0: compare(">", 0.5)}] * 3).match(values[:, :1])
    print(f"kernel ready after {time.perf_counter() - begin:.2f} s")
    for count in arguments.rules:
        rules = read_rules(arguments.data, count)
        rows = [to_rows(rule, names, texts) for rule in rules]
        begin = time.perf_counter()
        matcher = build_matcher(rows)
        compile_s = time.perf_counter() - begin
        events = values.shape[1] if count <= 2000 else 200_000
        some = values[:, :events]
        seconds = median_seconds(lambda matcher=matcher, some=some: matcher.match(some))
        checked = values[:, : 50_000 if count <= 2000 else 5_000]
        start, hits = matcher.match(checked)
        begin = time.process_time()
        expected_start, expected = numpy_hits(rules, names, checked, texts)
        numpy_s = time.process_time() - begin
        same = np.array_equal(start, expected_start) and np.array_equal(hits[: start[-1]], expected)
        one_us = one_event_us(matcher, values)
        print(
            f"{count:6d} rules: {events / seconds:12,.0f} events/s (NumPy {checked.shape[1] / numpy_s:,.0f}),"
            f" one event {one_us:.1f} us, compiled in {compile_s:.3f} s, {matcher.rows.nbytes >> 10:,} KiB,"
            f" hits equal NumPy's: {same}"
        )


if __name__ == "__main__":
    main()
