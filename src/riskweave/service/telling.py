"""Decisions as the API tells them: to the payment system in short, to people in full."""

from __future__ import annotations

from typing import Any

import msgspec

from riskweave.decision.outcome import Outcome
from riskweave.engine.decisions import Decision
from riskweave.service.live import Live
from riskweave.service.port import Decided, Recorded
from riskweave.service.roles import Identity, Permission

LANGUAGES = ("en", "zh")


def language_of(query: bytes, accept: bytes | None) -> str:
    """Return the language asked for by `?language=`, else by Accept-Language, else English."""
    if b"language=zh" in query:
        return "zh"
    if b"language=" in query or not accept:
        return "en"
    return "zh" if accept.lstrip().lower().startswith(b"zh") else "en"


class Told(msgspec.Struct, gc=False):
    """What the payment system gets. Of a batch the economics come without their parts."""

    request_id: str
    event_id: str | None
    action: str
    score: float
    reasons: list[str]
    rules: list[str]
    scenario: str
    policy_version: str
    sequence: int
    durable: bool
    rung: str
    duplicate: bool
    processing_time_us: float
    probability: float | msgspec.UnsetType = msgspec.UNSET
    economics: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


def told_of(decided: Decided, scenario: str, language: str) -> Told:
    """Return the answer to one event."""
    decision = decided.decision
    told = Told(
        decided.request_id,
        decision.event_id,
        decision.action,
        decision.score,
        decision.reasons(language) if decision.hits else [],
        decision.rules if decision.hits else [],
        scenario,
        decided.policy_version,
        decided.sequence,
        decided.durable,
        decided.rung,
        decided.duplicate,
        decided.processing_us,
    )
    outcome = decision.outcome
    if outcome is not None and outcome.probability is not None:
        told.probability = outcome.probability
        told.economics = economics_json(outcome)
    return told


def short_json(recorded: Recorded, live: Live, identity: Identity, language: str) -> dict[str, Any]:
    """Return a decision as a row of a list or a frame of a stream."""
    decision = recorded.decision
    return {
        "sequence": recorded.sequence,
        "request_id": recorded.request_id,
        "event_id": decision.event_id,
        "received_ms": recorded.received_ms,
        "time_ms": decision.time_ms,
        "scenario": live.scenario(recorded.event),
        "action": decision.action,
        "score": decision.score,
        "rules": decision.rules,
        "reasons": decision.reasons(language),
        "rung": recorded.rung,
        "policy_version": recorded.policy_version,
        "event": live.masks.record(recorded.event, identity),
    }


def full_json(recorded: Recorded, live: Live, identity: Identity, language: str) -> dict[str, Any]:
    """Return all that is kept of a decision, as this identity may see it."""
    decision = recorded.decision
    return short_json(recorded, live, identity, language) | {
        **outcome_json(decision),
        "skipped_models": recorded.skipped,
        "features": features_json(decision, live, identity),
        "hits": [{"rule": hit.rule, "risk": hit.risk, "reason": hit.reason} for hit in decision.hits],
        "lists": [
            {
                "list": match.list,
                "operand": match.operand,
                "value": live.masks.value(match.operand, match.value, identity),
                "by": match.by if identity.may(Permission.LISTS) else None,
                "why": match.why,
            }
            for match in decision.lists
        ],
        "patterns": [match.to_json() for match in decision.patterns],
        "elapsed": [match.to_json() for match in decision.elapsed],
        "incomplete": decision.incomplete,
    }


def features_json(decision: Decision, live: Live, identity: Identity) -> dict[str, Any]:
    return {name: live.masks.value(name, value, identity) for name, value in decision.features.items()}


def outcome_json(decision: Decision) -> dict[str, Any]:
    """Return belief and economics of a decision, when its policy decides by them."""
    outcome = decision.outcome
    if outcome is None or outcome.probability is None:
        return {}
    return {"probability": outcome.probability, "economics": economics_json(outcome)}


def economics_json(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {"action": each.action, "expected": each.expected, "parts": each.parts, "open": each.open}
        for each in outcome.economics
    ]
