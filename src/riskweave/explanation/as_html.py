"""An explanation as one HTML page: no script, nothing fetched, light and dark, printable."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from riskweave.explanation.explanation import Explanation
from riskweave.explanation.layout import ROWS_MAX, Layout
from riskweave.explanation.speech import Speaker

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5a636d; --page: #ffffff; --line: #d8dde3;
  --up: #b42318; --down: #1a7f4b; --PASS: #1a7f4b; --MFA: #0e6f8f; --REVIEW: #8a6100; --BLOCK: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa4af; --page: #14171b;
  --line: #353c44; --up: #ff8a7d; --down: #5fd39a; --PASS: #5fd39a; --MFA: #6cc7e6; --REVIEW: #e8be55;
  --BLOCK: #ff8a7d; } }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Noto Sans CJK SC", sans-serif;
  color: var(--ink); background: var(--page); max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1rem; font-weight: 500; color: var(--dim); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p.summary { font-size: 1.35rem; line-height: 1.4; margin: .5rem 0 0; padding-left: .9rem;
  border-left: .35rem solid var(--action); overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td { padding: .4rem .6rem .4rem 0; border-top: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; width: 1%; }
td.bar { width: 7rem; }
td.bar i { display: block; height: .6rem; margin-top: .5rem; border-radius: 2px; }
i.up { background: var(--up); } i.down { background: var(--down); }
small, .note { color: var(--dim); font-size: .875rem; } small { display: block; }
tr.chosen td { font-weight: 600; } tr.closed td { color: var(--dim); }
li { margin: .25rem 0; overflow-wrap: anywhere; } ul { padding-left: 1.2rem; margin: 0; }
footer { margin-top: 2.5rem; padding-top: .6rem; border-top: 1px solid var(--line); }
"""


def as_html(explanation: Explanation, language: str = "en") -> str:
    """Return the page; every text in it is escaped."""
    layout = Layout(explanation, Speaker(language, explanation.book.time_zone))
    return "\n".join(_page(layout, explanation, language)) + "\n"


def _page(layout: Layout, explanation: Explanation, language: str) -> Iterator[str]:
    title = escape(layout.title)
    yield "<!doctype html>"
    yield f'<html lang="{"zh-Hans" if language == "zh" else "en"}"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head>"
    yield f'<body style="--action: var(--{explanation.action})"><main>'
    yield f'<h1>{title}</h1><p class="summary">{escape(layout.summary)}</p>'
    if layout.contributions:
        yield f"<h2>{escape(layout.word('head.contributions'))}</h2>"
        yield from _contributions(layout)
    if layout.economics:
        yield f"<h2>{escape(layout.word('head.economics'))}</h2><table>"
        for row in layout.economics:
            kind = "chosen" if row.chosen else "" if row.open else "closed"
            yield (
                f'<tr class="{kind}"><td>{escape(row.action)}</td><td class="number">'
                f"{escape(row.expected)}</td><td>{escape(row.note)}</td></tr>"
            )
        yield "</table>"
    for heading, lines in layout.sections:
        yield f"<h2>{escape(heading)}</h2><ul>"
        for line in lines:
            yield f"<li>{escape(line)}</li>"
        yield "</ul>"
    yield f'<footer class="note">{escape(layout.footer)}</footer></main></body></html>'


def _contributions(layout: Layout) -> Iterator[str]:
    rows = layout.contributions[:ROWS_MAX]
    greatest = max(abs(each.log_odds) for each in rows) or 1.0
    yield "<table>"
    for each in rows:
        width = 100.0 * abs(each.log_odds) / greatest
        way = "up" if each.log_odds > 0 else "down"
        details = "".join(f"<small>{escape(line)}</small>" for line in each.details)
        yield (
            f'<tr><td class="number">{each.log_odds:+.2f}</td>'
            f'<td class="bar"><i class="{way}" style="width: {width:.1f}%"></i></td>'
            f"<td>{escape(each.title)}{details}</td></tr>"
        )
    yield "</table>"
    for line in layout.contribution_notes:
        yield f'<p class="note">{escape(line)}</p>'
