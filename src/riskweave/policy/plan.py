"""The plan: a policy compiled, frozen, ready to run."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.batch import Layout
from riskweave.decision.plan import DecisionPlan
from riskweave.events.attributes import AttributesPlan
from riskweave.events.plan import DecodePlan
from riskweave.events.spec import EventsSpec
from riskweave.expressions.program import Program
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col
from riskweave.features.plan import FeaturesPlan
from riskweave.lists.plan import ListsPlan
from riskweave.models.plan import ModelsPlan
from riskweave.policy.settings import Settings
from riskweave.rules.plan import RulesPlan


@dataclass(frozen=True)
class Plan:
    """Every room's plan, the programs between them, and the named outputs.

    `programs[s]` runs right after the room of stage s. `labels` maps a label field to its number
    and the delay with which it arrives when it comes in the events themselves.
    """

    version: str
    settings: Settings
    events: EventsSpec
    layout: Layout
    pool: StringPool
    decode: DecodePlan
    attributes: AttributesPlan
    lists: ListsPlan
    features: FeaturesPlan
    models: ModelsPlan
    rules: RulesPlan
    decision: DecisionPlan
    programs: tuple[Program, ...]
    outputs: tuple[tuple[str, Col], ...]
    labels: dict[str, tuple[int, int]]
