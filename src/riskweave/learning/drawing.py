"""Small plots as SVG: lines over two axes, and bars; no library, no script, readable anywhere.

Each plot is one `<svg>` with its own style, so it looks the same in a page, beside others in one
picture (`sheet`), and as a file of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Literal

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 40, 40
NAMES, NUMBERS = 132, 60
GAP = 14
COLOURS = ("#1f6feb", "#d1495b", "#2a9d8f", "#8d6a9f", "#e09f3e", "#5c677d", "#386641", "#bc4749", "#3d405b")
EVEN = "#a8afb7"
INK, QUIET, FAINT = "#1b1f24", "#57606a", "#eceff2"
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"

Place = Literal["above", "top left", "top right", "bottom left", "bottom right"]


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
    key: Place = "above",
    by_powers: bool = False,
) -> str:
    """Return an SVG of lines that start at zero; `x_names` are written under x = 0, 1, 2, ...

    The names of the lines stand `above` (two or three), or in a corner that no line crosses.
    `by_powers`: both axes in powers of ten, for values that lie far apart.
    """
    make = _powers if by_powers else _even
    x_axis = make([x for line in lines for x in line.x], x_max)
    y_axis = make([y for line in lines for y in line.y], y_max)

    def place(x: float, y: float) -> tuple[float, float]:
        across_px = LEFT + x_axis.share(x) * (WIDTH - LEFT - RIGHT)
        up_px = HEIGHT - BOTTOM - y_axis.share(y) * (HEIGHT - TOP - BOTTOM)
        return across_px, up_px

    parts = [_head(title, HEIGHT), *_axes(across, up)]
    for y in y_axis.ticks:
        _, py = place(x_axis.ticks[0], y)
        parts.append(f'<line x1="{LEFT}" y1="{py:.1f}" x2="{WIDTH - RIGHT}" y2="{py:.1f}" stroke="{FAINT}"/>')
        parts.append(_text(LEFT - 5, py + 3, short(y), "end"))
    for x in () if x_names else x_axis.ticks:
        parts.append(_text(place(x, y_axis.ticks[0])[0], HEIGHT - BOTTOM + 14, short(x), "middle"))
    for k in range(0, len(x_names), max(1, -(-len(x_names) // 6))):
        parts.append(_text(place(k, 0)[0], HEIGHT - BOTTOM + 14, x_names[k], "middle"))
    for line, colour in zip(lines, _colours(lines), strict=True):
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        dash = ' stroke-dasharray="4 3"' if line.dashed else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" '
            f'stroke-linejoin="round"{dash}/>'
        )
        if line.marks:
            parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.6" fill="{colour}"/>' for px, py in points]
    parts += _key(lines, key)
    return "".join(parts) + "</svg>"


def bars(
    title: str,
    names: Sequence[str],
    values: Sequence[float | None],
    most: float | None = None,
    by_powers: bool = False,
) -> str:
    """Return an SVG of horizontal bars with their values written out.

    `by_powers`: each tenfold is as long as the next, for values that lie far apart.
    """
    height = max(TOP + 24 * len(names) + 12, HEIGHT if len(names) > 4 else 0)
    thick = (height - TOP - 12) / max(len(names), 1)
    given = [value for value in values if value is not None]
    high = most or _most(given)
    least = 10.0 ** (int(log10(min((value for value in given if value > 0), default=1.0)) // 1) - 0.3)
    parts = [_head(title, height)]
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y = TOP + thick * k
        share = 0.0 if value is None else value / high
        if by_powers and value is not None:
            share = log10(value / least) / log10(high / least) if value > 0 else 0.0
        length = min(max(share, 0.0), 1.0) * (WIDTH - NAMES - NUMBERS - 12)
        parts.append(_text(NAMES, y + thick / 2 + 3, name, "end"))
        parts.append(
            f'<rect x="{NAMES + 6}" y="{y + 3:.1f}" width="{length:.1f}" height="{thick - 8:.1f}" rx="2" '
            f'fill="{COLOURS[k % len(COLOURS)]}"/>'
        )
        said = "-" if value is None else short(value)
        parts.append(_text(NAMES + 11 + length, y + thick / 2 + 3, said))
    return "".join(parts) + "</svg>"


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], width: float) -> tuple[str, float]:
    """Return a table as SVG text, and its height; the first column stands left, the others right."""
    first, line = 190.0, 24.0
    step = (width - first - 24) / max(len(heads) - 1, 1)

    def row(cells: Sequence[str], y: float, colour: str) -> str:
        edges = [(20.0, "start")] + [(first + step * k, "end") for k in range(1, len(cells))]
        return "".join(
            _text(x, y, cell, anchor, 13, colour) for cell, (x, anchor) in zip(cells, edges, strict=True)
        )

    parts = [row(heads, line, QUIET), f'<line x1="20" x2="{width - 20}" y1="33" y2="33" stroke="{EVEN}"/>']
    parts += [row(cells, line * (k + 2) + 6, INK) for k, cells in enumerate(rows)]
    return "".join(parts), line * (len(rows) + 1) + 14


def sheet(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], plots: Sequence[str], columns: int = 3
) -> str:
    """Return one SVG file: a title, a table, and plots in columns below it."""
    width = columns * WIDTH + (columns + 1) * GAP
    table, high = grid(heads, rows, width)
    top = 52 + high
    height = top + -(-len(plots) // columns) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(title)}">'
        f'<rect width="{width}" height="{height:.0f}" fill="#fff"/>',
        _text(20, 34, title, "start", 20, INK),
        f'<g transform="translate(0 44)">{table}</g>',
    ]
    for k, each in enumerate(plots):
        x = GAP + k % columns * (WIDTH + GAP)
        y = top + k // columns * (HEIGHT + GAP)
        place = f'x="{x}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}"'
        parts.append(f'<rect {place} rx="6" fill="none" stroke="{FAINT}"/>')
        parts.append(each.replace("<svg ", f"<svg {place} ", 1))
    return "".join(parts) + "</svg>\n"


def short(value: float) -> str:
    """Return a number in few characters."""
    if value == 0:
        return "0"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class _Axis:
    """From `low` to `high`, evenly or in powers of ten, with where its numbers stand."""

    low: float
    high: float
    ticks: Sequence[float]
    powers: bool = False

    def share(self, value: float) -> float:
        """Return how far along a value stands, from 0 to 1; what lies outside stands at the edge."""
        if self.powers:
            along = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            along = (value - self.low) / (self.high - self.low)
        return min(max(along, 0.0), 1.0)


def _even(values: Sequence[float], most: float | None) -> _Axis:
    """Return an axis from 0 to `most`, or to a round number above all values."""
    high = most if most is not None else _most(values)
    power = 10.0 ** floor(log10(high / 4))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if 5 * each * power >= high)
    if most is None:
        high = ceil(high / step - 1e-9) * step
    return _Axis(0.0, high, [step * k for k in range(int(high / step + 1e-9) + 1)])


def _powers(values: Sequence[float], most: float | None) -> _Axis:
    """Return an axis of powers of ten around all values above 0, at least two of them."""
    above = [value for value in values if value > 0] or [1.0]
    high = ceil(log10(most if most is not None else max(above)) - 1e-9)
    low = min(floor(log10(min(above)) + 1e-9), high - 2)
    return _Axis(10.0**low, 10.0**high, [10.0**k for k in range(low, high + 1)], powers=True)


def _most(values: Sequence[float]) -> float:
    found = max(values, default=1.0)
    return found if found > 0 else 1.0


def _colours(lines: Sequence[Line]) -> list[str]:
    """Return a colour for each line; dashed ones, which are there to compare with, are grey."""
    return [EVEN if line.dashed else COLOURS[k % len(COLOURS)] for k, line in enumerate(lines)]


def _key(lines: Sequence[Line], corner: Place) -> list[str]:
    named = [(line.name, colour) for line, colour in zip(lines, _colours(lines), strict=True) if line.name]
    if corner == "above":
        return _key_above(named)
    wide = 7 * max((len(name) for name, _ in named), default=0) + 26
    x = LEFT + 8 if "left" in corner else WIDTH - RIGHT - wide
    y = TOP + 8 if "top" in corner else HEIGHT - BOTTOM - 10 - 14 * len(named)
    found = []
    if named:
        found.append(
            f'<rect x="{x - 4}" y="{y - 3}" width="{wide}" height="{14 * len(named) + 6}" rx="4" fill="#fff" '
            'fill-opacity="0.85"/>'
        )
    for k, (name, colour) in enumerate(named):
        middle = y + 7 + 14 * k
        found.append(
            f'<line x1="{x}" x2="{x + 14}" y1="{middle}" y2="{middle}" stroke="{colour}" stroke-width="3"/>'
        )
        found.append(_text(x + 19, middle + 3, name, "start", 10, INK))
    return found


def _key_above(named: Sequence[tuple[str, str]]) -> list[str]:
    found, x = [], LEFT + 2.0
    for name, colour in named:
        found.append(f'<line x1="{x}" x2="{x + 14}" y1="30" y2="30" stroke="{colour}" stroke-width="3"/>')
        found.append(_text(x + 19, 33, name, "start", 10, INK))
        x += 7 * len(name) + 36
    return found


def _head(title: str, height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">' + _text(
        WIDTH / 2, 18, title, "middle", 12, INK
    )


def _axes(across: str, up: str) -> list[str]:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    turned = f' transform="rotate(-90 12 {middle})"'
    return [
        _text((WIDTH + LEFT) / 2, HEIGHT - 8, across, "middle"),
        _text(12, middle, up, "middle", more=turned),
    ]


def _text(
    x: float,
    y: float,
    text: str,
    anchor: str = "start",
    size: int = 10,
    colour: str = QUIET,
    more: str = "",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" '
        f'font-family="{FONT}"{more}>{escape(text)}</text>'
    )
