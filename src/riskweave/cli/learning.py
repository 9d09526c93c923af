"""`riskweave dataset`, `train`, `evaluate` and `arena`: what each does, once its arguments are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskweave.cli.commands import console, errors, preparing
from riskweave.document import duration_ms
from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset, Progress

if TYPE_CHECKING:
    from riskweave.learning.recipe import Recipe
    from riskweave.learning.splits import Split
    from riskweave.policy.policy import Policy


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


def train(
    path: Path,
    data: Path,
    out: Path,
    model: str,
    recipe_file: Path | None,
    test_share: float,
    gap: str,
    trials: int,
    seed: int | None,
    teacher: Path | None,
    soft: float,
    folds: int,
    leave_out: str | None,
    as_json: bool,
) -> None:
    """Write a model's folder: the artifact, report.html, report.json, card.md."""
    from riskweave.learning.choose import choose
    from riskweave.learning.distill import distill
    from riskweave.learning.evaluate import evaluate as judge
    from riskweave.learning.report import html_report, model_card
    from riskweave.learning.rolling import fold_splits, roll
    from riskweave.learning.search import search
    from riskweave.learning.train import train as learn
    from riskweave.models.artifact import read, write

    heavy = None if teacher is None else read(teacher)
    policy, found, known = _prepared(path, data, recipe_file)
    candidates = [name.strip() for name in model.split(",")]
    for name in candidates:
        _named(known, name)
    split = _split(found, test_share, gap, leave_out)
    with telling(as_json) as progress:
        chosen: dict[str, float] = {}
        if len(candidates) == 1:
            (model,) = candidates
        else:
            model, chosen = choose(candidates, known, found, split.train, progress=progress)
        recipe = _named(known, model)
        if seed is not None:
            recipe = replace(recipe, seed=seed)
        if trials:
            recipe = search(recipe, found, split.train, trials, recipes=known, progress=progress)
        meanings = definitions(policy, found)
        if heavy is None:
            made = learn(recipe, found, split.train, known, meanings, progress)
        else:
            made = distill(recipe, heavy, found, split, soft, known, meanings, progress)
        rolled = roll(recipe, found, fold_splits(found, split, folds), known, progress) if folds else []
    artifact, judged = made.artifact, None
    if chosen:
        artifact = artifact.with_about(notes={**artifact.about.notes, "chosen_among": dict(chosen)})
    if recipe.trainer != "profiles":
        judged = judge(found, split.test, made.score(split.test)) | ({"folds": rolled} if rolled else {})
        artifact = artifact.with_about(metrics={**judged["ranking"], **judged["calibration"]})
    digest = write(out, artifact)
    (out / "card.md").write_text(model_card(model, artifact, judged), encoding="utf-8")
    if judged is not None:
        (out / "report.html").write_text(
            html_report(f"{policy.name}: {model}", judged, artifact.about), encoding="utf-8"
        )
        (out / "report.json").write_text(json.dumps(judged, indent=1), encoding="utf-8")
    if as_json:
        short = {name: judged[name] for name in ("events", "frauds", "ranking")} if judged else {}
        told = {name: each for name, each in artifact.about.notes.items() if name == "distillation"}
        told |= {"folds": rolled} if rolled else {}
        line = {"out": str(out), "hash": digest, "seconds": round(made.seconds, 3), "test": short}
        print(json.dumps(line | told | ({"chosen_among": chosen} if chosen else {})))
        return
    for name, figure in chosen.items():
        console.print(f"{name}: average precision {figure:.4f} in cross-validation", highlight=False)
    console.print(
        f"{model}: {split.train.size:,} events in {made.seconds:.1f} s; {out}, hash {digest[:12]}",
        highlight=False,
    )
    if judged is not None:
        _print_ranking(judged)
    for each in rolled:
        console.print(
            f"trained anew for {each['from']}: {each['events']:,} events, {each['frauds']:,} frauds: "
            f"AUC {each['auc']:.4f}, average precision {each['ap']:.4f}",
            highlight=False,
        )
    taught = artifact.about.notes.get("distillation")
    if isinstance(taught, dict):
        _print_distillation(taught)


