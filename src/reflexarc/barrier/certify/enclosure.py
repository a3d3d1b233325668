# SPDX-License-Identifier: Apache-2.0
r"""Sound enclosures of a system's f, g and l over boxes: interval arithmetic on their JAX programmes.

A function of one state is traced to its list of primitives (jaxpr), and every primitive is replaced by one that maps
intervals to an interval that contains every value (Moore). Each operation is moved outwards by some units in the last
place, so that the enclosure holds for the real-number meaning of the programme, whose constants are the
doubles written in it. A primitive without an interval version is refused: no enclosure is guessed.
"""

import operator
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend.core import Literal

from reflexarc.barrier.certify.bounds import Interval, _down, _up
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

Enclosure = Callable[[Array, Array], Interval]
"""From lower and upper corners (batch, n) to bounds of the function's value (batch, ...)."""


def enclosure(function: Callable[[Any], Any], n: int, batch: int) -> Enclosure:
    """Return the interval extension of a function of one state.

    Args:
        function: traceable, (n,) -> any shape.
        n: number of states.
        batch: boxes per call; fewer are padded, more are refused.

    Raises:
        ConfigError: the function uses a primitive that has no interval version here.
    """
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(jax.vmap(function))(jax.ShapeDtypeStruct((batch, n), np.float64))
    _refuse_unknown(closed.jaxpr)

    def evaluate(low: Array, high: Array) -> Interval:
        count = len(low)
        if count > batch:
            raise ConfigError(f"{count} boxes at once, at most {batch} are possible")
        pad = ((0, batch - count), (0, 0))
        box = Interval(np.pad(low, pad, mode="edge"), np.pad(high, pad, mode="edge"))
        with jax.enable_x64(True), np.errstate(all="ignore"):
            (result,) = _run(closed.jaxpr, closed.consts, [box])
        result = _hull(result)
        return Interval(
            np.where(np.isnan(result.low), -np.inf, result.low)[:count],
            np.where(np.isnan(result.high), np.inf, result.high)[:count],
        )

    return evaluate


def product(a: Interval, b: Interval) -> Interval:
    """Return bounds of a * b; an unbounded factor times zero is unbounded."""
    corners = [x * y for x in a for y in b]
    corners = [np.where(np.isnan(c), np.inf, c) for c in corners] + [
        np.where(np.isnan(c), -np.inf, c) for c in corners
    ]
    return Interval(_down(np.minimum.reduce(corners), 1.0), _up(np.maximum.reduce(corners), 1.0))


def _run(jaxpr: Any, consts: Any, inputs: list[Any]) -> list[Any]:
    known: dict[Any, Any] = {}

    def read(variable: Any) -> Any:
        return np.asarray(variable.val) if isinstance(variable, Literal) else known[variable]

    for variable, value in zip(jaxpr.constvars, consts, strict=True):
        known[variable] = np.asarray(value)
    for variable, value in zip(jaxpr.invars, inputs, strict=True):
        known[variable] = value
    for equation in jaxpr.eqns:
        values = [read(v) for v in equation.invars]
        name = equation.primitive.name
        inner = _inner(equation)
        if inner is not None:
            if equation.params.get("name") == "hypot":
                answers = [_hypot(_hull(values[0]), _hull(values[1]))]
            else:
                answers = _run(inner.jaxpr, inner.consts, values)
        elif not any(isinstance(v, Interval) for v in values):
            answer = equation.primitive.bind(*map(jnp.asarray, values), **equation.params)
            answers = [np.asarray(a) for a in (answer if equation.primitive.multiple_results else [answer])]
        elif name in ("mul", "square") and len({id(v) for v in equation.invars}) == 1:
            answers = [_integer_power(values[0], y=2)]  # x * x is no product of independent factors
        else:
            answers = [_RULES[name](*values, **_parameters(equation, name))]
        for variable, value in zip(equation.outvars, answers, strict=True):
            known[variable] = value
    return [read(v) for v in jaxpr.outvars]


