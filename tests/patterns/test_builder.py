"""The builder writes the same patterns as a policy file."""

from __future__ import annotations

import pytest

from riskweave.document import parse_yaml
from riskweave.errors import PolicyError
from riskweave.patterns.builder import Pattern
from riskweave.patterns.compile import fingerprint
from riskweave.patterns.spec import read_patterns

TEXT = """
takeover:
  key: user
  stages:
    - begin:
        - {begin: failed, on: [login], where: [ok == False], times: 5, consecutive: true}
        - {next: success, on: [login], where: [ok == True]}
      optional: true
    - {not_followed_by: call, where: [kind == "call"]}
    - {followed_by: paid, where: [amount > 100], or_where: [new], one_or_more: true, greedy: true, until: ok}
    - {followed_by_any: more, times: [1, 3], allow_combinations: true, within_previous: 5m}
    - {not_next: last, where: [x]}
    - {next: end, times_or_more: 2}
  within: 1h
  skip: {skip_to_last: paid}
  late: reorder 5s
"""


def test_a_pattern_built_in_python_is_the_one_written_in_yaml():
    first = Pattern.begin("failed").subtype("login").where("ok == False").times(5).consecutive()
    first.next("success").subtype("login").where("ok == True")
    built = (
        Pattern.begin(first)
        .optional()
        .not_followed_by("call")
        .where('kind == "call"')
        .followed_by("paid")
        .where("amount > 100")
        .or_where("new")
        .one_or_more()
        .greedy()
        .until("ok")
        .followed_by_any("more")
        .times(1, 3)
        .allow_combinations()
        .within_previous("5m")
        .not_next("last")
        .where("x")
        .next("end")
        .times_or_more(2)
        .within("1h")
        .skip("skip_to_last", "paid")
        .keyed_by("user")
        .with_(late="reorder 5s")
    )
    (written,) = read_patterns(parse_yaml(TEXT))
    assert fingerprint(built.to_spec("takeover")) == fingerprint(written)


def test_a_change_of_meaning_changes_the_fingerprint_a_change_of_risk_does_not():
    def of(text: str) -> str:
        return fingerprint(read_patterns(parse_yaml(text))[0])

    assert of(TEXT) == of(TEXT + "  risk: 0.3\n")
    for old, new in (("1h", "2h"), ("amount > 100", "amount > 101"), ("times: 5", "times: 6"), ("5s", "6s")):
        assert of(TEXT) != of(TEXT.replace(old, new))


def test_what_is_said_twice_is_refused():
    with pytest.raises(PolicyError, match="given twice"):
        Pattern.begin("a").times(2).times(3)
    with pytest.raises(PolicyError, match="`where` after `or_where`"):
        Pattern.begin("a").where("x").or_where("y").where("z")
