"""The world: tables as the contract has them, the same for the same arguments, and not to be seen through."""

from __future__ import annotations

import collections
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from riskweave.errors import LimitError, RiskweaveError
from riskweave.simulation import world
from tests.simulation import oracle
from tests.simulation.oracle import CONTRACT, FIRST, LAST, MAYBE, STAGES, TYPOLOGIES, ms, texts

EVENTS = 40_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tables():
    return world.simulate("all", EVENTS, 11)


@pytest.fixture(params=world.SCENARIOS)
def scenario(request):
    return request.param


def test_the_scenarios_and_their_attacks_are_those_of_the_contract():
    assert set(world.SCENARIOS) == set(CONTRACT)
    for each in world.SCENARIOS:
        assert world.typologies(each) == tuple(TYPOLOGIES[each].split())


def test_columns_are_those_of_the_contract(tables, scenario):
    table = tables[scenario]
    names = table.column_names
    assert tuple(names[:3]) == FIRST
    assert tuple(names[-6:]) == LAST
    assert table.schema == world.schema(scenario)
    wanted = {name for fields in CONTRACT[scenario].values() for name in fields.split()}
    assert wanted | set(MAYBE.get(scenario, "").split()) <= set(names)
    assert set(pc.unique(table["type"]).to_pylist()) == set(CONTRACT[scenario])


def test_nothing_is_missing_that_its_type_has(tables, scenario):
    table = tables[scenario]
    for name in (*FIRST, *LAST):
        assert table[name].null_count == 0
    for kind, fields in CONTRACT[scenario].items():
        some = table.filter(pc.equal(table["type"], kind))
        assert some.num_rows
        assert [name for name in fields.split() if some[name].null_count] == []


def test_what_may_be_missing_is_there_at_times(tables, scenario):
    for name in MAYBE.get(scenario, "").split():
        column = tables[scenario][name]
        assert 0 < column.null_count < len(column)


def test_events_come_in_the_order_of_time_and_ids_are_unique(tables):
    ids = [each for table in tables.values() for each in table["event_id"].to_pylist()]
    assert len(set(ids)) == len(ids) == EVENTS * len(world.SCENARIOS)
    for table in tables.values():
        assert (np.diff(ms(table["at"])) >= 0).all()
        assert table["at"][0].as_py().isoformat() >= "2026-01-01T00:00:00+00:00"


def test_ground_truth_agrees_with_itself(tables, scenario):
    table = tables[scenario]
    guilty, typology = texts(table["fraud"]).astype(bool), texts(table["typology"])
    campaign, stage = texts(table["campaign"]), texts(table["stage"])
    loss = table["loss"].cast(pa.decimal128(30, 2)).cast(pa.float64()).to_numpy()
    assert (guilty == (typology != "")).all()
    assert ((campaign != "") == (stage != "")).all()
    assert (campaign[guilty] != "").all()
    assert set(stage) <= {"", *STAGES}
    assert (ms(table["label_at"]) >= ms(table["at"])).all()
    assert (loss >= 0).all()
    assert (loss[~guilty] == 0).all()
    assert set(typology) == {"", *TYPOLOGIES[scenario].split()}


def test_a_campaign_goes_through_its_stages_in_order(tables, scenario):
    table = tables[scenario].filter(pc.not_equal(tables[scenario]["campaign"], ""))
    began: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for campaign, stage, at in zip(
        texts(table["campaign"]), texts(table["stage"]), ms(table["at"]), strict=True
    ):
        began[campaign].setdefault(stage, at)
    several = 0
    for stages in began.values():
        times = [stages[name] for name in STAGES if name in stages]
        assert times == sorted(times)
        several += len(times) > 1
    assert several > 3


def test_rates_are_near_what_was_asked(scenario):
    for share in (0.02, 0.1):
        table = world.simulate(scenario, 20_000, 3, fraud_share=share)
        assert table.num_rows == 20_000
        assert pc.mean(table["fraud"]).as_py() == pytest.approx(share, rel=0.15)


def test_without_fraud_there_is_none(scenario):
    table = world.simulate(scenario, 2_000, 3, fraud_share=0)
    assert not pc.any(table["fraud"]).as_py()
    assert pc.unique(table["campaign"]).to_pylist() == [""]


