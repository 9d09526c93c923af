"""Values as 64-bit words whose order as integers is their order as numbers.

A history keeps every value as one int64: sorting, comparing, telling apart and finding null are
then integer operations, whatever the value was. Numbers go through `pack` and `unpack`; hashes and
grid cells are words already.
"""

import struct

from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from riskweave.kernels.compile import inline_kernel

NULL = -(2**63)  # no number packs to it: it would be a NaN
_SIGN_OFF = 2**63 - 1

if config.DISABLE_JIT:

    def bits_of(number):
        """Return the 64 bits of a float as an integer."""
        return struct.unpack("<q", struct.pack("<d", number))[0]

    def float_of(bits):
        """Return the float with these 64 bits."""
        return struct.unpack("<d", struct.pack("<q", int(bits)))[0]

else:

    @intrinsic
    def bits_of(typing_context, number):
        """Return the 64 bits of a float as an integer."""
        signature = types.int64(types.float64)

        def codegen(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], ir.IntType(64))

        return signature, codegen

    @intrinsic
    def float_of(typing_context, bits):
        """Return the float with these 64 bits."""
        signature = types.float64(types.int64)

        def codegen(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], ir.DoubleType())

        return signature, codegen


@inline_kernel
def pack(number):
    """Return the word of a number; NaN is NULL and -0.0 is 0.0."""
    if number != number:
        return NULL
    bits = bits_of(number + 0.0)
    return bits ^ ((bits >> 63) & _SIGN_OFF)


@inline_kernel
def unpack(word):
    """Return the number of a word that is not NULL."""
    return float_of(word ^ ((word >> 63) & _SIGN_OFF))
