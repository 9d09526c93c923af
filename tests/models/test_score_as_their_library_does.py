"""Every model that is read scores as the library that trained it, within 1e-6 (most within 1e-12)."""

import warnings
from itertools import pairwise

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from riskweave.errors import ModelError
from riskweave.models.artifact import (
    About,
    Artifact,
    Blend,
    Calibration,
    Curve,
    Feature,
    Lstm,
    Part,
    read,
    write,
)  # fmt: skip
from riskweave.models.importing import from_lightgbm, from_sklearn, from_xgboost
from riskweave.models.parity import check_parity
from riskweave.models.scorer import Scorer, contributions_in_sum

NAMES = [Feature(name=f"f{k}") for k in range(6)]


def data(rows=600, seed=0, missing=0.0, zeros=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    if zeros:
        X[rng.random(X.shape) < 0.3] = 0.0
    y = (X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.normal(size=rows) > 0.4).astype(int)
    X[rng.random(X.shape) < missing] = np.nan
    return X, y


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def probe(seed=9, missing=0.2):
    """Rows that training never saw, with nulls, zeros and far-out values."""
    X, _ = data(300, seed, missing, zeros=True)
    X[0] = np.nan
    X[1] = 1e30
    X[2] = -1e30
    return X


@pytest.mark.parametrize(
    ("missing", "more"),
    [
        (0.0, {}),
        (0.2, {}),
        (0.2, {"zero_as_missing": True}),
        (0.0, {"use_missing": False}),
        (0.1, {"num_leaves": 60}),
        (0.1, {"num_leaves": 200, "min_data_in_leaf": 2}),
        (0.0, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
        (0.0, {"boosting": "dart"}),
        (0.0, {"sigmoid": 2.0}),
        (0.1, {"monotone_constraints": [1, 0, 1, 0, 0, 0]}),
    ],
)
def test_lightgbm(missing, more, tmp_path):
    X, y = data(missing=missing, zeros=True)
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5, **more}
    booster = lgb.train(parameters, lgb.Dataset(X, y), 20)
    artifact = from_lightgbm(booster, NAMES)
    checked = check_parity(artifact, booster.predict(probe()), probe(), "lightgbm")
    assert checked.about.parity.max_abs_difference < 1e-12
    write(tmp_path / "m", checked)
    assert check_parity(read(tmp_path / "m"), booster.predict(X), X).about.parity.rows == len(X)


def test_lightgbm_model_files_and_shapley_values(tmp_path):
    X, y = data(missing=0.1)
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1, "num_leaves": 40}
    booster = lgb.train(parameters, lgb.Dataset(X, y), 30)
    booster.save_model(tmp_path / "m.txt")
    artifact = from_lightgbm(tmp_path / "m.txt")
    assert [each.name for each in artifact.about.features] == [f"Column_{k}" for k in range(6)]
    expected = booster.predict(probe(), pred_contrib=True)
    found = contributions_in_sum(artifact, probe())
    assert np.abs(found - expected).max() < 1e-9
    assert np.abs(found.sum(axis=1) - booster.predict(probe(), raw_score=True)).max() < 1e-9


def test_lightgbm_categories():
    rng = np.random.default_rng(3)
    X, y = data(missing=0.1)
    X[:, 5] = rng.integers(0, 70, len(X))
    y = np.where(np.isin(X[:, 5], [3, 33, 65, 66]), 1, y)
    X[::17, 5] = np.nan
    features = [*NAMES[:5], Feature(name="c", type="category", encoding="code",
                                    categories=tuple(f"c{k}" for k in range(70)))]  # fmt: skip
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_per_group": 1,
                  "cat_smooth": 1, "max_cat_to_onehot": 2}  # fmt: skip
    for leaves in (31, 100):
        booster = lgb.train({**parameters, "num_leaves": leaves, "min_data_in_leaf": 2},
                            lgb.Dataset(X, y, categorical_feature=[5]), 30)  # fmt: skip
        rows = probe()
        rows[:, 5] = rng.integers(-1, 75, len(rows))
        rows[::7, 5] = np.nan
        artifact = from_lightgbm(booster, features)
        assert check_parity(artifact, booster.predict(rows), rows).about.parity.max_abs_difference < 1e-12
        expected = booster.predict(rows, pred_contrib=True)
        assert np.abs(contributions_in_sum(artifact, rows) - expected).max() < 1e-9


