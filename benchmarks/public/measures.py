"""The measures on public data: VaR backtests, interbank networks, liquidity, exposures.

    python benchmarks/public/measures.py DATA [--json]

DATA is a folder with the sets that the table names; a set that is not there is left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from riskweave.measures.backtests import backtest, roll
from riskweave.measures.contagion import debtrank, leverage, propagate
from riskweave.measures.exposure import over_time
from riskweave.measures.interbank import maximum_entropy
from riskweave.measures.value_at_risk import METHODS
from riskweave.measures.volatility import fit_garch

WINDOW = 500
SEVEN_CLAIMS, SEVEN_DEBTS = [7, 5, 3, 1, 3, 0, 1], [4, 5, 5, 0, 0, 2, 4]
# Anand, Craig and von Peter (2015), as R's NetworkRiskMeasures 0.1.2 prints it, column by column.
SEVEN = [
    0, 1.72, 0.98, 0.25, 0.75, 0, 0.3, 2.53, 0, 1.06, 0.27, 0.81, 0, 0.32, 2.18, 1.6, 0, 0.23, 0.7, 0, 0.28,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.74, 0.54, 0.31, 0.08, 0.24, 0, 0.09, 1.55, 1.14, 0.65, 0.17,
    0.5, 0, 0,
]  # fmt: skip


def fx(folder: Path) -> dict[str, Any]:
    """Backtest every method on daily returns of EUR/USD, the hours joined at 22:00 UTC (New York's close)."""
    hours = pl.read_parquet(folder / "fx_hour_oanda_eurusd.parquet").with_columns(
        middle=(pl.col("bc") + pl.col("ac")) / 2, day=pl.col("ts").dt.offset_by("2h").dt.date()
    )
    days = (
        hours.group_by("day").agg(pl.col("middle").last(), pl.len()).sort("day").filter(pl.col("len") >= 12)
    )
    prices = days["middle"].to_numpy()
    returns = np.diff(np.log(prices))
    garch = fit_garch(returns)
    found: dict[str, Any] = {
        "days": int(returns.size), "from": str(days["day"][0]), "to": str(days["day"][-1]), "window": WINDOW,
        "garch": {"alpha": garch.alpha, "beta": garch.beta, "yearly": float(np.sqrt(252 * garch.long_run))},
        "methods": {},
    }  # fmt: skip
    for level in (0.95, 0.99):
        for method in METHODS:
            rolled = roll(returns, level, method, WINDOW, refit=20)
            judged = backtest(rolled.exceeded, level)
            beyond = -returns[WINDOW:][rolled.exceeded]
            found["methods"][f"{method} {level}"] = {
                "periods": judged.periods, "exceeded": judged.exceeded, "rate": judged.rate,
                "kupiec": judged.coverage.p, "independence": judged.independence.p,
                "christoffersen": judged.conditional.p, "light": judged.light,
                "shortfall_kept": float(beyond.mean() / rolled.shortfall[rolled.exceeded].mean()),
            }  # fmt: skip
    return found


def seven() -> dict[str, Any]:
    """Compare the matrix of the seven banks with what is published."""
    matrix = maximum_entropy(SEVEN_CLAIMS, SEVEN_DEBTS)
    published = np.array(SEVEN).reshape(7, 7).T
    return {"greatest_difference": float(np.abs(matrix.round(2) - published).max())}


def simulated(folder: Path) -> dict[str, Any]:
    """Rank the 125 banks of NetworkRiskMeasures over the matrix of maximum entropy."""
    banks = pl.read_parquet(folder / "interbank_networkrisk_sim.parquet")
    buffer, weights = banks["buffer"].to_numpy(), banks["weights"].to_numpy()
    matrix = maximum_entropy(banks["assets"].to_numpy(), banks["liabilities"].to_numpy())
    ranks = debtrank(matrix, buffer, weights)
    once = debtrank(matrix, buffer, weights, differential=False)
    top = np.argsort(-ranks.debtrank)[:5]
    value = weights / weights.sum()
    shocks = {}
    for size in (0.05, 0.1, 0.2):
        after = propagate(leverage(matrix, buffer), np.full(len(buffer), size))
        shocks[str(size)] = {"loss": float(size * buffer.sum()), "further": float((after - size) @ buffer)}
    return {
        "banks": banks.height,
        "top": [
            {"bank": str(banks["bank"][int(k)]), "own": float(value[k]), "debtrank": float(ranks.debtrank[k]),
             "once": float(once.debtrank[k]), "failures": int(ranks.failures[k])}
            for k in top
        ],
        "uniform_shocks": shocks,
    }  # fmt: skip


def american(folder: Path, banks: int = 300) -> dict[str, Any]:
    """Rank large American banks, quarter by quarter; what each owes the others is not in the set.

    Claims are loans to banks and reverse repo; debts are put as large in all and spread by assets, so
    places say something of size and leverage alone.
    """
    data = pl.read_parquet(folder / "interbank_us_banks.parquet")
    assets = [name for name in data.columns if name not in ("rssd", "period", "equity")]
    data = data.with_columns(
        assets=pl.sum_horizontal(assets), claims=pl.col("ln_dep_inst_banks") + pl.col("ffrepo_ass")
    )
    found: dict[str, Any] = {}
    for period in (min(data["period"]), max(data["period"])):
        of = data.filter((pl.col("period") == period) & (pl.col("equity") > 0)).sort(
            "assets", descending=True
        )
        of = of.head(banks)
        claims, size = of["claims"].to_numpy().astype(float), of["assets"].to_numpy().astype(float)
        # No bank may owe more than the others have lent.
        debts = size * claims.sum() / size.sum()
        if (claims + debts > claims.sum()).any():
            debts = np.minimum(debts, 0.9 * (claims.sum() - claims))
            debts *= claims.sum() / debts.sum()
        matrix = maximum_entropy(claims, debts, 1e-8)
        ranks = debtrank(matrix, of["equity"].to_numpy().astype(float), size)
        top = np.argsort(-ranks.debtrank)[:3]
        found[str(period)] = {
            "banks": of.height,
            "claims_to_equity": float(claims.sum() / of["equity"].sum()),
            "top": [
                {"rssd": int(of["rssd"][int(k)]), "own": float(size[k] / size.sum()),
                 "debtrank": float(ranks.debtrank[k])}
                for k in top
            ],
        }  # fmt: skip
    return found


def european(folder: Path) -> dict[str, Any]:
    """Rank the banks of the EBA's stress test of 2016 by what they have lent institutions, capital CET1.

    The set says in which country an institution is, not which one: each country's is spread over its own
    banks of the test by total assets; the rest leaves the network.
    """
    data = pl.read_parquet(folder / "interbank_eba_2016.parquet")
    whole = data.filter(pl.col("Exposure") == "Total assets").sort("LEI_code")
    capital = dict(
        data.filter(pl.col("Exposure") == "Common tier1 equity capital")
        .select("LEI_code", "Total_Amount")
        .rows()
    )
    banks, homes = whole["LEI_code"].to_list(), whole["Country_code"].to_list()
    assets = whole["Total_Amount"].to_numpy()
    lent = np.zeros((len(banks), len(banks)))
    outside = 0.0
    told = data.filter((pl.col("Exposure") == "Institutions") & (pl.col("Country") != "Total"))
    for lender, country, amount in told.select("LEI_code", "Country", "Total_Amount").rows():
        i = banks.index(lender)
        there = np.array([home == country and k != i for k, home in enumerate(homes)])
        if there.any():
            lent[i, there] += amount * assets[there] / assets[there].sum()
        else:
            outside += amount
    ranks = debtrank(lent, [capital[bank] for bank in banks], assets)
    top = np.argsort(-ranks.debtrank)[:5]
    names = dict(whole.select("LEI_code", "Bank_name").rows())
    return {
        "banks": len(banks), "inside_million": float(lent.sum()), "outside_million": outside,
        "top": [
            {"bank": names[banks[k]], "own": float(assets[k] / assets.sum()),
             "failures": int(ranks.failures[k]),
             "debtrank": float(ranks.debtrank[k])}
            for k in top
        ],
    }  # fmt: skip


def ore(folder: Path) -> dict[str, Any]:
    """Recompute what follows from the exposures that ORE printed: averages, and what netting leaves."""
    nets = pl.read_parquet(folder / "derivatives_ore_netting_exposures.parquet")
    trades = pl.read_parquet(folder / "derivatives_ore_trade_exposures.parquet")
    worst = {"effective": 0.0, "average": 0.0, "effective_average": 0.0}
    profiles = 0
    for table in (nets, trades):
        for _, of in table.group_by("example", "id", maintain_order=True):
            times = of["Time"].to_numpy()
            if (np.diff(times) <= 0).any():
                continue
            profiles += 1
            basel = of["BaselEE"].to_numpy().astype(float)
            scale = max(float(np.abs(basel).max()), 1.0)
            effective = np.maximum.accumulate(basel)
            pairs = (
                ("effective", effective, "BaselEEE"),
                ("average", over_time(basel, times), "TimeWeightedBaselEPE"),
                ("effective_average", over_time(effective, times), "TimeWeightedBaselEEPE"),
            )
            for name, ours, column in pairs:
                theirs = of[column].to_numpy().astype(float)
                # ORE prints 0 for averages at time 0 of some trades and after a portfolio's end.
                told = (theirs != 0.0) & (times > 0.0)
                if told.any():
                    worst[name] = max(worst[name], float(np.abs(ours - theirs)[told].max()) / scale)
    example = "ExposureWithCollateral/nocollateral"
    net = nets.filter(pl.col("example") == example).sort("Time")
    parts = trades.filter(pl.col("example") == example)
    summed = parts.group_by("Time").agg(pl.col("EPE", "ENE").sum()).sort("Time")
    both = net.join(summed, on="Time", suffix="_trades")
    scale = float(both["EPE"].max())
    difference = (both["EPE"] - both["ENE"]) - (both["EPE_trades"] - both["ENE_trades"])
    left = {
        name.rpartition("/")[2]: float(of["EPE"].mean() / net["EPE"].mean())
        for (name,), of in nets.filter(pl.col("example").str.contains("ExposureWithCollateral/(vm|nocoll)"))
        .group_by("example", maintain_order=True)
    }  # fmt: skip
    return {
        "profiles": profiles,
        "worst_relative_difference": worst,
        "netting": {
            "dates": both.height,
            "epe_less_ene_differs_by": float(difference.abs().max()) / scale,
            "netted_to_gross": float(both["EPE"].sum() / both["EPE_trades"].sum()),
            "never_above_gross": bool((both["EPE"] <= both["EPE_trades"] + 5).all()),
        },
        "epe_left_of_no_collateral": left,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    parts = {
        "fx": ("fx_hour_oanda_eurusd", fx),
        "simulated": ("interbank_networkrisk_sim", simulated),
        "american": ("interbank_us_banks", american),
        "european": ("interbank_eba_2016", european),
        "ore": ("derivatives_ore_netting_exposures", ore),
    }
    found: dict[str, Any] = {"seven": seven()}
    for name, (file, measure) in parts.items():
        if (asked.data / f"{file}.parquet").exists():
            found[name] = measure(asked.data)
    print(json.dumps(found) if asked.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
