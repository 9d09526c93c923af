"""What models remember, leaving and coming back: to a snapshot, to another plan, to another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from riskweave.errors import StateError
from riskweave.models.artifact import Lstm
from riskweave.models.plan import ModelsPlan, ModelsState
from riskweave.models.sequences import Sequences

Arrays = dict[str, NDArray[Any]]


def snapshot(plan: ModelsPlan, state: ModelsState) -> Arrays:
    """Return everything as arrays that `restore` takes."""
    return {
        f"{number}/{name}": array
        for number, each in enumerate(plan.sequences)
        for name, array in state.sequences[each.path].snapshot().items()
    }


def restore(plan: ModelsPlan, arrays: Mapping[str, NDArray[Any]]) -> ModelsState:
    """Return the state that `snapshot` saw, under the same plan; raises StateError."""
    found: dict[str, Sequences] = {}
    for number, each in enumerate(plan.sequences):
        model = each.artifact.about.model
        assert isinstance(model, Lstm)
        own = {
            name.removeprefix(f"{number}/"): array
            for name, array in arrays.items()
            if name.startswith(f"{number}/")
        }
        found[each.path] = Sequences.restore(model.steps, each.artifact.about.inputs, model.horizon_ms, own)
    return ModelsState(found)


def adopt(
    old_plan: ModelsPlan,
    old: ModelsState,
    plan: ModelsPlan,
    state: ModelsState,
    replayed: ModelsState | None = None,
) -> None:
    """Give a new plan's models the sequences that old ones kept in the same form; the old state stays.

    A model that reads other inputs, or prepares them otherwise, gets those of `replayed`, the state
    after the history; without one it starts with none.
    """
    kept = {each.signature: old.sequences[each.path] for each in old_plan.sequences}
    for each in plan.sequences:
        if each.signature in kept:
            state.sequences[each.path] = kept[each.signature].copy()
        elif replayed is not None:
            state.sequences[each.path] = replayed.sequences[each.path]


def is_new(old_plan: ModelsPlan, plan: ModelsPlan) -> bool:
    """Tell whether some sequence model of a plan finds nothing of its form under the old one."""
    kept = {each.signature for each in old_plan.sequences}
    return any(each.signature not in kept for each in plan.sequences)


def export_key(state: ModelsState, path: str, key: int) -> Arrays | None:
    """Return what a model remembers of one key hash, or None."""
    return _of(state, path).export_key(key)


def import_key(state: ModelsState, path: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Remember a key that `export_key` took from a state of the same plan."""
    _of(state, path).import_key(arrays)


def _of(state: ModelsState, path: str) -> Sequences:
    if path not in state.sequences:
        raise StateError(f"no model `{path}` remembers sequences")
    return state.sequences[path]
