"""A condition taken apart: which values of which operands it allows.

A condition is an AND of conjuncts. What a conjunct says of one operand (a column, or an expression
computed into one) is a set of values; conjuncts on the same operand intersect. A conjunct on
several operands (`a > 5 * b`, an `or` across columns) is itself an operand that must be true.

Logic has two values: a comparison with null is false, `not` of it true, and a null truth value
counts as false.
"""

from __future__ import annotations

from collections.abc import Iterator

from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Op, Type, Typed
from riskweave.rules.ranges import EVERYTHING, NOT_NULL, NOTHING, NULL, TRUE, Ranges, codes, compare, points

Condition = dict[Typed, Ranges]

# What each comparison is called, and when its sides change places.
_SYMBOL = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def take_apart(node: Typed, pool: StringPool) -> Condition:
    """Return what each operand must be for `node` to hold; an operand that may be anything is left out.

    A condition that can never hold comes back with an operand that allows nothing.
    """
    found: Condition = {}
    for conjunct in _conjuncts(node):
        operand, allowed = read(conjunct, pool)
        found[operand] = found.get(operand, EVERYTHING) & allowed
    return {operand: allowed for operand, allowed in found.items() if not allowed.is_everything}


def never(condition: Condition) -> bool:
    """Tell whether some operand allows nothing."""
    return any(allowed.is_empty for allowed in condition.values())


def _conjuncts(node: Typed) -> Iterator[Typed]:
    if isinstance(node, Op) and node.op == "and":
        for each in node.args:
            yield from _conjuncts(each)
    elif isinstance(node, Op) and node.op == "not" and isinstance(node.args[0], Op):
        inner = node.args[0]
        if inner.op == "not":
            yield from _conjuncts(inner.args[0])
        elif inner.op == "or":
            for each in inner.args:
                yield from _conjuncts(Op("not", (each,), Type.BOOL))
        else:
            yield node
    else:
        yield node


def read(node: Typed, pool: StringPool) -> tuple[Typed, Ranges]:
    """Return the operand of a condition and the values for which it holds."""
    if isinstance(node, Const):
        return node, EVERYTHING if node.value is True else NOTHING
    if isinstance(node, Op):
        if node.op in ("and", "or", "not"):
            combined = _combine(node, pool)
            if combined is not None:
                return combined
        elif node.op == "is_null":
            return node.args[0], NULL
        elif node.op in ("in", "not_in"):
            allowed = _members(node.args[0].type, node.extra, pool)
            if allowed is not None:
                return node.args[0], allowed if node.op == "in" else NOT_NULL - allowed
        elif node.op == "truth":
            return read(node.args[0], pool)
        elif node.op in _SYMBOL:
            left, right = node.args
            op = _SYMBOL[node.op]
            if isinstance(left, Const):
                left, right, op = right, left, _MIRRORED[op]
            if isinstance(right, Const) and not isinstance(left, Const):
                compared = _compared(left.type, op, right, pool)
                if compared is not None:
                    return left, compared
    return node, TRUE


def _combine(node: Op, pool: StringPool) -> tuple[Typed, Ranges] | None:
    parts = [read(each, pool) for each in node.args]
    if node.op == "not":
        operand, allowed = parts[0]
        return operand, ~allowed
    operands = {operand for operand, _ in parts if not isinstance(operand, Const)}
    if len(operands) > 1:
        return None
    result = parts[0][1]
    for _, allowed in parts[1:]:
        result = result & allowed if node.op == "and" else result | allowed
    return (operands.pop() if operands else parts[0][0]), result


def _members(kind: Type, members: tuple[object, ...], pool: StringPool) -> Ranges | None:
    if kind.is_text:
        texts = [each for each in members if isinstance(each, str)]
        return codes(pool.code(each) for each in texts) if len(texts) == len(members) else None
    numbers = [float(each) for each in members if isinstance(each, (int, float))]
    if len(numbers) != len(members):
        return None
    return codes(int(each) for each in numbers) if kind is Type.BOOL else points(numbers)


def _compared(kind: Type, op: str, constant: Const, pool: StringPool) -> Ranges | None:
    value = constant.value
    if kind.is_text or kind is Type.BOOL:
        if op not in ("==", "!=") or not isinstance(value, (str, bool, int, float)):
            return None
        code = pool.code(value) if isinstance(value, str) else int(value)
        equal = codes([code])
        return equal if op == "==" else NOT_NULL - equal
    if isinstance(value, (bool, int, float)):
        return compare(op, float(value))
    return None
