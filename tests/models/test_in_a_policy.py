"""Models in a policy: scored beside the rules, alike in every batch split, refused when they do not fit."""

import copy

import numpy as np
import pytest

from riskweave import Engine, Policy, PolicyError
from riskweave.engine.snapshot import Snapshot
from riskweave.models.artifact import (
    About,
    Artifact,
    Blend,
    Calibration,
    Curve,
    Feature,
    Linear,
    Lstm,
    Mlp,
    Part,
    Profile,
    Trees,
    write,
)  # fmt: skip
from riskweave.models.explanations import Explanations, explain
from riskweave.models.importing.growing import Fork, Grove, Leaf
from riskweave.models.scorer import Scorer
from riskweave.models.state import export_key, import_key
from riskweave.policy.definitions import definition

EVENTS = {
    "payment": {"time": "at", "fields": {
        "at": "time", "who": "string", "amount": "money", "country": "string", "segment": "string"}},
    "login": {"time": "at", "fields": {"at": "time", "who": "string"}},
}  # fmt: skip
POLICY = {
    "policy": {"dedupe": "0s"},
    "events": EVENTS,
    "entities": {"customer": "who"},
    "features": {"paid": 'customer.sum(amount, "1h")', "logins": 'customer.count("1h", on=login)'},
    "rules": [{"id": "none", "when": "amount > 1e9", "risk": 0.5}],
}
NUMBERS = (Feature(name="paid"), Feature(name="amount"), Feature(name="logins"))
COUNTRY = Feature(name="country", type="category", encoding="one_hot", categories=("FR", "DE"))


def linear(features=NUMBERS, seed=0, **more):
    about = About(model=Linear(), features=tuple(features), **more)
    rng = np.random.default_rng(seed)
    return Artifact(
        about,
        {
            "coefficients": rng.normal(size=about.inputs) * 0.01,
            "intercept": np.array([-1.0]),
            "input_impute": np.zeros(about.inputs),
        },
    )


def grove(seed=0, inputs=3, trees=7):
    rng = np.random.default_rng(seed)
    collected = Grove()
    for _ in range(trees):
        cuts = rng.uniform(0, 200, 7).tolist()
        reads = rng.integers(0, inputs, 7).tolist()
        missing = rng.integers(0, 2, 7).tolist()
        values = rng.normal(size=15).tolist()

        def node(number, cuts=cuts, reads=reads, missing=missing, values=values):
            cover = float(2 ** (4 - (number + 1).bit_length()))
            if number >= 7:
                return Leaf(values[number], cover)
            children = (2 * number + 1, 2 * number + 2)
            return Fork(reads[number], cuts[number], bool(missing[number]), *children, cover)

        collected.add(0, node)
    return collected.weights()


def trees(**more):
    return Artifact(About(model=Trees(), features=NUMBERS, **more), grove())


def lstm(seed=0, steps=4, hidden=5, on=(), features=NUMBERS, horizon_ms=3_600_000):
    rng = np.random.default_rng(seed)
    about = About(model=Lstm(entity="customer", steps=steps, on=on, horizon_ms=horizon_ms), features=features)
    wide = about.inputs
    return Artifact(
        about,
        {
            "weight_ih": rng.normal(size=(4 * hidden, wide)),
            "weight_hh": rng.normal(size=(4 * hidden, hidden)),
            "bias_ih": rng.normal(size=4 * hidden),
            "bias_hh": rng.normal(size=4 * hidden),
            "weight_0": rng.normal(size=(1, hidden)),
            "bias_0": rng.normal(size=1),
            "input_impute": np.zeros(wide),
            "input_scale": np.full(wide, 100.0),
        },
    )


def mlp(seed=0):
    rng = np.random.default_rng(seed)
    return Artifact(
        About(model=Mlp(activations=("relu", "identity")), features=(*NUMBERS, COUNTRY)),
        {
            "weight_0": rng.normal(size=(6, 5)), "bias_0": rng.normal(size=6),
            "weight_1": rng.normal(size=(1, 6)), "bias_1": rng.normal(size=1),
            "input_impute": np.zeros(5), "input_scale": np.full(5, 50.0),
        },
    )  # fmt: skip


