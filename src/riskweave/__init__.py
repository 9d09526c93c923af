"""riskweave decides, in real time, what to do with a financial event.

    from riskweave import Engine, Policy

    engine = Engine(Policy.read("my_policy"))
    decision = engine.decide({"payment_id": "p1", "at": "2026-01-01T10:00:00Z", "amount": "12.50", ...})

Names are imported when first used: `import riskweave` is quick, numba comes with the first engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riskweave.client import AsyncClient, Client
    from riskweave.engine.decisions import Decision, Decisions
    from riskweave.engine.engine import Engine
    from riskweave.engine.snapshot import Snapshot
    from riskweave.errors import (
        DuplicateError,
        EventError,
        LimitError,
        ModelError,
        PolicyError,
        PolicyErrors,
        RiskweaveError,
        StateError,
    )
    from riskweave.policy.policy import Policy

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "client",
    "Client": "client",
    "Decision": "engine.decisions",
    "Decisions": "engine.decisions",
    "Engine": "engine.engine",
    "Snapshot": "engine.snapshot",
    "DuplicateError": "errors",
    "EventError": "errors",
    "LimitError": "errors",
    "ModelError": "errors",
    "PolicyError": "errors",
    "PolicyErrors": "errors",
    "RiskweaveError": "errors",
    "StateError": "errors",
    "Policy": "policy.policy",
}

__all__ = [
    "AsyncClient",
    "Client",
    "Decision",
    "Decisions",
    "DuplicateError",
    "Engine",
    "EventError",
    "LimitError",
    "ModelError",
    "Policy",
    "PolicyError",
    "PolicyErrors",
    "RiskweaveError",
    "Snapshot",
    "StateError",
    "__version__",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'riskweave' has no attribute {name!r}")
    return getattr(import_module(f"riskweave.{home}"), name)


def __dir__() -> list[str]:
    return __all__
