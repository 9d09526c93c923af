"""A policy's own tests, run through a fresh engine each."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.engine.decisions import Decision
from riskweave.engine.engine import Engine
from riskweave.errors import EventError
from riskweave.policy.expectations import Expectation, Known, PolicyTest, mismatch, read_tests
from riskweave.policy.policy import Policy


@dataclass(frozen=True)
class Outcome:
    """How one test went: `failures` is empty when it passed."""

    name: str
    place: str
    failures: tuple[str, ...]


def run_tests(policy: Policy) -> list[Outcome]:
    """Run every test of tests.yaml; an engine is built once and restored for each."""
    root = policy.document.tests()
    if root is None:
        return []
    engine = Engine(policy)
    empty = engine.snapshot()
    features = [output.name for output in engine.outputs]
    patterns = [each.name for each in engine.plan.patterns.patterns]
    tests = read_tests(root, Known(engine.rule_ids, features, patterns))
    outcomes = []
    for test in tests:
        engine = Engine.restore(policy, empty)
        outcomes.append(Outcome(test.name, test.node.span.place(), tuple(_run(engine, test))))
    return outcomes


def _run(engine: Engine, test: PolicyTest) -> list[str]:
    failures: list[str] = []
    for index, record in enumerate(test.events):
        try:
            decision = engine.decide(record)
        except EventError as error:
            failures.append(f"event {index + 1}: {error}")
            continue
        wanted = test.expect.get(index)
        if wanted is not None:
            failures += [f"event {index + 1}: {text}" for text in _differences(wanted, decision)]
    return failures


def _differences(wanted: Expectation, decision: Decision) -> list[str]:
    found = decision.rules
    texts = []
    if wanted.action is not None and decision.action != wanted.action:
        texts.append(
            f"action is {decision.action}, expected {wanted.action} (rules hit: {', '.join(found) or 'none'})"
        )
    if wanted.score is not None and mismatch(wanted.score, decision.score):
        texts.append(f"score is {decision.score:g}, expected {wanted.score.text()}")
    if wanted.rules is not None and sorted(found) != sorted(wanted.rules):
        texts.append(f"rules hit are [{', '.join(found)}], expected [{', '.join(wanted.rules)}]")
    texts += [f"rule `{rule}` did not hit" for rule in wanted.includes if rule not in found]
    texts += [f"rule `{rule}` hit" for rule in wanted.excludes if rule in found]
    matched = sorted({match.pattern for match in decision.patterns})
    if wanted.patterns is not None and matched != sorted(wanted.patterns):
        texts.append(f"patterns matched are [{', '.join(matched)}], expected [{', '.join(wanted.patterns)}]")
    for name, node in wanted.features.items():
        if mismatch(node, decision.features[name]):
            expected = "nothing" if node.is_null else node.text()
            texts.append(f"feature `{name}` is {decision.features[name]!r}, expected {expected}")
    return texts
