"""An artifact as an ONNX graph, for whoever scores elsewhere (the extra `onnx`); checked against itself.

Every kind is written, with its preparation of inputs and its calibration: `graph_of` gives the
file's bytes, `to_onnx` those of a model of single events as an artifact. A graph computes in
float64, its tests of trees included, so its scores are the artifact's within 1e-6 (an LSTM's are
computed in float32 here). Its input `X` is float64 (rows, features), features in the order of
`Scorer.features`, categories as positions, null as NaN; with an LSTM in it (rows, steps, features)
with `lengths`, int64 (rows), as `Scorer` reads them. Its output is `probability` (rows, 1);
`cluster` and `distance` of a profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models import artifact as form
from riskweave.models.artifact import Artifact
from riskweave.models.importing.onnx_file import from_onnx
from riskweave.models.parity import TOLERANCE, check_parity
from riskweave.models.scorer import Scorer
from riskweave.models.trees import category_sets

Floats = NDArray[np.float64]

OPSET = 17
# TreeEnsemble, which compares and adds up in float64, is known from here on.
ML_OPSET = 5
IR_VERSION = 9

_LEAST = 1e-15
_LEAF_SUM = 1
_BRANCH_LEQ = 0


def to_onnx(
    artifact: Artifact, X: Floats | None = None, tolerance: float = TOLERANCE, segment: str = ""
) -> Artifact:
    """Return the model as an ONNX artifact with an output `probability`; its `onnx` are the file's bytes.

    With rows `X` the graph's probabilities are compared with the artifact's; ModelError when one is
    further off than `tolerance`. `segment` chooses among curves of calibration.
    """
    if has_sequences(artifact):
        raise ModelError("a graph over sequences is no model of single events; `graph_of` writes it")
    if artifact.kind == "profile":
        raise ModelError("a profile has no score; `graph_of` writes its cluster and distance")
    # The graph encodes by itself what it is given as positions.
    kept = [
        msgspec.structs.replace(
            each, encoding="code" if each.type == "category" else "value", indicator=False
        )
        for each in _features(artifact)
    ]
    written = from_onnx(graph_of(artifact, segment), kept, "probability")
    if X is None:
        return written
    segments = [segment] * len(X) if segment else None
    expected = Scorer(artifact).score(X, segments)
    return check_parity(written, expected, X, "riskweave", tolerance=tolerance)


def graph_of(artifact: Artifact, segment: str = "") -> bytes:
    """Return the model as the bytes of an ONNX file; raises ModelError for what no graph can say."""
    try:
        import onnx
    except ImportError:
        raise ModelError("writing ONNX needs the package onnx: pip install riskweave[onnx]") from None
    names = artifact.feature_names()
    graph = _Graph(onnx, has_sequences(artifact))
    if artifact.kind == "profile":
        graph.profile(artifact, graph.columns(artifact, names))
        return graph.bytes(len(names), ("cluster", "distance"))
    _, score = graph.scores(artifact, names, segment)
    graph.node("Identity", score, out="probability")
    return graph.bytes(len(names), ("probability",))


def has_sequences(artifact: Artifact) -> bool:
    """Tell whether a model, or a part of it, reads sequences of events."""
    return artifact.kind == "lstm" or any(has_sequences(part) for part in artifact.parts.values())


def _features(artifact: Artifact) -> list[form.Feature]:
    """Return the features of a model and its parts, each once, as `Artifact.feature_names` orders them."""
    found = {feature.name: feature for feature in artifact.about.features}
    for part in artifact.parts.values():
        for feature in _features(part):
            found.setdefault(feature.name, feature)
    return list(found.values())


class _Graph:
    """Collects nodes; every method returns the name of what it computes, (rows, n) float64."""

    def __init__(self, onnx: Any, sequences: bool) -> None:
        self.onnx = onnx
        self.sequences = sequences
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *reads: str, out: str = "", domain: str = "", **attributes: Any) -> str:
        out = out or f"v{len(self.nodes)}"
        made = self.onnx.helper.make_node(kind, list(reads), [out], domain=domain, **attributes)
        self.nodes.append(made)
        return out

    def constant(self, values: Any, kind: Any = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Return a constant of whole numbers: axes, indices, shapes."""
        return self.constant(values, np.int64)

    # Scores ----------------------------------------------------------------------------------------

    def scores(self, artifact: Artifact, names: Sequence[str], segment: str = "") -> tuple[str, str]:
        """Compute log-odds and probability of a model that reads some columns of X."""
        calibration = artifact.about.calibration
        if segment not in calibration.segments and (segment or calibration.segments):
            known = ", ".join(calibration.segments) or "none"
            raise ModelError(f"a graph has one curve of calibration; choose a segment ({known})")
        curve = calibration.segments[segment] if segment else calibration.curve
        model = artifact.about.model
        if isinstance(model, form.Blend):
            raw = self.blend(model, artifact, names)
        else:
            raw = self.raw(artifact, self.columns(artifact, names))
        return raw, self.calibrated(curve, raw)

    def blend(self, model: form.Blend, artifact: Artifact, names: Sequence[str]) -> str:
        """Compute the log-odds of a weighted sum over parts."""
        by_odds = model.space == "log_odds"
        total = self.constant([[model.intercept if by_odds else 0.0]])
        for part in model.parts:
            raw, score = self.scores(artifact.parts[part.name], names)
            total = self.node(
                "Add", total, self.node("Mul", raw if by_odds else score, self.constant([part.weight]))
            )
        return total if by_odds else self.logit(total)

    def raw(self, artifact: Artifact, x: str) -> str:
        """Compute the log-odds of a model from its inputs."""
        model, weights = artifact.about.model, artifact.weights
        if isinstance(model, form.Trees):
            return self.trees(model, artifact, x)
        if isinstance(model, form.Lstm):
            return self.dense(model.activations, artifact, self.last_state(artifact, x))
        if isinstance(model, form.Mlp):
            return self.dense(model.activations, artifact, x)
        if isinstance(model, form.Linear):
            if model.gamma is not None:
                away = self.squares(x, weights["components"])
                near = self.node("Exp", self.node("Mul", away, self.constant([-model.gamma])))
                x = self.node("MatMul", near, self.constant(weights["normalization"].T))
            total = self.node("MatMul", x, self.constant(weights["coefficients"][:, None]))
            return self.node("Add", total, self.constant(weights["intercept"]))
        if isinstance(model, form.Autoencoder):
            error = self.node("Sub", self.dense(model.activations, artifact, x), x)
            mean = self.node("ReduceMean", self.node("Mul", error, error), axes=[1])
            return self.node("Log", self.node("Add", mean, self.constant([1e-12])))
        raise ModelError(f"a {artifact.kind} model cannot be written to ONNX")

    def profile(self, artifact: Artifact, x: str) -> None:
        """Compute which centre is nearest, and how far."""
        away = self.squares(x, artifact.weights["centers"])
        nearest = self.node("ArgMin", away, axis=1, keepdims=1)
        self.node("Cast", nearest, out="cluster", to=self.onnx.TensorProto.DOUBLE)
        self.node("Sqrt", self.node("ReduceMin", away, axes=[1]), out="distance")

    def dense(self, activations: Sequence[str], artifact: Artifact, x: str) -> str:
        """Compute layer after layer."""
        kinds = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
        for layer, activation in enumerate(activations):
            x = self.node("MatMul", x, self.constant(artifact.weights[f"weight_{layer}"].T))
            x = self.node("Add", x, self.constant(artifact.weights[f"bias_{layer}"]))
            x = x if activation == "identity" else self.node(kinds[activation], x)
        return x

    def last_state(self, artifact: Artifact, x: str) -> str:
        """Compute an LSTM's hidden state after each row's last event."""
        weights = artifact.weights
        hidden = weights["weight_hh"].shape[1]
        # PyTorch's gates are input, forget, cell, output; ONNX's input, output, forget, cell.
        order = np.concatenate([np.arange(hidden) + hidden * gate for gate in (0, 3, 1, 2)])
        bias = np.concatenate([weights["bias_ih"][order], weights["bias_hh"][order]])
        state = f"v{len(self.nodes)}_state"
        made = self.onnx.helper.make_node(
            "LSTM",
            [
                self.node("Transpose", x, perm=[1, 0, 2]),
                self.constant(weights["weight_ih"][order][None], np.float32),
                self.constant(weights["weight_hh"][order][None], np.float32),
                self.constant(bias[None], np.float32),
                self.node("Cast", "lengths", to=self.onnx.TensorProto.INT32),
            ],
            ["", state],
            hidden_size=hidden,
        )
        self.nodes.append(made)
        return self.node("Squeeze", self.double(state), self.whole(0))

    def trees(self, model: form.Trees, artifact: Artifact, x: str) -> str:
        """Compute a sum over trees; where sets of categories are tested, of a column for each set."""
        weights = artifact.weights
        start, feature = weights["tree_start"], weights["feature"].copy()
        threshold, category = weights["threshold"].copy(), weights["category"]
        tests = np.flatnonzero(category >= 0)
        if tests.size:
            # Column by column: 0 where the code is in the set, 1 where not, and null stays null.
            sets, columns = category_sets(weights), [x]
            place, free = {}, artifact.about.inputs
            for input_ in np.unique(feature[tests]).tolist():
                own = np.unique(category[tests][feature[tests] == input_]).tolist()
                size = 1 + max((max(sets[each], default=-1) for each in own), default=-1)
                outside = np.ones((size + 1, len(own)))
                for at, each in enumerate(own):
                    outside[sorted(sets[each]), at] = 0.0
                    place[input_, each] = free + at
                free += len(own)
                columns.append(self.looked_up(self.node("Gather", x, self.whole(input_), axis=1), outside))
            feature[tests] = [
                place[pair] for pair in zip(feature[tests].tolist(), category[tests].tolist(), strict=True)
            ]
            threshold[tests] = 0.5
            x = self.node("Concat", *columns, axis=1)
        total = self.tree_sum(weights, start, feature, threshold, model.scale, x)
        total = self.node("Add", total, self.constant([model.base]))
        if model.link == "log_odds":
            return total
        if model.link == "path":
            power = self.node("Mul", total, self.constant([-np.log(2.0) / model.typical_path]))
            total = self.node("Exp", power)
        return self.logit(total)

    def looked_up(self, codes: str, table: Floats) -> str:
        """Compute the line of `table` that each code (rows, 1) has; the last is of codes outside."""
        last = float(len(table) - 1)
        known = self.node(
            "And",
            self.node("GreaterOrEqual", codes, self.constant([0.0])),
            self.node("Less", codes, self.constant([last])),
        )
        at = self.node("Where", known, codes, self.constant([last]))
        line = self.node("Cast", self.node("Squeeze", at, self.whole(1)), to=self.onnx.TensorProto.INT64)
        found = self.node("Gather", self.constant(table), line, axis=0)
        return self.node("Where", self.node("IsNaN", codes), self.constant([np.nan]), found)

    def tree_sum(self, weights: Any, start: Any, feature: Any, threshold: Any, scale: float, x: str) -> str:
        fork, leaf = feature >= 0, feature < 0
        number = np.where(fork, np.cumsum(fork), np.cumsum(leaf)) - 1
        roots = start[:-1]
        stumps = roots[leaf[roots]]
        inner = np.flatnonzero(fork)
        left, right = weights["left"][inner], weights["right"][inner]
        # A tree that is a leaf becomes a fork with that leaf on either side.
        alone = number[stumps]
        more = inner.size + np.arange(stumps.size)
        root_of = number.copy()
        root_of[stumps] = more
        ones, zeros = np.ones(stumps.size, np.int64), np.zeros(stumps.size, np.int64)
        helper = self.onnx.numpy_helper
        return self.node(
            "TreeEnsemble",
            x,
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function=_LEAF_SUM,
            post_transform=0,
            tree_roots=root_of[roots].tolist(),
            nodes_modes=helper.from_array(np.full(inner.size + stumps.size, _BRANCH_LEQ, np.uint8)),
            nodes_featureids=[*feature[inner].tolist(), *zeros.tolist()],
            nodes_splits=helper.from_array(np.concatenate([threshold[inner], zeros.astype(np.float64)])),
            nodes_truenodeids=[*number[left].tolist(), *alone.tolist()],
            nodes_trueleafs=[*leaf[left].astype(int).tolist(), *ones.tolist()],
            nodes_falsenodeids=[*number[right].tolist(), *alone.tolist()],
            nodes_falseleafs=[*leaf[right].astype(int).tolist(), *ones.tolist()],
            nodes_missing_value_tracks_true=[*weights["missing_left"][inner].tolist(), *zeros.tolist()],
            leaf_targetids=[0] * int(leaf.sum()),
            leaf_weights=helper.from_array(weights["value"][leaf] * scale),
        )

    # Inputs ----------------------------------------------------------------------------------------

    def columns(self, artifact: Artifact, names: Sequence[str]) -> str:
        """Pick a model's features, encode them, fill them in, bend and scale them."""
        sources, targets, indicators, order = [], [], [], list(names)
        for feature in artifact.about.features:
            count = len(feature.categories) if feature.encoding == "one_hot" else 1
            targets += list(range(count)) if feature.encoding == "one_hot" else [-1]
            indicators += [False] * count + [True] * feature.indicator
            targets += [-1] * feature.indicator
            sources += [order.index(feature.name)] * feature.inputs
        x = "X"
        if self.sequences and artifact.kind != "lstm":
            # Models of single events look at each row's last one.
            last = self.node("Sub", "lengths", self.whole(1))
            x = self.node("GatherND", x, self.node("Unsqueeze", last, self.whole(1)), batch_dims=1)
        if sources != list(range(len(order))):
            x = self.node("Gather", x, self.whole(*sources), axis=-1)
        if max(targets) >= 0:
            same = self.double(self.node("Equal", x, self.constant(targets)))
            x = self.node("Where", self.constant(np.array(targets) >= 0, np.bool_), same, x)
        if any(indicators):
            null = self.double(self.node("IsNaN", x))
            x = self.node("Where", self.constant(indicators, np.bool_), null, x)
        return self.prepared(artifact, x)

    def prepared(self, artifact: Artifact, x: str) -> str:
        weights, width = artifact.weights, artifact.about.inputs
        zero = weights.get("input_zero_missing", np.zeros(width)) != 0
        if zero.any():
            small = self.node("LessOrEqual", self.node("Abs", x), self.constant([1e-35]))
            small = self.node("And", small, self.constant(zero, np.bool_))
            x = self.node("Where", small, self.constant([np.nan]), x)
        fill = weights.get("input_impute", np.full(width, np.nan))
        if not np.isnan(fill).all():
            x = self.node("Where", self.node("IsNaN", x), self.constant(fill), x)
        if weights.get("input_log", np.zeros(1)).any():
            bent = self.node("Log", self.node("Add", self.node("Abs", x), self.constant([1.0])))
            bent = self.node("Mul", self.node("Sign", x), bent)
            x = self.node("Where", self.constant(weights["input_log"] != 0, np.bool_), bent, x)
        if "input_mean" in weights or "input_scale" in weights:
            x = self.node("Sub", x, self.constant(weights.get("input_mean", np.zeros(width))))
            x = self.node("Div", x, self.constant(weights.get("input_scale", np.ones(width))))
        if artifact.about.precision == "float32" or artifact.kind == "lstm":
            x = self.node("Cast", x, to=self.onnx.TensorProto.FLOAT)
            if artifact.kind == "lstm":
                return self.node("Where", self.node("IsNaN", x), self.constant([0.0], np.float32), x)
            x = self.double(x)
        if artifact.kind != "trees":
            x = self.node("Where", self.node("IsNaN", x), self.constant([0.0]), x)
        return x

    # Arithmetic ------------------------------------------------------------------------------------

    def double(self, x: str) -> str:
        return self.node("Cast", x, to=self.onnx.TensorProto.DOUBLE)

    def squares(self, x: str, points: Floats) -> str:
        """Compute the squared distance to each point."""
        away = self.node("Sub", self.node("Unsqueeze", x, self.whole(1)), self.constant(points[None]))
        return self.node("ReduceSum", self.node("Mul", away, away), self.whole(2), keepdims=0)

    def logit(self, p: str) -> str:
        """Compute log(p / (1 - p)), p held within [1e-15, 1 - 1e-15]."""
        held = self.node("Max", p, self.constant([_LEAST]))
        held = self.node("Min", held, self.constant([1.0 - _LEAST]))
        against = self.node("Sub", self.constant([1.0]), held)
        return self.node("Log", self.node("Div", held, against))

    def softplus(self, x: str) -> str:
        """Compute log(1 + exp(x))."""
        small = self.node("Exp", self.node("Neg", self.node("Abs", x)))
        over = self.node("Max", x, self.constant([0.0]))
        return self.node("Add", over, self.node("Log", self.node("Add", small, self.constant([1.0]))))

    def calibrated(self, curve: form.Curve, raw: str) -> str:
        """Compute the probability of log-odds under a curve."""
        if curve.kind == "isotonic":
            # Each stretch between two points adds as much of its rise as lies below.
            x, y = np.array(curve.x), np.array(curve.y)
            if x.size == 1:
                return self.node("Add", self.node("Mul", raw, self.constant([0.0])), self.constant(y))
            done = self.node("Min", self.node("Max", raw, self.constant(x[:-1])), self.constant(x[1:]))
            done = self.node("Div", self.node("Sub", done, self.constant(x[:-1])), self.constant(np.diff(x)))
            rise = self.node("MatMul", done, self.constant(np.diff(y)[:, None]))
            return self.node("Add", rise, self.constant(y[:1]))
        if curve.kind == "platt":
            raw = self.node("Add", self.node("Mul", raw, self.constant([curve.a])), self.constant([curve.b]))
        if curve.kind == "beta":
            high = self.node("Mul", self.softplus(raw), self.constant([curve.b]))
            low = self.node("Mul", self.softplus(self.node("Neg", raw)), self.constant([curve.a]))
            raw = self.node("Add", self.node("Sub", high, low), self.constant([curve.c]))
        return self.node("Sigmoid", raw)

    def bytes(self, features: int, outputs: Sequence[str]) -> bytes:
        """Return the file."""
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        shape = [None, None, features] if self.sequences else [None, features]
        inputs = [helper.make_tensor_value_info("X", kinds.DOUBLE, shape)]
        if self.sequences:
            inputs.append(helper.make_tensor_value_info("lengths", kinds.INT64, [None]))
        graph = helper.make_graph(
            self.nodes,
            "riskweave",
            inputs,
            [helper.make_tensor_value_info(name, kinds.DOUBLE, [None, 1]) for name in outputs],
            self.constants,
        )
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)
        self.onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