@pytest.mark.parametrize("more", [{}, {"booster": "dart", "rate_drop": 0.3}, {"max_depth": 9}])
def test_xgboost(more):
    X, y = data(missing=0.2, zeros=True)
    options = {"objective": "binary:logistic", "nthread": 1, "max_depth": 5, **more}
    booster = xgb.train(options, xgb.DMatrix(X, y), 30)
    expected = booster.predict(xgb.DMatrix(probe()))
    assert check_parity(from_xgboost(booster, NAMES), expected, probe(), "xgboost").about.parity.rows == 300


def test_xgboost_categories_and_shapley_values(tmp_path):
    X, y = data(missing=0.1)
    X[:, 5] = np.random.default_rng(1).integers(0, 40, len(X))
    y = np.where(np.isin(X[:, 5], [3, 33]), 1, y)
    kinds = ["q"] * 5 + ["c"]
    features = [*NAMES[:5], Feature(name="c", type="category", encoding="code",
                                    categories=tuple(f"c{k}" for k in range(40)))]  # fmt: skip
    for onehot in (1, 100):
        matrix = xgb.DMatrix(X, y, feature_types=kinds, enable_categorical=True)
        options = {"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": onehot}
        booster = xgb.train(options, matrix, 20)
        booster.save_model(tmp_path / "m.json")
        rows = probe()
        rows[:, 5] = np.random.default_rng(2).integers(0, 40, len(rows))
        rows[::5, 5] = np.nan
        test = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True)
        artifact = check_parity(from_xgboost(tmp_path / "m.json", features), booster.predict(test), rows)
        expected = booster.predict(test, pred_contribs=True)
        assert np.abs(contributions_in_sum(artifact, rows) - expected).max() < 1e-4  # theirs are float32


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(max_depth=5, random_state=0),
        RandomForestClassifier(20, random_state=0),
        RandomForestClassifier(20, max_leaf_nodes=30, class_weight="balanced", random_state=0),
        ExtraTreesClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
    ],
)
def test_scikit_learn_trees(estimator):
    X, y = data(missing=0.1)
    estimator.fit(X, y)
    rows = np.clip(probe(), -1e30, 1e30)
    artifact = from_sklearn(estimator, NAMES)
    expected = np.clip(estimator.predict_proba(rows)[:, 1], 1e-15, 1 - 1e-15)
    assert check_parity(artifact, expected, rows).about.parity.max_abs_difference < 1e-9


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_scikit_learn_boosting_by_categories(missing):
    """As positions and as texts; null and what training never saw go the same way."""
    X, y = data(missing=missing)
    rng = np.random.default_rng(5)
    X[:, 4] = rng.integers(0, 30, len(X)) * 2.0
    X[:, 1] = rng.integers(0, 4, len(X))
    y = np.where(np.isin(X[:, 4], [4, 10, 44, 58]) | (X[:, 1] == 2), 1, y)
    X[rng.random(len(X)) < missing, 4] = np.nan
    rows = probe(missing=0.1)
    rows[:, 4], rows[:, 1] = rng.integers(-1, 64, len(rows)), rng.integers(-1, 7, len(rows))
    rows[::9, 4] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=30, categorical_features=[1, 4], random_state=0, monotonic_cst=[1, 0, 1, 0, 0, 0],
        min_samples_leaf=3,
    ).fit(X, y)  # fmt: skip
    coded = {"type": "category", "encoding": "code"}
    letters = Feature(name="l", **coded, categories=tuple("dcba"))
    numbers = Feature(name="n", **coded, categories=tuple(map(str, range(64))))
    names = [NAMES[0], letters, *NAMES[2:4], numbers, NAMES[5]]
    expected = model.predict_proba(rows)[:, 1]
    artifact = check_parity(from_sklearn(model, names), expected, rows)
    assert (artifact.weights["category"] >= 0).sum() > 20
    assert artifact.about.parity.max_abs_difference < 1e-12
    # As texts, in another order than the feature names them.
    table = X.astype(object)
    table[:, 1] = [letters.categories[int(each)] for each in X[:, 1]]
    model.fit(table, y)
    asked = rows.astype(object)
    asked[:, 1] = [(*"dcba", "z", "y", "x")[int(each)] for each in rows[:, 1]]
    rows[~np.isin(rows[:, 1], range(4)), 1] = -1
    asked[rows[:, 1] < 0, 1] = "z"
    check_parity(from_sklearn(model, names), model.predict_proba(asked)[:, 1], rows)
    with pytest.raises(ModelError, match="which is no position and none of its texts"):
        from_sklearn(model, [NAMES[0], Feature(name="l", **coded, categories=("d", "c")), *names[2:]])


