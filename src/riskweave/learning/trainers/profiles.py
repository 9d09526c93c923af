"""Profiles: k-means over how keys behave; which group an event is in, and how far from its middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from riskweave.errors import RiskweaveError
from riskweave.learning.encode import Encoding
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import Fitted, Floats, Progress, need
from riskweave.models.artifact import About, Artifact, Profile


class Profiles:
    """k groups. With `entity`, each of its keys counts once, as of its last event."""

    name = "profiles"
    options: Mapping[str, Any] = {"clusters": 8, "entity": None, "log": True}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"clusters": trial.suggest_int("clusters", 2, 20)}

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        chosen = sample if options["entity"] is None else _last_of_each(sample, str(options["entity"]))
        clusters = min(int(options["clusters"]), len(chosen))
        if clusters < 1:
            raise RiskweaveError(f"`{self.name}` cannot learn from no events")
        encoding = Encoding.fit(chosen.features, chosen.inputs, log=bool(options["log"]))
        model = need("sklearn.cluster", "train").KMeans(clusters, n_init=4, random_state=seed)
        model.fit(encoding.inputs(chosen.inputs))
        centers = np.ascontiguousarray(model.cluster_centers_, np.float64)

        def raw(other: Sample) -> Floats:
            found: Floats = model.transform(encoding.inputs(other.inputs)).min(axis=1)
            return found

        about = About(model=Profile(), features=encoding.features)
        sizes = np.bincount(model.labels_, minlength=clusters).tolist()
        return Fitted(
            Artifact(about, {**encoding.arrays(), "centers": centers}), raw, "scikit-learn", {"sizes": sizes}
        )


def _last_of_each(sample: Sample, entity: str) -> Sample:
    key = sample.keys.get(entity)
    if key is None:
        raise RiskweaveError(f"the training set has no role `{entity}`; there are: {', '.join(sample.keys)}")
    order = sample.rows[np.argsort(sample.time_ms[sample.rows], kind="stable")]
    _, first_from_the_end = np.unique(key[order[::-1]], return_index=True)
    rows = np.sort(order[::-1][first_from_the_end])
    return sample.at(rows[key[rows] != 0])
