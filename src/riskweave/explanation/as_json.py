"""An explanation as JSON: every text in the languages asked for, every number beside it.

docs/explanation.md describes the form; `FORMAT` changes when it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from riskweave.explanation.explanation import Explanation
from riskweave.explanation.formats import LANGUAGES
from riskweave.explanation.speech import Speaker, Speech, Value

FORMAT = 1


def as_json(explanation: Explanation, languages: Sequence[str] = LANGUAGES) -> dict[str, object]:
    """Return plain values for `json.dumps`."""
    book = explanation.book
    speakers = {language: Speaker(language, book.time_zone) for language in languages}

    def texts(speech: Speech) -> dict[str, str]:
        return {language: speaker.say(speech) for language, speaker in speakers.items()}

    return {
        "format": FORMAT,
        "event_id": explanation.event_id,
        "time_ms": explanation.time_ms,
        "policy": {"name": book.policy, "version": book.version},
        "action": explanation.action,
        "score": _number(explanation.score),
        "summary": texts(explanation.summary),
        "log_odds": {
            "prior": _number(explanation.prior),
            "posterior": _number(explanation.posterior),
            "exact": explanation.exact,
        },
        "probability": _number(explanation.probability),
        "contributions": [
            {
                "kind": each.kind,
                "name": each.name,
                "node": each.node,
                "log_odds": _number(each.log_odds),
                "code": each.code,
                "text": texts(each.said),
                "reason": None if each.reason is None else texts(each.reason),
                "value": _plain(each.value),
                "usual": _plain(each.usual),
                "facts": [
                    {
                        "name": fact.name,
                        "value": _plain(fact.value),
                        "usual": _plain(fact.usual),
                        "text": texts(fact.said),
                    }
                    for fact in each.facts
                ],
            }
            for each in explanation.contributions
        ],
        "evidence": [
            {
                "node": each.node,
                "value": _plain(Value(each.value)),
                "state": each.state,
                "log_odds": _number(each.log_odds),
            }
            for each in explanation.evidence
        ],
        "economics": [
            {
                "action": each.action,
                "expected": _number(each.expected),
                "parts": {name: _number(amount) for name, amount in each.parts.items()},
                "open": each.open,
            }
            for each in explanation.economics
        ],
        "tests": [
            {
                "name": each.name,
                "value": _number(each.value),
                "cost": _number(each.cost),
                "net": _number(each.net),
            }
            for each in explanation.tests
        ],
        "lines": [{"text": texts(each)} for each in explanation.lines],
        "near_misses": [
            {
                "kind": each.kind,
                "name": each.name,
                "distance": _number(each.distance),
                "text": texts(each.said),
            }
            for each in explanation.near_misses
        ],
        "counterfactuals": [
            {
                "action": each.action,
                "gentler": each.gentler,
                "changes": [
                    {"field": name, "from": _plain(before), "to": _plain(after)}
                    for name, before, after in each.changes
                ],
                "text": texts(each.said),
            }
            for each in explanation.alternatives
        ],
        "codes": list(explanation.codes),
    }


def _plain(value: Value | None) -> object:
    if value is None:
        return None
    found = value.value
    if isinstance(found, float):
        return _number(found)
    return found if found is None or isinstance(found, (bool, int, str)) else str(found)


def _number(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
