"""Foreign sets of companies through the scenario enterprise_loan: its scorecard, model and decision.

    python benchmarks/public/companies.py polish enterprise_polish_year1.parquet
    python benchmarks/public/companies.py sba enterprise_sba_case.parquet

The mapping (`mappings/NAME.yaml`) writes the policy's fields as SQL over the set's columns (duckdb). Nothing
is trained on the set: the scorecard is the experts', the model learned in a simulated city.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import yaml

from riskweave import scenarios
from riskweave.document import Node
from riskweave.engine.decisions import Decisions
from riskweave.engine.engine import Engine
from riskweave.learning.ranking import average_precision, roc_auc
from riskweave.policy.policy import Policy

MAPPINGS = Path(__file__).parent / "mappings"
LARGEST = 1e13
RATIOS = ("leverage", "current_ratio", "cash_ratio", "return_on_assets", "interest_cover", "z_score")


def events_of(mapping: dict[str, Any], path: Path) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Return a set's rows as events a minute apart, and which companies failed."""
    fields = ", ".join(f"{sql} as {name}" for name, sql in mapping["fields"].items())
    file = str(path).replace("'", "''")
    found = duckdb.sql(
        f"select ({mapping['truth']}) as truth, {fields} from read_parquet('{file}', file_row_number = true) "
        "order by file_row_number"
    ).to_arrow_table()
    truth = np.asarray(found["truth"].to_pylist(), bool)
    rows = []
    for number, row in enumerate(found.drop_columns(["truth"]).to_pylist()):
        kept = {name: value for name, value in row.items() if not _odd(value)}
        minute = 1_767_225_600_000 + 60_000 * number
        rows.append(
            {"type": mapping["type"], "event_id": f"x{number}", "at": minute, "company_id": f"co{number}"}
            | {name: round(value, 2) if isinstance(value, float) else value for name, value in kept.items()}
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    table = pa.table(columns)
    return table.set_column(names.index("at"), "at", table["at"].cast(pa.timestamp("ms", tz="UTC"))), truth


def evaluate(mapping: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return how scorecard, model and decision rank the companies that failed."""
    table, truth = events_of(mapping, path)
    policy = Policy.read(scenarios.folder(mapping["scenario"]))
    decided, by_card = _decided(policy, table), _decided(_scorecard_alone(policy), table)
    label = truth.astype(float)
    found: dict[str, Any] = {"companies": len(truth), "failed": int(truth.sum())}
    for name, score in (
        ("scorecard", np.asarray(by_card.score)),
        ("model", decided.feature("gbdt.score")),
        ("decision", np.asarray(decided.score)),
    ):
        found[name] = {"auc": roc_auc(label, score), "ap": average_precision(label, score)}
    stopped = np.asarray(decided.action) != 0
    found["not_passed"] = {
        "failed": float(stopped[truth].mean()), "sound": float(stopped[~truth].mean())
    }  # fmt: skip
    found["ratios"] = {}
    for name in RATIOS:
        values = decided.feature(name)
        known = ~np.isnan(values)
        if known.any():
            one = roc_auc(label[known], values[known])
            found["ratios"][name] = None if one is None else max(one, 1 - one)
    return found


def _decided(policy: Policy, table: pa.Table) -> Decisions:
    decided = Decisions.joined(list(Engine(policy).decide_blocks(table)))
    if decided.rejected:
        raise SystemExit(str(decided.rejected[0].error))
    return decided


def _scorecard_alone(policy: Policy) -> Policy:
    """Return the policy whose score is the scorecard's probability of default."""
    root = policy.document.root
    others = ("rules", "rule_groups", "patterns", "models", "decision", "explanation")
    kept = {name: node for name, node in root.items() if name not in others}
    spans = {name: node.span for name, node in kept.items()}
    alone = replace(policy.document, root=Node(kept, root.span, root.path, spans), version="scorecard alone")
    return replace(policy, document=alone)


def _odd(value: object) -> bool:
    return value is None or (isinstance(value, float) and not abs(value) < LARGEST)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mapping")
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    path = Path(given.mapping) if given.mapping.endswith(".yaml") else MAPPINGS / f"{given.mapping}.yaml"
    print(json.dumps(evaluate(yaml.safe_load(path.read_text(encoding="utf-8")), given.data), indent=1))


if __name__ == "__main__":
    main()
