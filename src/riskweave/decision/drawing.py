"""Which action wins over probability and amount, as an SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from riskweave.decision.envelope import solve_bands
from riskweave.decision.money import Costs

COLOURS = {"PASS": "#5aa469", "MFA": "#4a90c2", "REVIEW": "#e8b23a", "BLOCK": "#c8503c"}
WIDTH, HEIGHT = 720, 460
LEFT, TOP, RIGHT, BOTTOM = 74, 56, 130, 58
COLUMNS = 160
# Probabilities are drawn as log-odds, from one in a thousand on: thresholds lie where fraud is rare.
P_LOW, P_HIGH = 0.001, 0.999
P_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)


def action_map(
    costs_at: Callable[[float], Costs],
    priced: Sequence[str],
    amounts: tuple[float, float],
    title: str,
    currency: str,
) -> str:
    """Return an SVG: amount to the right (logarithmic), probability of fraud upwards (log-odds)."""
    low, high = amounts
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        # Columns touch: smoothed edges would show as hairlines between them.
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" shape-rendering="crispEdges">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{html.escape(title)}</text>',
        f'<text x="{LEFT}" y="44" fill="#555">the action with the greatest expected utility</text>',
    ]
    seen: set[str] = set()
    for column in range(COLUMNS):
        amount = low * (high / low) ** ((column + 0.5) / COLUMNS)
        left = LEFT + wide * column / COLUMNS
        for band in solve_bands(costs_at(amount), priced):
            bottom, top = (TOP + tall * (1.0 - _place(p)) for p in (band.low, band.high))
            if bottom - top > 0.0:
                seen.add(band.action)
                parts.append(
                    f'<rect x="{left:.2f}" y="{top:.2f}" width="{wide / COLUMNS + 0.3:.2f}" '
                    f'height="{bottom - top:.2f}" fill="{COLOURS[band.action]}"/>'
                )
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{wide}" height="{tall}" fill="none" stroke="#333"/>')
    for p in P_TICKS:
        y = TOP + tall * (1.0 - _place(p))
        parts.append(f'<line x1="{LEFT - 4}" y1="{y:.1f}" x2="{LEFT}" y2="{y:.1f}" stroke="#333"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_percent(p)}</text>')
    for tick in _ticks(low, high):
        x = LEFT + wide * math.log(tick / low) / math.log(high / low)
        parts.append(
            f'<line x1="{x:.1f}" y1="{TOP + tall}" x2="{x:.1f}" y2="{TOP + tall + 4}" stroke="#333"/>'
        )
        parts.append(f'<text x="{x:.1f}" y="{TOP + tall + 18}" text-anchor="middle">{tick:,.10g}</text>')
    parts.append(
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 16}" text-anchor="middle">'
        f"amount, {html.escape(currency)}</text>"
    )
    middle = TOP + tall / 2
    parts.append(
        f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">'
        "probability of fraud</text>"
    )
    for k, action in enumerate(reversed(priced)):
        y = TOP + 8 + 24 * k
        note = "" if action in seen else " (never)"
        parts.append(
            f'<rect x="{WIDTH - RIGHT + 16}" y="{y}" width="14" height="14" fill="{COLOURS[action]}"/>'
        )
        parts.append(f'<text x="{WIDTH - RIGHT + 36}" y="{y + 12}">{action}{note}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(p: float) -> float:
    """Return where in [0, 1] a probability is drawn."""
    p = min(max(p, P_LOW), P_HIGH)
    reach = math.log(P_HIGH / (1.0 - P_HIGH))
    return (math.log(p / (1.0 - p)) + reach) / (2.0 * reach)


def _percent(p: float) -> str:
    return f"{100 * p:.10g} %"


def _ticks(low: float, high: float) -> list[float]:
    """Return round amounts: powers of ten, with twos and fives where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1.0,) if len(powers) > 5 else (1.0, 2.0, 5.0)
    found = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
