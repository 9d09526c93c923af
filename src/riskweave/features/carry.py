"""State on the move: to another plan when the policy changes, a single key to another process.

A table whose signature both plans share moves word for word. Of any other, the histories are taken
out, rewritten for the new plan (values and conditions are matched by the text of their expression,
what the old policy did not keep is null) and remembered again in order of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import StateError
from riskweave.features.plan import FeaturesPlan, TablePlan
from riskweave.features.state import FeaturesState, aligned
from riskweave.kernels import chunks
from riskweave.kernels import feature_layout as at
from riskweave.kernels import features as kernels
from riskweave.kernels.words import NULL

Words = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Histories:
    """Records of one table, outside a state.

    `about` has a row (salted key, latest event, start, entries) per record, `entries` a row per
    entry, `lasting` a row of what is remembered without a window per record.
    """

    about: Words
    entries: Words
    lasting: Words


def adopt(
    old_plan: FeaturesPlan,
    old_state: FeaturesState,
    new_plan: FeaturesPlan,
    history_from_ms: int | None = None,
) -> tuple[FeaturesState, NDArray[np.bool_]]:
    """Return a state for `new_plan` that knows what the old one does, and which tables need history.

    The old state stays as it is. When `history_from_ms` is given, events from that time on will be
    replayed into the tables of the mask (`step(..., only=mask)`), so what these tables remember of
    that time is left out here.
    """
    state = FeaturesState.create(new_plan)
    state.index = np.zeros(old_state.index.size, np.int64)
    scratch = 16 + new_plan.scratch_words
    state.heap = aligned(old_state.heap.size + scratch)
    state.heap[: old_state.heap.size] = old_state.heap
    # The free lists, the heap's top and the watermark go on; the scratch records stay where they fit.
    old_top = int(old_state.meta[chunks.TOP])
    keep = [chunks.KEYS, chunks.WATERMARK, chunks.FREE_WORDS, *range(chunks.LISTS, chunks.TABLES)]
    state.meta[keep] = old_state.meta[keep]
    begin = int(old_state.meta[chunks.ENTRY])
    words = _whole(old_plan.scratch_words)
    if words < _whole(new_plan.scratch_words):
        _give_back(state, begin, words)
        begin = -(-old_top // 8) * 8
        state.meta[chunks.TOP] = begin + _whole(new_plan.scratch_words)
    else:
        state.meta[chunks.TOP] = old_top
        _give_back(state, begin + _whole(new_plan.scratch_words), words - _whole(new_plan.scratch_words))
    state.meta[chunks.ENTRY] = begin
    state.meta[chunks.TEMPORARY] = begin + new_plan.scratch_words - 3 * new_plan.widest

    numbers = {table.name: number for number, table in enumerate(old_plan.tables)}
    moves = np.full(max(len(old_plan.tables), 1), -1, np.int64)
    needs = np.zeros(len(new_plan.tables), np.bool_)
    rewritten: list[tuple[int, Histories]] = []
    for number, table in enumerate(new_plan.tables):
        old_number = numbers.get(table.name)
        if old_number is None:
            needs[number] = True
            continue
        old_table = old_plan.tables[old_number]
        if old_table.signature == table.signature:
            moves[old_number] = number
            for word in (at.T_KEYS, at.T_EVENTS, at.T_LATE):
                state.meta[_counter(number, word)] = old_state.meta[_counter(old_number, word)]
            continue
        needs[number] = not _covers(old_table, table)
        if old_table.fields == table.fields:
            histories = take_out(old_plan, old_state, old_number)
            if needs[number] and history_from_ms is not None:
                histories = _until(old_table, histories, history_from_ms)
            rewritten.append((number, _rewrite(old_table, table, histories)))
    kernels.move_in(
        old_plan.words, old_plan.label_tables, moves, state.meta, old_state.index, state.heap, state.index
    )
    for number, histories in rewritten:
        put_in(new_plan, state, number, histories, _carried(old_plan, new_plan, number))
    if new_plan.label_tables:
        keys = state.index[0::2]
        _register(new_plan, state, keys[keys != 0].copy())
    return state, needs


def _whole(words: int) -> int:
    """Return so many words and those up to the end of a cache line."""
    return -(-words // 8) * 8


def _give_back(state: FeaturesState, begin: int, words: int) -> None:
    """Give words of the heap to its free lists, in the largest chunks that fit."""
    for number in range(chunks.CLASSES - 1, int(chunks.class_of(8)) - 1, -1):
        size = int(chunks.class_words(number))
        while size <= words and size % 8 == 0:
            state.heap[begin] = state.meta[chunks.LISTS + number]
            state.meta[chunks.LISTS + number] = begin
            state.meta[chunks.FREE_WORDS] += size
            begin += size
            words -= size


def export_key(plan: FeaturesPlan, state: FeaturesState, table: str, key: int) -> dict[str, Words] | None:
    """Return all that is remembered of one key hash in a table (by its name), or None."""
    number = _number(plan, table)
    salted = _salted(key, plan.tables[number].salt)
    histories = take_out(plan, state, number, salted)
    if len(histories.about) == 0:
        return None
    return {"about": histories.about, "entries": histories.entries, "lasting": histories.lasting}


def import_key(plan: FeaturesPlan, state: FeaturesState, table: str, arrays: Mapping[str, Words]) -> None:
    """Remember a key that `export_key` took from a state of the same plan and that is not here yet."""
    number = _number(plan, table)
    spec = plan.tables[number]
    try:
        histories = Histories(arrays["about"], arrays["entries"], arrays["lasting"])
    except KeyError as error:
        raise StateError(f"an exported key lacks {error}") from None
    if histories.entries.shape[1:] != (spec.stride,) or histories.about.shape != (1, 4):
        raise StateError(f"an exported key does not fit `{table}`")
    if len(take_out(plan, state, number, int(histories.about[0, 0])).about):
        raise StateError(f"`{table}` remembers this key already")
    put_in(plan, state, number, histories, np.ones(max(len(spec.lasting), 1), np.int64))
    if spec.label_slot >= 0:
        _register(plan, state, histories.about[:, 0].copy())


def take_out(plan: FeaturesPlan, state: FeaturesState, number: int, only: int = 0) -> Histories:
    """Copy the records of a table, or one of them."""
    table = plan.tables[number]
    records = int(state.meta[_counter(number, at.T_KEYS)])
    events = int(state.meta[_counter(number, at.T_EVENTS)])
    words = sum(size for _, size in table.lasting)
    about = np.zeros((records, 4), np.int64)
    entries = np.zeros((events, table.stride), np.int64)
    lasting = np.zeros((records, words), np.int64)
    found = kernels.extract(
        plan.words, state.meta, state.index, state.heap, number, only, about, entries, lasting
    )
    about = about[:found].copy()
    return Histories(about, entries[: about[:, 3].sum()].copy(), lasting[:found].copy())


def put_in(
    plan: FeaturesPlan, state: FeaturesState, number: int, histories: Histories, has_lasting: Words
) -> None:
    """Remember the records of a table again."""
    while True:
        code = kernels.load(
            plan.words, state.meta, state.index, state.heap, number, histories.about,
            np.ascontiguousarray(histories.entries), np.ascontiguousarray(histories.lasting), has_lasting,
        )  # fmt: skip
        if code == kernels.DONE:
            return
        # Nothing may be dropped before all that is to come is in.
        state.grow(plan, code, at.NEVER // 2)


def _register(plan: FeaturesPlan, state: FeaturesState, keys: Words) -> None:
    while True:
        code = kernels.register_all(plan.words, state.meta, state.index, state.heap, keys)
        if code == kernels.DONE:
            return
        state.grow(plan, code, at.NEVER // 2)


def _covers(old: TablePlan, new: TablePlan) -> bool:
    """Tell whether an old table kept all that a new one wants to know."""
    lasting = {text for text, _ in old.lasting}
    keeps_enough = old.keeps == ("",) or (new.keeps != ("",) and set(new.keeps) <= set(old.keeps))
    return (
        old.fields == new.fields
        and set(new.values) <= set(old.values)
        and {text for text, _, _ in new.conditions} <= {text for text, _, _ in old.conditions}
        and {label for label, _, _ in new.labels} <= {label for label, _, _ in old.labels}
        and new.span_ms <= old.span_ms
        and keeps_enough
        and all(text in lasting for text, _ in new.lasting)
    )


def _until(table: TablePlan, histories: Histories, before_ms: int) -> Histories:
    """Return histories without what happened at `before_ms` or later."""
    about, entries = histories.about.copy(), histories.entries
    owner = np.repeat(np.arange(len(about)), about[:, 3])
    stays = entries[:, 0] < before_ms
    entries, owner = entries[stays], owner[stays]
    about[:, 3] = np.bincount(owner, minlength=len(about))
    latest = np.full(len(about), at.NEVER, np.int64)
    np.maximum.at(latest, owner, entries[:, 0])
    about[:, 1] = np.where(about[:, 1] < before_ms, about[:, 1], latest)
    lasting = histories.lasting.copy()
    column = 0
    for _, size in table.lasting:
        if size == at.ACC_SIZES[at.ACC_EVER]:
            lasting[lasting[:, column] >= before_ms, column] = at.NEVER
        column += size
    known = about[:, 1] > at.NEVER
    return Histories(about[known], entries[known[owner]], lasting[known])


def _rewrite(old: TablePlan, new: TablePlan, histories: Histories) -> Histories:
    """Return histories as the new table would have kept them."""
    source = histories.entries
    entries = np.zeros((len(source), new.stride), np.int64)
    entries[:, 0] = source[:, 0]
    old_conditions = {text: (word, bit) for text, word, bit in old.conditions}
    for text, word, bit in new.conditions:
        if text in old_conditions:
            old_word, old_bit = old_conditions[text]
            entries[:, word] |= np.where(source[:, old_word] & old_bit, bit, 0)
    old_labels = {label: (word, bit) for label, word, bit in old.labels}
    for label, word, bit in new.labels:
        if label in old_labels:
            old_word, old_bit = old_labels[label]
            entries[:, word] |= np.where(source[:, old_word] & old_bit, bit, 0)
    if new.hash_word and old.hash_word:
        entries[:, new.hash_word] = source[:, old.hash_word]
    first, old_first = new.stride - len(new.values), old.stride - len(old.values)
    for number, text in enumerate(new.values):
        entries[:, first + number] = (
            source[:, old_first + old.values.index(text)] if text in old.values else NULL
        )
    about = histories.about.copy()
    if new.keeps != ("",):
        wanted = np.zeros(len(entries), np.bool_)
        for text, word, bit in new.conditions:
            if text in new.keeps:
                wanted |= entries[:, word] & bit != 0
        owner = np.repeat(np.arange(len(about)), about[:, 3])
        entries = entries[wanted]
        about[:, 3] = np.bincount(owner[wanted], minlength=len(about))
    lasting = np.zeros((len(about), sum(size for _, size in new.lasting)), np.int64)
    places = {}
    column = 0
    for text, size in old.lasting:
        places[text] = column
        column += size
    column = 0
    for text, size in new.lasting:
        if text in places:
            begin = places[text]
            lasting[:, column : column + size] = histories.lasting[:, begin : begin + size]
        column += size
    return Histories(about, entries, lasting)


def _carried(old_plan: FeaturesPlan, new_plan: FeaturesPlan, number: int) -> Words:
    """Return 1 for each lasting thing of a new table that the old one had."""
    table = new_plan.tables[number]
    known = {text for old in old_plan.tables if old.name == table.name for text, _ in old.lasting}
    return np.array([text in known for text, _ in table.lasting] or [False]).astype(np.int64)


def _counter(number: int, word: int) -> int:
    return chunks.TABLES + chunks.TABLE_WORDS * number + word


def _number(plan: FeaturesPlan, name: str) -> int:
    for number, table in enumerate(plan.tables):
        if table.name == name:
            return number
    raise StateError(f"no features of `{name}` in this policy")


def _salted(key: int, salt: int) -> int:
    """Return a key hash as the index knows it."""
    signed = int(np.uint64(key).astype(np.int64))
    return (signed ^ salt) or 1
