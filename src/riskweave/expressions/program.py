"""A compiled policy's expressions: flat arrays, one program per stage, and what they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Symbols:
    """What all programs of a policy share.

    `constants` holds numbers, sets and zone periods; `texts` says which of its positions are to be
    filled with the pool's code of a text, `text_sets` which stretches (start, texts) with sorted codes.
    `text_functions` are the functions asked of text, as (name, constant), by number.
    """

    constants: NDArray[np.float64]
    texts: tuple[tuple[int, str], ...]
    text_sets: tuple[tuple[int, tuple[str, ...]], ...]
    text_functions: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """The instructions of one stage; see kernels/program.py for their form."""

    stage: int
    code: NDArray[np.int64]
    symbols: Symbols
