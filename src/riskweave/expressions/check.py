"""`check(expr, scope)`: what an expression means, with types, or a PolicyError at the exact place.

Types are inferred. Numbers mix freely; true and false are no numbers, text is compared but not
ordered, times are compared, subtracted (seconds) and taken apart. Feature calls go unchecked to
`scope.feature`, which checks nested expressions by calling `check` again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from riskweave.document import duration_ms
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.build import make
from riskweave.expressions.functions import FUNCTIONS, TEXT_METHODS, Argument, Function, named
from riskweave.expressions.syntax import (
    Binary,
    Call,
    Choice,
    Compare,
    Dotted,
    Items,
    Literal,
    Logic,
    Method,
    Name,
    Unary,
)
from riskweave.expressions.types import Const, Expr, FeatureCall, Op, Scope, Type, Typed

TYPED_NODES_MAX = 20_000

_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod", "**": "pow"}
_ORDER = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_EQUALITY = {"==": "eq", "!=": "ne"}


def check(expr: Expr, scope: Scope) -> Typed:
    """Return the typed node that `expr` means."""
    return _Checker(scope).check(expr)


def check_condition(expr: Expr, scope: Scope) -> Typed:
    """Return the typed node of a condition: it must be true or false."""
    checker = _Checker(scope)
    return checker.condition(expr, "a condition")


def number_type(kinds: Iterable[Type]) -> Type:
    """Return the type of a choice among, or a sum of, numbers: money stays exact beside whole numbers."""
    kinds = [kind for kind in kinds if kind is not Type.NULL]
    if not kinds or all(kind is Type.INT for kind in kinds):
        return Type.INT
    if all(kind in (Type.INT, Type.MONEY) for kind in kinds):
        return Type.MONEY
    return Type.FLOAT


def time_constant(text: str) -> float | None:
    """Return the milliseconds of an ISO 8601 text (UTC when it names no offset); None when it is none.

    >>> time_constant("1970-01-02"), time_constant("1970-01-01T01:00:00+01:00"), time_constant("soon")
    (86400000.0, 0.0, None)
    """
    if len(text) < 10 or text[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return float((delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000)


class _Checker:
    """Walks one expression; counts what chained comparisons repeat."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.repeated = 0

    def check(self, expr: Expr) -> Typed:
        if isinstance(expr, Literal):
            return _literal(expr)
        if isinstance(expr, Name):
            return self.name(expr)
        if isinstance(expr, Dotted):
            return self.scope.attribute(expr.path, expr.span)
        if isinstance(expr, Binary):
            return self.binary(expr)
        if isinstance(expr, Unary):
            return self.unary(expr)
        if isinstance(expr, Logic):
            parts = tuple(self.condition(each, f"`{expr.op}`") for each in expr.operands)
            return make(expr.op, parts, Type.BOOL)
        if isinstance(expr, Compare):
            return self.compare(expr)
        if isinstance(expr, Choice):
            return self.choice(expr)
        if isinstance(expr, Call):
            return self.call(expr)
        if isinstance(expr, Method):
            return self.method(expr)
        if isinstance(expr, Items):
            raise PolicyError("a list is no value by itself", expr.span, "ask it: `x in [a, b]`")
        raise PolicyError("this is not part of the language", expr.span)

    # ---- leaves

    def name(self, expr: Name) -> Typed:
        node = self.scope.name(expr.name, expr.span)
        if isinstance(node, Op) and node.op == "collection":
            raise PolicyError(
                f"`{expr.name}` is a list, no value by itself", expr.span, f"ask it: `x in {expr.name}`"
            )
        return node

    # ---- operators

    def value(self, expr: Expr) -> Typed:
        """Return a node that may be computed with: no label."""
        node = self.check(expr)
        if node.type is Type.LABEL:
            raise PolicyError(
                "a label arrives after the event: an expression cannot read it",
                expr.span,
                "let a feature read it: `entity.rate(label, ...)`",
            )
        return node

    def number(self, expr: Expr, reader: str) -> Typed:
        node = self.value(expr)
        if not node.type.is_number:
            raise PolicyError(
                f"{reader} needs a number, this is {named(node.type)}", expr.span, _number_hint(node)
            )
        return node

    def condition(self, expr: Expr, reader: str) -> Typed:
        node = self.value(expr)
        if node.type not in (Type.BOOL, Type.NULL):
            hint = "compare it: `x > 0`, `x == ...`, `x is not None`"
            raise PolicyError(f"{reader} needs true or false, this is {named(node.type)}", expr.span, hint)
        return node

    def unary(self, expr: Unary) -> Typed:
        if expr.op == "not":
            return make("not", (self.condition(expr.operand, "`not`"),), Type.BOOL)
        node = self.number(expr.operand, f"`{expr.op}`")
        return make("neg", (node,), node.type) if expr.op == "-" else node

    def binary(self, expr: Binary) -> Typed:
        left, right = self.value(expr.left), self.value(expr.right)
        if Type.TIME in (left.type, right.type) and expr.op in "+-":
            return self.time_arithmetic(expr, left, right)
        if left.type.is_text and right.type.is_text and expr.op == "+":
            raise PolicyError("`+` adds numbers, not text", expr.span, "compare each text on its own")
        for node, part in ((left, expr.left), (right, expr.right)):
            if not node.type.is_number:
                message = f"`{expr.op}` needs numbers, this is {named(node.type)}"
                raise PolicyError(message, part.span, _number_hint(node))
        kinds = [left.type, right.type]
        if expr.op in "+-":
            kind = number_type(kinds)
        elif expr.op in ("*", "//", "%") and kinds == [Type.INT, Type.INT]:
            kind = Type.INT
        else:
            kind = Type.FLOAT
        return make(_ARITHMETIC[expr.op], (left, right), kind)

    def time_arithmetic(self, expr: Binary, left: Typed, right: Typed) -> Typed:
        if left.type is Type.TIME and right.type is Type.TIME and expr.op == "-":
            return make("time_diff", (left, right), Type.FLOAT)
        if left.type is Type.TIME and isinstance(right, Const) and isinstance(right.value, str):
            moment, length = time_constant(right.value), duration_ms(right.value)
            if moment is not None and expr.op == "-":
                return make("time_diff", (left, Const(moment, Type.TIME)), Type.FLOAT)
            if length is not None:
                seconds = Const(length / 1000.0, Type.FLOAT)
                return make(
                    "time_add",
                    (left, seconds if expr.op == "+" else make("neg", (seconds,), Type.FLOAT)),
                    Type.TIME,
                )
        if left.type is Type.TIME and right.type.is_number:
            shift = right if expr.op == "+" else make("neg", (right,), right.type)
            return make("time_add", (left, shift), Type.TIME)
        message = f"`{expr.op}` cannot take {named(left.type)} and {named(right.type)}"
        raise PolicyError(message, expr.span, "time - time gives seconds; time + seconds gives a time")

    def choice(self, expr: Choice) -> Typed:
        condition = self.condition(expr.condition, "`if`")
        then, otherwise = self.value(expr.then), self.value(expr.otherwise)
        kind = self.one_type([then, otherwise], "`if ... else`", expr.span)
        return make("if", (condition, then, otherwise), kind)

    def one_type(self, nodes: list[Typed], reader: str, span: Span) -> Type:
        """Return the type that all nodes share; a null fits everywhere."""
        kinds: list[Type] = [node.type for node in nodes if node.type is not Type.NULL]
        if not kinds:
            return Type.NULL
        if Type.LOCATION in kinds:
            raise PolicyError(
                f"{reader} cannot choose locations",
                span,
                "choose latitude and longitude, then `point(lat, lon)`",
            )
        if all(kind.is_number for kind in kinds):
            return number_type(kinds)
        if all(kind is kinds[0] for kind in kinds):
            return kinds[0]
        if all(kind.is_text for kind in kinds):
            return Type.STRING
        other = next(kind for kind in kinds if kind is not kinds[0])
        message = f"{reader} mixes {named(kinds[0])} and {named(other)}"
        raise PolicyError(message, span, "give values of one type")

    # ---- comparisons

    def compare(self, expr: Compare) -> Typed:
        nodes: list[Typed | None] = [None] * len(expr.operands)
        tests = []
        for index, op in enumerate(expr.ops):
            left_expr, right_expr = expr.operands[index], expr.operands[index + 1]
            left = nodes[index] or self.value(left_expr)
            nodes[index] = left
            if index:
                self.repeat(left, expr.span)
            if op in ("in", "not in"):
                tests.append(self.membership(op, left, left_expr, right_expr))
                if index + 1 < len(expr.ops):
                    raise PolicyError(
                        f"`{op}` cannot be chained", right_expr.span, "join the tests with `and`"
                    )
                continue
            right = self.value(right_expr)
            nodes[index + 1] = right
            if op in ("is", "is not"):
                tests.append(self.identity(op, left, right, right_expr))
            else:
                tests.append(self.comparison(op, left, right, left_expr, right_expr))
        return tests[0] if len(tests) == 1 else make("and", tuple(tests), Type.BOOL)

    def identity(self, op: str, left: Typed, right: Typed, right_expr: Expr) -> Typed:
        if not (isinstance(right, Const) and right.value is None):
            raise PolicyError(f"`{op}` only asks for None", right_expr.span, "write `==` or `!=`")
        if left.type is Type.LOCATION:
            left = latitude(left)
        return make("is_null" if op == "is" else "is_not_null", (left,), Type.BOOL)

    def comparison(self, op: str, left: Typed, right: Typed, left_expr: Expr, right_expr: Expr) -> Typed:
        for node, part in ((left, left_expr), (right, right_expr)):
            if node.type is Type.NULL:
                way = "is" if op == "==" else "is not"
                raise PolicyError(f"`{op}` with None is never true", part.span, f"write `x {way} None`")
        left = self.as_time(left, right, left_expr)
        right = self.as_time(right, left, right_expr)
        kinds = (left.type, right.type)
        numbers = all(kind.is_number for kind in kinds)
        times = all(kind is Type.TIME for kind in kinds)
        span = _join(left_expr.span, right_expr.span)
        if op in _ORDER:
            if numbers or times:
                return make(_ORDER[op], (left, right), Type.BOOL)
            if all(kind.is_text for kind in kinds):
                raise PolicyError(
                    f"`{op}` needs numbers or times: text has no order",
                    span,
                    "use `==`, `in` or `startswith`",
                )
        elif numbers or times or all(kind.is_text for kind in kinds) or kinds == (Type.BOOL, Type.BOOL):
            return make(_EQUALITY[op], (left, right), Type.BOOL)
        message = f"`{op}` cannot compare {named(left.type)} with {named(right.type)}"
        raise PolicyError(message, span, _compare_hint(left, right))

    def as_time(self, node: Typed, other: Typed, expr: Expr) -> Typed:
        """Return a text constant beside a time as the time it means."""
        if other.type is not Type.TIME or not isinstance(node, Const) or not isinstance(node.value, str):
            return node
        moment = time_constant(node.value)
        if moment is None:
            hint = 'write ISO 8601, as in "2026-01-31" or "2026-01-31T12:00:00Z"'
            raise PolicyError(f'"{node.value}" is not a time', expr.span, hint)
        return Const(moment, Type.TIME)

    def membership(self, op: str, left: Typed, left_expr: Expr, right_expr: Expr) -> Typed:
        if left.type is Type.NULL:
            raise PolicyError(f"None is {op} nothing", left_expr.span, "ask `x is None`")
        if isinstance(right_expr, Items):
            values = tuple(self.member(each, left, left_expr) for each in right_expr.elements)
            return make("in" if op == "in" else "not_in", (left,), Type.BOOL, values)
        if isinstance(right_expr, Name):
            if self.scope.is_list(right_expr.name):
                return self.on_list(op, left, left_expr, right_expr)
            node = self.scope.name(right_expr.name, right_expr.span)
        else:
            node = self.value(right_expr)
        if isinstance(node, Op) and node.op == "collection":
            values = tuple(
                self.fit(_constant(value), left, left_expr, right_expr.span) for value in node.extra
            )
            return make("in" if op == "in" else "not_in", (left,), Type.BOOL, values)
        hint = (
            'to search in a text write `contains(text, "part")`'
            if node.type.is_text
            else "write a list: `x in [a, b]`"
        )
        raise PolicyError(f"`{op}` needs a list, this is {named(node.type)}", right_expr.span, hint)

    def on_list(self, op: str, left: Typed, left_expr: Expr, right_expr: Name) -> Typed:
        found = self.scope.member(right_expr.name, left, right_expr.span)
        if op == "in":
            return found
        # A missing value is neither on the list nor off it: a comparison with null is false.
        known = latitude(left) if left.type is Type.LOCATION else left
        return make(
            "and", (make("not", (found,), Type.BOOL), make("is_not_null", (known,), Type.BOOL)), Type.BOOL
        )

    def member(self, expr: Expr, operand: Typed, operand_expr: Expr) -> float | bool | str:
        node = self.value(expr)
        if not isinstance(node, Const):
            raise PolicyError(
                "a list holds constants only", expr.span, "compare with `==` and join with `or`"
            )
        return self.fit(node, operand, operand_expr, expr.span)

    def fit(self, node: Const, operand: Typed, operand_expr: Expr, span: Span) -> float | bool | str:
        """Return the constant as a value that `operand` can be equal to."""
        if node.value is None:
            raise PolicyError("None is on no list", span, "write `x is None or x in ...`")
        kind = operand.type
        if kind is Type.TIME and isinstance(node.value, str):
            moment = time_constant(node.value)
            if moment is not None:
                return moment
        same = (
            (kind.is_number and node.type.is_number)
            or (kind.is_text and node.type.is_text)
            or kind is node.type
        )
        if not same or isinstance(node.value, tuple):
            message = f"a list for {named(kind)} cannot hold {named(node.type)}"
            raise PolicyError(message, span, _compare_hint(operand, node))
        return node.value

    # ---- calls

    def call(self, expr: Call) -> Typed:
        function = FUNCTIONS.get(expr.function)
        if function is None:
            if expr.function in _ELSEWHERE:
                hint = _ELSEWHERE[expr.function]
            else:
                hint = (
                    did_you_mean(expr.function, FUNCTIONS)
                    or 'features are asked of an entity: `customer.count("1h")`'
                )
            raise PolicyError(f"unknown function `{expr.function}`", expr.function_span, hint)
        return self.apply(function, expr.args, expr.named, expr.span)

    def method(self, expr: Method) -> Typed:
        if expr.method in TEXT_METHODS:
            return self.apply(FUNCTIONS[expr.method], (expr.receiver, *expr.args), expr.named, expr.span)
        receiver = expr.receiver
        path = (
            (receiver.name,)
            if isinstance(receiver, Name)
            else receiver.path
            if isinstance(receiver, Dotted)
            else ()
        )
        if path and self.scope.is_entity(path[0]):
            call = FeatureCall(path, expr.method, expr.args, expr.named, expr.span, expr.method_span)
            return self.scope.feature(call)
        if isinstance(receiver, Name):
            self.scope.name(receiver.name, receiver.span)  # a name that nobody knows is the first mistake
        if expr.method in FUNCTIONS:
            hint = f"write `{expr.method}(x)`"
        else:
            hint = did_you_mean(expr.method, TEXT_METHODS) or "text has: " + ", ".join(sorted(TEXT_METHODS))
        if path:
            what = ".".join(path)
            raise PolicyError(
                f"`{what}` is no entity, and `{expr.method}` no function of text", expr.span, hint
            )
        raise PolicyError(f"`{expr.method}` is no function of text", expr.method_span, hint)

    def apply(
        self, function: Function, args: tuple[Expr, ...], named: tuple[tuple[str, Expr], ...], span: Span
    ) -> Typed:
        if named:
            raise PolicyError(f"`{function.name}` takes no named arguments", named[0][1].span, function.hint)
        most = function.most
        if len(args) < function.least or (most is not None and len(args) > most):
            message = f"`{function.name}` takes {_count(function)}, not {len(args)}"
            raise PolicyError(message, span, function.hint)
        arguments = [Argument(self.value(each), each.span) for each in args]
        if function.repeats:
            self.repeat(arguments[0].node, span)
        if function.takes_times:
            times = [each.node for each in arguments if each.node.type is Type.TIME]
            if times:
                arguments = [
                    Argument(self.as_time(each.node, times[0], expr), each.span)
                    for each, expr in zip(arguments, args, strict=True)
                ]
        return function.build(function, arguments, span, self)

    def repeat(self, node: Typed, span: Span) -> None:
        """Count a part that is about to stand in the tree twice; nesting such parts doubles each time."""
        self.repeated += _size(node, TYPED_NODES_MAX)
        if self.repeated > TYPED_NODES_MAX:
            raise PolicyError("the expression repeats too large a part", span, "name a part of it")


