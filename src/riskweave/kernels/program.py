"""Runs a flat program of expressions over a batch: instruction by instruction, event by event.

`code` is int64[instructions, 8]: operation, destination row, operand rows a, b, c, then k and m,
which point into `constants` (a number, the sorted values of a set, the periods of a time zone), then
s: a fourth operand row, or the number of a text function. Rows are rows of `values`,
float64[rows, events], NaN for null. An operation named `_rc` takes its second operand from
constants[k], `_cr` its first.

No infinity leaves an instruction: what is not finite is null. The destination never is an operand's
row, so an instruction that stops for unknown texts can be run again.
"""

import math

import numpy as np
from numba.core import config

from riskweave.kernels.calendar import civil, day_of, period_of
from riskweave.kernels.compile import inline_kernel, kernel
from riskweave.kernels.text_answers import NO_ANSWER, UNKNOWN, answer_of

OPCODES = (
    "copy", "fill", "add", "add_rc", "sub", "sub_rc", "sub_cr", "mul", "mul_rc", "div", "div_rc", "div_cr",
    "floordiv", "mod", "pow", "neg", "lt", "lt_rc", "lt_cr", "le", "le_rc", "le_cr", "eq", "eq_rc", "ne",
    "ne_rc", "and", "or", "not", "truth", "is_null", "in", "not_in", "if", "coalesce", "min", "max", "abs",
    "round", "floor", "ceil", "sqrt", "log", "log10", "exp", "sign", "time_diff", "time_add", "local",
    "hour", "minute", "weekday", "day", "month", "year", "distance_km", "text_test", "text_value",
)  # fmt: skip
(
    COPY, FILL,
    ADD, ADD_RC, SUB, SUB_RC, SUB_CR, MUL, MUL_RC, DIV, DIV_RC, DIV_CR, FLOORDIV, MOD, POW, NEG,
    LT, LT_RC, LT_CR, LE, LE_RC, LE_CR, EQ, EQ_RC, NE, NE_RC, AND, OR, NOT, TRUTH, IS_NULL, IN, NOT_IN,
    IF, COALESCE, MIN, MAX, ABS, ROUND, FLOOR, CEIL, SQRT, LOG, LOG10, EXP, SIGN,
    TIME_DIFF, TIME_ADD, LOCAL, HOUR, MINUTE, WEEKDAY, DAY, MONTH, YEAR, DISTANCE_KM, TEXT_TEST, TEXT_VALUE,
) = range(len(OPCODES))  # fmt: skip

NULL = np.nan
EARTH_RADIUS_KM = 6371.0088


@inline_kernel
def finite(x):
    """Return `x`, or null when it is infinite or null."""
    return x if x - x == 0.0 else NULL


@inline_kernel
def divide(a, b):
    return finite(a / b) if b != 0.0 else NULL


@inline_kernel
def modulo(a, b):
    """Return Python's `a % b`: the sign is the divisor's."""
    if b == 0.0 or a != a or b != b:
        return NULL
    rest = np.fmod(a, b)
    if rest != 0.0:
        if (b < 0.0) != (rest < 0.0):
            rest += b
    else:
        rest = math.copysign(0.0, b)
    return finite(rest)


