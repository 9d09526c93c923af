"""A foreign set through a ready scenario, by a small mapping file: what comes out, as JSON.

    python benchmarks/public/scenarios.py MAPPING DATA.parquet
    python benchmarks/public/scenarios.py amlsim TX.parquet --accounts NODES.parquet

MAPPING is a name in `mappings/` or a file of your own. Where the set has a truth: AUC of the decision's
probability, and how many frauds and good events were not passed. With `--accounts`: accounts are judged,
each by the greatest probability of a transfer that it took part in, and as caught where one was not passed.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from riskweave import scenarios
from riskweave.engine.decisions import Decisions
from riskweave.engine.engine import Engine
from riskweave.learning.ranking import average_precision, roc_auc
from riskweave.policy.policy import Policy

MAPPINGS = Path(__file__).parent / "mappings"
START = datetime(2026, 1, 1, tzinfo=UTC)
ACTIONS = ("PASS", "MFA", "REVIEW", "BLOCK")

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mapping")
    parser.add_argument("data", type=Path)
    parser.add_argument("--accounts", type=Path, help="AMLSim's table of accounts")
    given = parser.parse_args()
    path = Path(given.mapping) if given.mapping.endswith(".yaml") else MAPPINGS / f"{given.mapping}.yaml"
    mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = pq.read_table(given.data).to_pylist()
    accounts = pq.read_table(given.accounts).to_pylist() if given.accounts else None
    print(json.dumps(evaluate(mapping, rows, accounts), indent=1))


def evaluate(mapping: Row, rows: list[Row], accounts: list[Row] | None = None) -> Row:
    """Return what the scenario's policy says of a foreign set's rows."""
    events, truth = mapped(mapping, rows)
    engine = Engine(Policy.read(scenarios.folder(mapping["scenario"])))
    decided = Decisions.joined(list(engine.decide_blocks(pa.Table.from_pylist(events))))
    if decided.rejected:
        raise SystemExit(str(decided.rejected[0].error))
    score, stopped = np.nan_to_num(np.asarray(decided.score)), np.asarray(decided.action) != 0
    names = list(decided.rule_ids)
    found: Row = {
        "scenario": mapping["scenario"],
        "events": len(events),
        "actions": dict(zip(ACTIONS, np.bincount(decided.action, minlength=4).tolist(), strict=True)),
        "rules": dict(Counter(names[k] for k in decided.hit_rule.tolist()).most_common()),
    }
    if decided.patterns is not None:
        patterns = [each.name for each in decided.patterns.plan.patterns]
        found["patterns"] = dict(Counter(patterns[k] for k in decided.patterns.number.tolist()).most_common())
    if truth is not None:
        found["by_event"] = judged(truth, score, stopped)
    if accounts is not None:
        found["by_account"] = by_account(events, accounts, score, stopped)
        found["accounts_by_rule"] = accounts_by_rule(events, accounts, decided)
    if "tell" in mapping:
        found["told"] = spread(events, mapping["tell"], decided.action)
    return found


def mapped(mapping: Row, rows: list[Row]) -> tuple[list[Row], np.ndarray[Any, Any] | None]:
    """Return events in order of time, and which are fraud (None where nobody knows)."""
    keep = mapping.get("keep")
    rows = [row for row in rows if keep is None or re.search(keep["matches"], str(row[keep["column"]]))]
    readers = {name: _reader(each) for name, each in mapping["fields"].items()}
    when, copies = _clock(mapping["time"]), mapping.get("each", {})
    made = []
    for number, row in enumerate(rows):
        event = {name: read(row, number) for name, read in readers.items()}
        at, fraud = when(row, number), _fraud(mapping.get("truth"), row)
        variants = [{}] if not copies else [{k: v} for k, values in copies.items() for v in values]
        for k, extra in enumerate(variants):
            apart = {name: f"{event[name]}-{k}" for name in mapping.get("apart", ())}  # nobody twice
            made.append((at, {**event, **extra, **apart, "type": mapping["type"]}, fraud))
    made.sort(key=lambda each: each[0])
    events = [{**event, "event_id": f"x{k}", "at": at.isoformat()} for k, (at, event, _) in enumerate(made)]
    truth = None if "truth" not in mapping else np.array([fraud for _, _, fraud in made])
    return events, truth


def _reader(spec: Row) -> Callable[[Row, int], Any]:
    """Return how a field is read from a row (and its number)."""
    if "is" in spec:
        return lambda row, number: spec["is"]
    if "row" in spec:
        return lambda row, number: f"{spec['row']}{number}"
    column = spec["column"]
    if "map" in spec:
        return lambda row, number: spec["map"].get(row[column])
    if "times" in spec:
        return lambda row, number: round(row[column] * spec["times"], 2)
    if "matches" in spec:
        pattern = re.compile(spec["matches"])

        def searched(row: Row, number: int) -> Any:
            hit = pattern.search(str(row[column]))
            return spec.get("else") if hit is None else spec.get("as", hit.group(1))

        return searched
    return lambda row, number: f"{spec.get('prefix', '')}{row[column]}"


def _clock(spec: Row) -> Callable[[Row, int], datetime]:
    if "row_seconds" in spec:
        return lambda row, number: START + timedelta(seconds=number * spec["row_seconds"])
    if "day" in spec:
        return lambda row, number: datetime.fromisoformat(f"{spec['day']}T{row[spec['column']]}+00:00")
    return lambda row, number: START + timedelta(seconds=float(row[spec["column"]]) * spec["seconds"])


def _fraud(spec: Row | None, row: Row) -> bool:
    if spec is None:
        return False
    value = row[spec["column"]]
    return value in spec["fraud"] if "fraud" in spec else value not in spec["legitimate"]


def judged(truth: Any, score: Any, stopped: Any) -> Row:
    """Return how well probabilities rank, and what was not passed."""
    caught = int((truth & stopped).sum())
    best = np.argsort(-score, kind="stable")[: int(truth.sum())]
    return {
        "frauds": int(truth.sum()),
        "share": round(float(truth.mean()), 4),
        "auc": round(float(roc_auc(truth.astype(float), score)), 3),
        "average_precision": round(float(average_precision(truth.astype(float), score)), 3),
        "precision_at_as_many": round(float(truth[best].mean()), 3),
        "recall": round(caught / max(int(truth.sum()), 1), 3),
        "precision": round(caught / max(int(stopped.sum()), 1), 3),
        "not_passed": int(stopped.sum()),
    }


def by_account(events: list[Row], accounts: list[Row], score: Any, stopped: Any) -> Row:
    """Judge accounts by the transfers that they took part in."""
    number = {f"a{each['nodeid']}": k for k, each in enumerate(accounts)}
    worst, touched = np.zeros(len(accounts)), np.zeros(len(accounts), bool)
    for k, event in enumerate(events):
        for side in ("from_account", "to_account"):
            who = number[event[side]]
            worst[who] = max(worst[who], score[k])
            touched[who] |= bool(stopped[k])
    return judged(np.array([bool(each["isFraud"]) for each in accounts]), worst, touched)


def accounts_by_rule(events: list[Row], accounts: list[Row], decided: Decisions) -> Row:
    """Return how many accounts took part in each rule's transfers, and how many of them are planted."""
    guilty = {f"a{each['nodeid']}" for each in accounts if each["isFraud"]}
    names, start = list(decided.rule_ids), decided.hit_start.tolist()
    seen: dict[str, set[str]] = {}
    for k, event in enumerate(events):
        for rule in decided.hit_rule[start[k] : start[k + 1]].tolist():
            seen.setdefault(names[rule], set()).update((event["from_account"], event["to_account"]))
    return {name: {"accounts": len(who), "planted": len(who & guilty)} for name, who in sorted(seen.items())}


def spread(events: list[Row], names: list[str], action: Any) -> Row:
    """Return the actions for each combination of some fields' values."""
    counts: dict[str, Counter[str]] = {}
    for event, number in zip(events, action.tolist(), strict=True):
        key = ", ".join(f"{name} {event[name]}" for name in names)
        counts.setdefault(key, Counter())[ACTIONS[number]] += 1
    return {key: dict(value) for key, value in sorted(counts.items())}


if __name__ == "__main__":
    main()
