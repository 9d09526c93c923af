"""A weighted sum of lines, kept in registers: vector instructions said outright, LLVM would not keep them.

Every lane adds up as a plain loop would, in order and without fusing a multiplication into an
addition, so a sum has the same bits on every processor.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numpy.typing import NDArray

BYTES = 256  # what is kept in registers
WIDE = 64  # of one register, where there are such wide ones


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """Return a flat copy that begins where a cache line does: no register is filled from two."""
    size = values.size * values.itemsize
    room = np.zeros(size + WIDE, np.uint8)
    start = -room.ctypes.data % WIDE
    copy = room[start : start + size].view(values.dtype)
    copy[:] = values.reshape(-1)
    return copy


def in_blocks(lines: NDArray[Any]) -> NDArray[Any]:
    """Return weights (rows, columns) flat: by blocks of columns, each row by row, then what is left over.

    So a block lies in one piece, and no rows compete for the same places of a cache.
    """
    block = BYTES // lines.itemsize
    whole = lines.shape[1] // block * block
    parts = [lines[:, at : at + block].reshape(-1) for at in range(0, whole, block)]
    return aligned(np.concatenate([*parts, lines[:, whole:].reshape(-1)]))


if config.DISABLE_JIT:

    def block_of(array):
        """Return how many neighbours are added up together."""
        return BYTES // array.flat.itemsize

    def add_lines(weights, first, rows, columns, x, x_first, y, y_first):
        """Add to a block of y[y_first:] each of `rows` x times its line of weights."""
        for lane in range(block_of(y)):
            total = y.flat.dtype.type(y[y_first + lane])
            for j in range(rows):
                product = y.flat.dtype.type(x[x_first + j]) * weights.flat[first + j * columns + lane]
                total = total + product
            y[y_first + lane] = total

else:

    @intrinsic
    def block_of(typing_context, array):
        """Return how many neighbours are added up together; `array` is a pointer."""
        size = BYTES // (array.dtype.bitwidth // 8)

        def codegen(context, builder, signature, arguments):
            return ir.Constant(ir.IntType(64), size)

        return types.int64(array), codegen

    @intrinsic
    def add_lines(typing_context, weights, first, rows, columns, x, x_first, y, y_first):
        """Add to a block of y[y_first:] each of `rows` x times its line of weights; all are pointers."""
        _I = types.int64
        bytes_ = y.dtype.bitwidth // 8
        lanes, count = WIDE // bytes_, BYTES // WIDE

        def codegen(context, builder, signature, arguments):
            weights, first, rows, columns, x, x_first, y, y_first = arguments
            word = ir.IntType(64)
            number = context.get_value_type(signature.args[6].dtype)
            vector = ir.VectorType(number, lanes)

            def place(array, index, part):
                at = builder.gep(array, [builder.add(index, ir.Constant(word, part * lanes))])
                return builder.bitcast(at, vector.as_pointer())

            def load(array, index, part):
                found = builder.load(place(array, index, part))
                found.align = bytes_
                return found

            sums = [load(y, y_first, part) for part in range(count)]
            before = builder.block
            loop = builder.append_basic_block("lines")
            after = builder.append_basic_block("lines.done")
            some = builder.icmp_signed(">", rows, ir.Constant(word, 0))
            builder.cbranch(some, loop, after)

            builder.position_at_end(loop)
            j, at = builder.phi(word), builder.phi(word)
            j.add_incoming(ir.Constant(word, 0), before)
            at.add_incoming(first, before)
            running = [builder.phi(vector) for _ in sums]
            for phi, value in zip(running, sums, strict=True):
                phi.add_incoming(value, before)
            one = builder.load(builder.gep(x, [builder.add(x_first, j)]))
            single = builder.insert_element(
                ir.Constant(vector, ir.Undefined), one, ir.Constant(ir.IntType(32), 0)
            )
            mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            factor = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)
            more = [
                builder.fadd(phi, builder.fmul(factor, load(weights, at, part)))
                for part, phi in enumerate(running)
            ]
            for phi, value in zip(running, more, strict=True):
                phi.add_incoming(value, loop)
            following = builder.add(j, ir.Constant(word, 1))
            j.add_incoming(following, loop)
            at.add_incoming(builder.add(at, columns), loop)
            builder.cbranch(builder.icmp_signed("<", following, rows), loop, after)

            builder.position_at_end(after)
            for part, (value, final) in enumerate(zip(sums, more, strict=True)):
                found = builder.phi(vector)
                found.add_incoming(value, before)
                found.add_incoming(final, loop)
                sums[part] = found
            for part, value in enumerate(sums):
                builder.store(value, place(y, y_first, part)).align = bytes_
            return context.get_dummy_value()

        return types.void(weights, _I, _I, _I, x, _I, y, _I), codegen
