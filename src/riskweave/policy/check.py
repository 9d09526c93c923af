"""What is wrong with a policy, or cannot be meant: found without running an event."""

from __future__ import annotations

from collections.abc import Sequence

from riskweave.decision.judge import Judge, refuse_losers
from riskweave.decision.plan import UtilityPlan
from riskweave.errors import PolicyError
from riskweave.expressions.build import make
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type
from riskweave.patterns.automaton import Stage
from riskweave.patterns.check import findings as pattern_findings
from riskweave.patterns.formula import All, Atom
from riskweave.policy.compile import Compilation, compile_all
from riskweave.policy.expectations import Known, read_tests
from riskweave.policy.policy import Policy
from riskweave.rules.check import check as check_rules
from riskweave.rules.conditions import never, take_apart
from riskweave.rules.findings import Finding


def check_policy(policy: Policy) -> list[Finding]:
    """Return the findings, in file order; raises PolicyError when the policy cannot be compiled."""
    compilation = compile_all(policy, StringPool())
    findings = [
        *check_rules(compilation.rules),
        *_patterns(compilation),
        *_decision(compilation),
        *_unused(compilation),
        *_tests(policy, compilation),
        *_languages(compilation),
    ]
    return sorted(findings, key=lambda each: (each.span.file, each.span.line, each.span.column))


def _patterns(compilation: Compilation) -> list[Finding]:
    found = [
        Finding("warning", f"pattern `{each.pattern}` {each.message}", each.span, each.hint)
        for each in pattern_findings(compilation.patterns)
    ]
    for name, compiled in compilation.patterns.patterns.items():
        found += _impossible_stages(compilation, name, compiled.stages)
    return found


def _impossible_stages(compilation: Compilation, pattern: str, stages: Sequence[Stage]) -> list[Finding]:
    """Name stages whose conditions on one value contradict each other, as rules are looked at."""
    found: list[Finding] = []
    for stage in stages:
        if stage.group is not None:
            found += _impossible_stages(compilation, pattern, stage.group)
        parts = stage.where.parts if isinstance(stage.where, All) else (stage.where,)
        plain = tuple(part.node for part in parts if isinstance(part, Atom))
        if plain and never(take_apart(make("and", plain, Type.BOOL), compilation.plan.pool)):
            found.append(
                Finding(
                    "warning" if stage.spec.is_not else "error",
                    f"pattern `{pattern}`: no event can meet stage `{stage.name}`",
                    stage.spec.span,
                    "its conditions contradict each other",
                )
            )
    return found


def judge_of(compilation: Compilation) -> Judge | None:
    """Return who tells what actions bring at any amount; None when the policy does not decide by utility."""
    plan = compilation.plan
    if not isinstance(plan.decision, UtilityPlan):
        return None
    return Judge(compilation.decision, plan.decision, plan.layout, plan.programs, plan.pool)


def _decision(compilation: Compilation) -> list[Finding]:
    """Refuse actions that can never win; say which costs could not be judged."""
    judge = judge_of(compilation)
    if judge is None:
        return []
    try:
        refuse_losers(judge)
    except PolicyError as error:
        return [Finding("error", error.message, error.span, error.hint)]
    found = []
    for number, spec in enumerate(compilation.decision.spec.costs):
        unknown = judge.unknown(number)
        if unknown:
            names = ", ".join(f"`{name}`" for name in unknown)
            found.append(
                Finding(
                    "note",
                    f"costs `{spec.name}` depend on more than the amount: may hold an action that never wins",
                    spec.span,
                    f"say usual values for what {names} read, as in `assume: {{customer.value: 1000}}`",
                )
            )
    return found


def _unused(compilation: Compilation) -> list[Finding]:
    """Name what nothing reads. A feature is an output, so an unread one may be meant: say so."""
    scope = compilation.scope
    findings = [
        Finding(
            "note",
            f"nothing reads feature `{name}`",
            scope.span_of(name),
            "it is only written to the output",
        )
        for name in scope.named
        if name not in scope.used_features
    ]
    findings += [
        Finding(
            "warning",
            f"nothing asks list `{spec.name}`",
            spec.span,
            "use it as `field in list`, or remove it",
        )
        for spec in compilation.lists.unused()
    ]
    findings += [
        Finding("warning", f"nothing uses constant `{name}`", constant.source.span, "remove it")
        for name, constant in scope.constants.items()
        if name not in scope.used_constants
    ]
    return findings


def _languages(compilation: Compilation) -> list[Finding]:
    """Name what an explanation says in one language only."""
    found = [
        Finding("warning", f"`{where}` says nothing in `{language}`", span, "readers get the other language")
        for where, language, span in compilation.explanation.incomplete()
    ]
    for rule in compilation.rules.spec.rules:
        if rule.reason and "zh" not in rule.reason and compilation.explanation.spans:
            found.append(
                Finding(
                    "warning",
                    f"the reason of rule `{rule.id}` says nothing in `zh`",
                    rule.when.span,
                    "readers get the English one",
                )
            )
    return found


def _tests(policy: Policy, compilation: Compilation) -> list[Finding]:
    """Name tests that speak of rules or features that do not exist."""
    try:
        root = policy.document.tests()
        if root is not None:
            plan = compilation.plan
            known = Known(
                [rule.id for rule in plan.rules.rules],
                list(compilation.scope.named),
                [each.name for each in plan.patterns.patterns],
            )
            read_tests(root, known)
    except PolicyError as error:
        return [Finding("error", error.message, error.span, error.hint)]
    return []