def test_isolation_forest():
    X, _ = data()
    estimator = IsolationForest(n_estimators=30, max_features=4, random_state=0).fit(X)
    rows = probe(missing=0.0)[3:]
    assert check_parity(from_sklearn(estimator, NAMES), -estimator.score_samples(rows), rows)


def test_linear_models_and_pipelines():
    X, y = data(missing=0.1)
    imputer = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(X, y)
    rows = probe()[3:]
    check_parity(from_sklearn(imputer, NAMES), imputer.predict_proba(rows)[:, 1], rows)
    X, y = data()
    rows = probe(missing=0.0)[3:]
    for pipeline in (
        make_pipeline(StandardScaler(), LinearSVC()),
        make_pipeline(StandardScaler(), Nystroem(n_components=40, random_state=0), LinearSVC()),
        make_pipeline(StandardScaler(with_mean=False), Nystroem(gamma=0.3, n_components=20, random_state=0),
                      LogisticRegression(fit_intercept=False)),
    ):  # fmt: skip
        pipeline.fit(X, y)
        expected = sigmoid(pipeline.decision_function(rows))
        check_parity(from_sklearn(pipeline, NAMES), expected, rows)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_mlp(activation):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPClassifier((13, 7), activation=activation, max_iter=20, random_state=0).fit(X, y)
    rows = probe(missing=0.0)[3:]
    artifact = check_parity(from_sklearn(net, NAMES), net.predict_proba(rows)[:, 1], rows)
    assert artifact.about.parity.max_abs_difference < 1e-12


@pytest.mark.parametrize("layers", [(), (7,)])
def test_lstm(layers):
    """PyTorch's own module, trained for a few steps, on sequences of any length."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(200, 8, 6)), rng.integers(1, 9, 200)
    X[0] *= 50.0
    net = torch.nn.LSTM(6, 19, batch_first=True)
    sizes = [19, *layers, 1]
    head = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(X).float(), torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )

    def forward():
        state = net(packed)[1][0][0]
        for layer in head[:-1]:
            state = torch.tanh(layer(state))
        return head[-1](state)[:, 0]

    truth = torch.from_numpy((X[np.arange(200), lengths - 1, 0] > 0.3).astype(np.float32))
    parameters = [*net.parameters(), *(each for layer in head for each in layer.parameters())]
    descent = torch.optim.Adam(parameters, lr=0.05)
    for _ in range(30):
        descent.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(forward(), truth).backward()
        descent.step()
    weights = {
        name.removesuffix("_l0"): each.numpy().astype(float) for name, each in net.state_dict().items()
    }
    for k, layer in enumerate(head):
        weights[f"weight_{k}"] = layer.weight.detach().numpy().astype(float)
        weights[f"bias_{k}"] = layer.bias.detach().numpy().astype(float)
    kind = Lstm(entity="customer", steps=8, activations=(*["tanh"] * len(layers), "identity"))
    artifact = Artifact(About(model=kind, features=tuple(NAMES)), weights)
    with torch.no_grad():
        expected = torch.sigmoid(forward()).numpy().astype(float)
    checked = check_parity(artifact, expected, X, "torch", lengths)
    assert checked.about.parity.max_abs_difference < 1e-6


def test_blends_are_gated_as_a_whole(tmp_path):
    """Weighted and stacked, with a part that reads sequences: against what the libraries' scores make."""
    X, y = data()
    options = {"objective": "binary", "num_threads": 1, "verbose": -1}
    booster = lgb.train(options, lgb.Dataset(X, y), 20)
    lr = LogisticRegression().fit(X, y)
    parts = {"gbdt": from_lightgbm(booster, NAMES), "lr": from_sklearn(lr, NAMES)}
    rows = probe(missing=0.0)[3:]
    mixed = 0.4 * booster.predict(rows) + 0.6 * lr.predict_proba(rows)[:, 1]
    stacked = sigmoid(0.3 + 0.8 * booster.predict(rows, raw_score=True) + 0.5 * lr.decision_function(rows))
    weighted = Blend(parts=(Part(name="gbdt", weight=0.4), Part(name="lr", weight=0.6)))
    by_odds = Blend(
        parts=(Part(name="gbdt", weight=0.8), Part(name="lr", weight=0.5)), space="log_odds", intercept=0.3
    )
    for number, (model, expected) in enumerate([(weighted, mixed), (by_odds, stacked)]):
        blend = check_parity(Artifact(About(model=model), parts=parts), expected, rows, "both")
        write(tmp_path / str(number), blend)
        assert read(tmp_path / str(number)).about.parity.rows == len(rows)
        with pytest.raises(ModelError, match="does not score"):
            check_parity(blend, expected + 2e-6, rows)
    rng = np.random.default_rng(0)
    shapes = {"weight_ih": (12, 6), "weight_hh": (12, 3), "bias_ih": 12, "bias_hh": 12, "weight_0": (1, 3)}
    drawn = {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"bias_0": np.zeros(1)}
    kind = Lstm(entity="customer", steps=4)
    sequence = Artifact(About(model=kind, features=tuple(NAMES)), drawn)
    both = Blend(parts=(Part(name="gbdt", weight=0.5), Part(name="seq", weight=0.5)))
    blend = Artifact(About(model=both), parts={"gbdt": parts["gbdt"], "seq": sequence})
    events, lengths = rng.normal(size=(50, 4, 6)), rng.integers(1, 5, 50)
    last = events[np.arange(50), lengths - 1]
    expected = 0.5 * booster.predict(last) + 0.5 * Scorer(sequence).score(events, lengths=lengths)
    assert check_parity(blend, expected, events, "both", lengths).about.parity.rows == 50