def _inner(equation: Any) -> Any:
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in equation.params and equation.primitive.name in _CALLS:
            return equation.params[key]
    return None


def _parameters(equation: Any, name: str) -> dict[str, Any]:
    if name in _EACH_END:
        return {"primitive": equation.primitive, "parameters": equation.params}
    return dict(equation.params)


def _refuse_unknown(jaxpr: Any) -> None:
    unknown = set()

    def visit(part: Any) -> None:
        for equation in part.eqns:
            inner = _inner(equation)
            if inner is not None:
                if equation.params.get("name") != "hypot":
                    visit(inner.jaxpr)
            elif equation.primitive.name not in _RULES and equation.invars:
                unknown.add(equation.primitive.name)

    visit(jaxpr)
    if unknown:
        raise ConfigError(
            f"no sound enclosure: the function uses {', '.join(sorted(unknown))}, which has no interval version; "
            "no cell-wise certificate was made"
        )


def _hull(value: Any) -> Interval:
    if isinstance(value, Interval):
        return value
    value = np.asarray(value)
    return Interval(value, value)


def _each_end(*values: Any, primitive: Any, parameters: dict[str, Any]) -> Any:
    """Apply a primitive that moves its operand's entries, or rises with them, to both ends."""
    indices = {"gather": values[1:], "dynamic_slice": values[1:], "scatter": values[1:2]}
    if any(isinstance(v, Interval) for v in indices.get(primitive.name, ())):
        raise ConfigError(
            f"no sound enclosure: {primitive.name} at a place that depends on the state has no interval version; no "
            "cell-wise certificate was made"
        )
    ends = [
        np.asarray(
            primitive.bind(
                *(jnp.asarray(v[k] if isinstance(v, Interval) else v) for v in values), **parameters
            )
        )
        for k in (0, 1)
    ]
    return Interval(*ends)


def _rising(function: Callable[[Array], Array], least: float = -np.inf, most: float = np.inf) -> Callable:
    def rule(x: Interval, **_: Any) -> Interval:
        return Interval(np.maximum(_down(function(x.low)), least), np.minimum(_up(function(x.high)), most))

    return rule


def _add(a: Any, b: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)
    return Interval(_down(a.low + b.low, 1.0), _up(a.high + b.high, 1.0))


def _sub(a: Any, b: Any, **_: Any) -> Interval:
    b = _hull(b)
    return _add(a, Interval(-b.high, -b.low))


def _mul(a: Any, b: Any, **_: Any) -> Interval:
    return product(_hull(a), _hull(b))


def _div(a: Any, b: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)
    across = (b.low <= 0.0) & (b.high >= 0.0)
    one = Interval(
        np.where(across, -np.inf, _down(1.0 / np.where(across, 1.0, b.high), 1.0)),
        np.where(across, np.inf, _up(1.0 / np.where(across, 1.0, b.low), 1.0)),
    )
    return product(a, one)


def _integer_power(x: Any, y: int, **_: Any) -> Interval:
    x = _hull(x)
    if y < 0:
        return _div(np.float64(1.0), _integer_power(x, -y))
    ends = Interval(x.low**y, x.high**y)
    if y % 2:
        return Interval(_down(ends.low), _up(ends.high))
    low = np.where((x.low <= 0.0) & (x.high >= 0.0), 0.0, np.minimum(*ends))
    return Interval(np.maximum(_down(low), 0.0), _up(np.maximum(*ends)))


def _abs(x: Interval, **_: Any) -> Interval:
    low = np.where((x.low <= 0.0) & (x.high >= 0.0), 0.0, np.minimum(np.abs(x.low), np.abs(x.high)))
    return Interval(low, np.maximum(np.abs(x.low), np.abs(x.high)))


