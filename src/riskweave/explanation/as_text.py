"""An explanation for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from riskweave.batch import ACTIONS
from riskweave.explanation.explanation import Explanation
from riskweave.explanation.layout import ROWS_MAX, Layout
from riskweave.explanation.speech import Speaker

STYLES = dict(zip(ACTIONS, ("green", "cyan", "yellow", "red"), strict=True))


def as_text(explanation: Explanation, language: str = "en") -> RenderableType:
    """Return something that a rich console prints."""
    return Group(*_parts(Layout(explanation, Speaker(language, explanation.book.time_zone)), explanation))


def plain_text(explanation: Explanation, language: str = "en", width: int = 100) -> str:
    """Return the same without colours, lines at most `width` cells long."""
    console = Console(width=width, no_color=True, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(as_text(explanation, language))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _parts(layout: Layout, explanation: Explanation) -> Iterator[RenderableType]:
    yield Text(layout.summary, style=f"bold {STYLES[explanation.action]}")
    if layout.contributions:
        yield _heading(layout.word("head.contributions"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for each in layout.contributions[:ROWS_MAX]:
            style = "red" if each.log_odds > 0 else "green"
            body = Text(each.title)
            for line in each.details:
                body.append(f"\n{line}", style="dim")
            table.add_row(Text(f"{each.log_odds:+.2f}", style=style), body)
        yield Padding(table, (0, 0, 0, 2))
        for line in layout.contribution_notes:
            yield Padding(Text(line, style="dim"), (0, 0, 0, 2))
    if layout.economics:
        yield _heading(layout.word("head.economics"))
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
        table.add_column()
        table.add_column(justify="right")
        table.add_column(style="dim", overflow="fold")
        for row in layout.economics:
            table.add_row(
                Text(row.action, style="bold" if row.chosen else ""), Text(row.expected), Text(row.note)
            )
        yield Padding(table, (0, 0, 0, 2))
    for heading, lines in layout.sections:
        yield _heading(heading)
        for line in lines:
            yield Padding(Text(f"• {line}"), (0, 0, 0, 2))
    yield Text(layout.footer, style="dim")


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")