def test_what_is_left_out_does_not_happen_and_the_rest_does(scenario):
    first, *rest = TYPOLOGIES[scenario].split()
    table = world.simulate(scenario, 20_000, 3, fraud_share=0.05, leave_out=[first])
    assert set(pc.unique(table["typology"]).to_pylist()) == {"", *rest}
    assert pc.mean(table["fraud"]).as_py() == pytest.approx(0.05, rel=0.15)


def test_no_column_alone_gives_fraud_away(tables, scenario):
    found = oracle.telling_columns(tables[scenario], at_least=25)
    assert found[0][0] <= 0.95, found[:3]
    assert len(found) > 10


def test_campaigns_go_through_several_scenarios_and_share_their_people(tables):
    people = {
        "atm_netbank": ("customer_id",),
        "credit_card": ("customer_id",),
        "ecommerce_payment": ("customer_id",),
        "ecny_wallet": ("customer_id",),
        "aml_kyc": ("from_customer", "to_customer"),
        "cyber_security": ("user_id",),
        "insurance_claims": ("customer_id", "counterparty_customer_id"),
        "enterprise_loan": ("owner_id",),
    }
    met: dict[str, dict[str, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for scenario, columns in people.items():
        table = tables[scenario].filter(tables[scenario]["fraud"])
        for column in columns:
            for campaign, who in zip(texts(table["campaign"]), texts(table[column]), strict=True):
                met[campaign][scenario].add(who)
    crossing = [found for found in met.values() if len(found) > 1]
    assert len(crossing) >= 15
    pairs, shared = collections.Counter[tuple[str, str]](), collections.Counter[tuple[str, str]]()
    for found in crossing:
        names = sorted(found)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                pairs[one, other] += 1
                shared[one, other] += bool((found[one] & found[other]) - {None})
    for pair in (
        ("credit_card", "ecommerce_payment"),
        ("aml_kyc", "atm_netbank"),
        ("atm_netbank", "ecny_wallet"),
        ("credit_card", "cyber_security"),
        ("aml_kyc", "enterprise_loan"),
        ("aml_kyc", "insurance_claims"),
    ):
        assert pairs[pair] > 0
        assert shared[pair] >= 0.7 * pairs[pair], pair


def test_the_same_arguments_give_the_same_bytes_in_another_process():
    code = (
        "from tests.simulation.test_world import digest\n"
        "from riskweave.simulation import world\n"
        "for table in world.simulate('all', 3000, 5, drift=0.3).values(): print(digest(table))"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    mine = [digest(table) for table in world.simulate("all", 3_000, 5, drift=0.3).values()]
    assert done.stdout.split() == mine
    others = [digest(table) for table in world.simulate("all", 3_000, 6, drift=0.3).values()]
    assert not set(mine) & set(others)


def digest(table: pa.Table) -> str:
    """Return a hash of a table's bytes as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def test_a_scenario_alone_is_the_one_among_all(tables):
    for scenario in ("aml_kyc", "credit_card"):
        assert world.simulate(scenario, EVENTS, 11).equals(tables[scenario])


def test_a_stream_comes_in_blocks_of_days(monkeypatch, scenario):
    monkeypatch.setattr(world, "BLOCK_EVENTS", 1_500)
    blocks = list(world.stream(scenario, 6_000, 3))
    assert len(blocks) > 3
    whole = pa.concat_tables(blocks)
    assert whole.num_rows == 6_000
    assert (np.diff(ms(whole["at"])) >= 0).all()
    assert len(set(whole["event_id"].to_pylist())) == 6_000


def test_wallet_totals_are_sums_of_what_was_paid(tables):
    table = tables["ecny_wallet"].filter(pc.equal(tables["ecny_wallet"]["type"], "transfer"))
    day: collections.Counter[tuple[str, int]] = collections.Counter()
    year: collections.Counter[str] = collections.Counter()
    for row in table.select(["wallet_id", "at", "amount", "scene", "day_total", "year_total"]).to_pylist():
        paid = 0 if row["scene"] == "top_up" else round(float(row["amount"]) * 100)
        key = row["wallet_id"], row["at"].toordinal()
        day[key] += paid
        year[row["wallet_id"]] += paid
        assert day[key] == round(float(row["day_total"]) * 100)
        assert year[row["wallet_id"]] == round(float(row["year_total"]) * 100)


def test_orders_come_before_what_follows_them(tables):
    for scenario, key, first, after in (
        ("ecommerce_payment", "order_id", "order", "refund_request"),
        ("forex_trading", "order_id", "order", "trade"),
        ("forex_trading", "order_id", "order", "cancel"),
        ("insurance_claims", "claim_id", "claim", "invoice"),
    ):
        table = tables[scenario]
        seen: set[str] = set()
        orphans = followers = 0
        for kind, number in zip(texts(table["type"]), texts(table[key]), strict=True):
            if kind == first:
                seen.add(number)
            elif kind == after:
                followers += 1
                orphans += number not in seen
        assert followers > 100
        assert orphans == 0


def test_drift_raises_amounts_and_the_delay_of_labels_can_be_chosen():
    def late(table):
        paid = table.filter(pc.equal(table["type"], "payment"))
        half = paid.slice(paid.num_rows * 3 // 4)
        return float(np.median(half["amount"].cast(pa.float64()).to_numpy()))

    calm = world.simulate("credit_card", EVENTS, 3)
    moved = world.simulate("credit_card", EVENTS, 3, drift=1.0)
    assert late(moved) > 1.1 * late(calm)
    for days in (2.0, 30.0):
        table = world.simulate("credit_card", 5_000, 3, label_delay=days)
        waited = (ms(table["label_at"]) - ms(table["at"])) / 86_400_000
        assert waited.mean() == pytest.approx(days, rel=0.1)


def test_shops_are_busier_before_the_spring_festival_unless_there_are_no_seasons():
    def busy(season):
        table = world.simulate("ecommerce_payment", EVENTS, 3, days=80, season=season)
        day = (ms(table["at"]) - ms(table["at"])[0]) // 86_400_000
        return np.isin(day, range(38, 46)).mean() / np.isin(day, range(20, 28)).mean()

    assert busy(1.0) > 1.25 > 1.15 > busy(0.0)


def test_entities_agree_with_events(tables):
    known = world.entities(11)
    assert known.keys() == {"customers", "merchants", "companies", "banks", "accounts", "sanctioned"}
    customers = set(known["customers"]["customer_id"].to_pylist())
    assert len(customers) == known["customers"].num_rows
    for scenario in ("credit_card", "atm_netbank", "wealth_product", "insurance_claims"):
        assert set(tables[scenario]["customer_id"].drop_null().to_pylist()) <= customers
    paid = tables["credit_card"].filter(pc.equal(tables["credit_card"]["type"], "payment"))
    mcc = dict(zip(texts(known["merchants"]["merchant_id"]), texts(known["merchants"]["mcc"]), strict=True))
    merchants, codes = texts(paid["merchant_id"]), texts(paid["mcc"])
    assert all(mcc[merchant] == code for merchant, code in zip(merchants, codes, strict=True))
    listed = set(known["sanctioned"]["name_en"].to_pylist())
    aml = tables["aml_kyc"]
    written = aml.filter(pc.equal(aml["typology"], "sanctioned_party"))
    names = set(written["to_name"].to_pylist()) | set(written["name_en"].to_pylist())
    assert names & listed
    assert names - listed - {None}


def test_what_cannot_be_is_refused():
    for wrong in (
        {"events": 10},
        {"days": 1},
        {"fraud_share": 0.9},
        {"drift": 2.0},
        {"season": -1.0},
        {"label_delay": -1.0},
        {"people": 3},
        {"seed": -1},
    ):
        with pytest.raises(LimitError, match="expected"):
            world.simulate("credit_card", **wrong)
    with pytest.raises(RiskweaveError, match="did you mean `credit_card`"):
        world.simulate("credit_cart")
    with pytest.raises(RiskweaveError, match="did you mean `fan_in`"):
        world.simulate("aml_kyc", leave_out=["fan_inn"])


def test_the_page_names_every_scenario_attack_and_column(tables):
    page = (ROOT / "docs" / "simulation.md").read_text("utf-8")
    for scenario, table in tables.items():
        section = page.split(f"### {scenario}\n")[1].split("\n### ")[0]
        words = set(re.findall(r"\w+", section))
        assert set(world.typologies(scenario)) <= words
        for kind in CONTRACT[scenario]:
            some = table.filter(pc.equal(table["type"], kind))
            row = next(line for line in section.splitlines() if line.startswith(f"| `{kind}` |"))
            used = {name for name in table.column_names[3:-6] if some[name].null_count < some.num_rows}
            assert set(row.split("|")[2].split()) == used
