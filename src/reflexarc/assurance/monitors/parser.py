# SPDX-License-Identifier: Apache-2.0
r"""Text to formula, by recursive descent.

    formula   = or [ "->" formula ]
    or        = and { "or" and }
    and       = since { "and" since }
    since     = unary [ "since" window unary ]
    unary     = ( "not" | "previously" | "rise" | "fall" ) unary | ( "once" | "historically" ) window unary
              | predicate | name | "(" formula ")"
    window    = "[" number "," number "]"                        seconds before now
    predicate = term ( "<=" | "<" | ">=" | ">" ) term
    term      = product { ( "+" | "-" ) product }
    product   = factor { "*" factor }                            one of them constant
    factor    = number [ "[" unit "]" ] | name | "-" factor | "(" term ")" | call
    call      = ( "abs" | "min" | "max" ) "(" term { "," term } ")"

A name alone is a signal of unit bool. A number without unit is a plain number.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeVar

from reflexarc.assurance.monitors.formula import (
    Before,
    Call,
    Flag,
    Formula,
    Join,
    Name,
    Not,
    Number,
    Past,
    Predicate,
    Product,
    Since,
    Sum,
    Term,
    Window,
)
from reflexarc.assurance.monitors.units import NONE, Unit, parse_unit
from reflexarc.core.errors import ConfigError

DEEPEST = 40
"""Most formulas, or terms, within each other."""
LONGEST = 2000
"""Most characters of a formula."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>->|<=|>=|[-+*<>()\[\],])"
    r"|(?P<other>\S))"
)
_UNIT = re.compile(r"\s*\[([^\]]*)\]")
_PAST, _BEFORE = ("once", "historically"), ("previously", "rise", "fall")
_CALLS = {"abs": (1, 1), "min": (2, 32), "max": (2, 32)}
_COMPARISONS = ("<=", "<", ">=", ">")
KEYWORDS = frozenset({"not", "and", "or", "since", *_PAST, *_BEFORE, *_CALLS})
"""Words that cannot be names of signals."""
T = TypeVar("T")


