"""Strings that repeat are coded once: an engine-wide pool of text and small integer codes.

A code is a position in the pool and means nothing else: results never depend on its value.
Code numbers are given out in the order texts are first seen.
"""

from __future__ import annotations


class StringPool:
    """Text to code and back. `texts[code]` is the text."""

    __slots__ = ("codes", "texts")

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.texts: list[str] = []

    def __len__(self) -> int:
        return len(self.texts)

    def code(self, text: str) -> int:
        """Return the code of `text`, giving out a new one when it is new."""
        code = self.codes.get(text)
        if code is None:
            code = len(self.texts)
            self.codes[text] = code
            self.texts.append(text)
        return code
