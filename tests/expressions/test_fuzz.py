"""Whatever the text, the parser and the checker answer with a node or a PolicyError."""

from tests.expressions.fuzzing import fuzz


def test_two_thousand_broken_texts_end_in_policy_errors_only():
    result = fuzz(2_000, seed=7)
    assert result["accepted"] > 20
