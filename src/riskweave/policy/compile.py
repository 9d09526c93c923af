"""From a policy to its plan: every room turns its part into flat arrays.

Mistakes are collected over the whole policy, so one check names all of them. A room's mistake does
not hide another's, unless the one stands on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from riskweave.batch import Layout
from riskweave.decision.compile import DecisionCompiler
from riskweave.decision.spec import read_decision
from riskweave.document import Node
from riskweave.errors import PolicyError, PolicyErrors, Span
from riskweave.events.attributes import AttributesCompiler, AttributesSpec, read_attributes
from riskweave.events.compile import EventsCompiler
from riskweave.events.money import currency_digits
from riskweave.events.rates import Rates
from riskweave.events.spec import EventsSpec, read_spec
from riskweave.events.table_files import beside
from riskweave.explanation.spec import ExplanationSpec, check_names, read_explanation
from riskweave.expressions.check import check_condition
from riskweave.expressions.compile import Compiler
from riskweave.expressions.parse import parse
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Op, Scope, Type, Typed, stage_of
from riskweave.features.compile import FeaturesCompiler
from riskweave.lists.compile import ListsCompiler
from riskweave.lists.spec import read_lists
from riskweave.models.compile import ModelsCompiler
from riskweave.models.spec import read_models
from riskweave.patterns.compile import PatternsCompiler
from riskweave.patterns.spec import read_patterns
from riskweave.policy.arguments import EntityRoles, FeatureCalls
from riskweave.policy.constants import read_constants
from riskweave.policy.decision_scope import DecisionScope
from riskweave.policy.definitions import definitions
from riskweave.policy.model_scope import ModelScope
from riskweave.policy.plan import Plan
from riskweave.policy.policy import Policy
from riskweave.policy.scope import PolicyScope
from riskweave.rules.build import Check
from riskweave.rules.compile import RulesCompiler

Made = TypeVar("Made")


@dataclass
class Mistakes:
    """Collects what is wrong, so that one check names all of it."""

    errors: list[PolicyError] = field(default_factory=list)

    def attempt(self, make: Callable[[], Made]) -> Made | None:
        """Return what `make` makes; None, with the error kept, when it cannot."""
        try:
            return make()
        except PolicyError as error:
            self.add(error)
            return None

    def add(self, error: PolicyError) -> None:
        found = error.errors if isinstance(error, PolicyErrors) else [error]
        self.errors += [each for each in found if all(each is not known for known in self.errors)]

    def raise_all(self) -> None:
        """Raise what was collected: nothing, one error, or all of them."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise PolicyErrors(self.errors)


@dataclass
class Compilation:
    """A compiled policy with what static checks want to see of it."""

    plan: Plan
    scope: PolicyScope
    lists: ListsCompiler
    patterns: PatternsCompiler
    rules: RulesCompiler
    decision: DecisionCompiler
    explanation: ExplanationSpec


def compile_policy(policy: Policy, pool: StringPool) -> Plan:
    """Return the plan; raises PolicyError, or PolicyErrors with everything that is wrong."""
    return compile_all(policy, pool).plan


def compile_all(policy: Policy, pool: StringPool) -> Compilation:
    """Compile, and keep the compilers."""
    with pool.noting() as texts:
        return _compile(policy, pool, texts)


