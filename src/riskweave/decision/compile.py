"""From the section `decision:` to a plan: every expression a column, every name a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from riskweave.batch import ACTIONS, Layout
from riskweave.decision.belief import Belief, ColumnBelief, NetworkReader
from riskweave.decision.money import NUMBERS, PRICE, SHARES, SIGNED, default_of
from riskweave.decision.plan import (
    Adjustment,
    Bound,
    BoundsPlan,
    DecisionPlan,
    EvidenceColumn,
    Hysteresis,
    Number,
    Test,
    UtilityPlan,
    WeightedPlan,
    maximum_plan,
    thresholds_of,
)
from riskweave.decision.spec import (
    AdjustmentSpec,
    Bands,
    BoundSpec,
    CostsSpec,
    DecisionSpec,
    EvidenceSpec,
    TestSpec,
)
from riskweave.document import Node
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.types import Col, Const, Type, Typed
from riskweave.kernels import decide as kernel

OUT_NAMES = (
    "decision.probability",
    *(f"decision.value_{action.lower()}" for action in ACTIONS),
    "decision.costs",
    "decision.test",
    "decision.test_net",
    "decision.last",
)
DEFAULT_PRIOR = 0.01


class ColumnMaker(Protocol):
    """Gives an expression's value a column."""

    def column(self, node: Typed) -> Col: ...


class Names(Protocol):
    """Says what the policy's names mean."""

    def check(self, text: str, span: Span) -> Typed: ...

    def key_row(self, role: str) -> int | None: ...

    def roles(self) -> Iterable[str]: ...

    def code(self, text: str) -> int: ...


