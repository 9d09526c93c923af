"""The answers to a batch, told from the columns of its decisions: none is made an object of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from riskweave.batch import ACTIONS
from riskweave.engine.decisions import Decisions
from riskweave.engine.durable_answers import ManyAnswers, Part, request_id
from riskweave.service.port import Decided
from riskweave.service.telling import Told, told_of

Answered = Told | dict[str, Any]
Tell = Callable[[int, Exception], dict[str, Any]]

_encode_lines = msgspec.json.Encoder(enc_hook=str).encode_lines


def tell_all(
    many: Iterable[Decided | Exception], scenarios: Sequence[str], language: str, tell: Tell
) -> list[Answered]:
    """Return an answer or an error for each event, in the order given; `tell` makes the errors."""
    if not isinstance(many, ManyAnswers):
        return [
            tell(at, each) if isinstance(each, Exception) else told_of(each, scenario, language)
            for at, (each, scenario) in enumerate(zip(many, scenarios, strict=True))
        ]
    found: list[Answered | None] = [None] * many.rows
    for part in many.parts:
        _tell_part(many, part, scenarios, language, found)
    for row, answer in many.repeated.items():
        found[row] = told_of(answer, scenarios[row], language)
    for rejected in many.rejected:
        found[rejected.row] = tell(rejected.row, rejected.error)
    complete: list[Answered] = [each for each in found if each is not None]
    assert len(complete) == many.rows
    return complete


def _tell_part(
    many: ManyAnswers, part: Part, scenarios: Sequence[str], language: str, found: list[Answered | None]
) -> None:
    decisions = part.decisions
    size = len(decisions)
    ids = [None] * size if decisions.event_ids is None else decisions.event_ids.to_pylist()
    starts, numbers = decisions.hit_start.tolist(), decisions.hit_rule.tolist()
    # Most events hit what others hit too: what is said of them is made once.
    said: dict[tuple[int, ...], tuple[list[str], list[str]]] = {(): ([], [])}
    columns = zip(
        decisions.rows.tolist(), ids, decisions.action.tolist(), decisions.score.tolist(), strict=True
    )
    for index, (row, identity, action, score) in enumerate(columns):
        hits = tuple(numbers[starts[index] : starts[index + 1]])
        words = said.get(hits)
        if words is None:
            words = said[hits] = _said(part, hits, language)
        sequence = part.first_sequence + index
        found[row] = Told(
            request_id(many.journal, sequence),
            identity if identity is None or type(identity) is str else str(identity),
            ACTIONS[action],
            score,
            words[0],
            words[1],
            scenarios[row],
            part.policy_version,
            sequence,
            many.durable,
            part.rung,
            False,
            many.processing_us,
        )
    _add_economics(decisions, found)


def _said(part: Part, hits: tuple[int, ...], language: str) -> tuple[list[str], list[str]]:
    """Return the reasons, riskiest first, and the rules, in policy order; as `Decision` has them."""
    rules = [part.answers.plan.rules.rules[number] for number in hits]
    ranked = sorted(rules, key=lambda rule: -(rule.risk or 0.0))
    reasons = [rule.reason.get(language) or rule.reason.get("en") or rule.id for rule in ranked]
    return reasons, [rule.id for rule in rules]


def _add_economics(decisions: Decisions, found: list[Answered | None]) -> None:
    probability, utilities = decisions.probability, decisions.utilities
    if probability is None or utilities is None or decisions.kept is None:
        return
    allowed = decisions.kept.open_actions()
    priced = ~np.isnan(utilities)
    for index, row in enumerate(decisions.rows.tolist()):
        told = found[row]
        assert isinstance(told, Told)
        if probability[index] != probability[index]:
            continue
        told.probability = float(probability[index])
        told.economics = [
            {
                "action": action,
                "expected": float(utilities[rank, index]),
                "open": bool(allowed[rank, index]),
            }
            for rank, action in enumerate(ACTIONS)
            if priced[rank, index]
        ]


def as_lines(answers: list[Answered]) -> bytes:
    """Return answers as JSON Lines."""
    return _encode_lines(answers)


def as_arrow(answers: list[Answered]) -> bytes:
    """Return answers as an Arrow stream; `error` holds the problem, as JSON, of what was not decided."""
    import pyarrow as pa

    kinds = {
        "request_id": pa.string(),
        "event_id": pa.string(),
        "action": pa.string(),
        "score": pa.float64(),
        "reasons": pa.list_(pa.string()),
        "rules": pa.list_(pa.string()),
        "scenario": pa.string(),
        "policy_version": pa.string(),
        "sequence": pa.int64(),
        "durable": pa.bool_(),
        "rung": pa.string(),
        "duplicate": pa.bool_(),
        "processing_time_us": pa.float64(),
        "probability": pa.float64(),
    }
    columns = [pa.array([_part(each, name) for each in answers], kind) for name, kind in kinds.items()]
    errors = [
        msgspec.json.encode(each, enc_hook=str).decode() if isinstance(each, dict) else None
        for each in answers
    ]
    table = pa.table([*columns, pa.array(errors, pa.string())], names=[*kinds, "error"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _part(answer: Answered, name: str) -> Any:
    if isinstance(answer, dict):
        return None
    found = getattr(answer, name)
    return None if found is msgspec.UNSET else found