def evaluate(
    path: Path,
    data: Path,
    model: Path,
    start: str | None,
    end: str | None,
    by: list[str],
    review_cost: float,
    entity: str | None,
    k: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Score a training set by the kernels, and report."""
    import numpy as np

    from riskweave.learning.evaluate import Questions
    from riskweave.learning.evaluate import evaluate as judge
    from riskweave.learning.report import html_report
    from riskweave.learning.scoring import score
    from riskweave.models.artifact import read

    policy, found, _ = _prepared(path, data, None)
    artifact = read(model)
    low, high = _moment(start, "--from"), _moment(end, "--to")
    kept = ~np.isnan(found.label)
    kept &= found.time_ms >= (low if low is not None else found.time_ms.min(initial=0))
    kept &= found.time_ms < (high if high is not None else found.time_ms.max(initial=0) + 1)
    rows = np.flatnonzero(kept)
    judged = judge(
        found,
        rows,
        score(artifact, found, rows),
        Questions(entity, segments=by, k=k, review_cost=review_cost),
    )
    if out is not None:
        out.write_text(html_report(f"{policy.name}: {model.name}", judged, artifact.about), encoding="utf-8")
    if as_json:
        print(json.dumps(judged))
        return
    _print_ranking(judged)
    if out is not None:
        console.print(f"report: {out}", highlight=False)


def arena(
    path: Path,
    data: Path,
    models: str | None,
    recipe_file: Path | None,
    test_share: float,
    gap: str,
    leave_out: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train several models on one split; print a table, write a picture."""
    from rich.table import Table

    from riskweave.learning.arena import HEADS, SIX, compare, drawing, picture, row_of

    policy, found, known = _prepared(path, data, recipe_file)
    names = [name.strip() for name in models.split(",")] if models else list(SIX)
    for name in names:
        _named(known, name)
    if not models and found.keys:
        known["lstm"] = replace(known["lstm"], options={"entity": next(iter(found.keys))})
    split = _split(found, test_share, gap, leave_out)
    with telling(as_json) as progress:
        lines = compare(found, split, known, names, progress)
    if out is not None:
        draw = drawing if out.suffix == ".svg" else picture
        out.write_text(draw(lines, f"Arena: {policy.name}"), encoding="utf-8")
    if as_json:
        print(json.dumps([{name: each for name, each in line.items() if name != "curves"} for line in lines]))
        return
    shown = Table(box=None, pad_edge=False)
    for head in HEADS:
        shown.add_column(head, justify="left" if head == "model" else "right")
    for line in lines:
        shown.add_row(*row_of(line))
    console.print(
        f"{split.train.size:,} events to learn from, {split.test.size:,} later ones to judge by",
        highlight=False,
    )
    console.print(shown)
    if out is not None:
        console.print(f"picture: {out}", highlight=False)


def _prepared(path: Path, data: Path, recipe_file: Path | None) -> tuple[Policy, Dataset, dict[str, Recipe]]:
    """Read policy, training set and recipes; raises when the set was made with other features."""
    from riskweave.learning.collect import definitions as written
    from riskweave.learning.recipe import read_recipes, ready_recipes
    from riskweave.policy.policy import Policy

    policy, found = Policy.read(path), Dataset.read(data)
    now, then = written(policy), found.meta.get("features", {})
    changed = [name for name in then if now.get(name) != then[name]]
    if changed:
        names = ", ".join(changed[:5])
        raise RiskweaveError(f"`{data}` was made with another definition of {names}: make it anew")
    return policy, found, read_recipes(recipe_file) if recipe_file else ready_recipes()


def _split(found: Dataset, test_share: float, gap: str, leave_out: str | None) -> Split:
    """Split by time; keys of the role `leave_out` that were known to be compromised leave the test."""
    from riskweave.learning.splits import DAY_MS, shares_by_time, without_known_compromised

    gap_ms = _duration(gap, "--gap")
    split = shares_by_time(found.time_ms, found.known_ms, found.label, test_share, gap_ms)
    if leave_out is None:
        return split
    if leave_out not in found.keys:
        raise RiskweaveError(
            f"the training set has no role `{leave_out}`; there are: {', '.join(found.keys)}"
        )
    days = -(-gap_ms // DAY_MS)
    return without_known_compromised(split, found.time_ms, found.keys[leave_out], found.label, days)


def _named(known: dict[str, Recipe], name: str) -> Recipe:
    from riskweave.errors import did_you_mean

    if name not in known:
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise RiskweaveError(f"there is no recipe `{name}`; {hint}")
    return known[name]


def definitions(policy: Policy, found: Dataset) -> dict[str, str]:
    """Return what each column means in this policy, hashed."""
    from riskweave.policy.definitions import definition

    return {name: definition(policy, name) for name in found.columns}


def _print_ranking(judged: dict[str, Any]) -> None:
    ranking, calibration = judged["ranking"], judged["calibration"]
    cards = judged.get("cards")
    console.print(
        f"{judged['events']:,} later events, {judged['frauds']:,} frauds: AUC {ranking['auc'] or 0:.4f}, "
        f"average precision {ranking['ap'] or 0:.4f}, Brier {calibration['brier']:.5f}"
        + (f", card precision at {cards['k']} {cards['precision']:.3f}" if cards else ""),
        highlight=False,
    )


def _print_distillation(found: dict[str, Any]) -> None:
    """Print what the light model loses against the heavy one."""
    from rich.table import Table

    from riskweave.learning.report import DISTILLATION_HEADS, distillation_rows

    shown = Table(box=None, pad_edge=False)
    for head in DISTILLATION_HEADS:
        shown.add_column(head, justify="left" if not head else "right")
    for line in distillation_rows(found):
        shown.add_row(*line)
    console.print(shown)
    agreed = found["agreement"]
    console.print(
        f"agreement with the teacher: scores differ by {agreed['mean_abs_difference']:.4f} on average, rank "
        f"correlation {agreed['rank_correlation']:.3f}, {agreed['same_riskiest_percent']:.0%} of the "
        "riskiest 1 % are the same",
        highlight=False,
    )


@contextmanager
def telling(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Give a function that shows how training goes, on a terminal."""
    if quiet or not errors.is_terminal:
        yield lambda text: None
        return
    with errors.status("training") as status:
        yield lambda text: status.update(f"training: {text}")


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
