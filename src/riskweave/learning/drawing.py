"""Small plots as inline SVG: lines over two axes, and bars; no library, no script, readable anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 40
COLOURS = ("#1f6feb", "#d1495b", "#2a9d8f", "#8d6a9f", "#e09f3e", "#5c677d", "#386641", "#bc4749", "#3d405b")


@dataclass(frozen=True)
class Line:
    """Points of one line; `marks` draws them as dots."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    marks: bool = False
    dashed: bool = False


def plot(
    title: str,
    across: str,
    up: str,
    lines: Sequence[Line],
    x_max: float | None = None,
    y_max: float | None = None,
    x_names: Sequence[str] = (),
) -> str:
    """Return an SVG of lines that start at zero; `x_names` are written under x = 0, 1, 2, ..."""
    high_x = x_max if x_max is not None else max((max(line.x) for line in lines if line.x), default=1.0)
    high_y = (
        y_max if y_max is not None else 1.05 * max((max(line.y) for line in lines if line.y), default=1.0)
    )
    high_x, high_y = high_x or 1.0, high_y if high_y > 0 else 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across_px = LEFT + min(max(x / high_x, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)
        up_px = HEIGHT - BOTTOM - min(max(y / high_y, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)
        return across_px, up_px

    parts = [_frame(title, across, up)]
    for step in range(5):
        x, y = high_x * step / 4, high_y * step / 4
        px, py = place(x, y)
        parts.append(f'<line x1="{LEFT}" y1="{py:.1f}" x2="{WIDTH - RIGHT}" y2="{py:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{py + 3:.1f}" text-anchor="end">{short(y)}</text>')
        if not x_names:
            parts.append(
                f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{short(x)}</text>'
            )
    every = max(1, len(x_names) // 6)
    for k in range(0, len(x_names), every):
        px, _ = place(k, 0)
        parts.append(
            f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{escape(x_names[k])}</text>'
        )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)] if not line.dashed else "#999"
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        dash = ' stroke-dasharray="4 3"' if line.dashed else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>')
        if line.marks:
            parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.6" fill="{colour}"/>' for px, py in points]
        if line.name:
            y = TOP + 12 + 13 * number
            parts.append(
                f'<text x="{LEFT + 8}" y="{y}" fill="{colour}" class="key">{escape(line.name)}</text>'
            )
    return "".join(parts) + "</svg>"


def bars(title: str, names: Sequence[str], values: Sequence[float | None], most: float | None = None) -> str:
    """Return an SVG of horizontal bars with their values written out."""
    height = TOP + 22 * len(names) + 12
    high = most or max((value for value in values if value is not None), default=1.0) or 1.0
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="{WIDTH / 2}" y="16" text-anchor="middle" class="title">{escape(title)}</text>'
    ]
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y = TOP + 22 * k
        length = 0.0 if value is None else max(0.0, min(value / high, 1.0)) * (WIDTH - 210)
        parts.append(f'<text x="132" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect x="138" y="{y}" width="{length:.1f}" height="16" fill="{COLOURS[k % len(COLOURS)]}"/>'
        )
        parts.append(
            f'<text x="{142 + length:.1f}" y="{y + 12}">{"-" if value is None else short(value)}</text>'
        )
    return "".join(parts) + "</svg>"


def _frame(title: str, across: str, up: str) -> str:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    turned = f'transform="rotate(-90 12 {middle})"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{WIDTH / 2}" y="16" text-anchor="middle" class="title">{escape(title)}</text>'
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="12" y="{middle}" text-anchor="middle" {turned}>{escape(up)}</text>'
    )


def short(value: float) -> str:
    """Return a number in few characters."""
    if value == 0:
        return "0"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
