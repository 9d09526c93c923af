"""The same protocol without riskweave: DuckDB for features, the libraries for models and figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import oracle

DAY_S = 86_400

BOOK_ORDER = (
    "amount",
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_{what}_{w}DAY_WINDOW" for w in oracle.WINDOWS for what in ("NB_TX", "AVG_AMOUNT")),
    *(f"TERMINAL_ID_{what}_{w}DAY_WINDOW" for w in oracle.WINDOWS for what in ("NB_TX", "RISK")),
)


def classifiers() -> dict[str, Callable[[], Any]]:
    """Return the book's models as their libraries have them."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    def lightgbm() -> Any:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=100,
            learning_rate=0.1,
            max_depth=3,
            num_leaves=8,
            random_state=0,
            n_jobs=1,
            verbose=-1,
        )

    def xgboost() -> Any:
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=100, learning_rate=0.1, max_depth=3, random_state=0, n_jobs=1,
            tree_method="exact", base_score=0.5,
        )  # fmt: skip

    return {
        "decision_tree_2": lambda: DecisionTreeClassifier(max_depth=2, random_state=0),
        "logistic_regression": lambda: make_pipeline(
            StandardScaler(), LogisticRegression(random_state=0, max_iter=1000)
        ),
        "random_forest": lambda: RandomForestClassifier(
            n_estimators=100, max_depth=10, random_state=0, n_jobs=1
        ),
        "xgboost": xgboost,
        "lightgbm": lightgbm,
    }


def run(events: list[Path], start_ms: int, folds: int, delay: int, wanted: list[str]) -> dict[str, Any]:
    """Return each model's mean figures over the folds."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if delay != 7:
        raise SystemExit("the independent features have a delay of 7 days")
    found: dict[str, list[tuple[float, float, float]]] = {}
    rows = table(events)
    origin = start_ms // 1000 - 1_522_540_800
    for fold in range(folds):
        first = origin // DAY_S + 7 * fold
        days = rows["day"]
        train = (days >= first) & (days < first + 7)
        test = tested(rows, first, delay)
        for name, make in classifiers().items():
            if name not in wanted:
                continue
            model = make().fit(rows["x"][train], rows["fraud"][train])
            score = model.predict_proba(rows["x"][test])[:, 1]
            truth = rows["fraud"][test]
            found.setdefault(name, []).append(
                (
                    roc_auc_score(truth, score),
                    average_precision_score(truth, score),
                    card_precision(days[test], rows["card"][test], truth, score),
                )
            )
    return {
        name: dict(zip(("auc", "ap", "cp100"), np.mean(each, axis=0).tolist(), strict=True))
        for name, each in found.items()
    }


def table(events: list[Path]) -> dict[str, np.ndarray]:
    """Return the book's features of all events, with card, day and truth."""
    connection = duckdb.connect()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.parquet"
        connection.execute(
            f"COPY (SELECT * FROM read_parquet({[str(path) for path in events]}) ORDER BY TX_TIME_SECONDS, "
            f"TRANSACTION_ID) TO '{raw}' (FORMAT parquet)"
        )
        oracle.features(connection, raw)
    names = (*oracle.COUNTS, *oracle.MEANS)
    columns = connection.execute(
        f"SELECT {', '.join(names)}, raw.cents / 100.0 AS amount, raw.fraud, raw.CUSTOMER_ID AS card, "
        f"raw.s // {DAY_S} AS day FROM oracle JOIN raw USING (TRANSACTION_ID) ORDER BY raw.place"
    ).fetchnumpy()
    x = np.column_stack([np.asarray(columns[name], np.float64) for name in BOOK_ORDER])
    return {"x": x, **{name: np.asarray(columns[name], np.int64) for name in ("fraud", "card", "day")}}


def tested(rows: dict[str, np.ndarray], first: int, delay: int) -> np.ndarray:
    """Return which rows are tested, the book's way: day by day, known compromised cards left out."""
    days, cards, frauds = rows["day"], rows["card"], rows["fraud"] == 1
    known = set(cards[frauds & (days >= first) & (days < first + 7)].tolist())
    kept = np.zeros(days.size, bool)
    for step in range(7):
        known |= set(cards[frauds & (days == first + 7 + step - 1)].tolist())
        today = days == first + 7 + delay + step
        kept |= today & ~np.isin(cards, list(known))
    return kept


def card_precision(days: np.ndarray, cards: np.ndarray, truth: np.ndarray, score: np.ndarray) -> float:
    """Return the mean over days of the share of fraudulent cards among the 100 with the highest score."""
    detected: set[int] = set()
    shares = []
    for day in np.unique(days):
        highest: dict[int, float] = {}
        fraudulent: set[int] = set()
        here = days == day
        for card, fraud, risk in zip(
            cards[here].tolist(), truth[here].tolist(), score[here].tolist(), strict=True
        ):
            if card not in detected:
                highest[card] = max(risk, highest.get(card, -1.0))
                if fraud:
                    fraudulent.add(card)
        looked_at = sorted(highest, key=lambda card: (-highest[card], card))[:100]
        found = fraudulent.intersection(looked_at)
        shares.append(len(found) / 100)
        detected |= found
    return float(np.mean(shares))
