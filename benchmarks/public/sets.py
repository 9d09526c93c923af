"""The public sets: where the label is, what gives it away, whether there is time, what is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

POLICIES = Path(__file__).parent / "policies"


@dataclass(frozen=True)
class PublicSet:
    """One set. `positive` labels mean fraud or default, `unknown` ones nothing.

    `without` are numbers of rows, names, and what is only known afterwards. A set with a policy is a
    stream with a history; any other is a table whose rows stand alone.
    """

    file: str
    label: str
    positive: tuple[Any, ...] = (1,)
    negative: tuple[Any, ...] | None = None
    unknown: tuple[Any, ...] = ()
    without: tuple[str, ...] = ()
    time: str = ""
    policy: str = ""
    test_share: float = 0.3


# The terms of loans that failed were cut short in the records.
_SBA_AFTERWARDS = ("ChgOffDate", "MIS_Status", "ChgOffPrinGr", "BalanceGross", "Term", "daysterm")
_SBA_NAMES = ("Selected", "LoanNr_ChkDgt", "Name", "City", "Zip", "Bank", "xx")

SETS = {
    "credit_uci_default": PublicSet("credit_uci_default", "default.payment.next.month", without=("ID",)),
    "credit_lendingclub_2018": PublicSet(
        "credit_lendingclub_2018", "loan_status", without=("id", "grade.1"), time="issue_d"
    ),
    "enterprise_polish_year1": PublicSet("enterprise_polish_year1", "class", without=("index",)),
    "enterprise_polish_year5": PublicSet("enterprise_polish_year5", "class", without=("index",)),
    "enterprise_sba_case": PublicSet(
        "enterprise_sba_case", "Default", without=(*_SBA_AFTERWARDS, *_SBA_NAMES)
    ),
    "insurance_carclaims": PublicSet(
        "insurance_carclaims", "FraudFound", ("Yes",), without=("PolicyNumber",), time="Year"
    ),
    "cyber_nslkdd": PublicSet(
        "cyber_nslkdd_train20", "attack", (), negative=("normal",), without=("difficulty",)
    ),
    "card_s_ffsd": PublicSet("card_s_ffsd", "Labels", unknown=(2,), time="Time", policy="s_ffsd"),
    "card_sparkov": PublicSet("card_sparkov", "is_fraud", time="unix_time", policy="sparkov"),
    "card_evalml": PublicSet("card_evalml", "fraud", (True,), time="datetime", policy="evalml"),
}


def read(path: Path, which: PublicSet) -> pa.Table:
    """Return a file with plain names, a column `fraud` (null: unknown), without what must not be read."""
    table = pq.read_table(path)
    label = table[which.label]
    if which.negative is not None:
        truth = pc.invert(pc.is_in(label, pa.array(which.negative, label.type)))
    else:
        truth = pc.is_in(label, pa.array(which.positive, label.type))
    if which.unknown:
        unknown = pc.is_in(label, pa.array(which.unknown, label.type))
        truth = pc.if_else(unknown, pa.scalar(None, pa.bool_()), truth)
    table = table.drop_columns([name for name in (which.label, *which.without) if name in table.column_names])
    table = table.rename_columns([plain(name) for name in table.column_names])
    return table.append_column("fraud", truth)


def plain(name: str) -> str:
    """Return a column's name as a policy can say it."""
    return re.sub(r"\W", "_", name)


def split(table: pa.Table, which: PublicSet, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Return training and test of one file: the last of it by time, or every third row or so by chance."""
    if not which.time:
        order = np.random.default_rng(seed).permutation(table.num_rows)
        cut = round(table.num_rows * (1 - which.test_share))
        return table.take(np.sort(order[:cut])), table.take(np.sort(order[cut:]))
    table = table.sort_by(plain(which.time))
    times = table[plain(which.time)]
    edge = times[round(table.num_rows * (1 - which.test_share))]
    late = pc.greater_equal(times, edge)
    return table.filter(pc.invert(late)), table.filter(late)
