"""Networks by PyTorch: an MLP, and an LSTM over the entity's last events; trained here, scored by kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.learning.encode import Encoding
from riskweave.learning.ranking import average_precision
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import Fitted, Floats, Progress, both_kinds, need, weights
from riskweave.models.artifact import About, Activation, Artifact, Lstm, Mlp

Rows = NDArray[np.int64]


class MlpTrainer:
    """Dense layers with relu between."""

    name = "mlp"
    options: Mapping[str, Any] = {
        "layers": [64, 32],
        "dropout": 0.1,
        "rate": 1e-3,
        "decay": 1e-5,
        "batch": 512,
        "epochs": 30,
        "patience": 5,
        "log": True,
        "class_weight": "none",
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "rate": trial.suggest_float("rate", 1e-4, 1e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.4),
            "decay": trial.suggest_float("decay", 1e-7, 1e-2, log=True),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        torch = seeded(seed)
        both_kinds(sample.target, self.name)
        encoding = Encoding.fit(sample.features, sample.inputs, log=bool(options["log"]))
        net = dense_net(torch, encoding.mean.size, [*options["layers"], 1], float(options["dropout"]))

        def forward(which: Sample) -> Callable[[Rows], Any]:
            inputs = torch.tensor(encoding.inputs(which.inputs), dtype=torch.float32)
            return lambda rows: net(inputs[rows]).squeeze(-1)

        notes = descend(torch, net, forward, sample, held, options, seed, progress)
        plain = net.double().train(False)

        def raw(other: Sample) -> Floats:
            with torch.no_grad():
                found: Floats = plain(torch.tensor(encoding.inputs(other.inputs))).squeeze(-1).numpy()
            return found

        layers = [module for module in net if hasattr(module, "weight")]
        relu: Activation = "relu"
        inner = tuple(relu for _ in layers[1:])
        about = About(model=Mlp(activations=(*inner, "identity")), features=encoding.features)
        return Fitted(Artifact(about, {**encoding.arrays(), **dense_arrays(layers)}), raw, "torch", notes)


class LstmTrainer:
    """An LSTM over the last events of one entity, the current one last, then one dense layer."""

    name = "lstm"
    options: Mapping[str, Any] = {
        "entity": "customer",
        "steps": 10,
        "horizon_days": 90,
        "hidden": 64,
        "rate": 2e-3,
        "decay": 1e-5,
        "batch": 512,
        "epochs": 12,
        "patience": 3,
        "log": True,
        "class_weight": "none",
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "rate": trial.suggest_float("rate", 1e-4, 1e-2, log=True),
            "steps": trial.suggest_int("steps", 3, 20),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        torch = seeded(seed)
        both_kinds(sample.target, self.name)
        encoding = Encoding.fit(sample.features, sample.inputs, log=bool(options["log"]))
        steps, horizon_ms = int(options["steps"]), round(options["horizon_days"] * 86_400_000)
        net = _lstm_net(torch, encoding.mean.size, int(options["hidden"]))

        def forward(which: Sample, kind: Any = torch.float32) -> Callable[[Rows], Any]:
            everything = torch.tensor(encoding.inputs(which.x), dtype=kind)
            places, counts = which.sequences(options["entity"], steps, horizon_ms)
            last = torch.tensor(counts - 1)
            index = torch.tensor(places)
            return lambda rows: net(everything[index[rows]], last[rows])

        notes = descend(torch, net, forward, sample, held, options, seed, progress)
        net.double().train(False)

        def raw(other: Sample) -> Floats:
            score = forward(other, torch.float64)
            with torch.no_grad():
                parts = [score(rows).numpy() for rows in _blocks(len(other))]
            return np.concatenate(parts) if parts else np.zeros(0)

        about = About(
            model=Lstm(entity=options["entity"], steps=steps, horizon_ms=horizon_ms),
            features=encoding.features,
        )
        cell = net.cell
        arrays = {
            **encoding.arrays(),
            "weight_ih": doubles(cell.weight_ih_l0),
            "weight_hh": doubles(cell.weight_hh_l0),
            "bias_ih": doubles(cell.bias_ih_l0),
            "bias_hh": doubles(cell.bias_hh_l0),
            **dense_arrays([net.head]),
        }
        return Fitted(Artifact(about, arrays), raw, "torch", notes)


def _lstm_net(torch: Any, inputs: int, hidden: int) -> Any:
    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.LSTM(inputs, hidden, batch_first=True)
            self.head = torch.nn.Linear(hidden, 1)

        def forward(self, events: Any, last: Any) -> Any:
            states, _ = self.cell(events)
            return self.head(states[torch.arange(events.shape[0]), last]).squeeze(-1)

    return Net()


# ---- what networks share


def seeded(seed: int) -> Any:
    """Return PyTorch, on one thread, with its seed set."""
    torch = need("torch", "deep")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return torch


def dense_net(torch: Any, inputs: int, layers: list[int], dropout: float = 0.0) -> Any:
    """Return dense layers with relu between."""
    parts: list[Any] = []
    for k, width in enumerate(layers):
        parts.append(torch.nn.Linear(inputs, width))
        if k + 1 < len(layers):
            parts.append(torch.nn.ReLU())
            if dropout > 0:
                parts.append(torch.nn.Dropout(dropout))
        inputs = width
    return torch.nn.Sequential(*parts)


def dense_arrays(layers: list[Any]) -> dict[str, Floats]:
    """Return the artifact's arrays of dense layers."""
    arrays = {}
    for k, layer in enumerate(layers):
        arrays[f"weight_{k}"] = doubles(layer.weight)
        arrays[f"bias_{k}"] = doubles(layer.bias)
    return arrays


