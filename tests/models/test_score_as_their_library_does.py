"""Every model that is read scores as the library that trained it, within 1e-6 (most within 1e-12)."""

import warnings

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
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
from riskweave.models.artifact import Calibration, Curve, Feature, read, write
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
    settings = {"objective": "binary:logistic", "nthread": 1, "max_depth": 5, **more}
    booster = xgb.train(settings, xgb.DMatrix(X, y), 30)
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
        settings = {"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": onehot}
        booster = xgb.train(settings, matrix, 20)
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
