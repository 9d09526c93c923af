"""An autoencoder: learns to write legitimate events from a few numbers; what it cannot write is odd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from riskweave.errors import RiskweaveError
from riskweave.learning.encode import Encoding
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.networks import dense_arrays, dense_net, seeded
from riskweave.learning.trainers.trainer import Fitted, Floats, Progress
from riskweave.models.artifact import About, Artifact, Autoencoder


class AutoencoderTrainer:
    """Dense layers down to `bottleneck` numbers and back; labels only say what to leave out."""

    name = "autoencoder"
    options: Mapping[str, Any] = {
        "hidden": 32,
        "bottleneck": 8,
        "rate": 1e-3,
        "batch": 512,
        "epochs": 15,
        "log": True,
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {"bottleneck": trial.suggest_int("bottleneck", 2, 16)}

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        torch = seeded(seed)
        usual = sample.inputs[sample.truth != 1.0]
        if not usual.shape[0]:
            raise RiskweaveError(f"`{self.name}` cannot learn: no event is legitimate")
        encoding = Encoding.fit(sample.features, usual, log=bool(options["log"]))
        inputs = torch.tensor(encoding.inputs(usual), dtype=torch.float32)
        width, hidden = inputs.shape[1], int(options["hidden"])
        net = dense_net(torch, width, [hidden, int(options["bottleneck"]), hidden, width])
        optimizer = torch.optim.Adam(net.parameters(), lr=options["rate"])
        generator = np.random.default_rng(seed)
        for epoch in range(1, int(options["epochs"]) + 1):
            order, total = generator.permutation(inputs.shape[0]), 0.0
            for start in range(0, order.size, int(options["batch"])):
                rows = inputs[order[start : start + int(options["batch"])]]
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(net(rows), rows)
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * rows.shape[0]
            progress(f"epoch {epoch}: error {total / order.size:.5f}")
        plain = net.double().train(False)

        def raw(other: Sample) -> Floats:
            seen = torch.tensor(encoding.inputs(other.inputs))
            with torch.no_grad():
                error: Floats = ((plain(seen) - seen) ** 2).mean(dim=1).numpy()
            found: Floats = np.log(error + 1e-12)
            return found

        layers = [module for module in net if hasattr(module, "weight")]
        about = About(
            model=Autoencoder(activations=("relu", "relu", "relu", "identity")), features=encoding.features
        )
        return Fitted(Artifact(about, {**encoding.arrays(), **dense_arrays(layers)}), raw, "torch")
