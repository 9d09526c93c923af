"""Runs programs over batches, and answers what text functions say of each distinct text, once."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.expressions.program import Program, Symbols
from riskweave.expressions.strings import StringPool
from riskweave.expressions.text_functions import TEXT_FUNCTIONS
from riskweave.kernels.program import run_program
from riskweave.kernels.text_answers import NO_ANSWER, copy_answers, put_answers, unknown_codes

_ANSWERS_MIN = 1024
# With so many answers known, all are forgotten and found again: 16 bytes each, twice that in the table.
_ANSWERS_MAX = 4_000_000


class Values(Protocol):
    """What a program needs of a batch: its matrix, a row per column."""

    @property
    def values(self) -> NDArray[np.float64]: ...


class StringTables:
    """What depends on the pool's codes: constants with codes filled in, and the answers known so far.

    Engine state, but never part of a snapshot: all of it can be found again from the pool. Call
    `rebuild` when codes changed their meaning. Grows by doubling, with the distinct texts seen.
    """

    __slots__ = ("answers", "constants", "count", "pool", "symbols")

    def __init__(self, programs: tuple[Program, ...], pool: StringPool) -> None:
        self.symbols: Symbols = programs[0].symbols
        self.pool = pool
        self.constants = self.symbols.constants
        self.answers: NDArray[np.int64] = np.zeros(0, np.int64)
        self.count = 0
        self.rebuild()

    def rebuild(self, pool: StringPool | None = None) -> None:
        """Forget all answers and look up the constants' codes again, in `pool` if another is given."""
        self.pool = pool or self.pool
        constants = self.symbols.constants.copy()
        for position, text in self.symbols.texts:
            constants[position] = self.pool.code(text)
        for start, texts in self.symbols.text_sets:
            constants[start : start + len(texts)] = sorted(self.pool.code(text) for text in texts)
        self.constants = constants
        self.answers = np.zeros(2 * _ANSWERS_MIN, np.int64)
        self.count = 0

    @property
    def nbytes(self) -> int:
        return self.answers.nbytes + self.constants.nbytes

    def learn(self, function: int, codes: NDArray[np.float64]) -> None:
        """Answer a text function for every code that it was not asked of before."""
        if self.count > _ANSWERS_MAX:
            self.rebuild()
        self._reserve(codes.size)
        unknown = np.empty(codes.size, np.int64)
        functions = len(self.symbols.text_functions)
        found = int(unknown_codes(self.answers, codes, function, functions, unknown))
        assert found, "the kernels disagree on the table: delete numba's cache (__pycache__/*.nb*)"
        keys = unknown[:found] * functions + function
        try:
            answers = [self._answer(function, int(code)) for code in unknown[:found]]
        except BaseException:
            self.rebuild()  # nothing half answered stays
            raise
        put_answers(self.answers, keys, np.array(answers, np.int64))
        self.count += found

    def _answer(self, function: int, code: int) -> int:
        name, constant = self.symbols.text_functions[function]
        answer = TEXT_FUNCTIONS[name](self.pool.texts[code], constant)
        if answer is None:
            return NO_ANSWER
        if isinstance(answer, str):
            return self.pool.code(answer)
        return int(answer)

    def _reserve(self, more: int) -> None:
        """Keep the table at most half full."""
        entries = self.answers.size // 2
        if 2 * (self.count + more) <= entries:
            return
        while 2 * (self.count + more) > entries:
            entries *= 2
        larger = np.zeros(2 * entries, np.int64)
        copy_answers(self.answers, larger)
        self.answers = larger


def step(program: Program, strings: StringTables, batch: Values) -> None:
    """Fill the columns that `program` computes, for every event of the batch."""
    code, values = program.code, batch.values
    if not len(code):
        return
    at = run_program(code, 0, strings.constants, strings.answers, values)
    while at < len(code):
        strings.learn(int(code[at, 7]), values[code[at, 2]])
        at = run_program(code, at, strings.constants, strings.answers, values)
