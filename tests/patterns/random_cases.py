"""Random patterns and streams in the case format, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.oracles.patterns import Automaton, Refused

TYPES = ("a", "b", "c", "d")


def conditions(earlier: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions on the event, and on what the stages named `earlier` accepted."""
    plain = st.one_of(
        st.sampled_from(TYPES).map(lambda kind: {"type": kind}),
        st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True).map(
            lambda kinds: {"type_in": kinds}
        ),
        st.tuples(st.sampled_from(["<", ">=", "!="]), st.integers(0, 9)).map(
            lambda pair: {"cmp": ["value", pair[0], pair[1]]}
        ),
        st.just({"any": True}),
    )
    if not earlier:
        return plain
    function = st.builds(
        lambda fn, stage: {"fn": fn, "stage": stage, "default": 4},
        st.sampled_from(["count", "sum", "first", "last", "min", "max", "avg"]),
        st.sampled_from(earlier),
    )
    iterative = st.builds(
        lambda sign, right, extra: {"cmp": ["value", sign, {"add": [right, extra]}]},
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        function,
        st.integers(-3, 3),
    )
    return st.one_of(
        plain,
        plain,
        iterative,
        st.tuples(plain, iterative).map(lambda pair: {"and": list(pair)}),
        st.tuples(plain, iterative).map(lambda pair: {"or": list(pair)}),
        iterative.map(lambda inner: {"not": inner}),
    )


@st.composite
def stages(draw: st.DrawFn, depth: int, names: list[str], first: bool, size: int) -> list[dict[str, Any]]:
    """A list of stages; names already used are in `names`, which grows."""
    found: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, size))):
        words = ["next", "followed_by", "followed_by_any"]
        stage: dict[str, Any] = {"contiguity": "begin" if at == 0 else draw(st.sampled_from(words))}
        kind = draw(st.integers(0, 9))
        if at > 0 and kind < 2:
            stage["contiguity"] = ("not_next", "not_followed_by")[kind]
        elif kind == 2 and depth > 0:
            stage["group"] = draw(stages(depth - 1, names, False, 2))
        if "group" not in stage:
            stage["name"] = f"s{len(names) + 1}"
            names.append(stage["name"])
            stage["where"] = draw(conditions(list(names)))
        if not stage["contiguity"].startswith("not_"):
            _quantify(draw, stage)
        found.append(stage)
    return found


def _quantify(draw: st.DrawFn, stage: dict[str, Any]) -> None:
    kind = draw(st.integers(0, 9))
    if kind < 4:
        low = draw(st.integers(1, 3))
        stage["times"] = {"from": low, "to": draw(st.sampled_from([None, low, low + 1, low + 2]))}
        stage["inner"] = draw(st.sampled_from(["relaxed", "consecutive", "combinations"]))
        if stage["times"]["to"] is None and draw(st.booleans()):
            stage["until"] = draw(conditions([]))
        if "group" not in stage and stage["inner"] != "combinations" and draw(st.integers(0, 3)) == 0:
            stage["greedy"] = True
    if draw(st.integers(0, 4)) == 0:
        stage["optional"] = True
    if draw(st.integers(0, 7)) == 0:
        stage["within_prev_ms"] = draw(st.integers(2, 6))


@st.composite
def patterns(draw: st.DrawFn) -> dict[str, Any]:
    """A pattern that is accepted."""
    names: list[str] = []
    pattern: dict[str, Any] = {"stages": draw(stages(1, names, True, 4))}
    if draw(st.integers(0, 2)) > 0:
        pattern["within_ms"] = draw(st.integers(6, 20))
    top = [stage["name"] for stage in pattern["stages"] if "name" in stage]
    skips = ["no_skip", "no_skip", "skip_to_next", "skip_past_last"]
    skips += [f"{word}:{name}" for word in ("skip_to_first", "skip_to_last") for name in top[:2]]
    pattern["skip"] = draw(st.sampled_from(skips))
    assume(not any(_is_endless(stage) for stage in pattern["stages"]))
    try:
        Automaton(pattern)
    except (Refused, KeyError):
        assume(False)
    return pattern


def _is_endless(stage: dict[str, Any]) -> bool:
    """A loop without limit around a group that can be empty: Flink hangs on it."""
    if "group" not in stage:
        return False
    loops = stage.get("times", {"to": 1})["to"] is None
    return (loops and all(map(_can_be_empty, stage["group"]))) or any(map(_is_endless, stage["group"]))


def _can_be_empty(stage: dict[str, Any]) -> bool:
    if stage.get("optional") or stage["contiguity"].startswith("not_"):
        return True
    return "group" in stage and all(map(_can_be_empty, stage["group"]))


@st.composite
def cases(draw: st.DrawFn, events_max: int = 40, late: bool = False) -> dict[str, Any]:
    """A pattern and a stream of two keys."""
    pattern = draw(patterns())
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.sampled_from(TYPES),
                st.integers(0, 9),
                st.sampled_from(["k1", "k1", "k2"]),
            ),
            min_size=4,
            max_size=events_max,
        )
    )
    now, events = 1, []
    for at, (step, kind, value, key) in enumerate(rows):
        now += step
        shifted = max(1, now - draw(st.integers(0, 6))) if late else now
        events.append({"id": at + 1, "key": key, "ts": shifted, "type": kind, "value": value})
    case: dict[str, Any] = {"pattern": pattern, "events": events}
    if late:
        case["watermark_delay_ms"] = draw(st.integers(0, 4))
    return case
