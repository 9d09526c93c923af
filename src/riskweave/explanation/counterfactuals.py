"""The smallest change of an event that would have got another action, found by really deciding again.

Fields are tried one at a time, in the policy's order. A number goes to its least and its greatest value;
where that moves the action, back by bisection, through the limits that rules name, to the last step that
still moves it: its neighbour towards the true value does not. (An action that moves only between the two
ends is not found.) A category goes through the values it may have; a time, for a gentler action only,
through shifts, the least first. Only where no single change gives a gentler action are two changed at
once. Every answer is the outcome of a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations

from riskweave.batch import ACTIONS

# How many decisions an explanation may cost.
DECISIONS_MAX = 96
# Of these, how many one number may, and pairs of fields.
NUMBER_MAX = 64
PAIRS_MAX = 12
_DOWN = (0.5, 0.1)
_UP = (2.0, 10.0, 100.0)
_BISECTIONS_MAX = 40

Decide = Callable[[Mapping[str, object]], str]


@dataclass(frozen=True, slots=True)
class Changeable:
    """A field of the event that may be changed.

    `how` is number (in whole steps of `step`, between `low` and `high`; `hints` are tried first), category
    (one of `choices`, as they are in the event), or time (`choices` are shifts in milliseconds).
    """

    field: str
    how: str
    value: object
    step: float = 1.0
    low: float = 0.0
    high: float = 1e15
    hints: tuple[float, ...] = ()
    choices: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """One field's change; a time's `to` is the shift in milliseconds."""

    field: str
    how: str
    before: object
    to: object


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Changes, and the action that was decided with them."""

    changes: tuple[Changed, ...]
    action: str


class _Spent(Exception):  # noqa: N818
    """No more decisions may be asked for."""


@dataclass(slots=True)
class Search:
    """Looks for counterfactuals; `decide(changes)` answers with an action, changes by field.

    A time's change is its shift in milliseconds.
    """

    action: str
    decide: Decide
    most: int = DECISIONS_MAX
    asked: int = 0
    found: list[Counterfactual] = field(default_factory=list)
    _known: dict[tuple[tuple[str, object], ...], str] = field(default_factory=dict)

    def run(self, fields: Sequence[Changeable]) -> list[Counterfactual]:
        """Return what was found: gentler actions first, single changes before pairs, in the fields' order."""
        found = self.found = []
        for each in fields:
            limit = self.asked + NUMBER_MAX if each.how == "number" else self.most
            try:
                for direction in (-1, 1):
                    found += self._single(each, direction, min(limit, self.most))
            except _Spent:
                continue
        rank = ACTIONS.index(self.action)
        if rank > 0 and not any(ACTIONS.index(each.action) < rank for each in found):
            with suppress(_Spent):
                found += self._pairs(fields)
        order = {each.field: at for at, each in enumerate(fields)}
        found.sort(
            key=lambda each: (
                ACTIONS.index(each.action) > rank,
                len(each.changes),
                [order[change.field] for change in each.changes],
            )
        )
        return found

    # ---- one field

    def _single(self, each: Changeable, direction: int, limit: int) -> list[Counterfactual]:
        if (direction < 0 and self.action == ACTIONS[0]) or (direction > 0 and self.action == ACTIONS[-1]):
            return []
        found: object
        if each.how == "time" and direction > 0:
            # At another hour it might have been stopped: that helps nobody.
            return []
        if each.how == "number":
            found = self._number(each, direction, limit)
        else:
            found = next(
                (choice for choice in each.choices if self._moves({each.field: choice}, direction, limit)),
                None,
            )
        if found is None:
            return []
        action = self._ask({each.field: found}, limit)
        return [Counterfactual((Changed(each.field, each.how, each.value, found),), action)]

    def _number(self, each: Changeable, direction: int, limit: int) -> float | None:
        """Return the nearest value found that moves the action in that direction."""
        start = _steps(each, _number_of(each.value))
        low, high = _steps(each, each.low), _steps(each, each.high)
        nearest: int | None = None
        for down in (True, False):
            rungs = {_steps(each, start * each.step * part) for part in (_DOWN if down else _UP)}
            rungs |= {_steps(each, hint) + shift for hint in each.hints for shift in (-1, 0, 1)}
            if down:
                rungs.add(low)
            inside = [rung for rung in rungs if (low <= rung < start if down else start < rung <= high)]
            ladder = [start, *sorted(inside, reverse=down)]
            if len(ladder) == 1 or not self._moves({each.field: _value(each, ladder[-1])}, direction, limit):
                continue
            stays, moves = 0, len(ladder) - 1
            while moves - stays > 1:
                middle = (stays + moves) // 2
                if self._moves({each.field: _value(each, ladder[middle])}, direction, limit):
                    moves = middle
                else:
                    stays = middle
            found = self._between(each, direction, ladder[stays], ladder[moves], limit)
            if nearest is None or abs(found - start) < abs(nearest - start):
                nearest = found
        return None if nearest is None else _value(each, nearest)

    def _between(self, each: Changeable, direction: int, stays: int, moves: int, limit: int) -> int:
        """Return the step next to one that stays at which the action moves."""
        for _ in range(_BISECTIONS_MAX):
            if abs(moves - stays) <= 1:
                break
            middle = (stays + moves) // 2
            if self._moves({each.field: _value(each, middle)}, direction, limit):
                moves = middle
            else:
                stays = middle
        return moves

    # ---- two fields

    def _pairs(self, fields: Sequence[Changeable]) -> list[Counterfactual]:
        limit = min(self.asked + PAIRS_MAX, self.most)
        for first, second in combinations(fields, 2):
            for one in _few(first):
                for other in _few(second):
                    changes = {first.field: one, second.field: other}
                    if self._moves(changes, -1, limit):
                        changed = (
                            Changed(first.field, first.how, first.value, one),
                            Changed(second.field, second.how, second.value, other),
                        )
                        return [Counterfactual(changed, self._ask(changes, limit))]
        return []

    # ---- asking

    def _moves(self, changes: Mapping[str, object], direction: int, limit: int) -> bool:
        now = ACTIONS.index(self._ask(changes, limit))
        return (now - ACTIONS.index(self.action)) * direction > 0

    def _ask(self, changes: Mapping[str, object], limit: int) -> str:
        key = tuple(changes.items())
        known = self._known.get(key)
        if known is None:
            if self.asked >= limit:
                raise _Spent
            self.asked += 1
            known = self._known[key] = self.decide(changes)
        return known


def _number_of(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _steps(each: Changeable, value: float) -> int:
    return round(value / each.step)


def _value(each: Changeable, steps: int) -> float:
    """Return a number of steps as a value that has no digits beyond the step's."""
    if each.step >= 1.0:
        return float(steps * round(each.step))
    return steps / round(1.0 / each.step)


def _few(each: Changeable) -> list[object]:
    """Return the values tried in pairs: an amount's hints and half, the first choices of others."""
    if each.how != "number":
        return list(each.choices[:2])
    value = _number_of(each.value)
    rungs = [*[hint for hint in each.hints if each.low <= hint < value][-1:], each.low]
    return [_value(each, _steps(each, rung)) for rung in rungs if each.low <= rung < value]