def _compile(policy: Policy, pool: StringPool, texts: set[int]) -> Compilation:
    document, settings = policy.document, policy.settings
    mistakes = Mistakes()
    root, folder = document.root, document.folder
    layout = Layout()
    events = read_spec(root)
    constants = mistakes.attempt(lambda: read_constants(document.section("constants"))) or {}
    list_section = document.section("lists")
    list_specs = mistakes.attempt(lambda: read_lists(list_section, folder) if list_section else []) or []
    rules = mistakes.attempt(
        lambda: RulesCompiler(layout, pool, root, folder=folder, event_types=events.event_types())
    )
    model_section = document.section("models")
    models = mistakes.attempt(
        lambda: ModelsCompiler(read_models(model_section, folder) if model_section else [], layout, pool)
    )
    rates = mistakes.attempt(lambda: _rates(policy))
    decision_spec = mistakes.attempt(lambda: read_decision(document.section("decision")))

    fields = EventsCompiler(events, layout, pool)
    compiler = Compiler(layout, pool, settings.time_zone)
    attributes = mistakes.attempt(
        lambda: AttributesCompiler(_attribute_specs(events, policy), layout, pool, fields.key)
    )
    lists = mistakes.attempt(lambda: ListsCompiler(list_specs, layout, compiler, pool))
    features = FeaturesCompiler(
        [EntityRoles(each.name, {role.name: role.key for role in each.roles}) for each in events.entities],
        fields,
        layout,
        compiler,
        money_digits=currency_digits(settings.currency),
        forget_after_ms=settings.forget_after_ms,
    )
    mistakes.raise_all()
    assert attributes is not None
    assert lists is not None
    assert rules is not None
    assert models is not None

    section = document.section("features")
    scope = PolicyScope(
        layout,
        events,
        fields,
        attributes,
        lists,
        constants,
        section,
        FeatureCalls(features, events),
        compiler,
    )
    scope.outputs = {**models.outputs, **rules.outputs}
    scope.shadows, scope.local = models.shadows, lambda: rules.local
    patterns = mistakes.attempt(lambda: _patterns(policy, events, fields, layout, compiler, scope, mistakes))
    pattern_risk = None if patterns is None else _greatest_risk(patterns)
    if pattern_risk is not None:
        scope.outputs = {**scope.outputs, "patterns.risk": pattern_risk}
    for name in models.specs:
        mistakes.attempt(lambda name=name: _refuse_model(scope, rules, models, name))  # type: ignore[misc]
    for name, node in section.items() if section is not None else ():
        mistakes.attempt(lambda name=name, node=node: _refuse_taken(scope, name, node))  # type: ignore[misc]
        mistakes.attempt(lambda name=name, node=node: scope.named_feature(name, node.span))  # type: ignore[misc]
    models_plan = mistakes.attempt(
        lambda: models.compile(compiler, ModelScope(scope, fields, definitions(policy)))
    )
    rules_plan = mistakes.attempt(lambda: rules.compile(compiler, _before_rules(scope, rules)))
    nodes = [each.node for each in decision_spec.evidence] if decision_spec is not None else []
    explanation = mistakes.attempt(lambda: _explanation(policy, scope, rules, models, nodes))
    mistakes.raise_all()
    assert explanation is not None
    assert models_plan is not None
    assert rules_plan is not None
    assert patterns is not None
    patterns_plan = patterns.plan()
    assert decision_spec is not None
    scores = {
        each.name: layout.columns[each.score_row]
        for each in models_plan.models
        if each.score_row >= 0 and not each.shadow
    }
    own_risks = [rules_plan.risk.index, *(column.index for column in rules_plan.risks.values())]
    decision = DecisionCompiler(
        decision_spec, layout, compiler, DecisionScope(scope, fields, pool), scores, folder
    )
    others = [each.risk_row for each in patterns_plan.patterns]
    others += [model.score_row for model in models_plan.models if model.risk]
    decision_plan = decision.compile(
        settings.bands,
        own_risks if decision_spec.integrator == "weighted" else own_risks + others,
        pattern_risk,
        rules_plan.floor.index,
        rules_plan.ceiling.index,
        rules_plan.stage,
    )

    outputs = (*((name, scope.columns[name]) for name in scope.named), *models.columns.items())
    programs = compiler.finish()
    plan = Plan(
        version=policy.version,
        settings=settings,
        events=events,
        layout=layout,
        pool=pool,
        decode=fields.finish(rates),
        attributes=attributes.finish(),
        lists=lists.finish(),
        features=features.finish(),
        patterns=patterns_plan,
        models=models_plan,
        rules=rules_plan,
        decision=decision_plan,
        programs=programs,
        outputs=outputs,
        labels={name: (number, delay_ms) for number, (name, delay_ms) in enumerate(events.labels().items())},
        texts=np.array(sorted(texts), np.int64),
    )
    return Compilation(plan, scope, lists, patterns, rules, decision, explanation)


