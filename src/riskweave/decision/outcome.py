"""What a decision leaves behind beside score and action: belief, evidence, economics, tests, lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class EvidenceState:
    """A node of the network and what was seen of it.

    `value` is the column's value before it was put into a band (None is unknown), `state` the band's
    or state's name (None: not observed). `log_odds` is how much it moved the log-odds of fraud, given
    all the other evidence.
    """

    node: str
    value: object
    state: str | None
    log_odds: float | None = None


@dataclass(frozen=True, slots=True)
class ActionValue:
    """What an action was expected to bring, in the base currency; costs are negative.

    `parts` sum to `expected` (loss, margin, review, friction, insult, ...). `open` is False where a
    floor or a ceiling forbade the action.
    """

    action: str
    expected: float
    parts: dict[str, float]
    open: bool = True


@dataclass(frozen=True, slots=True)
class TestValue:
    """A test that could be asked for: its value of information, its cost, and what it would bring net."""

    name: str
    value: float
    cost: float

    # pytest collects classes of this name otherwise.
    __test__ = False

    @property
    def net(self) -> float:
        return self.value - self.cost


@dataclass(frozen=True, slots=True)
class Line:
    """A step after the utilities that had a say: a floor, a ceiling, an adjustment, hysteresis, capacity.

    `before` and `after` are actions; they may be equal (a floor that changed nothing is still told).
    """

    kind: str
    name: str
    before: str
    after: str
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision room's answer for one event; `probability` is None without a network or a model."""

    integrator: str
    probability: float | None = None
    prior: float | None = None
    evidence: tuple[EvidenceState, ...] = ()
    economics: tuple[ActionValue, ...] = ()
    tests: tuple[TestValue, ...] = ()
    lines: tuple[Line, ...] = ()


class ToldLater(Outcome):
    """An outcome that is told when somebody first asks: most decisions are never looked at."""

    __slots__ = ("_tell",)

    _tell: Callable[[], Outcome] | None

    def __init__(self, tell: Callable[[], Outcome]) -> None:
        object.__setattr__(self, "_tell", tell)

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not there yet.
        if name not in _PARTS or self._tell is None:
            raise AttributeError(name)
        outcome = self._tell()
        for part in _PARTS:
            object.__setattr__(self, part, getattr(outcome, part))
        object.__setattr__(self, "_tell", None)
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        return all(getattr(self, part) == getattr(other, part) for part in _PARTS)

    def __hash__(self) -> int:
        return hash((self.integrator, self.probability))


_PARTS = tuple(each.name for each in fields(Outcome))
