"""A small training set in which amount, a category and a customer's last event tell frauds."""

import numpy as np
import pyarrow as pa

from riskweave.learning.dataset import TEXT, Column, Dataset

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000


def dataset(size=1200, seed=1, days=30):
    generator = np.random.default_rng(seed)
    time_ms = START_MS + np.sort(generator.integers(0, days * DAY_MS, size))
    amount = np.round(generator.lognormal(3, 1, size), 2)
    kind = generator.integers(0, 3, size).astype(float)
    age = generator.normal(40, 12, size)
    age[generator.random(size) < 0.1] = np.nan
    kind[generator.random(size) < 0.05] = np.nan
    customer = generator.integers(1, 60, size)
    logit = 1.3 * (np.log(amount) - 3) + 1.5 * (kind == 2) + 1.0 * np.isnan(age) - 2.5
    label = (generator.random(size) < 1 / (1 + np.exp(-logit))).astype(float)
    columns = {
        "amount": Column("amount", "money", amount, is_feature=False),
        "kind": Column("kind", TEXT, kind, ("atm", "pos", "web")),
        "age": Column("age", "float", age),
        "at": Column("at", "time", time_ms.astype(float)),
    }
    return Dataset(
        pa.array([str(k) for k in range(size)]),
        time_ms,
        label,
        time_ms + 2 * DAY_MS,
        columns,
        {"customer": customer.astype(np.uint64)},
        {"label": "fraud", "fingerprint": "f" * 64, "policy_version": "v" * 64, "features": {}},
    )