def _explanation(
    policy: Policy, scope: PolicyScope, rules: RulesCompiler, models: ModelsCompiler, nodes: Iterable[str]
) -> ExplanationSpec:
    """Read what the policy says of explanations; every name in it must be one of the policy."""
    spec = read_explanation(policy.document.section("explanation"))
    events = scope.events
    others = [
        *(rule.id for rule in rules.spec.rules),
        *(name.partition(".")[0] for name in rules.outputs),
        *scope.patterns.patterns,
        *models.specs,
        *(node for node, _ in _entries(policy, "lists")),
        *(each.name for each in events.entities),
        *events.roles(),
        *events.event_types(),
        *scope.constants,
        *nodes,
    ]
    check_names(spec, events.fields(), list(scope.named), others)
    return spec


def _entries(policy: Policy, name: str) -> Iterable[tuple[str, Node]]:
    section = policy.document.section(name)
    return section.items() if section is not None else ()


def _patterns(
    policy: Policy,
    events: EventsSpec,
    fields: EventsCompiler,
    layout: Layout,
    compiler: Compiler,
    scope: PolicyScope,
    mistakes: Mistakes,
) -> PatternsCompiler:
    """Compile the patterns; from then on the scope knows their names."""
    specs = read_patterns(policy.document.section("patterns"))
    keys = (
        {role.name: fields.key(role.key) for each in events.entities for role in each.roles} if specs else {}
    )

    def condition(node: Node, inner: Scope) -> Typed:
        return check_condition(parse(node.text(), node.span), inner)

    patterns = PatternsCompiler(layout, compiler, condition, scope, keys)
    scope.patterns = patterns
    for spec in specs:
        taken = scope.kind_of(spec.name)
        if taken and taken != "pattern":
            mistakes.add(PolicyError(f"`{spec.name}` is a {taken} already", spec.span, "choose another name"))
        mistakes.attempt(lambda spec=spec: patterns.add(spec))  # type: ignore[misc]
    return patterns


def _before_rules(scope: PolicyScope, rules: RulesCompiler) -> Check:
    """Return a check that refuses what is known only when all rules have been looked at."""

    def check(text: str, span: Span) -> Typed:
        node = scope.check(text, span)
        if stage_of(node) >= rules.stage:
            raise PolicyError(
                "this reads what the rules come to, which is known only after them",
                span,
                "`rules.risk`, `rules.floor` and `rules.ceiling` are for the section `decision`",
            )
        return node

    return check


def _greatest_risk(patterns: PatternsCompiler) -> Typed | None:
    """Return the greatest risk of the patterns hit, as `patterns.risk`; None when there are no patterns."""
    none = Const(0.0, Type.FLOAT)
    risks = tuple(Op("coalesce", (each.risk, none), Type.FLOAT) for each in patterns.patterns.values())
    if not risks:
        return None
    return risks[0] if len(risks) == 1 else Op("max", risks, Type.FLOAT)


def _refuse_taken(scope: PolicyScope, name: str, node: Node) -> None:
    if not name.isidentifier():
        raise PolicyError(f"`{name}` cannot be a feature's name", node.span, "use letters, digits and _")
    taken = scope.kind_of(name)
    if taken:
        raise PolicyError(f"`{name}` is a {taken} already", scope.span_of(name), "choose another name")


def _refuse_model(scope: PolicyScope, rules: RulesCompiler, models: ModelsCompiler, name: str) -> None:
    """Raise when a model has the name of something else that is asked with a dot."""
    outputs = {text.partition(".")[0] for text in rules.outputs}
    taken = "table, scorecard or tree" if name in outputs else scope.kind_of(name)
    if taken:
        raise PolicyError(f"`{name}` is a {taken} already", models.specs[name].span, "choose another name")


def _rates(policy: Policy) -> Rates | None:
    settings, folder = policy.settings, policy.document.folder
    if settings.rates is None:
        return None
    section = policy.document.section("policy")
    node = section.need("rates") if section is not None else None
    if folder is None:
        raise PolicyError("a policy without a folder has no rates file", node.span if node else None)
    path = beside(folder, settings.rates, node.span if node else None)
    return Rates.read(path, settings.currency, settings.rates)


def _attribute_specs(events: EventsSpec, policy: Policy) -> list[AttributesSpec]:
    specs: list[AttributesSpec] = []
    for entity in events.entities:
        if entity.attributes is None:
            continue
        roles = {role.name: role.key for role in entity.roles}
        first = next(iter(roles.values()))
        key_types = [events.type_of(name) or Type.STRING for name in first]
        specs.append(
            read_attributes(entity.name, entity.attributes, roles, key_types, policy.document.folder)
        )
    return specs
