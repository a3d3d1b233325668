# SPDX-License-Identifier: Apache-2.0
"""From a formula to nodes that can be fed: names become places, seconds whole samples, and units are checked."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from reflexarc.assurance.monitors import online
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
from reflexarc.assurance.monitors.units import BOOL, NONE, Unit, describe, si_unit, times
from reflexarc.core.errors import ConfigError, UnknownNameError

LONGEST_WINDOW = 100_000
"""Most samples that a window may reach back."""
_TOLERANCE = 1e-6
"""Share of a sample by which a window may miss a whole number of them."""
Dimension = tuple[int, int, int, int]
Evaluate = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Linear:
    """Constant plus weighted signals plus weighted functions of signals, all in SI."""

    dimension: Dimension
    constant: float = 0.0
    weights: Mapping[int, float] = field(default_factory=dict)
    others: tuple[tuple[float, Evaluate], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether no signal is in it."""
        return not self.weights and not self.others


@dataclass(frozen=True, slots=True)
class Compiled:
    """A formula that can be fed."""

    node: online.Node
    signals: tuple[str, ...]
    """In the order in which values are expected."""
    horizon: int
    """Samples before now on which the robustness depends."""
    dimension: Dimension | None
    """Of the robustness; None for a formula of flags alone."""


def compile_formula(
    formula: Formula,
    units: Mapping[str, str],
    period: float,
    constants: Mapping[str, Number] | None = None,
    scales: Mapping[Dimension, float] | None = None,
) -> Compiled:
    """Compile a formula.

    Args:
        formula: as parsed.
        units: unit of each signal, SI or `bool`.
        period: of the samples. [s]
        constants: named constants.
        scales: what counts as 1, per dimension, in SI; with them the robustness is a plain number. Without them all
            predicates must have one dimension: the smaller of a metre and a newton has no meaning.

    Raises:
        UnknownNameError: a name is neither signal nor constant.
        ConfigError: units do not fit, a window is no whole number of samples or too long, or no signal is used.
    """
    if not (math.isfinite(period) and period > 0.0):
        raise ConfigError(f"the sample period {period} s must be positive and finite")
    builder = _Builder(units, period, constants or {}, scales)
    node, horizon = builder.formula(formula)
    if not builder.used:
        raise ConfigError("the formula uses no signal, so there is nothing to monitor")
    return Compiled(node, tuple(builder.used), horizon, builder.dimension)


def samples(seconds: float, period: float, what: str = "the window") -> int:
    """Return a time in whole samples.

    Raises:
        ConfigError: it is no multiple of the period, or longer than `LONGEST_WINDOW`.
    """
    count = round(seconds / period)
    if abs(count * period - seconds) > _TOLERANCE * period:
        raise ConfigError(f"{what} of {seconds:g} s is no multiple of the sample period {period:g} s")
    if count > LONGEST_WINDOW:
        raise ConfigError(f"{what} of {seconds:g} s has {count} samples, allowed: {LONGEST_WINDOW}")
    return count


