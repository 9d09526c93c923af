"""The same policy with less in it: its features alone, its rules alone, its model alone."""

from __future__ import annotations

import dataclasses
import hashlib

from riskweave.document import Node, from_python
from riskweave.errors import RiskweaveError
from riskweave.policy.policy import Policy

# What a feature may need; enough to make a training set, before there is any model.
OF_FEATURES = ("policy", "events", "entities", "constants", "lists", "features")
# Parts of the section `decision:` that say what actions and tests bring, not what to believe or forbid.
OF_COSTS = ("prior", "costs", "amounts", "assume", "tests", "ask", "capacity")


def features_alone(policy: Policy) -> Policy:
    """Return the policy without anything that judges."""
    return _with(policy, {name: node for name, node in policy.document.root.items() if name in OF_FEATURES})


def rules_alone(policy: Policy) -> Policy:
    """Return the policy that decides by its greatest risk: rules, tables, scorecards, trees, patterns."""
    sections = dict(policy.document.root.items())
    sections.pop("explanation", None)
    sections["decision"] = from_python({"integrator": "maximum"}, "decision")
    return _with(policy, sections)


def model_alone(policy: Policy, model: str) -> Policy:
    """Return the policy that believes one model and weighs by the same costs; nothing else has a say."""
    sections = dict(policy.document.root.items())
    decision = sections.get("decision")
    if decision is None or decision.get("costs") is None:
        raise RiskweaveError("a trial counts money: the policy needs `decision:` with `costs`")
    for name in ("rules", "rule_groups", "explanation"):
        sections.pop(name, None)
    kept = {name: each for name, each in decision.items() if name in OF_COSTS}
    kept["belief"] = from_python(f"{model}.score", "decision.belief")
    sections["decision"] = Node(
        kept, decision.span, decision.path, {name: each.span for name, each in kept.items()}
    )
    return _with(policy, sections)


def _with(policy: Policy, sections: dict[str, Node]) -> Policy:
    root = policy.document.root
    entries = Node(sections, root.span, root.path, {name: each.span for name, each in sections.items()})
    told = hashlib.sha256(f"{policy.version} {sorted(sections)}".encode()).hexdigest()
    return dataclasses.replace(
        policy, document=dataclasses.replace(policy.document, root=entries, version=told)
    )