def _cosine(x: Interval, **_: Any) -> Interval:
    # 1e-9 around every extreme point is more than the rounding of pi and of the quotient for |x| < 1e6
    near = 1e-9
    top = np.floor(x.high / (2 * np.pi) + near) >= np.ceil(x.low / (2 * np.pi) - near)
    bottom = np.floor((x.high - np.pi) / (2 * np.pi) + near) >= np.ceil((x.low - np.pi) / (2 * np.pi) - near)
    low, high = np.minimum(np.cos(x.low), np.cos(x.high)), np.maximum(np.cos(x.low), np.cos(x.high))
    far = ~((np.abs(x.low) < 1e6) & (np.abs(x.high) < 1e6))
    return Interval(
        np.where(bottom | far, -1.0, np.maximum(_down(low) - 1e-15, -1.0)),
        np.where(top | far, 1.0, np.minimum(_up(high) + 1e-15, 1.0)),
    )


def _sine(x: Interval, **_: Any) -> Interval:
    return _cosine(Interval(_down(x.low - np.pi / 2) - 1e-15, _up(x.high - np.pi / 2) + 1e-15))


def _hypot(x: Interval, y: Interval) -> Interval:
    return _root(_add(_integer_power(x, 2), _integer_power(y, 2)))


_root = _rising(lambda x: np.sqrt(np.maximum(x, 0.0)), least=0.0)


def _arctangent2(y: Any, x: Any, **_: Any) -> Interval:
    y, x = _hull(y), _hull(x)
    corners = [np.arctan2(b, a) for b in y for a in x]
    # on a box that does not meet the half-line x <= 0, y = 0 the angle is extreme at corners
    cut = (x.low <= 0.0) & (y.low <= 0.0) & (y.high >= 0.0)
    return Interval(
        np.where(cut, -np.pi - 1e-15, _down(np.minimum.reduce(corners))),
        np.where(cut, np.pi + 1e-15, _up(np.maximum.reduce(corners))),
    )


def _max(a: Any, b: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)
    return Interval(np.maximum(a.low, b.low), np.maximum(a.high, b.high))


def _min(a: Any, b: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)
    return Interval(np.minimum(a.low, b.low), np.minimum(a.high, b.high))


def _clamp(low: Any, x: Any, high: Any, **_: Any) -> Interval:
    return _min(_max(low, x), high)


def _compare(test: Callable) -> Callable:
    """Return a three-valued comparison that rises with a and falls with b, as bounds of a truth value."""

    def rule(a: Any, b: Any, **_: Any) -> Interval:
        a, b = _hull(a), _hull(b)
        return Interval(test(a.low, b.high), test(a.high, b.low))

    return rule


def _swapped(rule: Callable) -> Callable:
    return lambda a, b, **_: rule(b, a)


def _equal(a: Any, b: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)
    certain = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    return Interval(certain, (a.low <= b.high) & (b.low <= a.high))


def _not(x: Interval, **_: Any) -> Interval:
    return Interval(np.logical_not(x.high), np.logical_not(x.low))


def _not_equal(a: Any, b: Any, **_: Any) -> Interval:
    return _not(_equal(a, b))


def _logic(function: Callable) -> Callable:
    def rule(a: Any, b: Any, **_: Any) -> Interval:
        a, b = _hull(a), _hull(b)
        return Interval(function(a.low, b.low), function(a.high, b.high))

    return rule


def _select(which: Any, *cases: Any, **_: Any) -> Interval:
    which, first, second = _hull(which), _hull(cases[0]), _hull(cases[1])
    if len(cases) != 2:
        raise ConfigError(
            f"a choice between {len(cases)} cases has no interval version; no enclosure was made"
        )
    low_truth, high_truth = which.low.astype(bool), which.high.astype(bool)

    def choose(a: Array, b: Array, both: Array) -> Array:
        return np.where(low_truth, b, np.where(high_truth, both, a))

    return Interval(
        choose(first.low, second.low, np.minimum(first.low, second.low)),
        choose(first.high, second.high, np.maximum(first.high, second.high)),
    )


