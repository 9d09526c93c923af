"""`riskweave actions`, `bands` and `capacity`: what each does, once its arguments are read."""

from __future__ import annotations

import json
from pathlib import Path

from rich.table import Table

from riskweave.cli.commands import console, preparing
from riskweave.errors import RiskweaveError, did_you_mean

AMOUNTS_SHOWN = 5


def actions(path: Path, out: Path | None, number: int, as_json: bool) -> None:
    """Print the bands of probability by amount, and draw them."""
    from riskweave.decision.drawing import action_map
    from riskweave.decision.envelope import solve_bands
    from riskweave.expressions.strings import StringPool
    from riskweave.policy.check import judge_of
    from riskweave.policy.compile import compile_all
    from riskweave.policy.policy import Policy

    policy = Policy.read(path)
    judge = judge_of(compile_all(policy, StringPool()))
    if judge is None:
        raise RiskweaveError("this policy does not decide by utility: it has no costs to draw")
    sets = judge.compiler.spec.costs
    if not 0 <= number < len(sets):
        raise RiskweaveError(f"the policy has {len(sets)} sets of costs, numbered from 0")
    spec, (low, high) = sets[number], judge.compiler.spec.amounts
    unknown = judge.unknown(number)
    priced = judge.priced(number)
    title = f"{policy.name}: {spec.name}" if len(sets) > 1 else policy.name
    amounts = [low * (high / low) ** (k / (AMOUNTS_SHOWN - 1)) for k in range(AMOUNTS_SHOWN)]
    solved = [(amount, solve_bands(judge.costs_at(number, amount), priced)) for amount in amounts]
    if out is not None:
        drawing = action_map(
            lambda amount: judge.costs_at(number, amount),
            priced,
            (low, high),
            title,
            policy.settings.currency,
        )
        _write_picture(drawing, out)
    if as_json:
        print(
            json.dumps(
                {
                    "costs": spec.name,
                    "taken_as_default": unknown,
                    "bands": [
                        {
                            "amount": amount,
                            "bands": [{"action": b.action, "from": b.low, "to": b.high} for b in bands],
                        }
                        for amount, bands in solved
                    ],
                    "out": None if out is None else str(out),
                }
            )
        )
        return
    table = Table("amount", *priced, title=f"the best action, by probability of fraud ({title})")
    for amount, bands in solved:
        ranges: dict[str, list[str]] = {}
        for band in bands:
            ranges.setdefault(band.action, []).append(f"{100 * band.low:.3g} .. {100 * band.high:.3g} %")
        table.add_row(f"{amount:,.6g}", *(", ".join(ranges.get(action, ["-"])) for action in priced))
    console.print(table)
    if unknown:
        console.print(f"not known from the amount alone, taken at the default: {', '.join(unknown)}")
    if out is not None:
        console.print(f"picture in {out}", highlight=False)


def _write_picture(drawing: str, out: Path) -> None:
    if out.suffix != ".svg":
        raise RiskweaveError(f"`{out}`: the picture is an SVG, so let the name end with .svg")
    if not out.parent.is_dir():
        raise RiskweaveError(f"there is no folder `{out.parent}`")
    out.write_text(drawing, encoding="utf-8")


def bands(
    data: Path, column: str, label: str, most: int, least_events: int, direction: str, as_json: bool
) -> None:
    """Learn bands of a column from labelled history and print them as a policy takes them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from riskweave.decision.learned_bands import learn_bands

    if not data.exists():
        raise RiskweaveError(f"there is no file `{data}`")
    if direction not in ("any", "rising", "falling"):
        raise RiskweaveError(f"`--direction {direction}`: any, rising or falling")
    try:
        names = pq.read_schema(data).names
        for name in (column, label):
            if name not in names:
                raise RiskweaveError(f"`{data}` has no column `{name}`; {did_you_mean(name, names)}")
        table = pq.read_table(data, columns=list(dict.fromkeys([column, label])))
        values = table[column].cast(pa.float64())
        truth = table[label].cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise RiskweaveError(f"`{data}` cannot be used: {error}") from None
    except pa.ArrowNotImplementedError as error:
        raise RiskweaveError(f"`{column}` and `{label}` must be numbers or true/false: {error}") from None
    known = pc.is_valid(truth).to_numpy()
    found = learn_bands(
        values.to_numpy()[known].astype(np.float64),
        truth.to_numpy()[known] > 0.5,
        bands_max=most,
        events_min=least_events,
        rising=None if direction == "any" else direction == "rising",
    )
    if as_json:
        print(
            json.dumps(
                {
                    "column": column,
                    "cuts": found.cuts,
                    "gain_bits": found.gain,
                    "entropy_bits": found.entropy,
                    "bands": [
                        {
                            "from": None if each.low == -np.inf else each.low,
                            "events": each.events,
                            "frauds": each.frauds,
                        }
                        for each in found.bands
                    ],
                }
            )
        )
        return
    table_shown = Table("from", "events", "frauds", "share", title=f"bands of {column}")
    for each in found.bands:
        low = "-" if each.low == -np.inf else f"{each.low:.6g}"
        table_shown.add_row(low, f"{each.events:,}", f"{each.frauds:,}", f"{100 * each.rate:.3g} %")
    console.print(table_shown)
    share = 0.0 if found.entropy == 0.0 else found.gain / found.entropy
    console.print(f"they tell {100 * share:.3g} % of what there is to know about {label}; in a policy:")
    console.print(f"  {{value: {column}, bands: {found.cuts}}}", markup=False, highlight=False)


def capacity(path: Path, events: list[Path], per_hour: float, as_json: bool) -> None:
    """Solve the price of reviewers' time over history."""
    from riskweave.engine.engine import Engine
    from riskweave.policy.policy import Policy
    from riskweave.replay.capacity import solve_capacity

    for file in events:
        if not file.exists():
            raise RiskweaveError(f"there is no file `{file}`")
    policy = Policy.read(path)
    with preparing(quiet=as_json):
        engine = Engine(policy)
        engine.warm_up()
    found = solve_capacity(engine, events, per_hour)
    if as_json:
        print(
            json.dumps(
                {
                    "price": found.price,
                    "wanted": found.wanted,
                    "asked": found.asked,
                    "forced": found.forced,
                    "room": found.room,
                    "hours": found.hours,
                    "peak_in_an_hour": found.peak,
                }
            )
        )
        return
    console.print(
        f"{found.wanted:,} reviews would be worth their cost, and there is room for {found.room:,} "
        f"in {found.hours:,.0f} hours."
    )
    console.print(
        f"At a price of [bold]{found.price:.4g} {policy.settings.currency}[/bold] {found.asked:,} are "
        f"asked for ({found.forced:,} by floors), at most {found.peak:,} in one hour."
    )
    console.print(
        f"  capacity: {{per_hour: {per_hour:g}, price: {found.price:.6g}}}", markup=False, highlight=False
    )
