"""Personal data: which fields hold it, and what of it a role that may not see it gets.

A field is personal when the policy says `personal: true`, or when its name says so and the policy does not
say `personal: false`. Masked values keep the last two characters of a longer text at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from riskweave.events.spec import EventsSpec
from riskweave.expressions.types import Type
from riskweave.service.roles import Identity, Permission

MASK = "***"

# Words of a field's name that tell of a person. A customer's number is a pseudonym and stays.
_PERSONAL = re.compile(
    r"(^|_)(pan|card_?(number|no)|iban|(first|last|full|given|family|holder|customer|payee|payer|user)_?name|surname"
    r"|name|e_?mail|phone|mobile|msisdn|address|street|ssn|passport|id_?(number|card)|national_?id|tax_?id"
    r"|birth_?(date|day)|date_of_birth|dob|ip|ip_?address)($|_)",
    re.IGNORECASE,
)


def is_personal_name(name: str) -> bool:
    """Return whether a field of this name is personal unless the policy says otherwise."""
    return _PERSONAL.search(name) is not None


class Masks:
    """Which names of a policy's records are personal."""

    def __init__(self, spec: EventsSpec) -> None:
        self.fields: set[str] = set()
        clear: set[str] = set()
        for each in spec.types:
            for field in each.fields.values():
                said = field.personal
                default = is_personal_name(field.name) or field.type is Type.IP
                names = {field.name, *field.sources}
                (self.fields if (default if said is None else said) else clear).update(names)
        self._clear = clear - self.fields

    def is_personal(self, name: str) -> bool:
        """Return whether a name of a record is personal; unknown names are judged alone."""
        return name in self.fields or (name not in self._clear and is_personal_name(name))

    def record(self, record: Mapping[str, Any], identity: Identity) -> dict[str, Any]:
        """Return a record as this identity may see it."""
        if identity.may(Permission.PERSONAL):
            return dict(record)
        return {name: masked(value) if self.is_personal(name) else value for name, value in record.items()}

    def value(self, name: str, value: Any, identity: Identity) -> Any:
        """Return a field's value as this identity may see it."""
        return value if identity.may(Permission.PERSONAL) or not self.is_personal(name) else masked(value)


def masked(value: Any) -> Any:
    """Return what is left of a value: None stays, a text of eight characters or more keeps its last two."""
    if value is None:
        return None
    if isinstance(value, str) and len(value) >= 8 and "@" not in value:
        return MASK + value[-2:]
    return MASK