def _sum(x: Interval, axes: tuple[int, ...], **_: Any) -> Interval:
    count = int(np.prod([x.low.shape[a] for a in axes]))
    return Interval(
        _spread(x.low.sum(axis=axes), np.abs(x.low).sum(axis=axes), count, -1.0),
        _spread(x.high.sum(axis=axes), np.abs(x.high).sum(axis=axes), count, 1.0),
    )


def _spread(value: Array, magnitude: Array, count: int, sign: float) -> Array:
    return value + sign * (2.0 * (count + 4) * 2.0**-53 * magnitude + 1e-290)


def _dot(a: Any, b: Any, dimension_numbers: Any, **_: Any) -> Interval:
    a, b = _hull(a), _hull(b)

    def dot(x: Array, y: Array) -> Array:
        return np.asarray(jax.lax.dot_general(jnp.asarray(x), jnp.asarray(y), dimension_numbers))

    middle = [0.5 * (v.low + v.high) for v in (a, b)]
    radius = [np.maximum(_up(v.high - m), _up(m - v.low)) for v, m in zip((a, b), middle, strict=True)]
    size = [np.abs(m) for m in middle]
    terms = int(np.prod([a.low.shape[i] for i in dimension_numbers[0][0]])) + 8
    centre = dot(*middle)
    reach = dot(size[0], radius[1]) + dot(radius[0], size[1] + radius[1])
    reach = reach * (1.0 + 1e-10) + 2.0 * terms * 2.0**-53 * dot(*size) + 1e-290
    return Interval(_down(centre - reach), _up(centre + reach))


def _reduce(function: Callable) -> Callable:
    return lambda x, axes, **_: Interval(function(x.low, axis=axes), function(x.high, axis=axes))


_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "remat",
)
_EACH_END = {
    name: _each_end
    for name in (
        *(
            "broadcast_in_dim",
            "reshape",
            "squeeze",
            "slice",
            "transpose",
            "concatenate",
            "convert_element_type",
        ),
        *("copy", "copy_p", "expand_dims", "rev", "gather", "dynamic_slice", "scatter", "pad", "stack"),
        *("stop_gradient", "sign", "floor", "ceil"),
    )
}
_RULES: dict[str, Callable[..., Any]] = {
    **_EACH_END,
    "add": _add,
    "add_any": _add,
    "sub": _sub,
    "neg": lambda x, **_: Interval(-x.high, -x.low),
    "mul": _mul,
    "div": _div,
    "integer_pow": _integer_power,
    "square": lambda x, **_: _integer_power(x, 2),
    "abs": _abs,
    "max": _max,
    "min": _min,
    "clamp": _clamp,
    "sqrt": _root,
    "exp": _rising(np.exp, least=0.0),
    "log": _rising(lambda x: np.where(x > 0.0, np.log(np.maximum(x, 5e-324)), -np.inf)),
    "log1p": _rising(lambda x: np.where(x > -1.0, np.log1p(np.maximum(x, -1.0 + 1e-16)), -np.inf)),
    "tanh": _rising(np.tanh, -1.0, 1.0),
    "atan": _rising(np.arctan),
    "logistic": _rising(lambda x: 1.0 / (1.0 + np.exp(-x)), 0.0, 1.0),
    "sin": _sine,
    "cos": _cosine,
    "atan2": _arctangent2,
    "gt": _compare(operator.gt),
    "ge": _compare(operator.ge),
    "lt": _swapped(_compare(operator.gt)),
    "le": _swapped(_compare(operator.ge)),
    "eq": _equal,
    "ne": _not_equal,
    "and": _logic(np.logical_and),
    "or": _logic(np.logical_or),
    "not": _not,
    "select_n": _select,
    "reduce_sum": _sum,
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "dot_general": _dot,
    "iota": lambda *_, **__: None,
}
