"""What a customer used before: the values that counterfactuals try first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine

Event = Mapping[str, object]

KNOWN_MAX = 8


def known_values(engine: Engine, before: Iterable[Event]) -> dict[str, list[object]]:
    """Return the texts and truth values that some events have, by field, in the events' order."""
    fields = {each.field.name for kind in engine.plan.decode.types for each in kind.fields}
    found: dict[str, dict[object, None]] = {field: {} for field in fields}
    for event in before:
        for field, values in found.items():
            value = field_value(engine, event, field)
            if isinstance(value, (str, bool)) and len(values) < KNOWN_MAX:
                values[value] = None
    return {field: list(values) for field, values in found.items() if values}


def field_value(engine: Engine, event: Event, field: str) -> object:
    """Return a field's value as the event has it."""
    for kind in engine.plan.decode.types:
        for each in kind.fields:
            if each.field.name == field:
                return next((event[name] for name in each.names if event.get(name) is not None), None)
    return None
