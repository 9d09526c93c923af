"""`riskweave measure var`, `contagion` and `liquidity`: tables in, numbers out, attributes for a policy."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from riskweave.cli.commands import console
from riskweave.errors import RiskweaveError
from riskweave.events.table_files import TextTable, read_table
from riskweave.measures.backtests import backtest, roll
from riskweave.measures.contagion import debtrank
from riskweave.measures.inputs import BANKS_MAX, Floats
from riskweave.measures.interbank import maximum_entropy
from riskweave.measures.liquidity import liquidity_coverage, maturity_gaps
from riskweave.measures.value_at_risk import METHODS, value_at_risk


def var(
    path: Path, column: str | None, prices: bool, level: float, methods: Sequence[str], window: int | None,
    refit: int, as_json: bool,
) -> None:  # fmt: skip
    """Print the risk of the next period by each method; with a window, how each would have done."""
    table = read_table(path)
    name = column or list(table.columns)[-1]
    values = _numbers(table, name)
    if prices:
        if (values <= 0.0).any():
            raise RiskweaveError(f"column `{name}`: a price is not positive, so there is no return")
        values = np.diff(np.log(values))
    found: dict[str, Any] = {"returns": int(values.size), "level": level, "methods": {}}
    for method in methods or METHODS:
        sample = values if window is None else values[-window:]
        risk = value_at_risk(sample, level, method)
        told: dict[str, Any] = {"var": risk.var, "shortfall": risk.shortfall}
        if window is not None:
            rolled = roll(values, level, method, window, refit)
            judged = backtest(rolled.exceeded, level)
            told["backtest"] = {
                "periods": judged.periods,
                "exceeded": judged.exceeded,
                "rate": judged.rate,
                **{
                    kind: {"ratio": test.ratio, "p": test.p}
                    for kind, test in (
                        ("kupiec", judged.coverage),
                        ("independence", judged.independence),
                        ("christoffersen", judged.conditional),
                    )
                },
                "light": judged.light,
                "multiplier": judged.multiplier,
            }
        found["methods"][method] = told
    if as_json:
        print(json.dumps(found))
        return
    _show_var(found, window is not None)


def _show_var(found: dict[str, Any], judged: bool) -> None:
    table = Table(box=None, pad_edge=False)
    heads = ["method", f"VaR {found['level']:.1%}", "shortfall"]
    if judged:
        heads += ["over", "of", "Kupiec", "indep.", "Christoff.", "light"]
    for head in heads:
        table.add_column(head, justify="left" if head == "method" else "right")
    for method, told in found["methods"].items():
        cells = [method, f"{told['var']:.6g}", f"{told['shortfall']:.6g}"]
        if judged:
            back = told["backtest"]
            cells += [str(back["exceeded"]), str(back["periods"])]
            cells += [f"{back[kind]['p']:.3f}" for kind in ("kupiec", "independence", "christoffersen")]
            cells.append(back["light"])
        table.add_row(*cells)
    console.print(table)


def contagion(
    path: Path, exposures: Path | None, once: bool, out: Path | None, valid_from: str | None, as_json: bool
) -> None:
    """Print each bank's DebtRank, over a file of loans or the maximum entropy of totals."""
    table = read_table(path)
    banks = list(table.need("bank"))
    if len(banks) > BANKS_MAX or len(set(banks)) != len(banks):
        raise RiskweaveError(f"`{path.name}`: expected at most {BANKS_MAX:,} banks, each once")
    buffer = _numbers(table, "buffer")
    weights = _numbers(table, "weight") if "weight" in table.columns else None
    if exposures is None:
        lent = maximum_entropy(_numbers(table, "claims"), _numbers(table, "debts"))
    else:
        lent = _loans(read_table(exposures), banks)
    ranks = debtrank(lent, buffer, weights, differential=not once)
    places = ranks.places.tolist()
    rows = [
        {"bank": bank, "debtrank": rank, "place": place, "failures": int(failures)}
        for bank, rank, place, failures in zip(
            banks, ranks.debtrank.tolist(), places, ranks.failures.tolist(), strict=True
        )
    ]
    if out is not None:
        _write(out, rows, valid_from)
    if as_json:
        print(json.dumps({"banks": rows}))
        return
    shown = sorted(rows, key=lambda row: row["place"])[:20]
    _print_rows(shown, {"debtrank": lambda value: f"{value:.4f}"})


