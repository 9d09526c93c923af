"""What turns inputs into log-odds: one class for each kind of model, all with `raw(inputs)`.

A runner keeps its own scratch arrays, so one runner serves one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.kernels import linear as linear_kernel
from riskweave.kernels import networks
from riskweave.kernels.calibration import log_odds
from riskweave.kernels.dense_lanes import aligned, in_blocks
from riskweave.models import artifact as form
from riskweave.models import trees
from riskweave.models.artifact import Artifact

Floats = NDArray[np.float64]

_ACTIVATIONS = {
    "identity": networks.IDENTITY,
    "relu": networks.RELU,
    "tanh": networks.TANH,
    "sigmoid": networks.SIGMOID,
}


class Runner(Protocol):
    """Scores lines of inputs."""

    def raw(self, inputs: Floats) -> Floats:
        """Return the log-odds of each line."""
        ...


class LinearRunner:
    """A weighted sum, of the inputs or of their Nystroem map."""

    def __init__(self, model: form.Linear, weights: Mapping[str, NDArray[Any]]) -> None:
        self.gamma = model.gamma
        self.weights = weights
        self.coefficients, self.intercept = weights["coefficients"], weights["intercept"]
        self.scratch = np.empty(self.coefficients.size)

    def mapped(self, inputs: Floats) -> Floats:
        """Return the inputs, or their map."""
        if self.gamma is None:
            return inputs
        out = np.empty((len(inputs), self.coefficients.size))
        components, normalization = self.weights["components"], self.weights["normalization"]
        linear_kernel.map_kernel(inputs, components, normalization, self.gamma, self.scratch, out)
        return out

    def raw(self, inputs: Floats) -> Floats:
        out = np.empty(len(inputs))
        linear_kernel.score_linear(self.mapped(inputs), self.coefficients, self.intercept, out)
        return out


class TreesRunner:
    """A sum over trees."""

    def __init__(self, model: form.Trees, weights: Mapping[str, NDArray[Any]]) -> None:
        self.model = model
        self.form = trees.prepare(weights)

    def raw(self, inputs: Floats) -> Floats:
        return trees.scored(self.model, self.form.sums(inputs, self.model.base, self.model.scale))


class Dense:
    """Dense layers as the kernel wants them: one array of weights, transposed, and a table of layers."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], activations: Sequence[form.Activation]) -> None:
        layers, flat, at = [], [], 0
        wide = weights["weight_0"].shape[1]
        for number, activation in enumerate(activations):
            weight, bias = weights[f"weight_{number}"], weights[f"bias_{number}"]
            flat += [in_blocks(weight.T.astype(np.float64)), bias]
            layers.append([*weight.T.shape, at, at + weight.size, _ACTIVATIONS[activation]])
            at += weight.size + bias.size
            wide += bias.size
        self.layers = np.array(layers, np.int64)
        self.weights = aligned(np.concatenate(flat))
        self.scratch = np.empty(wide)


class MlpRunner:
    """Dense layers to one number."""

    def __init__(self, model: form.Mlp, weights: Mapping[str, NDArray[Any]]) -> None:
        self.dense = Dense(weights, model.activations)

    def raw(self, inputs: Floats) -> Floats:
        out = np.empty(len(inputs))
        networks.score_mlp(inputs, self.dense.layers, self.dense.weights, self.dense.scratch, out)
        return out


class AutoencoderRunner:
    """Dense layers back to the inputs."""

    def __init__(self, model: form.Autoencoder, weights: Mapping[str, NDArray[Any]]) -> None:
        self.dense = Dense(weights, model.activations)

    def raw(self, inputs: Floats) -> Floats:
        out = np.empty(len(inputs))
        networks.score_autoencoder(inputs, self.dense.layers, self.dense.weights, self.dense.scratch, out)
        return out


class ProfileRunner:
    """k-means: `nearest(inputs)` gives cluster and distance; log-odds it has none."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self.centres = weights["centers"]

    def raw(self, inputs: Floats) -> Floats:
        return np.full(len(inputs), np.nan)

    def nearest(self, inputs: Floats) -> tuple[Floats, Floats]:
        cluster, distance = np.empty(len(inputs)), np.empty(len(inputs))
        linear_kernel.nearest_centre(inputs, self.centres, cluster, distance)
        return cluster, distance


class LstmRunner:
    """An LSTM's weights as the kernel wants them; scoring goes through sequences, not single lines."""

    def __init__(self, model: form.Lstm, weights: Mapping[str, NDArray[Any]]) -> None:
        self.model = model
        single = np.float32
        self.from_inputs = in_blocks(weights["weight_ih"].T.astype(single))
        self.recurrent = in_blocks(weights["weight_hh"].T.astype(single))
        self.bias = (weights["bias_ih"] + weights["bias_hh"]).astype(single)
        self.dense = Dense(weights, model.activations)
        hidden = weights["weight_hh"].shape[1]
        self.scratch = np.zeros(2 * hidden + weights["weight_ih"].shape[1], single)
        self.sums = aligned(np.zeros(4 * hidden * model.steps, single))

    def raw(self, inputs: Floats) -> Floats:
        """Return the log-odds of sequences of one event each."""
        return self.sequences(inputs.reshape(len(inputs), 1, -1), np.ones(len(inputs), np.int64))

    def sequences(self, inputs: Floats, lengths: NDArray[np.int64]) -> Floats:
        """Return the log-odds of sequences: `inputs[row, :lengths[row]]`, oldest first."""
        from riskweave.kernels.sequences import score_sequences

        out = np.empty(len(inputs))
        if inputs.shape[1] * self.bias.size > self.sums.size:  # longer than what the engine keeps
            self.sums = np.zeros(inputs.shape[1] * self.bias.size, np.float32)
        events = np.ascontiguousarray(inputs.reshape(-1, inputs.shape[2]), np.float32)
        first = np.arange(len(inputs)) * inputs.shape[1]
        order = np.arange(len(events), dtype=np.int64)
        score_sequences(
            events, order, first, lengths, self.from_inputs, self.recurrent, self.bias,
            self.scratch, self.sums, self.dense.layers, self.dense.weights, self.dense.scratch, out,
        )  # fmt: skip
        return out


def as_log_odds(probability: Floats) -> Floats:
    """Return log-odds of probabilities, held within [1e-15, 1 - 1e-15]."""
    out = np.empty(probability.size)
    log_odds(np.ascontiguousarray(probability, np.float64), out)
    return out


def make_runner(artifact: Artifact) -> Runner:
    """Return what scores this artifact; a blend is run by whoever runs its parts."""
    model, weights = artifact.about.model, artifact.weights
    if isinstance(model, form.Linear):
        return LinearRunner(model, weights)
    if isinstance(model, form.Trees):
        return TreesRunner(model, weights)
    if isinstance(model, form.Mlp):
        return MlpRunner(model, weights)
    if isinstance(model, form.Autoencoder):
        return AutoencoderRunner(model, weights)
    if isinstance(model, form.Profile):
        return ProfileRunner(weights)
    if isinstance(model, form.Lstm):
        return LstmRunner(model, weights)
    if isinstance(model, form.Onnx):
        from riskweave.models.onnx_graph import OnnxRunner

        return OnnxRunner(model, artifact.onnx, artifact.about.inputs)
    raise ModelError(f"a {artifact.kind} has no runner of its own")
