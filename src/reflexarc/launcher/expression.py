# SPDX-License-Identifier: Apache-2.0
"""Value of the expression in `$(eval '...')`: arithmetic and logic on literals, nothing that can do harm.

ROS 2 hands such an expression to Python's `eval`. A launch file only needs to count and to compare, so this
evaluates the same syntax tree for literals and operators and refuses names, calls, attributes and the rest.
"""

import ast
import operator
from collections.abc import Callable

Value = int | float | bool | str | tuple | list

_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type, Callable] = {ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: dict[type, Callable] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}


def evaluate(text: str) -> Value:
    """Return the value of the expression `text`.

    Raises:
        ValueError: It is not an expression, uses something that is not understood, or cannot be computed.
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"{text!r} is not an expression: {error.msg}") from error
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"{text!r} cannot be computed: {error}") from error


def _value(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
        case ast.BoolOp(op=op, values=items):
            return _logic(isinstance(op, ast.And), items)
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _chain(_value(left), ops, others)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body) if _value(test) else _value(orelse)
    kind = type(node).__name__
    raise ValueError(f"{ast.unparse(node)!r} ({kind}) is not understood; allowed: literals, + - * / // %, "
                     "comparisons, in, and, or, not, A if C else B")  # fmt: skip


def _logic(is_and: bool, items: list[ast.expr]) -> Value:
    value: Value = is_and
    for item in items:
        value = _value(item)
        if bool(value) is not is_and:
            return value
    return value


def _chain(left: Value, ops: list[ast.cmpop], others: list[ast.expr]) -> bool:
    for op, other in zip(ops, others, strict=True):
        if type(op) not in _COMPARE:
            raise ValueError(f"comparison {type(op).__name__} is not understood")
        right = _value(other)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True