edges = st.one_of(
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 1e308]), st.floats(-3, 3)
)
codes = st.one_of(st.just(np.nan), st.integers(-1, 12).map(float))
anything = st.lists(st.tuples(edges, edges, edges, codes).map(list), min_size=1, max_size=20)


def edged(seed, cases=400):
    """Columns with nulls, infinite values and a category (0 to 7), and what they mean."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(cases, 4))
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0.2).astype(int)
    X[:, 3] = rng.integers(0, 8, cases)
    y = np.where(np.isin(X[:, 3], [1, 6]), 1, y)
    for value, column in ((np.nan, 0), (np.inf, 1), (-np.inf, 1), (0.0, 2), (np.nan, 3)):
        X[rng.random(cases) < 0.15, column] = value
    return X, y


FOUR = [*NAMES[:3], Feature(name="c", type="category", encoding="code", categories=tuple("abcdefgh"))]
MADE = {}


def made(kind):
    """Models of edged columns, trained once: (artifact, the library's probabilities of rows)."""
    if kind in MADE:
        return MADE[kind]
    X, y = edged(0)
    if kind.startswith("lightgbm"):
        more = {"zero_as_missing": True} if kind.endswith("zeros") else {}
        more |= {"use_missing": False} if kind.endswith("whole") else {}
        more |= {"monotone_constraints": [1, 0, -1, 0]} if kind.endswith("monotone") else {}
        options = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 3,
                    "min_data_per_group": 1, "cat_smooth": 1, "max_cat_to_onehot": 2, **more}  # fmt: skip
        booster = lgb.train(options, lgb.Dataset(X, y, categorical_feature=[3]), 15)
        MADE[kind] = from_lightgbm(booster, FOUR), booster.predict
    elif kind.startswith("xgboost"):
        X = np.clip(X, -1e30, 1e30)
        kinds = ["q", "q", "q", "c"]
        constraints = {"monotone_constraints": "(1,0,-1,0)"} if kind.endswith("monotone") else {}
        matrix = xgb.DMatrix(X, y, feature_types=kinds, enable_categorical=True)
        options = {"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": 2, **constraints}
        booster = xgb.train(options, matrix, 15)

        def score(rows):
            return booster.predict(xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True))

        MADE[kind] = from_xgboost(booster, FOUR), score
    else:
        X = np.clip(X, -1e30, 1e30)  # it cannot learn from infinite values, and scores them
        constraints = [1, 0, -1, 0] if kind.endswith("monotone") else None
        model = HistGradientBoostingClassifier(
            max_iter=15, categorical_features=[3], monotonic_cst=constraints, min_samples_leaf=3
        ).fit(X, y)
        MADE[kind] = from_sklearn(model, FOUR), lambda rows: model.predict_proba(rows)[:, 1]
    return MADE[kind]


