"""How every kernel is compiled: one decorator, so that flags are chosen once.

`fastmath` stays off because NaN means unknown and results must not depend on the batch split;
`cache` keeps the machine code on disk, so that only the first start on a machine compiles.
With `NUMBA_DISABLE_JIT=1` kernels run as plain Python, which the tests use.

numba's cache looks at the file a kernel stands in, not at the files of the kernels it calls, and
would go on using old code after an upgrade that changed only those. So every kernel's cache
carries the stamp of all kernel files together.
"""

import hashlib
from pathlib import Path

import numba
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic


def _stamp():
    """Return a hash of everything that kernels are made of: all files of this folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


STAMP = _stamp()


def _cached(dispatcher):
    """Let the disk cache of a compiled function end with any change of any kernel.

    Helpers too: one that calls another has that one's machine code in its own.
    """
    cache = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache is not None:
        cache._source_stamp = STAMP
    return dispatcher


def is_cached(function: object) -> bool:
    """Tell whether a kernel has machine code on disk, or needs none; what is there may be for other types."""
    cache = getattr(getattr(function, "_cache", None), "_cache_file", None)
    if cache is None:
        return True
    try:
        return bool(cache._load_index())
    except (OSError, EOFError):
        return False


def kernel(function):
    """Compile a loop over flat arrays; cached on disk, releases the GIL, keeps IEEE arithmetic."""
    return _cached(numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function))


def inline_kernel(function):
    """Compile a helper that other kernels call, small enough to be inlined by LLVM."""
    return _cached(
        numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", inline="never")(function)
    )


def lean_kernel(function):
    """Compile like `kernel`, without reference counting of arrays.

    For kernels whose helpers pass many arrays on: counting them at every call costs more than the
    work. The arrays are the caller's, who keeps them alive; allocating does not compile.
    """
    return _cached(
        numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False)(function)
    )


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