def stream(count=120, seed=0, late=True):
    rng = np.random.default_rng(seed)
    records = []
    for k in range(count):
        at = (
            1_767_225_600_000
            + 60_000 * k
            - int(late and rng.random() < 0.2) * int(rng.integers(0, 4_000_000))
        )
        record = {"type": "payment" if rng.random() < 0.8 else "login", "at": at}
        if rng.random() < 0.95:
            record["who"] = f"c{rng.integers(0, 5)}"
        if record["type"] == "payment":
            record["amount"] = f"{rng.integers(1, 20000) / 100:.2f}"
            if rng.random() < 0.8:
                record["country"] = str(rng.choice(["FR", "DE", "IT"]))
            if rng.random() < 0.8:
                record["segment"] = str(rng.choice(["gold", "plain"]))
        records.append(record)
    return records


def make(tmp_path, models, artifacts, **more):
    for name, artifact in artifacts.items():
        write(tmp_path / "models" / name, artifact)
    return Policy.from_dict({**POLICY, "models": models, **more}, tmp_path)


EVERYTHING = {
    "lr": {"artifact": "models/lr"},
    "gbdt": "models/gbdt",
    "nn": {"artifact": "models/nn", "on": ["payment"]},
    "seq": {"artifact": "models/seq"},
    "kinds": {"artifact": "models/kinds"},
    "both": {"artifact": "models/both"},
    "mix": {"blend": {"lr": 0.3, "gbdt": 0.4, "seq": 0.3}},
    "shade": {"artifact": "models/gbdt", "shadow": True},
}


def everything():
    gold = Curve(kind="platt", a=2.0, b=0.3)
    return {
        "lr": linear(calibration=Calibration(curve=Curve(kind="beta", a=0.8, b=1.1, c=0.1),
                                             segment="segment", segments={"gold": gold})),
        "gbdt": trees(),
        "nn": mlp(),
        "seq": lstm(),
        "kinds": Artifact(About(model=Profile(), features=NUMBERS[:2]),
                          {"centers": np.array([[0.0, 0.0], [100.0, 100.0]])}),
        "both": Artifact(
            About(model=Blend(parts=(Part(name="a", weight=0.5), Part(name="b", weight=0.5)))),
            parts={"a": trees(), "b": lstm(3)},
        ),
    }  # fmt: skip


COLUMNS = ["lr.score", "lr.raw", "gbdt.score", "nn.score", "nn.raw", "seq.raw", "kinds.cluster",
           "kinds.distance", "both.score", "mix.score", "mix.raw", "shade.score"]  # fmt: skip


def one_by_one(engine, records):
    return np.array(
        [
            [np.nan if value is None else value for value in map(engine.decide(each).features.get, COLUMNS)]
            for each in records
        ]
    )


def in_blocks(engine, records, *cuts):
    parts = []
    for first, last in zip((0, *cuts), (*cuts, len(records)), strict=True):
        found = engine.decide_many(records[first:last])
        assert not found.rejected
        parts.append(np.array([found.feature(name) for name in COLUMNS]).T)
    return np.concatenate(parts)


def test_one_by_one_or_in_any_blocks_scores_are_the_same_bytes(tmp_path):
    policy, records = make(tmp_path, EVERYTHING, everything()), stream()
    singles = one_by_one(Engine(policy), records)
    assert np.isfinite(singles).any(axis=0).all()
    for cuts in ((), (1, 2, 60), (37,)):
        blocks = in_blocks(Engine(policy), records, *cuts)
        assert singles.tobytes() == blocks.tobytes()


def test_a_snapshot_in_the_middle_changes_nothing(tmp_path):
    policy, records = make(tmp_path, EVERYTHING, everything()), stream()
    whole = in_blocks(Engine(policy), records, 50)
    engine = Engine(policy)
    first = in_blocks(engine, records[:50])
    engine = Engine.restore(policy, Snapshot.from_bytes(engine.snapshot().to_bytes()))
    assert whole.tobytes() == np.concatenate([first, one_by_one(engine, records[50:])]).tobytes()


