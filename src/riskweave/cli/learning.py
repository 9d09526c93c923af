"""`riskweave dataset`, `train`, `evaluate` and `arena`: what each does, once its arguments are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskweave.cli.commands import console, errors, preparing
from riskweave.document import duration_ms
from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset, Progress


def dataset(
    path: Path,
    events: list[Path],
    out: Path,
    label: str | None,
    labels: Path | None,
    start: str | None,
    end: str | None,
    delay: str,
    unlabelled: str,
    as_json: bool,
) -> None:
    """Write a training set and say what is in it."""
    from riskweave.learning.collect import collect
    from riskweave.policy.policy import Policy

    for file in [*events, *([labels] if labels else [])]:
        if not file.exists():
            raise RiskweaveError(f"there is no file `{file}`")
    with preparing(quiet=as_json), counting("replaying", as_json) as progress:
        found = collect(
            Policy.read(path),
            events,
            label,
            labels,
            _moment(start, "--from"),
            _moment(end, "--to"),
            _duration(delay, "--delay"),
            unlabelled,
            progress,
        )
    found.write(out)
    facts = describe(found)
    if as_json:
        print(json.dumps({"out": str(out)} | facts))
        return
    console.print(
        f"{facts['rows']:,} events, {facts['positives']:,} with {facts['label']}, "
        f"{facts['unknown']:,} of unknown truth; {facts['features']} features, fingerprint "
        f"{str(facts['fingerprint'])[:12]}: {out}",
        highlight=False,
    )


def describe(found: Dataset) -> dict[str, object]:
    """Return how much a training set holds."""
    import numpy as np

    return {
        "rows": len(found),
        "positives": int(np.nansum(found.label)),
        "unknown": int(np.isnan(found.label).sum()),
        "label": found.meta["label"],
        "features": len(found.features()),
        "fingerprint": found.fingerprint,
    }


@contextmanager
def counting(what: str, quiet: bool) -> Iterator[Progress | None]:
    """Give a function that shows how many events are done, on a terminal."""
    if quiet or not errors.is_terminal:
        yield None
        return
    with errors.status(what) as status:
        yield lambda done: status.update(f"{what}: {done:,} events")


def _moment(text: str | None, option: str) -> int | None:
    from riskweave.events.times import iso_ms

    if text is None:
        return None
    found = iso_ms(text)
    if found is None:
        raise RiskweaveError(
            f"{option} `{text}` is no moment; write it as 2026-01-31 or 2026-01-31T12:00:00Z"
        )
    return found


def _duration(text: str, option: str) -> int:
    found = duration_ms(text)
    if found is None:
        raise RiskweaveError(f"{option} `{text}` is no length of time; write it as 24h or 7d")
    return found
