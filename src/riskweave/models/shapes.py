"""Which arrays each kind of model has, and what must hold of them before a kernel may follow them.

Kernels check nothing: every index that a model brings is checked here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models import artifact as form
from riskweave.models.artifact import Artifact

INPUTS_MAX = 100_000
FEATURES_MAX = 10_000
NODES_MAX = 50_000_000
LAYERS_MAX = 32
STEPS_MAX = 1_000
PARTS_MAX = 64

Weights = Mapping[str, NDArray[Any]]

# Of every kind: what happens to an input before the model sees it.
_INPUT_ARRAYS = {
    "input_impute": "<f8",
    "input_log": "|u1",
    "input_mean": "<f8",
    "input_scale": "<f8",
    "input_zero_missing": "|u1",
}


def check(artifact: Artifact) -> None:
    """Raise a ModelError unless every array is there, of the right shape, and within bounds."""
    about = artifact.about
    _check_features(about)
    names = set(artifact.weights) - set(_INPUT_ARRAYS)
    for name, kind in _INPUT_ARRAYS.items():
        if name in artifact.weights:
            _need(artifact.weights, name, kind, (about.inputs,), finite=name != "input_impute")
    scale = artifact.weights.get("input_scale")
    if scale is not None and not (scale > 0).all():
        raise ModelError("`input_scale` must be positive")
    known = _CHECKS[artifact.kind](artifact)
    if names != known:
        extra, missing = sorted(names - known), sorted(known - names)
        raise ModelError(f"a {artifact.kind} model has arrays too many ({extra}) or too few ({missing})")
    _check_curve(about.calibration.curve)
    for curve in about.calibration.segments.values():
        _check_curve(curve)


def _check_features(about: form.About) -> None:
    if len(about.features) > FEATURES_MAX or about.inputs > INPUTS_MAX:
        raise ModelError(f"more than {FEATURES_MAX} features or {INPUTS_MAX} inputs")
    names = [feature.name for feature in about.features]
    if len(set(names)) != len(names):
        raise ModelError("a feature is named twice")
    for feature in about.features:
        if (feature.type == "number") != (feature.encoding == "value"):
            raise ModelError(f"feature `{feature.name}`: a number is a value, a category a code or one_hot")
        if feature.type == "number" and feature.categories:
            raise ModelError(f"feature `{feature.name}` is a number and has categories")
        if len(set(feature.categories)) != len(feature.categories):
            raise ModelError(f"feature `{feature.name}` has a category twice")


def _need(
    weights: Weights, name: str, kind: str, shape: tuple[int, ...], finite: bool = True
) -> NDArray[Any]:
    """Return an array, or raise; -1 in `shape` stands for any length."""
    array = weights.get(name)
    if array is None:
        raise ModelError(f"the array `{name}` is missing")
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.newbyteorder("<").str != kind:
        raise ModelError(f"`{name}` is {array.dtype} {array.shape}, expected {kind} {shape}")
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"`{name}` has a value that is not finite")
    return array


def _linear(artifact: Artifact) -> set[str]:
    model, weights, width = artifact.about.model, artifact.weights, artifact.about.inputs
    assert isinstance(model, form.Linear)
    known = {"coefficients", "intercept"}
    if model.gamma is not None:
        _finite("gamma", model.gamma)
        components = _need(weights, "components", "<f8", (-1, width))
        rank = components.shape[0]
        _need(weights, "normalization", "<f8", (rank, rank))
        known |= {"components", "normalization"}
        width = rank
    _need(weights, "coefficients", "<f8", (width,))
    _need(weights, "intercept", "<f8", (1,))
    return known


def _trees(artifact: Artifact) -> set[str]:
    model, weights = artifact.about.model, artifact.weights
    assert isinstance(model, form.Trees)
    for name in ("base", "scale", "typical_path"):
        _finite(name, getattr(model, name))
    if model.typical_path <= 0:
        raise ModelError("`typical_path` must be positive")
    start = _need(weights, "tree_start", "<i4", (-1,))
    feature = _need(weights, "feature", "<i4", (-1,))
    nodes = feature.size
    if nodes > NODES_MAX:
        raise ModelError(f"more than {NODES_MAX} nodes")
    threshold = _need(weights, "threshold", "<f8", (nodes,), finite=False)
    left = _need(weights, "left", "<i4", (nodes,))
    right = _need(weights, "right", "<i4", (nodes,))
    _need(weights, "missing_left", "|u1", (nodes,))
    _need(weights, "value", "<f8", (nodes,))
    cover = _need(weights, "cover", "<f8", (nodes,))
    category = _need(weights, "category", "<i4", (nodes,))
    first = _need(weights, "category_start", "<i4", (-1,))
    words = _need(weights, "category_words", "<u4", (-1,))
    if start.size < 2 or start[0] != 0 or start[-1] != nodes or not (np.diff(start) > 0).all():
        raise ModelError("`tree_start` does not divide the nodes into trees")
    if first.size < 1 or first[0] != 0 or first[-1] != words.size or not (np.diff(first) >= 0).all():
        raise ModelError("`category_start` does not divide the words")
    inner = feature >= 0
    if not (feature >= -1).all() or not (feature < artifact.about.inputs).all():
        raise ModelError("a node reads an input that does not exist")
    if np.isnan(threshold[inner]).any() or (cover < 0).any():
        raise ModelError("a node has no threshold, or a negative cover")
    if (category < -1).any() or (category >= first.size - 1).any():
        raise ModelError("a node reads a set of categories that does not exist")
    # Children come after their parent and within its tree, so every walk ends.
    own = np.arange(nodes)
    end = np.repeat(start[1:], np.diff(start))
    for child in (left, right):
        if not ((child > own) & (child < end))[inner].all():
            raise ModelError("a node's child is not a later node of the same tree")
    reached = np.bincount(np.concatenate([left[inner], right[inner]]), minlength=nodes)
    reached[start[:-1]] += 1
    if not (reached == 1).all():
        raise ModelError("a node has several parents, or none")
    return {
        "tree_start", "feature", "threshold", "left", "right", "missing_left", "value", "cover",
        "category", "category_start", "category_words",
    }  # fmt: skip


def _dense(weights: Weights, activations: tuple[str, ...], width: int) -> tuple[set[str], int]:
    """Check layers `weight_0`, `bias_0`, ... and return their names and how wide the last one is."""
    if not 1 <= len(activations) <= LAYERS_MAX:
        raise ModelError(f"between 1 and {LAYERS_MAX} layers")
    known = set()
    for layer in range(len(activations)):
        weight = _need(weights, f"weight_{layer}", "<f8", (-1, width))
        width = weight.shape[0]
        _need(weights, f"bias_{layer}", "<f8", (width,))
        known |= {f"weight_{layer}", f"bias_{layer}"}
    return known, width


def _mlp(artifact: Artifact) -> set[str]:
    assert isinstance(artifact.about.model, form.Mlp)
    known, width = _dense(artifact.weights, artifact.about.model.activations, artifact.about.inputs)
    if width != 1:
        raise ModelError(f"the last layer must give one number, not {width}")
    return known


def _autoencoder(artifact: Artifact) -> set[str]:
    assert isinstance(artifact.about.model, form.Autoencoder)
    known, width = _dense(artifact.weights, artifact.about.model.activations, artifact.about.inputs)
    if width != artifact.about.inputs:
        raise ModelError(f"the last layer must give the {artifact.about.inputs} inputs back, not {width}")
    return known


def _lstm(artifact: Artifact) -> set[str]:
    model, weights = artifact.about.model, artifact.weights
    assert isinstance(model, form.Lstm)
    if not 1 <= model.steps <= STEPS_MAX or not 1 <= model.horizon_ms <= 4_000 * 86_400_000:
        raise ModelError(f"steps must be in 1..{STEPS_MAX}, and the horizon positive")
    recurrent = _need(weights, "weight_hh", "<f8", (-1, -1))
    hidden = recurrent.shape[1]
    if hidden < 1:
        raise ModelError("an LSTM needs a hidden unit")
    _need(weights, "weight_hh", "<f8", (4 * hidden, hidden))
    _need(weights, "weight_ih", "<f8", (4 * hidden, artifact.about.inputs))
    _need(weights, "bias_ih", "<f8", (4 * hidden,))
    _need(weights, "bias_hh", "<f8", (4 * hidden,))
    known, width = _dense(weights, model.activations, hidden)
    if width != 1:
        raise ModelError(f"the last layer must give one number, not {width}")
    return known | {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}


def _profile(artifact: Artifact) -> set[str]:
    centres = _need(artifact.weights, "centers", "<f8", (-1, artifact.about.inputs))
    if not centres.size:
        raise ModelError("a profile needs a centre")
    return {"centers"}


def _blend(artifact: Artifact) -> set[str]:
    model = artifact.about.model
    assert isinstance(model, form.Blend)
    names = [part.name for part in model.parts]
    if not 1 <= len(names) <= PARTS_MAX or len(set(names)) != len(names) or set(names) != set(artifact.parts):
        raise ModelError(f"a blend needs 1..{PARTS_MAX} parts, each named once and there")
    if artifact.about.features:
        raise ModelError("a blend reads its parts, no features of its own")
    _finite("intercept", model.intercept)
    for each in model.parts:
        _finite("weight", each.weight)
        if not form.PART_NAME.fullmatch(each.name):
            raise ModelError(f"{each.name[:80]!r} is no part's name")
        if each.weight < 0 and model.space == "probability":
            raise ModelError(f"part `{each.name}` weighs less than nothing")
    if model.space == "probability" and abs(sum(each.weight for each in model.parts) - 1.0) > 1e-9:
        raise ModelError("the weights of a blend of probabilities must add up to 1")
    for name, part in artifact.parts.items():
        if part.kind == "profile":
            raise ModelError(f"part `{name}` is a profile, which has no score")
        check(part)
    return set()


def _onnx(artifact: Artifact) -> set[str]:
    if not artifact.onnx:
        raise ModelError("the ONNX file is empty")
    return set()


_CHECKS: dict[str, Callable[[Artifact], set[str]]] = {
    "linear": _linear,
    "trees": _trees,
    "mlp": _mlp,
    "lstm": _lstm,
    "autoencoder": _autoencoder,
    "profile": _profile,
    "blend": _blend,
    "onnx": _onnx,
}


def _check_curve(curve: form.Curve) -> None:
    for name in ("a", "b", "c"):
        _finite(name, getattr(curve, name))
    if curve.kind != "isotonic":
        return
    x, y = np.array(curve.x), np.array(curve.y)
    if x.size < 1 or x.size != y.size or not np.isfinite(x).all() or not (np.diff(x) > 0).all():
        raise ModelError("an isotonic curve needs points with ascending x")
    if not ((y >= 0) & (y <= 1)).all() or not (np.diff(y) >= 0).all():
        raise ModelError("an isotonic curve's y must be probabilities that never fall")


def _finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ModelError(f"`{name}` is not finite")