def test_a_new_policy_keeps_sequences_of_the_same_form(tmp_path):
    records = stream()
    policy = make(tmp_path, EVERYTHING, everything())
    other = make(tmp_path, EVERYTHING, everything(), constants={"limit": 5})
    whole = in_blocks(Engine(policy), records)
    engine = Engine(policy)
    in_blocks(engine, records[:60])
    engine.replace_policy(other)
    assert whole[60:].tobytes() == in_blocks(engine, records[60:]).tobytes()
    (tmp_path / "other").mkdir()
    shorter = make(tmp_path / "other", EVERYTHING, {**everything(), "seq": lstm(steps=3)})
    engine.replace_policy(shorter)
    assert engine.describe()["models"]["seq"]["keys"] == 0
    assert engine.describe()["models"]["both/b"]["keys"] == 5


@pytest.mark.parametrize("split", [1, 7, 1000])
def test_a_new_model_gets_its_sequences_from_the_history(tmp_path, split):
    """From the start or by `replace_policy` with the history: the same scores, byte by byte."""
    artifacts, records = everything(), stream(200)
    for name in ("seq", "both"):
        part = artifacts[name] if name == "seq" else artifacts[name].parts["b"]
        assert part.kind == "lstm"
    feeds = Feature(name="kinds.distance")
    artifacts["seq"] = lstm(features=(*NUMBERS, COUNTRY, feeds))
    bare = {name: EVERYTHING[name] for name in ("lr", "gbdt", "nn", "kinds", "shade")}
    policy = make(tmp_path, EVERYTHING, artifacts)
    expected = in_blocks(Engine(policy), records, 120)[120:]
    engine = Engine(make(tmp_path, bare, artifacts))
    for record in records[:120]:
        engine.decide(record)
    history = [records[first : min(first + split, 120)] for first in range(0, 120, split)]
    engine.replace_policy(policy, history)
    assert engine.describe()["models"]["seq"]["keys"] == 5
    assert expected.tobytes() == in_blocks(engine, records[120:]).tobytes()


def test_a_key_moves_to_another_engine(tmp_path):
    policy, records = make(tmp_path, EVERYTHING, everything()), stream(late=False)
    here, there = Engine(policy), Engine(policy)
    in_blocks(here, records[:60])
    keys = here.state.models.sequences["seq"].slot_keys[:5].tolist()
    for key in keys:
        for path in ("seq", "both/b"):
            import_key(there.state.models, path, export_key(here.state.models, path, key))
    before, after = in_blocks(here, records[60:]), in_blocks(there, records[60:])
    place = COLUMNS.index("seq.raw")
    # Windowed features did not move along; what the sequences held before did.
    assert np.array_equal(np.isnan(before[:, place]), np.isnan(after[:, place]))
    assert export_key(here.state.models, "seq", 1234) is None


def test_scores_are_those_of_the_scorer_on_the_features(tmp_path):
    engine = Engine(make(tmp_path, EVERYTHING, everything()))
    table = engine.decide_many(stream())
    X = np.array([table.feature(name) for name in ("paid", "logins")])
    assert np.isfinite(X).mean() > 0.9
    profile = Scorer(everything()["gbdt"], ("paid", "logins", "amount"))
    amounts = [float(each.get("amount", "nan")) for each in stream()]
    scores = profile.score(np.array([*X, amounts]).T)
    assert np.array_equal(scores, table.feature("gbdt.score"))
    assert np.array_equal(scores, table.feature("shade.score"))


def test_what_rules_read_and_what_counts_as_risk(tmp_path):
    artifacts = {"fraud": linear(), "quiet": linear(seed=1)}
    rules = [{"id": "model_says", "when": "fraud.score > 0.0 and fraud.raw < 1000", "risk": 0.35}]
    models = {"fraud": "models/fraud", "quiet": {"artifact": "models/quiet", "risk": True}}
    engine = Engine(make(tmp_path, models, artifacts, rules=rules))
    decision = engine.decide({"type": "payment", "at": 1, "who": "a", "amount": "1000.00"})
    assert decision.rules == ["model_says"]
    assert decision.score == max(0.35, decision.features["quiet.score"])
    named = {"large": "fraud.score * 100"}
    engine = Engine(make(tmp_path, models, artifacts, rules=rules, features={**POLICY["features"], **named}))
    decision = engine.decide({"type": "payment", "at": 1, "who": "a", "amount": "1000.00"})
    assert decision.features["large"] == 100 * decision.features["fraud.score"]


