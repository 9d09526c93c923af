"""Foreign sets through scenarios: mappings are read, the sound told from the failed, abuse is found."""

import numpy as np
import polars as pl
import pytest
import yaml
from benchmarks.public import companies, fx_abuse


def firms(size=120):
    """Polish ratios of firms, every fourth of them failing: deep in debt, without profit or cash."""
    rng = np.random.default_rng(4)
    bad = np.arange(size) % 4 == 0
    of = {
        "Attr1": (-0.15, 0.08),
        "Attr2": (0.95, 0.4),
        "Attr3": (-0.2, 0.3),
        "Attr7": (-0.12, 0.1),
        "Attr9": (1.2, 1.2),
        "Attr27": (-3.0, 6.0),
        "Attr40": (0.02, 0.5),
        "Attr51": (0.6, 0.2),
    }
    columns = {name: np.where(bad, *pair) for name, pair in of.items()}
    noisy = {name: values * rng.normal(1, 0.02, size) for name, values in columns.items()}
    noisy["Attr27"][5] = np.inf
    return pl.DataFrame(noisy | {"class": bad.astype(np.int8)})


def test_the_scorecard_tells_failing_firms_from_sound_ones(tmp_path):
    firms().write_parquet(tmp_path / "firms.parquet")
    mapping = yaml.safe_load((companies.MAPPINGS / "polish.yaml").read_text())
    found = companies.evaluate(mapping, tmp_path / "firms.parquet")
    assert (found["companies"], found["failed"]) == (120, 30)
    assert found["scorecard"]["auc"] == pytest.approx(1.0)
    assert found["ratios"]["leverage"] == pytest.approx(1.0)


def test_abuse_put_into_ticks_is_found_and_honest_traders_are_left_alone():
    rng = np.random.default_rng(2)
    size = 30_000
    at = np.datetime64("2026-03-02T00:00:00.000") + np.cumsum(rng.integers(1, 6_000, size)).astype("m8[ms]")
    bid = 1.1 * np.exp(np.cumsum(rng.normal(0, 2e-6, size)))
    ticks = pl.DataFrame({"ts": at, "bid": bid, "ask": bid * 1.0001})
    found = fx_abuse.evaluate(ticks, seed=1, honest=800, campaigns=6)
    assert found["kinds"]["spoofing"]["campaigns_caught"] >= 4
    assert found["kinds"]["off_market_rate"]["caught"] > 0.3
    assert found["honest"]["bothered"] < 0.1