@pytest.mark.parametrize(
    "kind",
    ["lightgbm", "lightgbm zeros", "lightgbm whole", "lightgbm monotone", "xgboost", "xgboost monotone",
     "scikit-learn", "scikit-learn monotone"],
)  # fmt: skip
@settings(max_examples=40)
@given(table=anything)
def test_any_row_scores_as_the_library_says(kind, table):
    """Null, infinite, next to zero, and categories that training never saw."""
    artifact, score = made(kind)
    rows = np.array(table)
    if kind.startswith("xgboost"):  # refuses infinite values and codes it does not know
        rows[:, :3] = np.clip(rows[:, :3], -1e30, 1e30)
        rows[~np.isin(rows[:, 3], range(8)), 3] = np.nan
    assert np.abs(Scorer(artifact).score(rows) - score(rows)).max() < 1e-6


def test_k_means():
    X, _ = data()
    means = KMeans(7, n_init=1, random_state=0).fit(X)
    rows = probe(missing=0.0)[3:]
    cluster, distance = Scorer(from_sklearn(means, NAMES)).nearest(rows)
    assert (cluster == means.predict(rows)).all()
    assert np.allclose(distance, means.transform(rows).min(axis=1), rtol=1e-9)


def test_calibration_curves_are_those_of_scikit_learn():
    X, y = data()
    svm = LinearSVC().fit(X, y)
    artifact, margin = from_sklearn(svm, NAMES), svm.decision_function(X)
    rows = probe(missing=0.0)[3:]
    steps = IsotonicRegression(out_of_bounds="clip").fit(margin, y)
    curve = Curve(kind="isotonic", x=tuple(steps.X_thresholds_), y=tuple(steps.y_thresholds_))
    check_parity(
        artifact.with_about(calibration=Calibration(curve=curve)),
        steps.predict(svm.decision_function(rows)),
        rows,
    )
    platt = CalibratedClassifierCV(FrozenEstimator(svm), method="sigmoid").fit(X, y)
    inner = platt.calibrated_classifiers_[0].calibrators[0]
    curve = Curve(kind="platt", a=-inner.a_, b=-inner.b_)
    check_parity(
        artifact.with_about(calibration=Calibration(curve=curve)), platt.predict_proba(rows)[:, 1], rows
    )


def test_a_model_that_scores_otherwise_is_refused():
    X, y = data()
    model = LogisticRegression().fit(X, y)
    expected = model.predict_proba(X)[:, 1]
    expected[5] += 2e-6
    with pytest.raises(ModelError, match="row 5"):
        check_parity(from_sklearn(model, NAMES), expected, X, "scikit-learn")
    expected[5] = np.nan
    with pytest.raises(ModelError, match="row 5"):
        check_parity(from_sklearn(model, NAMES), expected, X)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pickle", "no LightGBM model file"),
        ("tree\nnum_class=3\n", "several classes"),
        ("tree\nobjective=poisson\n", "no probability"),
        ("tree\nobjective=binary\nfeature_names=a\n\nend of trees", "no trees"),
        ("tree\nfeature_names=a\n\nTree=0\nnum_leaves=2\nleaf_value=1 2\n", "different lengths"),
        ("tree\nfeature_names=a\n\nTree=0\nnum_leaves=2\nsplit_feature=0\nthreshold=1\ndecision_type=2\n"
         "left_child=0\nright_child=-2\nleaf_value=1 2\nleaf_count=1 1\ninternal_count=2\n", "does not end"),
        ("tree\nfeature_names=a\n\nTree=0\nnum_leaves=2\n"
         "split_feature=7\nthreshold=1\ndecision_type=2\n"
         "left_child=-1\nright_child=-2\nleaf_value=1 2\nleaf_count=1 1\ninternal_count=2\n", "not exist"),
        ("tree\nfeature_names=a\n\nTree=0\nnum_leaves=2\nsplit_feature=0\nthreshold=nan\ndecision_type=2\n"
         "left_child=-1\nright_child=-2\nleaf_value=1 2\nleaf_count=1 1\ninternal_count=2\n", "no number"),
    ],
)  # fmt: skip
def test_a_damaged_lightgbm_file_is_refused(text, said):
    with pytest.raises(ModelError, match=said):
        from_lightgbm(text + "\n")


@pytest.mark.parametrize("text", ['{"learner": {}}', "{}", '{"learner": 5}'])
def test_a_damaged_xgboost_file_is_refused(text):
    with pytest.raises(ModelError, match="no XGBoost model"):
        from_xgboost(text)
