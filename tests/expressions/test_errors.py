"""A wrong expression is answered with its place, what is wrong, and the way out (golden files).

`golden/NAME.txt` holds the expression, a line of dashes, and the error. To accept new texts run
`python -m tests.expressions.test_errors`.
"""

from pathlib import Path

import pytest

from riskweave.errors import PolicyError, Span
from riskweave.expressions.check import check, check_condition
from riskweave.expressions.parse import parse
from tests.expressions.world import World, span_of

GOLDEN = Path(__file__).with_name("golden")
RULE = "-" * 20 + "\n"
FILES = sorted(GOLDEN.glob("*.txt"))


def _error(text):
    with pytest.raises(PolicyError) as caught:
        check_condition(parse(text, span_of(text)), World())
    return str(caught.value)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_error(path):
    text, expected = path.read_text(encoding="utf-8").split(RULE)
    assert _error(text.rstrip("\n")) + "\n" == expected


def _span_of_error(text, span):
    with pytest.raises(PolicyError) as caught:
        check(parse(text, span), World())
    return caught.value.span


def test_the_column_counts_characters_not_bytes():
    line = '    when: name == "北京" and amont > 1'
    span = _span_of_error(line[10:], Span("rules.yaml", 4, 11, len(line) - 10, line))
    assert (span.line, span.text[span.column - 1 :][: span.length]) == (4, "amont")


def test_a_block_of_lines_is_pointed_at_in_its_line():
    text = "amount > 1 and\nnew and\namont > 2"
    span = _span_of_error(text, Span("rules.yaml", 7, 7, 14, "      amount > 1 and"))
    assert (span.line, span.column, span.length, span.text) == (9, 7, 5, "      amont > 2")


def test_a_folded_expression_is_pointed_at_as_a_whole():
    text = "amount > 1 and\nnew and amont > 2"
    span = Span("rules.yaml", 7, 7, 14, "      something else")
    assert _span_of_error(text, span) == span


def test_quotes_doubled_by_yaml_do_not_shift_the_place():
    line = "when: 'name == ''bob'' and amont > 1'"
    span = _span_of_error("name == 'bob' and amont > 1", Span("rules.yaml", 1, 8, len(line) - 8, line))
    assert span.text[span.column - 1 :][: span.length] == "amont"


def _rewrite():
    for path in GOLDEN.glob("*.txt"):
        text = path.read_text(encoding="utf-8").split(RULE)[0]
        path.write_text(text + RULE + _error(text.rstrip("\n")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _rewrite()