class DecisionCompiler:
    """Compiles the section; `scores` maps the policy's deciding models to the columns of their scores."""

    def __init__(
        self,
        spec: DecisionSpec,
        layout: Layout,
        compiler: ColumnMaker,
        names: Names,
        scores: Mapping[str, Col],
        folder: Path | None,
    ) -> None:
        self.spec = spec
        self.layout = layout
        self.compiler = compiler
        self.names = names
        self.scores = scores
        self.folder = folder
        # What the amount of each set is computed from, and the rows that are assumed to have a value.
        self.amounts: list[Typed] = []
        self.assumed: dict[int, float] = {}

    def compile(
        self, bands: Bands, risks: Sequence[int], patterns: Typed | None, floor: int, ceiling: int, stage: int
    ) -> DecisionPlan:
        """Return the plan; `risks` are the rows of all that counts as risk."""
        spec = self.spec
        bounds = BoundsPlan(
            floor, ceiling, self._bounds(spec.floors, "floor"), self._bounds(spec.ceilings, "ceiling")
        )
        if spec.integrator == "maximum":
            return maximum_plan(bands, risks, bounds)
        if spec.integrator == "weighted":
            return WeightedPlan(
                bounds=bounds,
                risk_rows=np.array(risks, np.int64),
                pattern_row=-1 if patterns is None else self.compiler.column(patterns).index,
                model_row=self._weighted_model(),
                weights=np.array(spec.weights),
                thresholds=thresholds_of(spec.thresholds),
            )
        return self._utility(bounds, stage)

    # ---- expressions

    def _number(self, node: Node, what: str) -> Number:
        typed = self.names.check(node.text(), node.span)
        if isinstance(typed, Const) and isinstance(typed.value, (int, float)) and typed.type.is_number:
            return Number(-1, float(typed.value))
        if not typed.type.is_number:
            raise node.error(f"{what} must be a number, this is {typed.type.value}")
        return Number(self.compiler.column(typed).index, 0.0)

    def _condition(self, node: Node | None, what: str) -> int:
        if node is None:
            return -1
        typed = self.names.check(node.text(), node.span)
        if typed.type is not Type.BOOL:
            raise node.error(f"{what}: `when` must be true or false, this is {typed.type.value}")
        return self.compiler.column(typed).index

    def _bounds(self, specs: Sequence[BoundSpec], what: str) -> tuple[Bound, ...]:
        return tuple(
            Bound(
                each.name,
                self._condition(each.when, f"{what} `{each.name}`"),
                ACTIONS.index(each.action),
                each.reason,
            )
            for each in specs
        )

    def _weighted_model(self) -> int:
        spec = self.spec
        if spec.model is not None:
            typed = self.names.check(spec.model.text(), spec.model.span)
            if not typed.type.is_number:
                raise spec.model.error(f"`model` must be a number, this is {typed.type.value}")
            return self.compiler.column(typed).index
        if len(self.scores) > 1:
            raise PolicyError(
                "the policy has several models: say which score counts",
                spec.span,
                f"as in `model: {list(self.scores)[-1]}.score`",
            )
        return next((column.index for column in self.scores.values()), -1)

    # ---- utility

    def _utility(self, bounds: BoundsPlan, stage: int) -> UtilityPlan:
        spec = self.spec
        if not spec.costs:
            raise PolicyError(
                "the integrator `utility` needs `costs`", spec.span, "at least `costs: {amount: ...}`"
            )
        evidence = [self._evidence(each) for each in spec.evidence]
        belief = self._belief(evidence)
        sets = [self._costs(each) for each in spec.costs]
        for name, span, value in spec.assume:
            node = self.names.check(name, span)
            if not isinstance(node, Col) or not (node.type.is_number or node.type is Type.BOOL):
                raise PolicyError(f"`{name}` cannot be assumed: it is no field, attribute or feature", span)
            self.assumed[node.index] = value
        adjustments = tuple(self._adjustment(each) for each in spec.adjustments)
        tests = tuple(self._test(each) for each in spec.tests)
        hysteresis = self._hysteresis()
        first, *_ = [self.layout.add(name, Type.FLOAT, stage) for name in OUT_NAMES]
        return UtilityPlan(
            bounds=bounds,
            out=first.index,
            belief=belief,
            evidence=tuple(evidence),
            sets=tuple(spec.name for spec in spec.costs),
            set_when=np.array([row for row, _ in sets], np.int64),
            numbers=tuple(numbers for _, numbers in sets),
            priced=np.array([[action in each.priced for action in ACTIONS] for each in spec.costs], np.uint8),
            defaults=np.array([default_of(name) for name in (*NUMBERS, "price")]),
            limits=np.array([_limits(name) for name in (*NUMBERS, "price")], np.int64),
            adjustments=adjustments,
            tests=tests,
            ask=spec.ask,
            per_hour=spec.capacity[0] if spec.capacity else None,
            price=spec.capacity[1] if spec.capacity else 0.0,
            hysteresis=hysteresis,
        )

    def _costs(self, spec: CostsSpec) -> tuple[int, tuple[Number, ...]]:
        found = []
        amount = spec.numbers["amount"]
        self.amounts.append(self.names.check(amount.text(), amount.span))
        for name in NUMBERS:
            node = spec.numbers.get(name)
            number = Number(-1, default_of(name))
            if node is not None:
                number = self._number(node, f"`{name}`")
                if number.row < 0 and name in SHARES and not 0.0 <= number.const <= 1.0:
                    raise node.error(f"`{name}` is a share: it must be between 0 and 1")
                if number.row < 0 and name not in SHARES and name not in SIGNED and number.const < 0.0:
                    raise node.error(f"`{name}` must not be negative")
            found.append(number)
        price = self.spec.capacity[1] if self.spec.capacity and "REVIEW" in spec.priced else 0.0
        assert len(found) == PRICE
        return self._condition(spec.when, f"costs `{spec.name}`"), (*found, Number(-1, price))

    def _adjustment(self, spec: AdjustmentSpec) -> Adjustment:
        what = f"adjustment `{spec.name}`"
        changes = tuple(
            (NUMBERS.index(name), 0 if how == "multiply" else 1, self._number(node, what))
            for name, how, node in spec.changes
        )
        move = None
        if spec.move is not None:
            kinds = {"step": kernel.STEP, "at_most": kernel.AT_MOST, "at_least": kernel.AT_LEAST}
            move = (kinds[spec.move[0]], spec.move[1])
        return Adjustment(spec.name, self._condition(spec.when, what), changes, move, spec.reason)

    def _test(self, spec: TestSpec) -> Test:
        what = f"test `{spec.name}`"
        action = -1 if spec.action is None else ACTIONS.index(spec.action)
        return Test(
            spec.name, self._condition(spec.when, what), self._number(spec.cost, what), spec.results, action
        )

    def _hysteresis(self) -> Hysteresis | None:
        spec = self.spec.hysteresis
        if spec is None:
            return None
        role = spec.key.text()
        row = self.names.key_row(role)
        if row is None:
            raise spec.key.error(
                f"`{role}` is no entity's role", did_you_mean(role, list(self.names.roles()))
            )
        return Hysteresis(role, row, self._number(spec.margin, "`margin`"), spec.for_ms, spec.keys)

    # ---- belief

    def _evidence(self, spec: EvidenceSpec) -> EvidenceColumn:
        typed = self.names.check(spec.value.text(), spec.value.span)
        if typed.type in (Type.LOCATION, Type.LABEL, Type.NULL):
            raise spec.value.error(f"evidence `{spec.node}` cannot be {typed.type.value}")
        if typed.type.is_text and spec.bands is not None:
            raise spec.value.error(f"evidence `{spec.node}` is text: it has states, not bands")
        if spec.texts is not None and not typed.type.is_text:
            raise spec.value.error(f"evidence `{spec.node}` is {typed.type.value}: it has no texts to map")
        column = self.compiler.column(typed)
        return EvidenceColumn(spec.node, column.index, typed.type)

    def _belief(self, evidence: Sequence[EvidenceColumn]) -> Belief:
        spec = self.spec
        if spec.network is not None:
            if spec.belief is not None:
                raise spec.belief.error("a policy has a `belief` or a `network`, not both", "take one away")
            if spec.prior is not None:
                raise PolicyError("a `network` has its own prior", spec.span, "take `prior` away")
            if not evidence:
                raise spec.network.error("a `network` without `evidence` only knows its prior")
            reader = NetworkReader(spec.network, self.folder, spec.network.span, spec.target, spec.fraud)
            for each, column in zip(spec.evidence, evidence, strict=True):
                reader.add(each, column.row, column.type, self.names.code)
            return reader.belief()
        for name, said in (("target", spec.target), ("fraud", spec.fraud)):
            if said is not None:
                raise PolicyError(f"`{name}` belongs to a `network`, and there is none", spec.span)
        name, row = self._belief_row()
        return ColumnBelief(
            name,
            row,
            DEFAULT_PRIOR if spec.prior is None else spec.prior,
            tuple(each.node for each in evidence),
        )

    def _belief_row(self) -> tuple[str, int]:
        spec = self.spec
        if spec.belief is not None:
            typed = self.names.check(spec.belief.text(), spec.belief.span)
            if not typed.type.is_number:
                raise spec.belief.error(f"`belief` must be a probability, this is {typed.type.value}")
            return spec.belief.text(), self.compiler.column(typed).index
        if len(self.scores) == 1:
            name, column = next(iter(self.scores.items()))
            return f"{name}.score", column.index
        hint = "`belief: fraud.score`, a calibrated probability, or a `network:`"
        if self.scores:
            hint = f"say which model it is, as in `belief: {list(self.scores)[-1]}.score`"
        raise PolicyError("nothing says how likely fraud is", spec.span, hint)


def _limits(name: str) -> int:
    if name in SHARES:
        return kernel.SHARE
    return kernel.SIGNED if name in SIGNED else kernel.POSITIVE
