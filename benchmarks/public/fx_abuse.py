"""Real FX ticks with abuse put in by this file: what the scenario forex_trading finds of it.

    python benchmarks/public/fx_abuse.py fx_tick_oanda_eurusd.parquet [--seed 1]

Quotes are the file's. Honest traders deal around them at the touch; four kinds of abuse are put in: wash
trades, spoofing, off-market rates and front running. Nothing is trained here; the policy is the shipped one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from riskweave import scenarios
from riskweave.engine.decisions import Decisions
from riskweave.engine.engine import Engine
from riskweave.policy.policy import Policy

Row = dict[str, Any]
TRADERS, PARTNERS, PAIR = 40, 60, "EURUSD"


class Market:
    """Bid, ask and volatility at any moment of the file."""

    def __init__(self, ticks: pl.DataFrame) -> None:
        self.at = ticks["ts"].dt.epoch("ms").to_numpy()
        self.bid, self.ask = ticks["bid"].to_numpy(), ticks["ask"].to_numpy()
        minutes = ticks.group_by_dynamic("ts", every="5m").agg(pl.col("bid").last())
        moves = np.abs(np.diff(np.log(minutes["bid"].to_numpy()), prepend=np.nan))
        rolled = pl.Series(moves).fill_nan(None).rolling_std(12, min_samples=3).fill_null(strategy="backward")
        self.minute = minutes["ts"].dt.epoch("ms").to_numpy()
        self.move = np.maximum(rolled.fill_null(1e-4).to_numpy() * np.sqrt(12) * 1e4, 0.3)

    def shown(self, at: int) -> tuple[float, float, float]:
        k = max(int(np.searchsorted(self.at, at, "right")) - 1, 0)
        m = max(int(np.searchsorted(self.minute, at, "right")) - 2, 0)
        return float(self.bid[k]), float(self.ask[k]), float(self.move[m])


class Tape:
    """Events as they come about, with what is known of them."""

    def __init__(self, market: Market, rng: np.random.Generator) -> None:
        self.market, self.rng, self.rows = market, rng, list[tuple[int, Row, str, int]]()

    def order(self, at: int, who: int, side: str, quantity: float, kind: str = "", campaign: int = -1, *,
              limit: bool = False, own: bool = False, partner: int = 0, dealt: bool = True, off: float = 0.0,
              gone_ms: int = 0) -> None:  # fmt: skip
        bid, ask, volatility = self.market.shown(at)
        touch = ask if side == "buy" else bid
        away = -2e-4 if side == "buy" else 2e-4
        number = len(self.rows)
        told = {"order_id": f"o{number}", "trader_id": f"r{who:03d}", "pair": PAIR, "side": side}
        used = float(self.rng.beta(2, 4))
        order = told | {
            "type": "order", "quantity": float(round(quantity, -3)), "desk": "spot", "bid": bid, "ask": ask,
            "volatility": volatility, "order_type": "limit" if limit else "market",
            "price": touch * (1 + away) if limit else touch, "position": used * 2e7 * (-1) ** who,
            "limit_used": used, "customer_id": None if own else f"c{self.rng.integers(300)}",
        }  # fmt: skip
        # Of an off-market deal the trade is the offence, not the order.
        self.rows.append((at, order, "" if off else kind, campaign))
        if gone_ms:
            gone = told | {"type": "cancel", "quantity": order["quantity"], "age_ms": float(gone_ms)}
            self.rows.append((at + gone_ms, gone, kind, campaign))
        elif dealt:
            later = at + int(self.rng.integers(20, 900))
            bid, ask, _ = self.market.shown(later)
            sign = -1 if side == "buy" else 1
            price = (ask if side == "buy" else bid) * (1 + sign * off * 1e-4)
            trade = told | {"type": "trade", "quantity": order["quantity"], "bid": bid, "ask": ask,
                            "price": price, "counterparty_id": f"p{partner:03d}"}  # fmt: skip
            self.rows.append((later, trade, kind, campaign))


def injected(ticks: pl.DataFrame, seed: int, honest: int, campaigns: int) -> list[tuple[int, Row, str, int]]:
    """Return honest dealing and so many campaigns of each kind, in order of time."""
    rng = np.random.default_rng(seed)
    market = Market(ticks)
    tape = Tape(market, rng)
    first, last = int(market.at[0]) + 3_600_000, int(market.at[-1]) - 3_600_000
    usual = np.exp(rng.normal(12.3, 0.5, TRADERS))
    for at in rng.integers(first, last, honest).tolist():
        who = int(rng.integers(TRADERS))
        fate = rng.random()
        tape.order(
            at, who, "buy" if rng.random() < 0.5 else "sell", usual[who] * rng.lognormal(0, 0.7),
            own=rng.random() < 0.3, limit=rng.random() < 0.4, partner=int(rng.integers(PARTNERS)),
            dealt=fate < 0.7, gone_ms=int(np.exp(rng.normal(10, 1.3))) if fate > 0.85 else 0,
        )  # fmt: skip
    for number in range(campaigns):
        who, at = int(rng.integers(TRADERS)), int(rng.integers(first, last))
        side, other = ("buy", "sell") if rng.random() < 0.5 else ("sell", "buy")
        size, partner = usual[who], int(rng.integers(PARTNERS))
        for k in range(int(rng.integers(4, 9))):
            when = at + k * int(rng.integers(60_000, 900_000))
            tape.order(when, who, (side, other)[k % 2], size * rng.uniform(0.95, 1.05), "wash_trade", number,
                       own=True, partner=partner)  # fmt: skip
        at = int(rng.integers(first, last))
        for k in range(int(rng.integers(3, 7))):
            tape.order(at + 2_000 * k, who, side, 5 * size, "spoofing", number, limit=True,
                       gone_ms=int(rng.integers(800, 6_000)))  # fmt: skip
        tape.order(at + 20_000, who, other, 0.8 * size, "spoofing", number, partner=partner)
        at = int(rng.integers(first, last))
        for k in range(int(rng.integers(1, 4))):
            tape.order(at + k * 3_600_000, who, side, size, "off_market_rate", number, partner=partner,
                       off=float(rng.choice([-1, 1]) * rng.uniform(8, 40)))  # fmt: skip
        at = int(rng.integers(first, last))
        tape.order(at, who, side, 0.9 * size, "front_running", number, own=True, partner=partner)
        tape.order(at + 25_000, who, side, 6 * size, "", number)
        tape.order(at + 50_000, who, other, 0.9 * size, "front_running", number, own=True, partner=partner)
    kept = ticks.gather_every(20)
    for at, bid, ask in zip(kept["ts"].dt.epoch("ms"), kept["bid"], kept["ask"], strict=True):
        row = {"type": "quote", "pair": PAIR, "bid": bid, "ask": ask, "volatility": market.shown(at)[2]}
        tape.rows.append((at, row, "", -1))
    return sorted(tape.rows, key=lambda each: each[0])


def evaluate(ticks: pl.DataFrame, seed: int = 1, honest: int = 12_000, campaigns: int = 25) -> Row:
    """Return what was caught of each kind, and how many honest events were bothered."""
    rows = injected(ticks, seed, honest, campaigns)
    names = list(dict.fromkeys(name for _, row, _, _ in rows for name in row))
    columns: Row = {name: [row.get(name) for _, row, _, _ in rows] for name in names}
    columns["event_id"] = [f"x{k}" for k in range(len(rows))]
    columns["at"] = pa.array([at for at, _, _, _ in rows], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    engine = Engine(Policy.read(scenarios.folder("forex_trading")))
    decided = Decisions.joined(list(engine.decide_blocks(pa.table(columns))))
    if decided.rejected:
        raise SystemExit(str(decided.rejected[0].error))
    stopped = np.asarray(decided.action) != 0
    kinds = np.array([kind for _, _, kind, _ in rows])
    which = np.array([campaign for _, _, _, campaign in rows])
    dealt = np.array([row["type"] != "quote" for _, row, _, _ in rows])
    found: Row = {"events": len(rows), "seed": seed, "kinds": {}}
    for kind in ("wash_trade", "spoofing", "off_market_rate", "front_running"):
        of = kinds == kind
        found["kinds"][kind] = {
            "events": int(of.sum()), "caught": float(stopped[of].mean()),
            "campaigns": len(set(which[of].tolist())),
            "campaigns_caught": len(set(which[of & stopped].tolist())),
        }  # fmt: skip
    good = (kinds == "") & dealt
    found["honest"] = {"events": int(good.sum()), "bothered": float(stopped[good].mean())}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ticks", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(evaluate(pl.read_parquet(given.ticks).sort("ts"), given.seed), indent=1))


if __name__ == "__main__":
    main()
