"""Decisions as the API tells them: to the payment system in short, to people in full."""

from __future__ import annotations

from typing import Any

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


def answer_json(decided: Decided, scenario: str, language: str) -> dict[str, Any]:
    """Return what the payment system gets."""
    decision = decided.decision
    return {
        "request_id": decided.request_id,
        "event_id": decision.event_id,
        "action": decision.action,
        "score": decision.score,
        "reasons": decision.reasons(language),
        "rules": decision.rules,
        "scenario": scenario,
        "policy_version": decided.policy_version,
        "sequence": decided.sequence,
        "durable": decided.durable,
        "rung": decided.rung,
        "duplicate": decided.duplicate,
        "processing_time_us": decided.processing_us,
    }


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


def explanation_json(recorded: Recorded, language: str) -> dict[str, Any]:
    """Return why: the sentence, and what spoke for it, riskiest first."""
    decision = recorded.decision
    words = WORDS[language]
    reasons = decision.reasons(language)
    sentence = f"{words[decision.action]}{words['because'] if reasons else ''}{words['and'].join(reasons)}"
    return {
        "request_id": recorded.request_id,
        "event_id": decision.event_id,
        "language": language,
        "action": decision.action,
        "score": decision.score,
        "sentence": sentence,
        "reasons": [
            {
                "rule": hit.rule,
                "risk": hit.risk,
                "text": hit.reason.get(language) or hit.reason.get("en") or hit.rule,
            }
            for hit in sorted(decision.hits, key=lambda hit: -(hit.risk or 0.0))
        ],
        "patterns": [
            {
                "pattern": match.pattern,
                "risk": match.risk,
                "text": match.reason.get(language) or match.pattern,
            }
            for match in decision.patterns
        ],
        "policy_version": recorded.policy_version,
    }


WORDS = {
    "en": {
        "PASS": "Passed",
        "MFA": "A second factor was asked for",
        "REVIEW": "Sent to review",
        "BLOCK": "Blocked",
        "because": ": ",
        "and": "; ",
    },
    "zh": {
        "PASS": "放行",
        "MFA": "要求加强验证",
        "REVIEW": "转人工审核",
        "BLOCK": "拦截",
        "because": "：",
        "and": "；",
    },
}
