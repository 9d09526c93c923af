"""Every kind of model that can be trained, by name."""

from __future__ import annotations

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.trainers.autoencoder import AutoencoderTrainer
from riskweave.learning.trainers.boosting import Gbdt, Xgboost
from riskweave.learning.trainers.linear import LinearSvm, LogisticRegression, RbfSvm
from riskweave.learning.trainers.networks import LstmTrainer, MlpTrainer
from riskweave.learning.trainers.profiles import Profiles
from riskweave.learning.trainers.trainer import Trainer
from riskweave.learning.trainers.trees import DecisionTree, IsolationForest, RandomForest

TRAINERS: dict[str, Trainer] = {
    each.name: each
    for each in (
        LogisticRegression(),
        LinearSvm(),
        RbfSvm(),
        DecisionTree(),
        RandomForest(),
        Gbdt(),
        Xgboost(),
        MlpTrainer(),
        LstmTrainer(),
        IsolationForest(),
        AutoencoderTrainer(),
        Profiles(),
    )
}

# What these give is no probability before it is calibrated.
UNCALIBRATED = ("linear_svm", "rbf_svm", "isolation_forest", "autoencoder")
# These read no truth: there is nothing a teacher could tell them.
UNSUPERVISED = ("isolation_forest", "autoencoder", "profiles")
BLENDS = ("blend", "stack")


def trainer(name: str) -> Trainer:
    """Return a trainer; raises RiskweaveError with the nearest name."""
    if name not in TRAINERS:
        known = [*TRAINERS, *BLENDS]
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise RiskweaveError(f"there is no trainer `{name}`; {hint}")
    return TRAINERS[name]
