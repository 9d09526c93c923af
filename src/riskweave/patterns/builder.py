"""Patterns in Python, with the words of Flink CEP: what they build is the policy's own form.

>>> brute_force = (
...     Pattern.begin("failed").subtype("login").where("ok == False").times(5).consecutive()
...     .next("success").subtype("login").where("ok == True")
...     .within("30m").keyed_by("user")
... )
>>> list(brute_force.to_dict())
['key', 'stages', 'within']
"""

from __future__ import annotations

from typing import Any

from riskweave.document import from_python
from riskweave.errors import PolicyError, Span
from riskweave.patterns.spec import PatternSpec, read_pattern


class Pattern:
    """A chain of stages; every call returns the same pattern, so calls can be chained.

    `where`, `times` and the like speak of the stage named last. `within` is the window of the whole
    pattern; `within_previous` the longest gap before the stage named last.
    """

    def __init__(self, stages: list[dict[str, Any]], given: dict[str, Any] | None = None) -> None:
        self.stages = stages
        self.given = given or {}

    # ---- stages

    @classmethod
    def begin(cls, stage: str | Pattern) -> Pattern:
        """Begin with a stage, or with a group of stages."""
        return cls([{"begin": _named(stage)}])

    def next(self, stage: str | Pattern) -> Pattern:
        """Add a stage that takes the very next event."""
        return self._add("next", stage)

    def followed_by(self, stage: str | Pattern) -> Pattern:
        """Add a stage that takes the next event that meets it."""
        return self._add("followed_by", stage)

    def followed_by_any(self, stage: str | Pattern) -> Pattern:
        """Add a stage that may take any later event that meets it."""
        return self._add("followed_by_any", stage)

    def not_next(self, stage: str) -> Pattern:
        """Add that the very next event does not meet this stage."""
        return self._add("not_next", stage)

    def not_followed_by(self, stage: str) -> Pattern:
        """Add that no event meets this stage until the next one is taken, or until time is up."""
        return self._add("not_followed_by", stage)

    def _add(self, word: str, stage: str | Pattern) -> Pattern:
        self.stages.append({word: _named(stage)})
        return self

    def _set(self, key: str, value: Any) -> Pattern:
        if key in self.stages[-1]:
            raise PolicyError(
                f"`{key}` is given twice for one stage", Span(f"Pattern.{key}"), "leave one out"
            )
        self.stages[-1][key] = value
        return self

    # ---- conditions

    def subtype(self, *types: str) -> Pattern:
        """Take events of these types only."""
        return self._set("on", list(types))

    def where(self, *conditions: str) -> Pattern:
        """Add conditions; all must hold."""
        if "or_where" in self.stages[-1]:
            raise PolicyError(
                "`where` after `or_where`",
                Span("Pattern.where"),
                "write one condition with brackets: `(a or b) and c`",
            )
        self.stages[-1].setdefault("where", []).extend(conditions)
        return self

    def or_where(self, *conditions: str) -> Pattern:
        """Add conditions of which each alone is enough, beside those of `where`."""
        self.stages[-1].setdefault("or_where", []).extend(conditions)
        return self

    def until(self, condition: str) -> Pattern:
        """End a loop without limit at the first event that meets this."""
        return self._set("until", condition)

    # ---- quantifiers

    def one_or_more(self) -> Pattern:
        """Take one event or more."""
        return self._set("one_or_more", True)

    def times(self, least: int, most: int | None = None) -> Pattern:
        """Take exactly `least` events, or between `least` and `most`."""
        return self._set("times", least if most is None else [least, most])

    def times_or_more(self, least: int) -> Pattern:
        """Take `least` events or more."""
        return self._set("times_or_more", least)

    def optional(self) -> Pattern:
        """Let the stage be left out."""
        return self._set("optional", True)

    def greedy(self) -> Pattern:
        """Let the loop keep an event that the next stage could take too."""
        return self._set("greedy", True)

    def consecutive(self) -> Pattern:
        """Let the loop skip no event."""
        return self._set("consecutive", True)

    def allow_combinations(self) -> Pattern:
        """Let the loop skip events that it could take."""
        return self._set("allow_combinations", True)

    def within_previous(self, length: str) -> Pattern:
        """Allow at most this long between the event before and this stage's."""
        return self._set("within_previous", length)

    # ---- the whole pattern

    def within(self, length: str) -> Pattern:
        """Allow at most this long between the first event and the last."""
        self.given["within"] = length
        return self

    def keyed_by(self, role: str) -> Pattern:
        """Match the events of each key of this entity role apart."""
        self.given["key"] = role
        return self

    def skip(self, strategy: str, stage: str = "") -> Pattern:
        """Choose what a match discards: `no_skip`, `skip_to_next`, `skip_past_last_event`,
        `skip_to_first` or `skip_to_last` (with a stage)."""
        self.given["skip"] = {strategy: stage} if stage else strategy
        return self

    def with_(self, **given: Any) -> Pattern:
        """Set `risk`, `reason`, `late`, `keep`, `timeouts` as the policy writes them."""
        self.given.update(given)
        return self

    # ---- what it is for others

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of the policy section `patterns:`."""
        first = {"key": self.given["key"]} if "key" in self.given else {}
        rest = {key: value for key, value in self.given.items() if key != "key"}
        return {**first, "stages": self.stages, **rest}

    def to_spec(self, name: str) -> PatternSpec:
        """Return the spec of this pattern; raises PolicyError as a policy file would."""
        return read_pattern(name, from_python(self.to_dict(), f"Pattern({name})"), Span(f"Pattern({name})"))


def _named(stage: str | Pattern) -> Any:
    return stage.stages if isinstance(stage, Pattern) else stage