class FormulaError(ConfigError):
    """A formula that cannot be read; the message shows the place."""

    def __init__(self, text: str, column: int, problem: str):
        self.column = column
        super().__init__(f"{problem} at column {column}\n  {text}\n  {' ' * (column - 1)}^")


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def parse(text: str) -> Formula:
    """Return the formula in `text`.

    Raises:
        FormulaError: it cannot be read; `column` says where, from 1.
        ConfigError: it is too long.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise ConfigError(f"a formula has {len(text)} characters, allowed: {LONGEST}; it was not read")
    parser = _Parser(text)
    formula = parser.formula()
    if parser.token.kind != "end":
        parser.expected("an operator or the end")
    return formula


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.move(0)

    def move(self, position: int) -> None:
        match = _TOKEN.match(self.text, position)
        if match is None:
            self.token = _Token("end", "", len(self.text), len(self.text))
            return
        kind = str(match.lastgroup)
        if kind == "other":
            self.fail(f"{match[kind]!r} is not understood", match.start(kind))
        self.token = _Token(kind, match[kind], match.start(kind), match.end())

    def next(self) -> _Token:
        token = self.token
        self.move(token.end)
        return token

    def fail(self, problem: str, start: int) -> NoReturn:
        raise FormulaError(self.text, start + 1, problem)

    def expected(self, what: str) -> NoReturn:
        found = repr(self.token.text) if self.token.text else "the end"
        self.fail(f"expected {what}, found {found}", self.token.start)

    def take(self, sign: str) -> _Token:
        if self.token.text != sign:
            self.expected(repr(sign))
        return self.next()

    def nested(self, rule: Callable[[], T]) -> T:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} levels within each other", self.token.start)
        result = rule()
        self.depth -= 1
        return result

    def formula(self) -> Formula:
        left = self.joined(0)
        if self.token.text == "->":
            self.next()
            return Join("->", left, self.nested(self.formula))
        return left

    def joined(self, level: int) -> Formula:
        words = ("or", "and")
        if level == len(words):
            return self.since()
        left = self.joined(level + 1)
        while self.token.text == words[level]:
            self.next()
            left = Join(words[level], left, self.joined(level + 1))
        return left

    def since(self) -> Formula:
        left = self.unary()
        if self.token.text != "since":
            return left
        self.next()
        return Since(self.window(), left, self.unary())

    def unary(self) -> Formula:
        word = self.token.text
        if word == "not":
            self.next()
            return Not(self.nested(self.unary))
        if word in _BEFORE:
            self.next()
            return Before(word, self.nested(self.unary))
        if word in _PAST:
            self.next()
            return Past(word, self.window(), self.nested(self.unary))
        return self.nested(self.bracket if word == "(" else self.predicate)

    def bracket(self) -> Formula:
        """Read a formula in brackets, or a predicate whose term begins with one; report what got furthest."""
        token, depth = self.token, self.depth
        try:
            return self.predicate()
        except FormulaError as error:
            first = error
        self.token, self.depth = token, depth
        try:
            self.next()
            inside = self.nested(self.formula)
            self.take(")")
        except FormulaError as error:
            raise max(first, error, key=lambda e: e.column) from None
        if self.token.text in (*_COMPARISONS, "+", "-", "*"):
            raise first
        return inside

    def predicate(self) -> Formula:
        start = self.token.start
        left = self.term()
        comparison = self.token.text
        if comparison not in _COMPARISONS:
            if isinstance(left, Name):
                return Flag(left)
            self.expected("a comparison (<=, <, >=, >)")
        self.next()
        right = self.term()
        smaller, larger = (left, right) if comparison[0] == "<" else (right, left)
        return Predicate(smaller, larger, len(comparison) == 1, start + 1)

    def term(self) -> Term:
        left = self.product()
        while self.token.text in ("+", "-"):
            sign = 1.0 if self.next().text == "+" else -1.0
            left = Sum(left, self.product(), sign)
        return left

    def product(self) -> Term:
        left = self.factor()
        while self.token.text == "*":
            column = self.next().start + 1
            left = Product(left, self.factor(), column)
        return left

    def factor(self) -> Term:
        token = self.token
        if token.kind == "number":
            return self.number()
        if token.text == "-":
            self.next()
            return Product(Number(-1.0, Unit(1.0, NONE)), self.nested(self.factor), token.start + 1)
        if token.text == "(":
            self.next()
            inside = self.nested(self.term)
            self.take(")")
            return inside
        if token.text in _CALLS:
            return self.call()
        if token.kind != "name" or token.text in KEYWORDS:
            self.expected("a signal, a number or a bracket")
        self.next()
        return Name(token.text, token.start + 1)

    def call(self) -> Term:
        name = self.next()
        self.take("(")
        arguments = [self.nested(self.term)]
        while self.token.text == ",":
            self.next()
            arguments.append(self.nested(self.term))
        self.take(")")
        fewest, most = _CALLS[name.text]
        if not fewest <= len(arguments) <= most:
            allowed = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.fail(f"{name.text} takes {allowed} terms, found {len(arguments)}", name.start)
        return Call(name.text, tuple(arguments))

    def number(self) -> Number:
        token = self.token
        match = _UNIT.match(self.text, token.end)
        if match is None:
            self.next()
            return Number(float(token.text), Unit(1.0, NONE))
        try:
            unit = parse_unit(match[1])
        except ConfigError as error:
            self.fail(str(error), match.start(1))
        self.move(match.end())
        return Number(float(token.text), unit)

    def window(self) -> Window:
        start = self.token.start
        self.take("[")
        bounds = []
        for closing in (",", "]"):
            if self.token.kind != "number":
                self.expected("a time in seconds")
            bounds.append(float(self.next().text))
            self.take(closing)
        if bounds[0] > bounds[1]:
            self.fail(f"the window begins {bounds[0]:g} s and ends {bounds[1]:g} s ago", start)
        return Window(bounds[0], bounds[1], start + 1)
