"""Values as 64-bit words whose order as integers is their order as numbers.

A history keeps every value as one int64: sorting, comparing, telling apart and finding null are
then integer operations, whatever the value was. Numbers go through `pack` and `unpack`; hashes and
grid cells are words already.
"""

import struct

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.errors import TypingError
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

    class _Flat:
        """An array as a kernel sees it: flat, of signed words, giving plain numbers."""

        def __init__(self, array):
            flat = array.reshape(-1)
            self.flat = flat.view(np.int64) if flat.dtype == np.uint64 else flat

        def __getitem__(self, place):
            return self.flat[place].item()

        def __setitem__(self, place, word):
            self.flat[place] = word

    def pointer(array):
        """Return the array itself: without the JIT there are no pointers."""
        return _Flat(array)

    def warm(words, place):
        """Do nothing: without the JIT there is no cache to warm."""

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

    @intrinsic
    def pointer(typing_context, array):
        """Return where a contiguous array's values begin; unsigned words are read as signed ones.

        Kernels hand pointers to their helpers: an array is seven words and counts its references,
        which costs more than the helpers do.
        """
        if array.layout != "C":
            raise TypingError("a batch's arrays must be C-contiguous")
        pointed = types.int64 if array.dtype == types.uint64 else array.dtype
        signature = types.CPointer(pointed)(array)

        def codegen(context, builder, signature, arguments):
            return context.make_array(signature.args[0])(context, builder, arguments[0]).data

        return signature, codegen

    @intrinsic
    def warm(typing_context, words, place):
        """Ask the processor for the cache line of words[place], and go on."""
        signature = types.void(words, place)

        def codegen(context, builder, signature, arguments):
            line = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), ir.IntType(8).as_pointer())
            i32 = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [line.type, i32, i32, i32])
            function = builder.module.declare_intrinsic("llvm.prefetch", [line.type], function_type)
            builder.call(function, [line, i32(0), i32(3), i32(1)])
            return context.get_dummy_value()

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
