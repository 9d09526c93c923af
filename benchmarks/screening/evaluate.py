"""Name screening on labelled pairs: precision, recall, F1, the curve, and how many names a second.

    python benchmarks/screening/evaluate.py PAIRS.parquet [--json] [--curve curve.svg]
    python benchmarks/screening/evaluate.py PAIRS.parquet --list sdn.parquet alt.parquet --queries q.parquet

PAIRS has name1, name2, is_match and, if it has it, schema (Person, Company, Organization, LegalEntity,
Vessel). Levenshtein's similarity of the names is measured beside, at the threshold that is best for it
on these very pairs; ours is at the fixed threshold of the library.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pyarrow.parquet as pq

from riskweave.lists.names.compare import MATCH_MIN, compare
from riskweave.lists.names.importing import import_list
from riskweave.lists.names.index import NamesIndex

KINDS = {"Person": "person", "Company": "organisation", "Organization": "organisation", "Vessel": "vessel"}
NAME_COLUMNS = ("full_name", "name")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--curve", type=Path, help="draw the precision-recall curve (PNG or SVG)")
    parser.add_argument("--list", type=Path, nargs="+", help="OFAC's files: how many checks a second")
    parser.add_argument("--queries", type=Path, nargs="*", default=[], help="names to look for in the list")
    arguments = parser.parse_args()
    result = of_pairs(arguments.pairs)
    if arguments.list:
        result["search"] = of_list(arguments.list, arguments.queries)
    if arguments.curve:
        draw(result, arguments.curve)
    if arguments.json:
        print(json.dumps(result))
        return
    for name in ("riskweave", "levenshtein"):
        each = result[name]
        print(
            f"{name:12} precision {each['precision']:.3f}  recall {each['recall']:.3f}  F1 {each['f1']:.3f}"
            f"  at {each['threshold']:.2f}   best F1 {each['best_f1']:.3f}"
        )
    print(f"{result['pairs']} pairs, {result['comparisons_per_s']:,.0f} comparisons/s")
    for name, each in result.get("search", {}).items():
        print(name, each)


def of_pairs(path: Path) -> dict:
    """Return the measures of our comparison and of Levenshtein's."""
    table = pq.read_table(path)
    first, second = table.column("name1").to_pylist(), table.column("name2").to_pylist()
    truth = [bool(each) for each in table.column("is_match").to_pylist()]
    schemas = table.column("schema").to_pylist() if "schema" in table.column_names else [None] * len(truth)
    kinds = [KINDS.get(schema, "unknown") for schema in schemas]
    compare("warm", "up")
    started = time.process_time()
    scores = [compare(a, b, kind).score for a, b, kind in zip(first, second, kinds, strict=True)]
    seconds = time.process_time() - started
    plain = [levenshtein(a.casefold(), b.casefold()) for a, b in zip(first, second, strict=True)]
    return {
        "pairs": len(truth),
        "matches": sum(truth),
        "comparisons_per_s": len(truth) / max(seconds, 1e-9),
        "riskweave": measured(scores, truth, MATCH_MIN),
        "levenshtein": measured(plain, truth, best_threshold(plain, truth)),
        "by_schema": {
            str(schema): measured(
                [s for s, each in zip(scores, schemas, strict=True) if each == schema],
                [t for t, each in zip(truth, schemas, strict=True) if each == schema],
                MATCH_MIN,
            )["f1"]
            for schema in dict.fromkeys(schemas)
        },
    }


def measured(scores: list[float], truth: list[bool], threshold: float) -> dict:
    """Return precision, recall and F1 at a threshold, and the whole curve."""
    curve = []
    for at in sorted(set(scores)):
        curve.append((at, *_at(scores, truth, at)))
    precision, recall, f1 = _at(scores, truth, threshold)
    return {
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "best_f1": max((each[3] for each in curve), default=0.0),
        "curve": [[round(value, 4) for value in each] for each in curve],
    }


def _at(scores: list[float], truth: list[bool], threshold: float) -> tuple[float, float, float]:
    hits = [t for s, t in zip(scores, truth, strict=True) if s >= threshold]
    right = sum(hits)
    precision = right / len(hits) if hits else 1.0
    recall = right / max(sum(truth), 1)
    return precision, recall, 2 * right / max(len(hits) + sum(truth), 1)


def best_threshold(scores: list[float], truth: list[bool]) -> float:
    """Return the threshold with the greatest F1 on these pairs."""
    return max(sorted(set(scores)), key=lambda at: _at(scores, truth, at)[2])


def levenshtein(one: str, other: str) -> float:
    """Return 1 - distance / longer length (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return 1.0 - row[-1] / max(len(one), len(other), 1)


def of_list(files: list[Path], queries: list[Path]) -> dict:
    """Return how fast names are looked for among the names of a list, and how many are found."""
    listed = import_list("ofac", files)
    names = [each.value for each in listed]
    # A bank's lists hold more names than one: the same, with a letter changed, up to 100,000.
    more = [name[: at % 5 + 1] + "x" + name[at % 5 + 2 :] for at, name in enumerate(names) if len(name) > 8]
    names = (names + more + [f"{name} {at}" for at, name in enumerate(names)] + more)[:100_000]
    started = time.process_time()
    index = NamesIndex(names, "person")
    found = {"names": len(names), "build_s": time.process_time() - started}
    index.search("warm up")
    for path in queries:
        table = pq.read_table(path)
        column = next(name for name in NAME_COLUMNS if name in table.column_names)
        asked = [name for name in table.column(column).to_pylist() if name][:4_000]
        started = time.process_time()
        hits = [index.search(name) for name in asked]
        first = time.process_time() - started
        started = time.process_time()
        for name in asked:
            index.search(name)
        again = time.process_time() - started
        found[path.stem] = {
            "asked": len(asked),
            "with_hits": sum(bool(each) for each in hits),
            "sure": sum(bool(each) and each[0].comparison.score >= 0.9 for each in hits),
            "per_s_first": len(asked) / first,
            "per_s_again": len(asked) / again,
        }
    return found


def draw(result: dict, path: Path) -> None:
    """Draw both curves."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for name, colour in (("riskweave", "#0072b2"), ("levenshtein", "#999999")):
        each = result[name]
        axes.plot([p[2] for p in each["curve"]], [p[1] for p in each["curve"]], color=colour, lw=2)
        axes.plot(each["recall"], each["precision"], "o", color=colour)
        axes.annotate(
            f"{name}, F1 {each['f1']:.2f}",
            (each["recall"], each["precision"]),
            xytext=(-8, -14),
            textcoords="offset points",
            ha="right",
            color=colour,
        )
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0.3, 1.02))
    axes.grid(alpha=0.3)
    axes.set_title(f"Name pairs: {result['pairs']}, {result['matches']} of them the same", loc="left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
