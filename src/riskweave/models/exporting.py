"""An artifact as an ONNX graph, for whoever scores elsewhere (the extra `onnx`); checked against itself.

Linear models, trees without categories, and MLPs are written, with their preparation of inputs and
a calibration of kind none or platt. The graph reads float32 rows, so its scores are those of inputs
rounded so; `check` compares on rows that are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models import artifact as form
from riskweave.models.artifact import Artifact
from riskweave.models.importing.onnx_file import from_onnx
from riskweave.models.parity import check_parity
from riskweave.models.scorer import Scorer

Floats = NDArray[np.float64]

OPSET = 17
ML_OPSET = 3


def to_onnx(artifact: Artifact, X: Floats | None = None, tolerance: float = 1e-5) -> Artifact:
    """Return the model as an ONNX artifact with an output `probability`; its `onnx` are the file's bytes.

    With rows `X` the graph's probabilities are compared with the artifact's, both on X rounded to
    float32; ModelError when one is further off than `tolerance` (a graph computes in float32).
    """
    try:
        import onnx
    except ImportError:
        raise ModelError("writing ONNX needs the package onnx: pip install riskweave[onnx]") from None
    graph = _Graph(onnx)
    inputs = graph.prepared(artifact)
    raw = graph.raw(artifact, inputs)
    curve = artifact.about.calibration.curve
    if curve.kind not in ("none", "platt") or artifact.about.calibration.segments:
        raise ModelError("only a calibration of kind none or platt, the same for all, can be written")
    if curve.kind == "platt":
        raw = graph.node("Add", graph.node("Mul", raw, graph.constant([curve.a])), graph.constant([curve.b]))
    graph.node("Sigmoid", raw, out="probability")
    about = artifact.about
    written = from_onnx(
        graph.bytes(len(about.features)),
        [form.Feature(name=f.name, definition=f.definition) for f in about.features],
        "probability",
    )
    if X is None:
        return written
    rounded = np.asarray(X, np.float32).astype(np.float64)
    return check_parity(written, Scorer(artifact).score(rounded), rounded, "riskweave", tolerance=tolerance)


class _Graph:
    """Collects nodes; every method returns the name of what it computes, (rows, n) float32."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *reads: str, out: str = "", domain: str = "", **attributes: Any) -> str:
        out = out or f"v{len(self.nodes)}"
        made = self.onnx.helper.make_node(kind, list(reads), [out], domain=domain, **attributes)
        self.nodes.append(made)
        return out

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def prepared(self, artifact: Artifact) -> str:
        """Fill in, bend and scale the inputs."""
        weights, x = artifact.weights, "X"
        if any(feature.encoding != "value" or feature.indicator for feature in artifact.about.features):
            raise ModelError(
                "categories and indicators cannot be written to ONNX; encode them before the model"
            )
        if weights.get("input_zero_missing", np.zeros(1)).any():
            raise ModelError("zeros that mean missing cannot be written to ONNX")
        impute = weights.get("input_impute")
        fill = np.full(artifact.about.inputs, np.nan) if impute is None else impute.copy()
        if artifact.kind != "trees":
            mean = weights.get("input_mean", np.zeros(fill.size))
            # What is still missing counts as 0 after scaling: the mean before it.
            fill = np.where(np.isnan(fill), mean, fill)
        if not np.isnan(fill).all():
            x = self.node("Where", self.node("IsNaN", x), self.constant(fill), x)
        if weights.get("input_log", np.zeros(1)).any():
            bent = self.node("Log", self.node("Add", self.node("Abs", x), self.constant([1.0])))
            bent = self.node("Mul", self.node("Sign", x), bent)
            x = self.node("Where", self.constant(weights["input_log"] != 0, np.bool_), bent, x)
        if "input_mean" in weights or "input_scale" in weights:
            x = self.node("Sub", x, self.constant(weights.get("input_mean", np.zeros(fill.size))))
            x = self.node("Div", x, self.constant(weights.get("input_scale", np.ones(fill.size))))
        return x

    def raw(self, artifact: Artifact, x: str) -> str:
        """Compute the log-odds."""
        model, weights = artifact.about.model, artifact.weights
        if isinstance(model, form.Linear) and model.gamma is None:
            total = self.node("MatMul", x, self.constant(weights["coefficients"][:, None]))
            return self.node("Add", total, self.constant(weights["intercept"]))
        if isinstance(model, form.Mlp):
            kinds = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
            for layer, activation in enumerate(model.activations):
                x = self.node("MatMul", x, self.constant(weights[f"weight_{layer}"].T))
                x = self.node("Add", x, self.constant(weights[f"bias_{layer}"]))
                x = x if activation == "identity" else self.node(kinds[activation], x)
            return x
        if isinstance(model, form.Trees):
            return self.trees(model, artifact, x)
        raise ModelError(f"a {artifact.kind} model cannot be written to ONNX")

    def trees(self, model: form.Trees, artifact: Artifact, x: str) -> str:
        weights = artifact.weights
        if (weights["category"] >= 0).any():
            raise ModelError("trees that test categories cannot be written to ONNX")
        if model.link == "path":
            raise ModelError("an isolation forest cannot be written to ONNX")
        start, feature = weights["tree_start"], weights["feature"]
        tree = np.repeat(np.arange(start.size - 1), np.diff(start))
        node = np.arange(feature.size) - start[tree]
        leaf = feature < 0
        # x <= t for float32 x is x <= the greatest float32 that is not above t.
        cut = weights["threshold"].astype(np.float32)
        cut = np.where(cut > weights["threshold"], np.nextafter(cut, np.float32(-np.inf)), cut)
        total = self.node(
            "TreeEnsembleRegressor",
            x,
            domain="ai.onnx.ml",
            n_targets=1,
            post_transform="NONE",
            nodes_treeids=tree.tolist(),
            nodes_nodeids=node.tolist(),
            nodes_featureids=np.maximum(feature, 0).tolist(),
            nodes_modes=["LEAF" if each else "BRANCH_LEQ" for each in leaf.tolist()],
            nodes_values=np.where(leaf, 0.0, cut).tolist(),
            nodes_truenodeids=np.where(leaf, 0, weights["left"] - start[tree]).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, weights["right"] - start[tree]).tolist(),
            nodes_missing_value_tracks_true=weights["missing_left"].tolist(),
            target_treeids=tree[leaf].tolist(),
            target_nodeids=node[leaf].tolist(),
            target_ids=[0] * int(leaf.sum()),
            target_weights=(weights["value"][leaf] * model.scale).tolist(),
        )
        total = self.node("Add", total, self.constant([model.base]))
        if model.link == "log_odds":
            return total
        held = self.node("Clip", total, self.constant(1e-7), self.constant(1.0 - 1e-7))
        against = self.node("Sub", self.constant([1.0]), held)
        return self.node("Log", self.node("Div", held, against))

    def bytes(self, features: int) -> Any:
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "riskweave",
            [helper.make_tensor_value_info("X", kind, [None, features])],
            [helper.make_tensor_value_info("probability", kind, [None, 1])],
            self.constants,
        )
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=9)
        self.onnx.checker.check_model(model)
        return model.SerializeToString()
