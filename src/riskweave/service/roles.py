"""Who may do what: permissions, the roles that hold them, and scenarios a person is limited to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from riskweave.service.problems import Problem


class Permission(StrEnum):
    """What a route asks for."""

    DECIDE = "decide"
    FEEDBACK = "feedback"
    DECISIONS = "decisions.read"
    PERSONAL = "personal.read"
    ENTITIES = "entities.read"
    ENTITIES_WRITE = "entities.write"
    POLICIES = "policies.read"
    POLICIES_WRITE = "policies.write"
    LISTS = "lists.read"
    LISTS_WRITE = "lists.write"
    ALERTS = "alerts.read"
    ALERTS_HANDLE = "alerts.handle"
    ALERTS_WRITE = "alerts.write"
    USERS = "users.read"
    USERS_WRITE = "users.write"
    AUDIT = "audit.read"
    OPERATIONS = "operations.read"


P = Permission
_LOOK = frozenset({P.DECISIONS, P.ENTITIES, P.POLICIES, P.LISTS, P.ALERTS, P.OPERATIONS})
_WORK = _LOOK | {P.PERSONAL, P.FEEDBACK, P.LISTS_WRITE, P.ALERTS_HANDLE}

ROLES: dict[str, frozenset[Permission]] = {
    "admin": frozenset(Permission),
    "risk_manager": _WORK | {P.DECIDE, P.POLICIES_WRITE, P.ALERTS_WRITE, P.ENTITIES_WRITE, P.AUDIT},
    "analyst": _WORK,
    "auditor": _LOOK | {P.AUDIT, P.USERS},
    "read_only": _LOOK,
    # Machines: the payment system that asks, and the monitor that scrapes.
    "sender": frozenset({P.DECIDE, P.FEEDBACK}),
    "monitor": frozenset({P.OPERATIONS}),
}

# Roles that may see every scenario's personal data are not limited by default; a limit is always explicit.
EVERY_SCENARIO: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `kind` is `user` or `key`; no `scenarios` means all of them."""

    kind: str
    id: int
    name: str
    role: str
    scenarios: frozenset[str] = EVERY_SCENARIO
    session: str = ""

    @property
    def actor(self) -> str:
        """Return who it was, as journal and audit log name it."""
        return f"{self.kind}:{self.name}"

    def may(self, permission: Permission) -> bool:
        return permission in ROLES[self.role]

    def need(self, permission: Permission) -> None:
        """Raise the 403 when the role lacks a permission."""
        if permission not in ROLES[self.role]:
            raise Problem(
                "not_allowed", f"the role `{self.role}` lacks `{permission.value}`", expected=permission.value
            )

    def sees(self, scenario: str) -> bool:
        """Return whether a scenario is among those this identity is limited to."""
        return not self.scenarios or scenario in self.scenarios

    def need_every_scenario(self) -> None:
        """Refuse what concerns all scenarios to those who are limited to some."""
        if self.scenarios:
            raise Problem("not_allowed", "this concerns every scenario; this identity is limited to some")
