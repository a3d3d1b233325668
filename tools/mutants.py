# SPDX-License-Identifier: Apache-2.0
"""Mutants of a Python module: every way in which one small thing of it can be wrong."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one line."""

    kind: str
    """sign, comparison, constant, guard, clause or unit."""
    line: int
    before: str
    after: str
    index: int
    """Position among the changes of the module."""


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Yield kind, old and new expression of every mutation of a node."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        operator = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "sign", node, ast.BinOp(node.left, operator, node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node, node.operand
    if isinstance(node, ast.Compare):
        for k, operator in enumerate(node.ops):
            operators = [*node.ops[:k], _TURNED[type(operator)](), *node.ops[k + 1 :]]
            yield "comparison", node, ast.Compare(node.left, operators, node.comparators)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value:
        number: Any = node.value
        for value in (0.5 * number, 2 * number):
            if isinstance(number, float) or value == int(value):
                yield "constant", node, ast.Constant(type(number)(value))
    if isinstance(node, ast.If):
        yield "guard", node.test, ast.Constant(False)
    if isinstance(node, ast.BoolOp):
        for k in range(len(node.values)):
            left = [*node.values[:k], *node.values[k + 1 :]]
            yield "clause", node, left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
    if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name.endswith("_m_s"):
            yield "unit", node, ast.BinOp(node, ast.Mult(), ast.Constant(3.6))
        elif name.endswith("_s"):
            yield "unit", node, ast.BinOp(node, ast.Mult(), ast.Constant(1000.0))


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    found = [
        Mutant(kind, old.lineno, ast.unparse(old), ast.unparse(new), index)
        for index, (kind, old, new, _) in enumerate(_all_changes(ast.parse(source)))
    ]
    return sorted(found, key=lambda m: (m.line, m.kind, m.before, m.after))


def mutated(source: str, mutant: Mutant) -> str:
    """Return the module with the one change of a mutant."""
    tree = ast.parse(source)
    _, _, new, (parent, name, place) = list(_all_changes(tree))[mutant.index]
    if place is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[place] = new
    return ast.unparse(ast.fix_missing_locations(tree))


def statement(source: str, line: int) -> range:
    """Return the lines of the innermost statement that `line` is in; of a compound one, those of its head."""
    best = range(line, line + 1)
    size = float("inf")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            last = max(body[0].lineno - 1, node.lineno) if body else node.end_lineno
            if node.lineno <= line <= last and last - node.lineno < size:
                best, size = range(node.lineno, last + 1), last - node.lineno
    return best


def sample(found: list[Mutant], count: int | None, seed: int) -> list[Mutant]:
    """Return at most `count` of the mutants, always the same ones for a seed, in their order."""
    if count is None or count >= len(found):
        return found
    chosen = random.Random(seed).sample(range(len(found)), count)
    return [found[k] for k in sorted(chosen)]


def _all_changes(tree: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr, tuple[ast.AST, str, int | None]]]:
    """Yield every change of a tree with where its old expression hangs: parent, field, place in the field's list."""
    for node, where in _code(tree):
        for kind, old, new in _changes(node):
            yield kind, old, new, where if old is node else (node, "test", None)


def _code(tree: ast.AST) -> Iterator[tuple[ast.AST, tuple[ast.AST, str, int | None]]]:
    """Walk everything but annotations and formatted text: messages are not what keeps a robot safe."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns"}:
            continue
        for k, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child, (tree, name, k if isinstance(value, list) else None)
                yield from _code(child)