def liquidity(
    path: Path, reserve: float, out: Path | None, valid_from: str | None, as_json: bool
) -> None:  # fmt: skip
    """Print liquidity coverage per bank, or, of a file of maturities, the gaps."""
    table = read_table(path)
    if "due_in" in table.columns:
        gaps = maturity_gaps(_numbers(table, "due_in"), _numbers(table, "due_out"), reserve)
        buckets = list(table.columns.get("bucket", [str(k) for k in range(gaps.gap.size)]))
        rows: list[dict[str, Any]] = [
            {"bucket": bucket, "gap": gap, "cumulative": total, "reserve_left": reserve + total}
            for bucket, gap, total in zip(buckets, gaps.gap.tolist(), gaps.cumulative.tolist(), strict=True)
        ]
        found: dict[str, Any] = {"buckets": rows, "survives": gaps.survives}
    else:
        rows = _coverage(table)
        found = {"banks": rows}
    if out is not None:
        _write(out, rows, valid_from)
    if as_json:
        print(json.dumps(found))
        return
    _print_rows(rows, {})


def _coverage(table: TextTable) -> list[dict[str, Any]]:
    banks = table.need("bank")
    optional = ("inflows", "level_2a", "level_2b", "mortgages")
    told = {name: _numbers(table, name) for name in ("level_1", "outflows")}
    told |= {
        name: _numbers(table, name) if name in table.columns else np.zeros(table.rows) for name in optional
    }
    rows = []
    for k in range(table.rows):
        one = liquidity_coverage(**{name: float(values[k]) for name, values in told.items()})
        ratio = one.ratio if math.isfinite(one.ratio) else None
        rows.append(
            {"bank": banks[k], "stock": one.stock, "net_outflows": one.net_outflows, "lcr": ratio,
             "cut_at_15": one.cut_at_15, "cut_at_40": one.cut_at_40}
        )  # fmt: skip
    return rows


def _loans(table: TextTable, banks: list[str]) -> Floats:
    """Return the matrix of a file of loans; several of one pair add up."""
    places = {bank: k for k, bank in enumerate(banks)}
    found = np.zeros((len(banks), len(banks)))
    lenders, borrowers = table.need("lender"), table.need("borrower")
    for row, amount in enumerate(_numbers(table, "amount").tolist()):
        for column, bank in (("lender", lenders[row]), ("borrower", borrowers[row])):
            if bank not in places:
                raise table.error(row, column, "a bank of the first file")
        found[places[lenders[row]], places[borrowers[row]]] += amount
    return found


def _numbers(table: TextTable, name: str) -> Floats:
    cells = table.need(name)
    found = np.empty(table.rows)
    for row, cell in enumerate(cells):
        try:
            found[row] = float(cell)
        except ValueError:
            raise table.error(row, name, "a number") from None
        if not math.isfinite(found[row]):
            raise table.error(row, name, "a finite number")
    return found


def _write(out: Path, rows: Sequence[dict[str, Any]], valid_from: str | None) -> None:
    """Write a table that a policy takes as attributes of its banks."""
    more = {} if valid_from is None else {"valid_from": valid_from}
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *more], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | more for row in rows)


def _print_rows(rows: Sequence[dict[str, Any]], forms: dict[str, Callable[[Any], str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name in ("bank", "bucket") else "right")
    for row in rows:
        table.add_row(*(_shown(value, forms.get(name)) for name, value in row.items()))
    console.print(table)


def _shown(value: object, form: Callable[[Any], str] | None) -> str:
    if value is None:
        return "-"
    if form is not None:
        return form(value)
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
