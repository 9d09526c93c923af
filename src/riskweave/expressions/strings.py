"""Strings that repeat are coded once: an engine-wide pool of text and small integer codes.

A code means nothing but its text: results never depend on its value, nor on when a text that nobody
refers to any more is dropped and its code given to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

# So much text may lie in a pool before unused texts are looked for; so many letters count as one text.
WEIGHT_MAX = 1_000_000
LETTERS = 256


class StringPool:
    """Text to code and back. `texts[code]` is the text; a code in `free` is nobody's.

    Whoever keeps codes for longer than one batch keeps `texts` too, or speaks up when the engine
    asks what is in use (`drop`). A text once in a `texts` list stays there: dropping makes a new list.
    """

    __slots__ = ("_lent", "_noted", "codes", "free", "limit", "texts", "until", "weight")

    def __init__(self, limit: int = WEIGHT_MAX) -> None:
        self.codes: dict[str, int] = {}
        self.texts: list[str] = []
        self.free: list[int] = []
        self.limit = limit
        self.until = limit
        self.weight = 0
        self._noted: set[int] | None = None
        self._lent: list[tuple[int, bool]] | None = None

    @classmethod
    def of(cls, texts: list[str], free: list[int]) -> StringPool:
        """Return the pool that had these `texts` and `free` codes; ValueError when it cannot be."""
        pool = cls()
        unused = set(free)
        pool.texts, pool.free = texts, free
        pool.codes = {text: code for code, text in enumerate(texts) if code not in unused}
        pool.weight = sum(map(_weight, pool.codes))
        if len(pool.codes) + len(free) != len(texts):
            raise ValueError("a text has two codes")
        return pool

    def __len__(self) -> int:
        """Return how many codes there are, free ones included: every code is less than this."""
        return len(self.texts)

    @property
    def crowded(self) -> bool:
        """Tell whether it is time to drop what nobody uses."""
        return self.weight > self.until

    def code(self, text: str) -> int:
        """Return the code of `text`, giving out one when it is new."""
        code = self.codes.get(text)
        if code is None:
            if self._lent is not None:
                self._lent.append((self.free[-1] if self.free else len(self.texts), bool(self.free)))
            if self.free:
                code = self.free.pop()
                self.texts[code] = text
            else:
                code = len(self.texts)
                self.texts.append(text)
            self.codes[text] = code
            self.weight += _weight(text)
        if self._noted is not None:
            self._noted.add(code)
        return code

    @contextmanager
    def noting(self) -> Iterator[set[int]]:
        """Collect the codes that are asked for meanwhile: those that a plan is made of."""
        before, self._noted = self._noted, set()
        try:
            yield self._noted
        finally:
            self._noted = before

    @contextmanager
    def lending(self) -> Iterator[list[tuple[int, bool]]]:
        """Take back every code given to a new text meanwhile: afterwards the pool is as it was before.

        The list has a code per new text, and whether it was a free one. Whoever keeps answers by code
        forgets those of the list.
        """
        lent = self._lent = []
        try:
            yield lent
        finally:
            self._lent = None
            for code, was_free in reversed(lent):
                text = self.texts[code]
                self.weight -= _weight(text)
                del self.codes[text]
                if was_free:
                    self.texts[code] = ""
                    self.free.append(code)
                else:
                    self.texts.pop()

    def drop(self, used: NDArray[np.bool_]) -> int:
        """Forget every text whose code is not `used`; return how many.

        The next time is when as much again has come as is left now, or the limit is reached.
        """
        texts, codes = list(self.texts), self.codes
        unused = [code for code in np.flatnonzero(~used).tolist() if codes.get(texts[code]) == code]
        for code in unused:
            self.weight -= _weight(texts[code])
            del codes[texts[code]]
            texts[code] = ""
        self.texts = texts
        self.free += reversed(unused)
        self.until = max(self.limit, 2 * self.weight)
        return len(unused)


def _weight(text: str) -> int:
    return 1 + len(text) // LETTERS
