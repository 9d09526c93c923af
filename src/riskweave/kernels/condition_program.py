"""Conditions of one partial match: literals over a bit mask, or a small stack program.

Row c of `conditions` is one condition, in the columns C_*. A condition of kind BITS holds when every
bit of `need` is set and none of `ban`. One of kind PROGRAM needs the same first, then runs rows
[start, end) of `code` (opcode, operand) over the event's columns, the sums kept for the partial
match (`kept`), constants, and bits of the mask. NEGATE turns the result around. NaN is null: a
comparison with it is false, arithmetic with it gives null, and so does a result that is not finite.
"""

import math

from riskweave.kernels.compile import lean_kernel

ALWAYS, BITS, PROGRAM = 0, 1, 2
C_KIND, C_NEED, C_BAN, C_NEGATE, C_START, C_END = 0, 1, 2, 3, 4, 5
CONDITION_COLUMNS = 6

STACK_MAX = 64

CONST, COLUMN, KEPT, BIT = 0, 1, 2, 3
ADD, SUB, MUL, DIV, NEG, ABS, MIN, MAX = 4, 5, 6, 7, 8, 9, 10, 11
LT, LE, EQ, NE, AND, OR, NOT, IS_NULL = 12, 13, 14, 15, 16, 17, 18, 19
COALESCE, IF, TIME_DIFF, DISTANCE_KM, SQRT, LOG, EXP, POW, FLOOR, CEIL, TRUTH = (
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
)
TIME_ADD = 31

EARTH_RADIUS_KM = 6371.0088


@lean_kernel
def holds(condition, mask, conditions, code, constants, values, column_rows, event, kept, node, stack):
    """Tell whether a condition holds for an event and the partial match whose last node is `node`.

    `kept[node]` are the sums of the match so far; node 0 is the empty match.
    """
    kind = conditions[condition, C_KIND]
    if kind == ALWAYS:
        return True
    need = conditions[condition, C_NEED]
    negate = conditions[condition, C_NEGATE] != 0
    if (mask & need) != need or (mask & conditions[condition, C_BAN]) != 0:
        return negate
    if kind == BITS:
        return not negate
    start = conditions[condition, C_START]
    end = conditions[condition, C_END]
    value = run_program(start, end, mask, code, constants, values, column_rows, event, kept, node, stack)
    return (value == 1.0) != negate


@lean_kernel
def run_program(start, end, mask, code, constants, values, column_rows, event, kept, node, stack):
    """Run a program and return what it leaves on the stack."""
    top = -1
    for at in range(start, end):
        op = code[at, 0]
        operand = code[at, 1]
        if op == CONST:
            top += 1
            stack[top] = constants[operand]
        elif op == COLUMN:
            top += 1
            stack[top] = values[column_rows[operand], event]
        elif op == KEPT:
            top += 1
            stack[top] = kept[node, operand]
        elif op == BIT:
            top += 1
            stack[top] = float((mask >> operand) & 1)
        elif op == NOT:
            stack[top] = 0.0 if stack[top] == stack[top] and stack[top] != 0.0 else 1.0
        elif op == TRUTH:
            stack[top] = 1.0 if stack[top] == stack[top] and stack[top] != 0.0 else 0.0
        elif op == IS_NULL:
            stack[top] = 1.0 if stack[top] != stack[top] else 0.0
        elif op == NEG:
            stack[top] = -stack[top]
        elif op == ABS:
            stack[top] = abs(stack[top])
        elif op == SQRT:
            stack[top] = math.sqrt(stack[top]) if stack[top] >= 0.0 else math.nan
        elif op == LOG:
            stack[top] = math.log(stack[top]) if stack[top] > 0.0 else math.nan
        elif op == EXP:
            stack[top] = math.exp(stack[top]) if stack[top] < 709.0 else math.nan
        elif op == FLOOR:
            # NaN has no floor as an integer, so it is left alone.
            if stack[top] == stack[top]:
                stack[top] = float(math.floor(stack[top]))
        elif op == CEIL:
            if stack[top] == stack[top]:
                stack[top] = float(math.ceil(stack[top]))
        elif op == IF:
            top -= 2
            chosen = stack[top] == stack[top] and stack[top] != 0.0
            stack[top] = stack[top + 1] if chosen else stack[top + 2]
        elif op == DISTANCE_KM:
            top -= 3
            stack[top] = distance_km(stack[top], stack[top + 1], stack[top + 2], stack[top + 3])
        else:
            top -= 1
            stack[top] = combined(op, stack[top], stack[top + 1])
    return stack[0]


@lean_kernel
def combined(op, left, right):
    """Return the result of an operation with two operands."""
    if op == COALESCE:
        return left if left == left else right
    if op == AND:
        return 1.0 if left == left and left != 0.0 and right == right and right != 0.0 else 0.0
    if op == OR:
        return 1.0 if (left == left and left != 0.0) or (right == right and right != 0.0) else 0.0
    if left != left or right != right:
        return 0.0 if LT <= op <= NE else math.nan
    if op == LT:
        return 1.0 if left < right else 0.0
    if op == LE:
        return 1.0 if left <= right else 0.0
    if op == EQ:
        return 1.0 if left == right else 0.0
    if op == NE:
        return 1.0 if left != right else 0.0
    if op == MIN:
        return right if right < left else left
    if op == MAX:
        return right if right > left else left
    result = math.nan
    if op == ADD:
        result = left + right
    elif op == SUB:
        result = left - right
    elif op == MUL:
        result = left * right
    elif op == DIV:
        result = left / right if right != 0.0 else math.nan
    elif op == POW:
        if left > 0.0 or (left == 0.0 and right >= 0.0):
            result = left**right
    elif op == TIME_DIFF:
        result = (left - right) / 1000.0
    elif op == TIME_ADD:
        result = left + math.floor(right * 1000.0 + 0.5)
    return result if abs(result) < math.inf else math.nan


@lean_kernel
def distance_km(lat_a, lon_a, lat_b, lon_b):
    """Return the great-circle distance (haversine); null when a coordinate is."""
    if lat_a != lat_a or lon_a != lon_a or lat_b != lat_b or lon_b != lon_b:
        return math.nan
    phi_a = math.radians(lat_a)
    phi_b = math.radians(lat_b)
    half_lat = math.sin((phi_b - phi_a) / 2.0)
    half_lon = math.sin(math.radians(lon_b - lon_a) / 2.0)
    h = half_lat * half_lat + math.cos(phi_a) * math.cos(phi_b) * half_lon * half_lon
    return 2.0 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))