def test_contributions_add_up_to_the_log_odds(tmp_path):
    stacked = Blend(
        parts=(Part(name="a", weight=0.7), Part(name="b", weight=0.6)), space="log_odds", intercept=-0.2
    )
    artifacts = {**everything(), "stack": Artifact(About(model=stacked), parts={"a": trees(), "b": lstm(3)})}
    policy = make(tmp_path, {**EVERYTHING, "stack": "models/stack"}, artifacts)
    engine = Engine(policy)
    explanations, told = Explanations(engine.plan.models).prepare(), set()
    for record in stream(60, late=False):
        features = engine.decide(record).features
        found = explanations.explain(engine.state.models, engine._one)
        scored = {name for name in features if name.endswith(".score") and features[name] is not None}
        assert {f"{name}.score" for name in found} == scored
        for name, each in found.items():
            raw, score = features[f"{name}.raw"], features[f"{name}.score"]
            assert (each.raw, each.score, each.reason) == (raw, score, ""), name
            assert abs(each.base + sum(each.contributions) - raw) < 1e-9, name
            assert abs(each.calibrated(raw) - score) < 1e-12
            assert abs(each.calibrated(each.base) + sum(each.in_score()) - score) < 1e-9
        told |= set(found)
    assert told == {"lr", "gbdt", "nn", "seq", "both", "mix", "shade", "stack"}
    assert explain(engine.plan.models, engine.state.models, engine._one)["lr"] == found["lr"]


def test_a_sequence_that_has_moved_on_says_so(tmp_path):
    engine = Engine(make(tmp_path, {"seq": "models/seq"}, {"seq": lstm()}))
    records = [{"type": "payment", "at": 1000 * k, "who": "a", "amount": f"{k * 40}.00"} for k in range(1, 9)]
    batches = []
    for record in records:
        engine.decide(record)
        batches.append(copy.deepcopy(engine._one))
    explanations = Explanations(engine.plan.models)
    found = [explanations.explain(engine.state.models, each)["seq"] for each in batches]
    assert [each.contributions is None for each in found] == [False] + 6 * [True] + [False]
    assert "taken the place" in found[3].reason


def test_a_profile_feeds_a_model(tmp_path):
    kinds = everything()["kinds"]
    one_hot = {"type": "category", "encoding": "one_hot", "categories": ("0", "1")}
    features = (*NUMBERS, Feature(name="kinds.distance"), Feature(name="kinds.cluster", **one_hot))
    artifacts = {"kinds": kinds, "lr": linear(features)}
    engine = Engine(make(tmp_path, {"lr": "models/lr", "kinds": "models/kinds"}, artifacts))
    decision = engine.decide({"type": "payment", "at": 1, "who": "a", "amount": "150.00"})
    assert decision.features["kinds.cluster"] == 1
    weights = artifacts["lr"].weights["coefficients"]
    x = [150.0, 150.0, 0.0, decision.features["kinds.distance"], 0.0, 1.0]
    assert abs(decision.features["lr.raw"] - (weights @ x - 1.0)) < 1e-12


def test_a_definition_is_what_is_meant_not_how_it_is_written():
    first = definition(Policy.from_dict(POLICY), "paid")
    spaced = {**POLICY, "features": {**POLICY["features"], "paid": 'customer.sum( amount , "1h" )'}}
    assert definition(Policy.from_dict(spaced), "paid") == first
    other = {**POLICY, "features": {**POLICY["features"], "paid": 'customer.sum(amount, "2h")'}}
    assert definition(Policy.from_dict(other), "paid") != first
    deep = {**POLICY, "features": {"paid": 'customer.sum(amount, "1h")', "ratio": "amount / paid"}}
    deeper = {**POLICY, "features": {"paid": 'customer.sum(amount, "2h")', "ratio": "amount / paid"}}
    assert definition(Policy.from_dict(deep), "ratio") != definition(Policy.from_dict(deeper), "ratio")
    zone = {**POLICY, "policy": {"time_zone": "Asia/Shanghai"}}
    assert definition(Policy.from_dict(zone), "paid") != first


