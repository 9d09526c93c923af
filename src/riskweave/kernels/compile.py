"""How every kernel is compiled: one decorator, so that flags are chosen once.

`fastmath` stays off because NaN means unknown and results must not depend on the batch split;
`cache` keeps the machine code on disk, so that only the first start on a machine compiles.
With `NUMBA_DISABLE_JIT=1` kernels run as plain Python, which the tests use.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic


def kernel(function):
    """Compile a loop over flat arrays; cached on disk, releases the GIL, keeps IEEE arithmetic."""
    return numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)


def inline_kernel(function):
    """Compile a helper that other kernels call, small enough to be inlined by LLVM."""
    return numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", inline="never")(function)


def lean_kernel(function):
    """Compile like `kernel`, without reference counting of arrays.

    For kernels whose helpers pass many arrays on: counting them at every call costs more than the
    work. The arrays are the caller's, who keeps them alive; allocating does not compile.
    """
    return numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False)(function)


if config.DISABLE_JIT:

    def prefetch(array, index):
        """Do nothing: without the JIT there is no cache to warm."""

else:

    @intrinsic
    def prefetch(typing_context, array, index):
        """Ask the processor for the cache line of `array[index]` (1-d, contiguous), and go on."""
        signature = types.void(array, index)

        def codegen(context, builder, signature, arguments):
            array_type = signature.args[0]
            array_value = context.make_array(array_type)(context, builder, arguments[0])
            pointer = builder.gep(array_value.data, [arguments[1]])
            byte_pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
            i32 = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [byte_pointer.type, i32, i32, i32])
            function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer.type], function_type)
            builder.call(function, [byte_pointer, i32(0), i32(3), i32(1)])
            return context.get_dummy_value()

        return signature, codegen
