"""Bits of a 64-bit word: how many are set, and which is the lowest."""

import numba
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

if config.DISABLE_JIT:

    def count_bits(word):
        """Return how many bits of an unsigned word are set."""
        return int(word).bit_count()

    def lowest_bit(word):
        """Return the position of the lowest set bit of an unsigned word that is not zero."""
        plain = int(word)
        return (plain & -plain).bit_length() - 1

else:

    @intrinsic
    def _population(typing_context, word):
        signature = types.int64(types.uint64)

        def codegen(context, builder, signature, arguments):
            return builder.ctpop(arguments[0])

        return signature, codegen

    @intrinsic
    def _trailing_zeros(typing_context, word):
        signature = types.int64(types.uint64)

        def codegen(context, builder, signature, arguments):
            return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

        return signature, codegen

    @numba.njit(inline="never")
    def count_bits(word):
        """Return how many bits of an unsigned word are set."""
        return _population(word)

    @numba.njit(inline="never")
    def lowest_bit(word):
        """Return the position of the lowest set bit of an unsigned word that is not zero."""
        return _trailing_zeros(word)
