"""Four numbers at a time: vector instructions said outright, where LLVM would not find them itself.

`kept` is a pointer (see words.py); places count words. Each lane is computed as it would be alone.
"""

from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

LANES = 4

if config.DISABLE_JIT:

    def reach(kept, to, above, points, point, o, r):
        """Set f = t o + (1 - t) r; kept[to] = kept[above] f and kept[to + 4] = 1 / f, for four points t."""
        for lane in range(LANES):
            t = points[point + lane]
            f = t * o + (1.0 - t) * r
            kept[to + lane] = kept[above + lane] * f
            kept[to + LANES + lane] = 1.0 / f

    def multiply(kept, to, by):
        """Multiply kept[to] by kept[by]."""
        for lane in range(LANES):
            kept[to + lane] = kept[to + lane] * kept[by + lane]

    def scale(kept, to, by):
        """Multiply kept[to] by a number."""
        for lane in range(LANES):
            kept[to + lane] = kept[to + lane] * by

    def add(kept, to, a, b):
        """Set kept[to] = kept[a] + kept[b]."""
        for lane in range(LANES):
            kept[to + lane] = kept[a + lane] + kept[b + lane]

    def dot(kept, a, b):
        """Return the sum of kept[a] * kept[b]."""
        p = [kept[a + lane] * kept[b + lane] for lane in range(LANES)]
        return (p[0] + p[1]) + (p[2] + p[3])

else:
    _VECTOR = ir.VectorType(ir.DoubleType(), LANES)

    def _place(builder, array, index):
        pointer = builder.gep(array, [index])
        return builder.bitcast(pointer, _VECTOR.as_pointer())

    def _load(builder, array, index):
        found = builder.load(_place(builder, array, index))
        found.align = 8
        return found

    def _store(builder, value, array, index):
        builder.store(value, _place(builder, array, index)).align = 8

    def _all(builder, number):
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            vector = builder.insert_element(vector, number, ir.Constant(ir.IntType(32), lane))
        return vector

    def _after(builder, index, words):
        return builder.add(index, ir.Constant(ir.IntType(64), words))

    _ONE = ir.Constant(_VECTOR, [1.0] * LANES)
    _I, _F = types.int64, types.float64

    @intrinsic
    def reach(typing_context, kept, to, above, points, point, o, r):
        """Set f = t o + (1 - t) r; kept[to] = kept[above] f and kept[to + 4] = 1 / f, for four points t."""

        def codegen(context, builder, signature, arguments):
            kept, to, above, points, point, o, r = arguments
            t = _load(builder, points, point)
            f = builder.fadd(
                builder.fmul(t, _all(builder, o)), builder.fmul(builder.fsub(_ONE, t), _all(builder, r))
            )
            product = builder.fmul(_load(builder, kept, above), f)
            _store(builder, product, kept, to)
            _store(builder, builder.fdiv(_ONE, f), kept, _after(builder, to, LANES))
            return context.get_dummy_value()

        return types.void(kept, _I, _I, points, _I, _F, _F), codegen

    @intrinsic
    def multiply(typing_context, kept, to, by):
        """Multiply kept[to] by kept[by]."""

        def codegen(context, builder, signature, arguments):
            kept, to, by = arguments
            _store(builder, builder.fmul(_load(builder, kept, to), _load(builder, kept, by)), kept, to)
            return context.get_dummy_value()

        return types.void(kept, _I, _I), codegen

    @intrinsic
    def scale(typing_context, kept, to, by):
        """Multiply kept[to] by a number."""

        def codegen(context, builder, signature, arguments):
            kept, to, by = arguments
            _store(builder, builder.fmul(_load(builder, kept, to), _all(builder, by)), kept, to)
            return context.get_dummy_value()

        return types.void(kept, _I, _F), codegen

    @intrinsic
    def add(typing_context, kept, to, a, b):
        """Set kept[to] = kept[a] + kept[b]."""

        def codegen(context, builder, signature, arguments):
            kept, to, a, b = arguments
            _store(builder, builder.fadd(_load(builder, kept, a), _load(builder, kept, b)), kept, to)
            return context.get_dummy_value()

        return types.void(kept, _I, _I, _I), codegen

    @intrinsic
    def dot(typing_context, kept, a, b):
        """Return the sum of kept[a] * kept[b]."""

        def codegen(context, builder, signature, arguments):
            kept, a, b = arguments
            product = builder.fmul(_load(builder, kept, a), _load(builder, kept, b))
            p = [builder.extract_element(product, ir.Constant(ir.IntType(32), k)) for k in range(LANES)]
            return builder.fadd(builder.fadd(p[0], p[1]), builder.fadd(p[2], p[3]))

        return types.float64(kept, _I, _I), codegen