@inline_kernel
def floor_divide(a, b):
    """Return Python's `a // b`."""
    if b == 0.0 or a != a or b != b:
        return NULL
    rest = np.fmod(a, b)
    quotient = (a - rest) / b
    if rest != 0.0 and (b < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient - quotient != 0.0:
        return NULL
    if quotient == 0.0:
        return math.copysign(0.0, a / b)
    down = np.floor(quotient)
    if quotient - down > 0.5:
        down += 1.0
    return down


@inline_kernel
def power(a, b):
    if a != a or b != b or (a == 0.0 and b < 0.0):
        return NULL
    return finite(a**b)


@inline_kernel
def rounded(x, digits):
    """Round half to even at `digits` decimals, by scaling; what is too large to scale stays."""
    if digits == 0:
        return finite(np.rint(x))
    if digits < 0:
        return finite(np.rint(x / 10.0 ** (-digits)) * 10.0 ** (-digits))
    scaled = x * 10.0**digits
    if abs(scaled) < 4503599627370496.0:
        return np.rint(scaled) / 10.0**digits
    return finite(x)


@inline_kernel
def exponential(x):
    return finite(math.exp(x)) if x <= 709.782712893384 else NULL


@inline_kernel
def is_in(constants, start, count, x):
    """Tell whether `x` is among the ascending constants[start : start + count]."""
    low = start
    high = start + count
    while low < high:
        middle = (low + high) >> 1
        if constants[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low < start + count and constants[low] == x


@inline_kernel
def distance(lat_a, lon_a, lat_b, lon_b):
    """Great-circle distance by the haversine formula on the mean sphere, in km."""
    if lat_a != lat_a or lon_a != lon_a or lat_b != lat_b or lon_b != lon_b:
        return NULL
    phi_a = math.radians(lat_a)
    phi_b = math.radians(lat_b)
    half_lat = math.sin((phi_b - phi_a) / 2.0)
    half_lon = math.sin(math.radians(lon_b - lon_a) / 2.0)
    h = half_lat * half_lat + math.cos(phi_a) * math.cos(phi_b) * half_lon * half_lon
    return 2.0 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


@kernel
def run_program(code, start, constants, table, values):
    """Run instructions from `start` on; return the one that met an unknown text, else their number.

    `table` is a table of answers (see answers.py) for the text functions.
    """
    size = values.shape[1]
    for at in range(start, code.shape[0]):
        op = code[at, 0]
        o = code[at, 1]
        a = code[at, 2]
        b = code[at, 3]
        k = code[at, 5]
        m = code[at, 6]
        c = constants[k]
        if op == LT:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] < values[b, i] else 0.0
        elif op == LT_RC:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] < c else 0.0
        elif op == LT_CR:
            for i in range(size):
                values[o, i] = 1.0 if c < values[b, i] else 0.0
        elif op == LE:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] <= values[b, i] else 0.0
        elif op == LE_RC:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] <= c else 0.0
        elif op == LE_CR:
            for i in range(size):
                values[o, i] = 1.0 if c <= values[b, i] else 0.0
        elif op == EQ:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] == values[b, i] else 0.0
        elif op == EQ_RC:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] == c else 0.0
        elif op == NE:
            for i in range(size):
                values[o, i] = 1.0 if (values[a, i] < values[b, i]) | (values[a, i] > values[b, i]) else 0.0
        elif op == NE_RC:
            for i in range(size):
                values[o, i] = 1.0 if (values[a, i] < c) | (values[a, i] > c) else 0.0
        elif op == AND:
            for i in range(size):
                p = (values[a, i] < 0.0) | (values[a, i] > 0.0)
                q = (values[b, i] < 0.0) | (values[b, i] > 0.0)
                values[o, i] = 1.0 if p & q else 0.0
        elif op == OR:
            for i in range(size):
                p = (values[a, i] < 0.0) | (values[a, i] > 0.0)
                q = (values[b, i] < 0.0) | (values[b, i] > 0.0)
                values[o, i] = 1.0 if p | q else 0.0
        elif op == NOT:
            for i in range(size):
                values[o, i] = 0.0 if (values[a, i] < 0.0) | (values[a, i] > 0.0) else 1.0
        elif op == TRUTH:
            for i in range(size):
                values[o, i] = 1.0 if (values[a, i] < 0.0) | (values[a, i] > 0.0) else 0.0
        elif op == IS_NULL:
            for i in range(size):
                values[o, i] = 1.0 if values[a, i] != values[a, i] else 0.0
        elif op == IN:
            for i in range(size):
                values[o, i] = 1.0 if is_in(constants, k, m, values[a, i]) else 0.0
        elif op == NOT_IN:
            for i in range(size):
                values[o, i] = (
                    1.0 if values[a, i] == values[a, i] and not is_in(constants, k, m, values[a, i]) else 0.0
                )
        elif op == ADD:
            for i in range(size):
                values[o, i] = finite(values[a, i] + values[b, i])
        elif op == ADD_RC:
            for i in range(size):
                values[o, i] = finite(values[a, i] + c)
        elif op == SUB:
            for i in range(size):
                values[o, i] = finite(values[a, i] - values[b, i])
        elif op == SUB_RC:
            for i in range(size):
                values[o, i] = finite(values[a, i] - c)
        elif op == SUB_CR:
            for i in range(size):
                values[o, i] = finite(c - values[b, i])
        elif op == MUL:
            for i in range(size):
                values[o, i] = finite(values[a, i] * values[b, i])
        elif op == MUL_RC:
            for i in range(size):
                values[o, i] = finite(values[a, i] * c)
        elif op == DIV:
            for i in range(size):
                values[o, i] = divide(values[a, i], values[b, i])
        elif op == DIV_RC:
            for i in range(size):
                values[o, i] = divide(values[a, i], c)
        elif op == DIV_CR:
            for i in range(size):
                values[o, i] = divide(c, values[b, i])
        elif op == FLOORDIV:
            for i in range(size):
                values[o, i] = floor_divide(values[a, i], values[b, i])
        elif op == MOD:
            for i in range(size):
                values[o, i] = modulo(values[a, i], values[b, i])
        elif op == POW:
            for i in range(size):
                values[o, i] = power(values[a, i], values[b, i])
        elif op == NEG:
            for i in range(size):
                values[o, i] = finite(-values[a, i])
        elif op == IF:
            other = code[at, 4]
            for i in range(size):
                values[o, i] = (
                    values[b, i] if (values[a, i] < 0.0) | (values[a, i] > 0.0) else values[other, i]
                )
        elif op == COALESCE:
            for i in range(size):
                values[o, i] = values[a, i] if values[a, i] == values[a, i] else values[b, i]
        elif op == MIN:
            for i in range(size):
                least = values[b, i] if values[b, i] < values[a, i] else values[a, i]
                values[o, i] = least if values[b, i] == values[b, i] else NULL
        elif op == MAX:
            for i in range(size):
                greatest = values[b, i] if values[b, i] > values[a, i] else values[a, i]
                values[o, i] = greatest if values[b, i] == values[b, i] else NULL
        elif op == ABS:
            for i in range(size):
                values[o, i] = finite(abs(values[a, i]))
        elif op == ROUND:
            for i in range(size):
                values[o, i] = rounded(values[a, i], m)
        elif op == FLOOR:
            for i in range(size):
                values[o, i] = finite(np.floor(values[a, i]))
        elif op == CEIL:
            for i in range(size):
                values[o, i] = finite(np.ceil(values[a, i]))
        elif op == SQRT:
            for i in range(size):
                values[o, i] = math.sqrt(values[a, i]) if values[a, i] >= 0.0 else NULL
        elif op == LOG:
            for i in range(size):
                values[o, i] = math.log(values[a, i]) if values[a, i] > 0.0 else NULL
        elif op == LOG10:
            for i in range(size):
                values[o, i] = math.log10(values[a, i]) if values[a, i] > 0.0 else NULL
        elif op == EXP:
            for i in range(size):
                values[o, i] = exponential(values[a, i])
        elif op == SIGN:
            for i in range(size):
                sign = (1.0 if values[a, i] > 0.0 else 0.0) - (1.0 if values[a, i] < 0.0 else 0.0)
                values[o, i] = sign if values[a, i] == values[a, i] else NULL
        elif op == TIME_DIFF:
            for i in range(size):
                values[o, i] = finite((values[a, i] - values[b, i]) / 1000.0)
        elif op == TIME_ADD:
            for i in range(size):
                values[o, i] = finite(values[a, i] + np.floor(values[b, i] * 1000.0 + 0.5))
        elif op == LOCAL:
            low = 1.0
            high = 0.0
            offset = 0.0
            for i in range(size):
                if not (low <= values[a, i] < high):
                    if values[a, i] != values[a, i]:
                        values[o, i] = NULL
                        continue
                    period = period_of(constants, k, m, values[a, i])
                    low = constants[k + period] if period > 0 else -np.inf
                    high = constants[k + period + 1] if period + 1 < m else np.inf
                    offset = constants[k + m + period]
                values[o, i] = values[a, i] + offset
        elif op == HOUR:
            for i in range(size):
                values[o, i] = finite(
                    np.floor(
                        (values[a, i] - np.floor(values[a, i] / 86_400_000.0) * 86_400_000.0) / 3_600_000.0
                    )
                )
        elif op == MINUTE:
            for i in range(size):
                values[o, i] = finite(
                    np.floor((values[a, i] - np.floor(values[a, i] / 3_600_000.0) * 3_600_000.0) / 60_000.0)
                )
        elif op == WEEKDAY:
            for i in range(size):
                day = np.floor(values[a, i] / 86_400_000.0) + 3.0
                values[o, i] = finite(day - np.floor(day / 7.0) * 7.0)
        elif op == DAY:
            for i in range(size):
                values[o, i] = civil(day_of(values[a, i]))[2] if values[a, i] == values[a, i] else NULL
        elif op == MONTH:
            for i in range(size):
                values[o, i] = civil(day_of(values[a, i]))[1] if values[a, i] == values[a, i] else NULL
        elif op == YEAR:
            for i in range(size):
                values[o, i] = civil(day_of(values[a, i]))[0] if values[a, i] == values[a, i] else NULL
        elif op == DISTANCE_KM:
            lat_b = code[at, 4]
            lon_b = code[at, 7]
            for i in range(size):
                values[o, i] = distance(values[a, i], values[b, i], values[lat_b, i], values[lon_b, i])
        elif op == TEXT_TEST:
            for i in range(size):
                if values[a, i] == values[a, i]:
                    answer = answer_of(table, int(values[a, i]) * m + code[at, 7])
                    if answer == UNKNOWN:
                        return at
                    values[o, i] = 1.0 if answer == 1 else 0.0
                else:
                    values[o, i] = 0.0
        elif op == TEXT_VALUE:
            for i in range(size):
                if values[a, i] == values[a, i]:
                    answer = answer_of(table, int(values[a, i]) * m + code[at, 7])
                    if answer == UNKNOWN:
                        return at
                    values[o, i] = float(answer) if answer != NO_ANSWER else NULL
                else:
                    values[o, i] = NULL
        elif op == FILL:
            for i in range(size):
                values[o, i] = c
        else:
            for i in range(size):
                values[o, i] = values[a, i]
    return code.shape[0]


if config.DISABLE_JIT:
    # Plain Python warns of what the machine code passes over: overflow, and what has no value.
    run_program = np.errstate(all="ignore")(run_program)
