"""What the service knows of the policy that decides now: its scenarios, and what is personal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from riskweave.events.record import match_text
from riskweave.events.spec import read_spec
from riskweave.policy.policy import Policy
from riskweave.service.masking import Masks

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = "unknown"


class Live:
    """A policy as the service sees it. A scenario is an event type: payment, transfer, login, claim."""

    def __init__(self, policy: Policy) -> None:
        spec = read_spec(policy.document.root)
        self.name = policy.name
        self.version = policy.version
        self.masks = Masks(spec)
        self.scenarios = tuple(each.name for each in spec.types)
        self.roles = tuple(spec.roles())
        self.id_fields = {each.name: each.id for each in spec.types}
        self.keys_of = {
            role.name: role.key[0] for each in spec.entities for role in each.roles if len(role.key) == 1
        }
        self._types = tuple((each.name, each.match) for each in spec.types)
        self._only = spec.types[0].name if not spec.types[0].match else None

    def scenario(self, event: Mapping[str, object]) -> str:
        """Return the scenario that an event belongs to; `unknown` when it is none of the policy's."""
        if self._only is not None:
            return self._only
        for name, match in self._types:
            if all(match_text(event.get(key)) == text for key, text in match):
                return name
        return UNKNOWN

    def scenarios_of(self, events: list[Mapping[str, object]] | pa.Table) -> list[str]:
        """Return the scenario of each event."""
        if self._only is not None:
            return [self._only] * len(events)
        if not isinstance(events, list):
            names = {key for _, match in self._types for key, _ in match}
            table: pa.Table = events
            known = [name for name in table.column_names if name in names]
            if not known:
                return [self.scenario({})] * table.num_rows
            return [self.scenario(each) for each in table.select(known).to_pylist()]
        return [self.scenario(each) for each in events]

    def keys(self, event: Mapping[str, object]) -> dict[str, str]:
        """Return the key of each role that an event names, without those that are personal."""
        return {
            role: str(event[field])
            for role, field in self.keys_of.items()
            if event.get(field) is not None and not self.masks.is_personal(field)
        }