def doubles(tensor: Any) -> Floats:
    """Return a tensor's values."""
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float64))


def descend(
    torch: Any,
    net: Any,
    forward: Callable[[Sample], Callable[[Rows], Any]],
    sample: Sample,
    held: Sample | None,
    options: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Minimise the log loss by Adam; of all epochs keep the one best on the events held back, if any."""
    wanted = sample.target
    target = torch.tensor(wanted, dtype=torch.float32)
    weight = torch.tensor(weights(wanted, options["class_weight"]), dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=options["rate"], weight_decay=options["decay"])
    generator = np.random.default_rng(seed)
    score = forward(sample)
    watched = held if held is not None and len(held) and held.truth.sum() > 0 else None
    judge = forward(watched) if watched is not None else None
    best, best_epoch, kept = -np.inf, 0, None
    epoch = 0
    for epoch in range(1, int(options["epochs"]) + 1):
        net.train()
        total = 0.0
        for rows in _batches(generator.permutation(wanted.size), int(options["batch"])):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                score(rows), target[rows], weight=weight[rows]
            )
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * rows.size
        text = f"epoch {epoch}: loss {total / wanted.size:.5f}"
        if judge is not None and watched is not None:
            net.train(False)
            with torch.no_grad():
                found = np.concatenate([judge(rows).numpy() for rows in _blocks(len(watched))])
            figure = average_precision(watched.truth, found.astype(np.float64))
            text += f", average precision {figure:.4f}"
            if figure > best:
                best, best_epoch = figure, epoch
                kept = {name: value.clone() for name, value in net.state_dict().items()}
            elif epoch - best_epoch >= int(options["patience"]):
                progress(text)
                break
        progress(text)
    if kept is not None:
        net.load_state_dict(kept)
    return {"epochs": best_epoch or epoch}


def _batches(rows: Rows, size: int) -> Iterator[Rows]:
    for start in range(0, rows.size, size):
        yield rows[start : start + size]


def _blocks(count: int) -> Iterator[Rows]:
    return _batches(np.arange(count), 4096)
