"""`riskweave measure`: what the functions say, from files; attributes that a policy reads."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from riskweave.cli.app import app
from riskweave.errors import PolicyError, RiskweaveError
from riskweave.measures.contagion import debtrank
from riskweave.measures.interbank import maximum_entropy
from riskweave.measures.value_at_risk import value_at_risk

BANKS = "bank,claims,debts,buffer\na,7,4,10\nb,5,5,8\nc,3,5,9\nd,1,0,3\ne,3,0,4\nf,0,2,5\ng,1,4,6\n"


def ask(*arguments):
    found = CliRunner().invoke(app, ["measure", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def series(tmp_path):
    values = np.random.default_rng(5).normal(0, 0.01, 160)
    prices = np.exp(np.cumsum(values))
    rows = [f"{day},{price!r}" for day, price in enumerate(prices.tolist())]
    (tmp_path / "prices.csv").write_text("day,price\n" + "\n".join(rows) + "\n")
    return tmp_path / "prices.csv", np.diff(np.log(prices))


def test_the_risk_of_a_file_of_prices(series):
    path, values = series
    found = json.loads(ask("var", path, "--prices", "--level", 0.95, "--json"))
    assert found["returns"] == 159
    assert found["methods"]["historical"]["var"] == pytest.approx(value_at_risk(values, 0.95).var)
    judged = json.loads(
        ask("var", path, "--prices", "--level", 0.95, "--method", "ewma", "--window", 60, "--json")
    )
    back = judged["methods"]["ewma"]["backtest"]
    assert back["periods"] == 99
    assert 0 < back["kupiec"]["p"] <= 1
    assert back["light"] == "green"
    assert "Christoff" in ask("var", path, "--prices", "--method", "normal", "--window", 60)


def test_banks_ranked_from_totals_and_from_loans(tmp_path):
    (tmp_path / "banks.csv").write_text(BANKS)
    matrix = maximum_entropy([7, 5, 3, 1, 3, 0, 1], [4, 5, 5, 0, 0, 2, 4])
    ranks = debtrank(matrix, [10, 8, 9, 3, 4, 5, 6])
    out = tmp_path / "ranks.csv"
    found = json.loads(
        ask("contagion", tmp_path / "banks.csv", "--out", out, "--from", "2026-01-01", "--json")
    )
    assert [row["debtrank"] for row in found["banks"]] == pytest.approx(ranks.debtrank.tolist())
    lines = out.read_text().splitlines()
    assert lines[0] == "bank,debtrank,place,failures,valid_from"
    assert len(lines) == 8
    loans = [
        f"{'abcdefg'[i]},{'abcdefg'[j]},{matrix[i, j]!r}" for i in range(7) for j in range(7) if matrix[i, j]
    ]
    (tmp_path / "loans.csv").write_text(
        "lender,borrower,amount\n" + "\n".join(loans).replace("np.float64(", "").replace(")", "") + "\n"
    )
    again = json.loads(
        ask("contagion", tmp_path / "banks.csv", "--exposures", tmp_path / "loans.csv", "--json")
    )
    assert again["banks"] == found["banks"]
    assert "debtrank" in ask("contagion", tmp_path / "banks.csv", "--once")
    (tmp_path / "loans.csv").write_text("lender,borrower,amount\na,x,1\n")
    with pytest.raises(PolicyError, match="a bank of the first file"):
        ask("contagion", tmp_path / "banks.csv", "--exposures", tmp_path / "loans.csv")


def test_coverage_and_gaps(tmp_path):
    (tmp_path / "lcr.csv").write_text("bank,level_1,outflows,inflows\nx,100,100,500\ny,10,0,0\n")
    found = json.loads(ask("liquidity", tmp_path / "lcr.csv", "--json"))["banks"]
    assert [row["lcr"] for row in found] == [4.0, None]
    (tmp_path / "gaps.csv").write_text("bucket,due_in,due_out\n1d,5,10\n1w,5,12\n1m,20,1\n")
    found = json.loads(ask("liquidity", tmp_path / "gaps.csv", "--reserve", 8, "--json"))
    assert found["survives"] == 1
    assert [row["gap"] for row in found["buckets"]] == [-5, -7, 19]
    assert "reserve_left" in ask("liquidity", tmp_path / "gaps.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bank,claims,debts,buffer\na,1,x,1\nb,1,1,1\n", "column `debts`: found 'x', expected a number"),
        ("bank,claims,debts,buffer\na,1,1,1\na,1,1,1\n", "each once"),
        ("bank,claim,debts,buffer\na,1,1,1\nb,1,1,1\n", "did you mean `claim`"),
    ],
)
def test_a_file_that_is_wrong_is_told_so(tmp_path, text, said):
    (tmp_path / "banks.csv").write_text(text)
    with pytest.raises(RiskweaveError, match=said):
        ask("contagion", tmp_path / "banks.csv")