class _Builder:
    def __init__(
        self,
        units: Mapping[str, str],
        period: float,
        constants: Mapping[str, Number],
        scales: Mapping[Dimension, float] | None,
    ) -> None:
        self.units, self.period, self.constants, self.scales = units, period, constants, scales
        self.used: dict[str, int] = {}
        self.dimension: Dimension | None = None

    def formula(self, f: Formula) -> tuple[online.Node, int]:
        """Return the node of a formula and how many samples it looks back."""
        match f:
            case Predicate():
                return self.predicate(f), 0
            case Flag():
                return self.flag(f.name), 0
            case Not():
                node, reach = self.formula(f.of)
                return online.NotNode(node), reach
            case Join():
                (a, reach_a), (b, reach_b) = self.formula(f.a), self.formula(f.b)
                return online.JoinNode(f.word, a, b), max(reach_a, reach_b)
            case Past():
                first, last = self.window(f.window)
                node, reach = self.formula(f.of)
                return online.PastNode(f.word == "once", first, last, node), last + reach
            case Since():
                first, last = self.window(f.window)
                (a, reach_a), (b, reach_b) = self.formula(f.a), self.formula(f.b)
                return online.SinceNode(first, last, a, b), last + max(reach_a, reach_b)
            case Before():
                node, reach = self.formula(f.of)
                return online.BeforeNode(f.word, node), 1 + reach
            case _:
                assert_never(f)

    def window(self, window: Window) -> tuple[int, int]:
        what = f"the window at column {window.column}"
        return samples(window.first, self.period, what), samples(window.last, self.period, what)

    def place(self, name: Name) -> int:
        if name.name not in self.units:
            known = [*self.units, *self.constants]
            raise UnknownNameError("signal", name.name, known, f"column {name.column}")
        return self.used.setdefault(name.name, len(self.used))

    def flag(self, name: Name) -> online.Node:
        index = self.place(name)
        if self.units[name.name] != BOOL:
            raise ConfigError(
                f"{name.name} at column {name.column} is in {self.units[name.name]!r}: compare it with something; "
                f"only a signal of unit {BOOL} stands alone"
            )
        return online.FlagNode(index)

    def predicate(self, p: Predicate) -> online.Node:
        where = f"the comparison at column {p.column}"
        difference = _sum(self.term(p.larger), self.term(p.smaller), -1.0, where)
        if difference.plain:
            raise ConfigError(f"{where} has no signal in it")
        scale = self._scale(difference.dimension, where)
        return online.PredicateNode(_evaluate(difference), p.strict, scale)

    def _scale(self, dimension: Dimension, where: str) -> float:
        if self.scales is not None:
            self.dimension = NONE
            if dimension not in self.scales:
                allowed = ", ".join(describe(d) for d in self.scales) or "none"
                raise ConfigError(f"{where} is in {describe(dimension)}; scales are given for: {allowed}")
            return self.scales[dimension]
        if self.dimension not in (None, dimension):
            raise ConfigError(
                f"{where} is in {describe(dimension)} and another in {describe(self.dimension)}: their smaller one has "
                "no unit; declare scales, or use one unit"
            )
        self.dimension = dimension
        return 1.0

    def term(self, t: Term) -> Linear:
        match t:
            case Number():
                return Linear(t.unit.dimension, t.value * t.unit.factor)
            case Name():
                return self.name(t)
            case Sum():
                return _sum(self.term(t.a), self.term(t.b), t.sign, "a sum")
            case Product():
                return self.product(t)
            case Call():
                return self.call(t)
            case _:
                assert_never(t)

    def name(self, t: Name) -> Linear:
        if t.name in self.constants:
            return self.term(self.constants[t.name])
        index = self.place(t)
        if self.units[t.name] == BOOL:
            raise ConfigError(f"{t.name} at column {t.column} is {BOOL}: it has no size; use it alone")
        unit: Unit = si_unit(self.units[t.name], t.name)
        return Linear(unit.dimension, weights={index: 1.0})

    def product(self, t: Product) -> Linear:
        a, b = self.term(t.a), self.term(t.b)
        if not a.plain:
            a, b = b, a
        if not a.plain:
            raise ConfigError(
                f"the product at column {t.column} is of two signals; only linear terms are allowed"
            )
        return Linear(
            times(a.dimension, b.dimension),
            a.constant * b.constant,
            {i: a.constant * w for i, w in b.weights.items()},
            tuple((a.constant * w, f) for w, f in b.others),
        )

    def call(self, t: Call) -> Linear:
        terms = [self.term(argument) for argument in t.arguments]
        for other in terms[1:]:
            _same(terms[0], other, t.function)
        evaluate = [_evaluate(term) for term in terms]
        if t.function == "abs":
            (one,) = evaluate
            return Linear(terms[0].dimension, others=((1.0, lambda x: abs(one(x))),))
        extreme = min if t.function == "min" else max
        return Linear(terms[0].dimension, others=((1.0, lambda x: extreme([f(x) for f in evaluate])),))


def _same(a: Linear, b: Linear, where: str) -> None:
    if a.dimension != b.dimension:
        raise ConfigError(f"{where} mixes {describe(a.dimension)} with {describe(b.dimension)}")


def _sum(a: Linear, b: Linear, sign: float, where: str) -> Linear:
    _same(a, b, where)
    weights = dict(a.weights)
    for index, weight in b.weights.items():
        weights[index] = weights.get(index, 0.0) + sign * weight
    others = (*a.others, *((sign * weight, f) for weight, f in b.others))
    return Linear(a.dimension, a.constant + sign * b.constant, weights, others)


def _evaluate(term: Linear) -> Evaluate:
    constant, weights, others = term.constant, tuple(term.weights.items()), term.others
    if not others and len(weights) == 1:
        ((index, weight),) = weights
        return lambda x: constant + weight * x[index]

    def evaluate(x: Sequence[float]) -> float:
        total = constant
        for index, weight in weights:
            total += weight * x[index]
        for weight, f in others:
            total += weight * f(x)
        return total

    return evaluate