_ELSEWHERE = {
    "count": 'features are asked of an entity: `customer.count("1h")`',
    "sum": 'features are asked of an entity: `customer.sum(amount, "1h")`',
    "mean": 'features are asked of an entity: `customer.mean(amount, "1h")`',
    "int": "write `floor(x)` or `round(x)`",
    "str": "numbers cannot become text",
    "float": "numbers mix freely: no conversion is needed",
    "bool": "compare: `x != 0`",
    "isnull": "write `x is None`",
    "is_null": "write `x is None`",
    "iff": "write `a if condition else b`",
    "if_else": "write `a if condition else b`",
    "ln": "write `log(x)`",
    "length": "write `len(text)`",
    "regex": 'write `matches(text, "regex")`',
    "trim": "write `strip(text)`",
}


def latitude(node: Typed) -> Typed:
    """Return the latitude of a location node."""
    if isinstance(node, Const) and isinstance(node.value, tuple):
        return Const(float(node.value[0]), Type.FLOAT)
    if isinstance(node, Op) and node.op == "point":
        return node.args[0]
    return Op("lat", (node,), Type.FLOAT)


def _literal(expr: Literal) -> Typed:
    return _constant(expr.value)


def _constant(value: object) -> Const:
    """Return a plain value (also: an element of a constant list) as a constant node."""
    if isinstance(value, Const):
        return value
    if value is None:
        return Const(None, Type.NULL)
    if isinstance(value, bool):
        return Const(value, Type.BOOL)
    if isinstance(value, int):
        return Const(float(value), Type.INT)
    if isinstance(value, float):
        return Const(value, Type.FLOAT)
    return Const(str(value), Type.STRING)


