"""Who is attacked, when, and in how many campaigns; and how often life looks like an attack."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from riskweave.simulation.clock import DAY_MS, START_MS
from riskweave.simulation.mix import Array, mix, share
from riskweave.simulation.rows import NULL, Rows, join
from riskweave.simulation.stories import SCENARIOS, STORIES
from riskweave.simulation.trade import Cast, Setting, Trade, Typology

# Numbers of campaigns: stories come first, then a scenario's own, a million for each.
OWN = 1_000_000
# Of so many fraudulent events, one story is told.
STORY_EVERY = 180


def attacks(
    trade: Trade,
    setting: Setting,
    frauds: int,
    stories: int,
    leave_out: Collection[str],
    label_delay: float | None,
) -> Rows:
    """Return all the campaigns of a scenario, about `frauds` fraudulent events, with their ground truth.

    `stories` is how often each story is told; it must be the same for all scenarios.
    """
    kept = [each for each in trade.typologies if each.name not in leave_out]
    if not kept or frauds <= 0:
        return Rows(0)
    whole = sum(each.share for each in kept)
    scale = 1.0 if label_delay is None else label_delay / usual_delay(trade)
    parts = []
    for code, typology in enumerate(trade.typologies, 1):
        if typology in kept:
            wanted = frauds * typology.share / whole
            parts.append(_campaigns(trade, typology, code, setting, wanted, stories, scale))
    return join(parts)


def lookalikes(trade: Trade, setting: Setting, events: int) -> Rows:
    """Return what is legitimate and resembles an attack, as shares of so many events."""
    parts = []
    for code, kind in enumerate(trade.lookalikes):
        rng = np.random.default_rng([setting.seed, _place(trade.code), 3, code])
        count = round(events * kind.share / kind.size)
        if not count:
            continue
        cast = _cast(setting, rng, np.arange(count) + (50 + code) * OWN, count)
        rows = _within(setting, kind.make(cast))
        for truth in ("stage", "loss", "fraud"):
            rows.columns.pop(truth, None)
        parts.append(rows)
    return join(parts)


def usual_delay(trade: Trade) -> float:
    """Return the days after which a scenario's truth is usually known."""
    total = sum(each.share for each in trade.typologies)
    return sum(each.share * each.delay_days for each in trade.typologies) / total


def stories_of(trade: str, typology: str, count: int) -> list[tuple[Array, int]]:
    """Return the numbers of the campaigns that come from stories, and how long after their story's start."""
    found = []
    for place, story in enumerate(STORIES):
        # What happens with whom must not depend on the scenario that asks.
        numbers = np.arange(count) * len(STORIES) + place
        for part in story.parts:
            if (part.scenario, part.typology) == (trade, typology):
                found.append((numbers, part.after_ms))
    return found


def _campaigns(
    trade: Trade, typology: Typology, code: int, setting: Setting, wanted: float, stories: int, scale: float
) -> Rows:
    rng = np.random.default_rng([setting.seed, _place(trade.code), 2, code])
    told = stories_of(trade.code, typology.name, stories)
    numbers = np.concatenate([np.zeros(0, np.int64), *(each for each, _ in told)])
    after = np.concatenate([np.zeros(0, np.int64), *(np.full(len(each), lag) for each, lag in told)])
    spare = max(wanted - len(numbers) * typology.size, 0.0)
    own = int(np.ceil(1.25 * spare / typology.size)) + 2
    numbers = np.concatenate([numbers, _place(trade.code) * OWN + code * (OWN // 20) + np.arange(own)])
    cast = _cast(setting, rng, numbers, len(numbers))
    start = cast.start + np.concatenate([after, np.zeros(own, np.int64)])
    cast = Cast(**{**cast.__dict__, "start": start})
    rows = _within(setting, typology.make(cast))
    of = rows["of"]
    if "fraud" not in rows:
        rows["fraud"] = 1
    # Campaigns are taken in their order until there is as much fraud as was asked for.
    made = np.bincount(of, weights=rows["fraud"], minlength=len(numbers))
    before = np.cumsum(made) - made
    taken = before + made / 2 <= wanted
    taken[: len(numbers) - own] = True
    # Where less than a campaign was asked for, there is one at times.
    taken[0] |= share(setting.seed, code, 54)[0] < 4 * wanted / typology.size
    rows = rows.take(taken[of])
    of = rows["of"]
    guilty = rows["fraud"] > 0
    delay = typology.delay_days * scale * rng.lognormal(-0.1, 0.45, rows.size)
    rows["typology"] = np.where(guilty, code, 0)
    rows["campaign"] = numbers[of]
    rows["label_at"] = rows["at"] + (delay * DAY_MS).astype(np.int64)
    if "loss" not in rows:
        rows["loss"] = rows.columns.get("amount", np.zeros(rows.size, np.int64))
    rows["loss"] = np.where(guilty & (rows["loss"] != NULL), rows["loss"], 0)
    return rows


def _cast(setting: Setting, rng: np.random.Generator, numbers: Array, size: int) -> Cast:
    """Cast campaigns: who and when follow from their numbers, so that scenarios agree."""
    seed = setting.seed
    begun = 0.02 + 0.9 * share(seed, numbers, 50) ** (1.0 / (1.0 + max(setting.drift, 0.0)))
    start = START_MS + (begun * setting.days * DAY_MS).astype(np.int64)
    skill = 0.5 * (share(seed, numbers, 51) + share(seed, numbers, 52))
    return Cast(
        seed=seed,
        city=setting.city,
        people=setting.people,
        days=setting.days,
        drift=setting.drift,
        rng=rng,
        number=numbers,
        start=start,
        customer=mix(seed, numbers, 53) % setting.people,
        skill=np.clip(skill + 0.5 * setting.drifted(start), 0, 1),
    )


def _within(setting: Setting, rows: Rows) -> Rows:
    at = rows["at"]
    inside = (at >= START_MS) & (at < setting.end_ms)
    return rows if inside.all() else rows.take(inside)


def _place(code: str) -> int:
    return SCENARIOS.index(code) + 1