def wrong_meaning():
    return linear((Feature(name="paid", definition="0" * 64), Feature(name="amount")))


REFUSED = {
    "a folder that is not there": ({"m": "models/none"}, {}, {}),
    "a way out": ({"m": "../m"}, {}, {}),
    "another hash": ({"m": {"artifact": "models/m", "hash": "abc"}}, {"m": linear()}, {}),
    "a feature that does not exist": (
        {"m": "models/m"}, {"m": linear((Feature(name="payd"), Feature(name="amount")))}, {}),
    "a feature that means something else": ({"m": "models/m"}, {"m": wrong_meaning()}, {}),
    "a text as a number": ({"m": "models/m"}, {"m": linear((Feature(name="country"),))}, {}),
    "an entity that does not exist": (
        {"m": "models/m"}, {"m": Artifact(About(model=Lstm(entity="card", steps=4), features=NUMBERS),
                                          lstm().weights)}, {}),
    "a rule that reads a shadow": (
        {"m": {"artifact": "models/m", "shadow": True}}, {"m": linear()},
        {"rules": [{"id": "r", "when": "m.score > 0.5", "risk": 0.5}]}),
    "a shadow that counts as risk": (
        {"m": {"artifact": "models/m", "shadow": True, "risk": True}}, {"m": linear()}, {}),
    "an unknown part": ({"m": "models/m", "b": {"blend": {"n": 1.0}}}, {"m": linear()}, {}),
    "weights that do not add up": ({"m": "models/m", "b": {"blend": {"m": 0.5}}}, {"m": linear()}, {}),
    "a circle": ({"a": {"blend": {"b": 1.0}}, "b": {"blend": {"a": 1.0}}}, {}, {}),
    "a name that is taken": ({"amount": "models/m"}, {"m": linear()}, {}),
    "an event type that does not exist": (
        {"m": {"artifact": "models/m", "on": ["pament"]}}, {"m": linear()}, {}),
    "an unknown key": ({"m": {"artifct": "models/m"}}, {}, {}),
    "nothing to score": ({"m": {"shadow": True}}, {}, {}),
    "features of an artifact": ({"m": {"artifact": "models/m", "features": ["amount"]}}, {"m": linear()}, {}),
    "an ONNX model without features": ({"m": {"onnx": "m.onnx"}}, {}, {}),
    "a score of a profile": (
        {"m": {"artifact": "models/m", "risk": True}}, {"m": everything()["kinds"]}, {}),
}  # fmt: skip


def test_what_does_not_fit_is_refused_with_a_way_out(tmp_path, golden):
    said = []
    for number, (what, (models, artifacts, more)) in enumerate(REFUSED.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(PolicyError) as caught:
            Engine(make(folder, models, artifacts, **more))
        text = str(caught.value).replace(str(folder), "FOLDER")
        said.append(f"# {what}\n{text}\n")
    golden("errors.golden.txt", "\n".join(said))


def test_places_are_named(tmp_path):
    write(tmp_path / "models/m", linear((Feature(name="payd"), Feature(name="amount"))))
    (tmp_path / "policy.yaml").write_text(
        "events:\n  payment: {time: at, fields: {at: time, who: string, amount: money}}\n"
        "entities: {customer: who}\n"
        "features: {paid: 'customer.sum(amount, \"1h\")'}\n"
        "models:\n  fraud: {artifact: models/m}\n"
    )
    with pytest.raises(PolicyError) as caught:
        Engine(Policy.read(tmp_path))
    assert str(caught.value).startswith("policy.yaml:6:21: model `fraud` reads `payd`")
    assert "did you mean `paid`?" in str(caught.value)


def test_a_changed_model_is_another_policy(tmp_path):
    (tmp_path / "policy.yaml").write_text(
        "events:\n  payment: {time: at, fields: {at: time, amount: money}}\nmodels: {m: models/m}\n"
    )
    write(tmp_path / "models/m", linear((Feature(name="amount"),)))
    first = Policy.read(tmp_path).version
    write(tmp_path / "models/m", linear((Feature(name="amount"),), seed=1))
    assert Policy.read(tmp_path).version != first