def _size(node: Typed, limit: int) -> int:
    """Return how many nodes a tree has, counting no further than `limit`."""
    stack, count = [node], 0
    while stack and count <= limit:
        each = stack.pop()
        count += 1
        if isinstance(each, Op):
            stack.extend(each.args)
    return count


def _join(left: Span, right: Span) -> Span:
    if left.line != right.line or right.column < left.column:
        return left
    return Span(left.file, left.line, left.column, right.column + right.length - left.column, left.text)


def _count(function: Function) -> str:
    least, most = function.least, function.most
    if most is None:
        return f"{least} or more arguments"
    if least != most:
        return f"{least} to {most} arguments"
    return "one argument" if least == 1 else f"{least} arguments"


def _number_hint(node: Typed) -> str:
    if isinstance(node, Const) and isinstance(node.value, str):
        return _text_number_hint(node.value)
    if node.type is Type.BOOL:
        return "write `1 if x else 0`"
    if node.type is Type.TIME:
        return "time - time gives seconds; `hour(time)` and others take a time apart"
    return ""


def _text_number_hint(text: str) -> str:
    length = duration_ms(text)
    if length is not None:
        return f"lengths of time are seconds here: write {length / 1000:g}"
    try:
        float(text)
    except ValueError:
        return ""
    return f"write {text} without quotes"


def _compare_hint(left: Typed, right: Typed) -> str:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Const) and isinstance(one.value, str) and other.type.is_number:
            return _text_number_hint(one.value) or "numbers are compared with numbers"
        if other.type.is_text and isinstance(one, Const) and one.type.is_number:
            return f'write "{one.value:g}" with quotes'
        if one.type is Type.BOOL and other.type.is_number:
            return "true and false are no numbers: write the condition itself"
        if one.type is Type.BOOL and other.type.is_text:
            return "write `x` or `not x`, or compare with True or False"
        if one.type is Type.LOCATION:
            return "ask for a distance: `distance_km(a, b) < 10`"
    return "compare values of one type"
