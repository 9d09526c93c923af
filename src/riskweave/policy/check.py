"""What is wrong with a policy, or cannot be meant: found without running an event."""

from __future__ import annotations

from riskweave.errors import PolicyError
from riskweave.expressions.strings import StringPool
from riskweave.patterns.check import findings as pattern_findings
from riskweave.policy.compile import Compilation, compile_all
from riskweave.policy.expectations import Known, read_tests
from riskweave.policy.policy import Policy
from riskweave.rules.check import check as check_rules
from riskweave.rules.findings import Finding


def check_policy(policy: Policy) -> list[Finding]:
    """Return the findings, in file order; raises PolicyError when the policy cannot be compiled."""
    compilation = compile_all(policy, StringPool())
    findings = [
        *check_rules(compilation.rules),
        *_patterns(compilation),
        *_unused(compilation),
        *_tests(policy, compilation),
    ]
    return sorted(findings, key=lambda each: (each.span.file, each.span.line, each.span.column))


def _patterns(compilation: Compilation) -> list[Finding]:
    return [
        Finding("warning", f"pattern `{each.pattern}` {each.message}", each.span, each.hint)
        for each in pattern_findings(compilation.patterns)
    ]


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
