"""What a decision leaves behind beside score and action: belief, evidence, economics, tests, lines."""

from __future__ import annotations

from dataclasses import dataclass


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
