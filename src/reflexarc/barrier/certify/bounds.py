# SPDX-License-Identifier: Apache-2.0
r"""Sound bounds on value and gradient of our networks over boxes, many boxes at once.

For an MLP  a_0 = z, p_k = W_k a_{k-1} + b_k, a_k = s(p_k)  over a box |z - c| <= h:

- interval: p_k is bounded layer by layer (IBP);
- mean value: with the slopes s'(p_j) in [c_j - r_j, c_j + r_j], the Jacobian of p_k lies in A_k +- E_k, where
  A_k = W_k diag(c_{k-1}) A_{k-1} and E_k = |W_k| (|c| E_{k-1} + r (|A_{k-1}| + E_{k-1})), so that
  p_k(z) lies in p_k(c) +- (|A_k| + E_k) h; linear in h, like the function itself, where IBP is 35 times too wide;
- backward (CROWN, Zhang et al. 2018): every activation is enclosed between two lines over its interval, and the
  output's coefficients are substituted backwards down to z.

The pre-activation bounds are the intersection of interval and mean value; the output's that of all three. The gradient
is bounded by sweeping its row backwards and charging every layer's slope interval once,

    w^T S_L W_L ... S_1 W_1  in  G A_1 +- sum_k |g_k| r_k (|A_k| + E_k),

which contains every Clarke gradient at the kinks of ReLU networks, since their slopes are taken as [0, 1].

All arithmetic is in double precision and every result is moved outwards by a bound on its rounding error: for a sum of
k products n u / (1 - n u) times the sum of magnitudes, u = 2^-53 and n counted generously; for tanh, exp and log1p by
`ULPS` units in the last place.
"""

from typing import NamedTuple

import numpy as np

from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.types import Array

UNIT = 2.0**-53
"""Unit round-off of double precision."""
ULPS = 16.0
"""Error of numpy's elementary functions, in units in the last place; theirs is below 4."""
TINY = 1e-290
"""Added to every margin against underflow."""
GROW = 1.0 + 1e-10
"""Factor on sums of magnitudes, against their own rounding."""


class Interval(NamedTuple):
    """Lower and upper bounds of the same shape."""

    low: Array
    high: Array


class Layer(NamedTuple):
    """Bounds of one hidden layer over a batch of boxes."""

    slope: Array
    """Centre c of the slopes s'(p), shape (batch, width)."""
    radius: Array
    """Radius r of the slopes."""
    jacobian: Array
    """A: centre of the Jacobian of p by z, shape (batch, width, n)."""
    spread: Array
    """E: radius of the Jacobian."""
    before: Interval
    """Bounds of p."""


class Bounds(NamedTuple):
    """Bounds of a scalar function and its gradient over a batch of boxes."""

    value: Interval
    """Shape (batch,)."""
    gradient: Interval
    """Shape (batch, n)."""


def affine(weight: Array, bias: Array, low: Array, high: Array) -> Interval:
    """Return bounds of W a + b for a in [low, high], shape (batch, width)."""
    plus, minus = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
    magnitude = np.maximum(np.abs(low), np.abs(high)) @ np.abs(weight).T + np.abs(bias)
    margin = _gamma(2 * weight.shape[1] + 4) * magnitude * GROW + TINY
    return Interval(
        low @ plus.T + high @ minus.T + bias - margin, high @ plus.T + low @ minus.T + bias + margin
    )


def activation(p: Interval, kind: str) -> Interval:
    """Return bounds of s(p); every activation rises."""
    if kind == "relu":
        return Interval(np.maximum(p.low, 0.0), np.maximum(p.high, 0.0))
    function = np.tanh if kind == "tanh" else _softplus
    low, high = _down(function(p.low)), _up(function(p.high))
    return Interval(np.maximum(low, -1.0), np.minimum(high, 1.0)) if kind == "tanh" else Interval(low, high)


def slopes(p: Interval, kind: str) -> Interval:
    """Return bounds of s'(p)."""
    if kind == "relu":
        return Interval((p.low > 0.0).astype(np.float64), (p.high >= 0.0).astype(np.float64))
    if kind == "softplus":
        return Interval(_clip01(_down(_sigmoid(p.low))), _clip01(_up(_sigmoid(p.high))))
    largest = np.maximum(np.abs(p.low), np.abs(p.high))
    smallest = np.where((p.low <= 0.0) & (p.high >= 0.0), 0.0, np.minimum(np.abs(p.low), np.abs(p.high)))
    # 1 - tanh^2 loses its last digits near 1: its rounding is absolute
    return Interval(
        _clip01(1.0 - np.tanh(largest) ** 2 - 64.0 * UNIT),
        _clip01(1.0 - np.tanh(smallest) ** 2 + 64.0 * UNIT),
    )


def interval_layers(mlp: Mlp, low: Array, high: Array) -> tuple[list[Interval], Interval]:
    """Return the interval bounds of every hidden layer's p, and of the output, shape (batch, 1)."""
    a, before = Interval(low, high), []
    for weight, bias in zip(mlp.weights[:-1], mlp.biases[:-1], strict=True):
        p = affine(weight, bias, a.low, a.high)
        before.append(p)
        a = activation(p, mlp.activation)
    return before, affine(mlp.weights[-1], mlp.biases[-1], a.low, a.high)


def hidden_layers(mlp: Mlp, low: Array, high: Array) -> list[Layer]:
    """Return slopes, Jacobians and pre-activation bounds of every hidden layer over boxes (batch, n)."""
    centre, half = _centre_and_half(low, high)
    at_centre, _ = interval_layers(mlp, centre, centre)
    layers: list[Layer] = []
    a = Interval(low, high)
    for k, (weight, bias) in enumerate(zip(mlp.weights[:-1], mlp.biases[:-1], strict=True)):
        by_interval = affine(weight, bias, a.low, a.high)
        jacobian, spread = _jacobian(weight, layers[-1] if layers else None, len(low))
        reach = np.einsum("bwn,bn->bw", np.abs(jacobian) + spread, half) * GROW + TINY
        p = Interval(
            np.maximum(by_interval.low, _down(at_centre[k].low - reach)),
            np.minimum(by_interval.high, _up(at_centre[k].high + reach)),
        )
        slope, radius = _centre_and_half(*slopes(p, mlp.activation))
        layers.append(Layer(slope, radius, jacobian, spread, p))
        a = activation(p, mlp.activation)
    return layers


def bound_mlp(mlp: Mlp, low: Array, high: Array, backward: bool = True) -> Bounds:
    """Return bounds of an MLP's output and of its gradient over boxes of shape (batch, n).

    Args:
        mlp: the network; its input is z.
        low: lower corners.
        high: upper corners.
        backward: also substitute backwards for the value; slower, tighter where boxes are wide.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    layers = hidden_layers(mlp, low, high)
    weight, bias = mlp.weights[-1], mlp.biases[-1]
    if layers:
        last = activation(layers[-1].before, mlp.activation)
        value = affine(weight, bias, last.low, last.high)
    else:
        value = affine(weight, bias, low, high)
    value = Interval(value.low[:, 0], value.high[:, 0])
    gradient = _gradient(mlp, layers, low.shape)
    centre, half = _centre_and_half(low, high)
    _, middle = interval_layers(mlp, centre, centre)
    reach = np.einsum("bn,bn->b", np.maximum(np.abs(gradient.low), np.abs(gradient.high)), half) * GROW + TINY
    value = _meet(value, Interval(_down(middle.low[:, 0] - reach), _up(middle.high[:, 0] + reach)))
    if backward and layers:
        value = _meet(value, backward_bounds(mlp, layers, low, high))
    return Bounds(value, gradient)


def backward_bounds(mlp: Mlp, layers: list[Layer], low: Array, high: Array) -> Interval:
    """Return bounds of the output by backward substitution of linear relaxations (CROWN), shape (batch,)."""
    lower = -_substitute(mlp, layers, low, high, -1.0)
    return Interval(lower, _substitute(mlp, layers, low, high, 1.0))


def bound_barrier(barrier: LearnedBarrier, low: Array, high: Array, backward: bool = True) -> list[Bounds]:
    """Return bounds of v_j - delta and its gradient by x for every function v_j whose minimum is V + delta.

    V = min_j v_j over the members in the form "min", and over m - softplus(r_j), j >= 1, in the form
    "margin_minus": in both V is a minimum, and its Clarke gradients are convex combinations of those of the active
    v_j.

    Args:
        barrier: V.
        low: lower corners of the boxes in x, shape (batch, n).
        high: upper corners.
        backward: see `bound_mlp`.
    """
    z_low, z_high = _scaled(barrier, low), _scaled(barrier, high)
    z = Interval(_down(z_low, 4.0), _up(z_high, 4.0))
    parts = [bound_mlp(m, z.low, z.high, backward) for m in barrier.members]
    if barrier.form == "margin_minus":
        first, *drops = parts
        parts = [_minus_softplus(first, drop) for drop in drops]
    answers = []
    for part in parts:
        value = Interval(
            _down(part.value.low - barrier.delta, 4.0), _up(part.value.high - barrier.delta, 4.0)
        )
        gradient = Interval(
            _down(part.gradient.low / barrier.scale, 4.0), _up(part.gradient.high / barrier.scale, 4.0)
        )
        answers.append(Bounds(value, gradient))
    return answers


def _scaled(barrier: LearnedBarrier, x: Array) -> Array:
    difference = x - barrier.centre
    # the quotient's relative error grows where x and the centre almost cancel; both are exact numbers here, so the
    # subtraction is correctly rounded and 4 units in the last place cover it and the division
    return difference / barrier.scale


def _minus_softplus(m: Bounds, r: Bounds) -> Bounds:
    drop = activation(r.value, "softplus")
    share = slopes(r.value, "softplus")
    corners = [s[:, None] * g for s in share for g in r.gradient]
    least, most = np.minimum.reduce(corners), np.maximum.reduce(corners)
    return Bounds(
        Interval(_down(m.value.low - drop.high, 4.0), _up(m.value.high - drop.low, 4.0)),
        Interval(
            _down(m.gradient.low - _up(most), 4.0),
            _up(m.gradient.high - _down(least), 4.0),
        ),
    )


def _jacobian(weight: Array, below: Layer | None, batch: int) -> tuple[Array, Array]:
    if below is None:
        shape = (batch, *weight.shape)
        return np.broadcast_to(weight, shape), np.zeros(shape)
    size = np.abs(weight)
    slope, radius = below.slope[:, :, None], below.radius[:, :, None]
    jacobian = _times(weight, slope * below.jacobian)
    inner = np.abs(slope) * below.spread + radius * (np.abs(below.jacobian) + below.spread)
    rounding = _gamma(weight.shape[1] + 4) * (np.abs(slope) * np.abs(below.jacobian))
    return jacobian, _times(size, inner + rounding) * GROW + TINY


def _times(weight: Array, columns: Array) -> Array:
    """Return W @ columns[b] for every b as one matrix product; columns of shape (batch, width, n)."""
    batch, width, n = columns.shape
    flat = columns.transpose(1, 0, 2).reshape(width, batch * n)
    return (weight @ flat).reshape(len(weight), batch, n).transpose(1, 0, 2)


def _gradient(mlp: Mlp, layers: list[Layer], shape: tuple[int, ...]) -> Interval:
    row = np.broadcast_to(mlp.weights[-1][0], (shape[0], mlp.weights[-1].shape[1]))
    radius = np.zeros(shape)
    for k in range(len(layers) - 1, -1, -1):
        layer, weight = layers[k], mlp.weights[k]
        reach = np.abs(layer.jacobian) + layer.spread
        radius = radius + np.einsum("bw,bwn->bn", np.abs(row) * layer.radius, reach)
        scaled = row * layer.slope
        error = _gamma(weight.shape[0] + 4) * (np.abs(scaled) @ np.abs(weight))
        row = scaled @ weight
        if k:  # the rounding of the row is charged with all that still multiplies it
            under = layers[k - 1]
            factor = (np.abs(under.slope) + under.radius)[:, :, None] * (
                np.abs(under.jacobian) + under.spread
            )
            radius = radius + np.einsum("bw,bwn->bn", error, factor)
        else:
            radius = radius + error
    radius = radius * GROW + TINY
    return Interval(_down(row - radius), _up(row + radius))


def _substitute(mlp: Mlp, layers: list[Layer], low: Array, high: Array, sign: float) -> Array:
    """Return an upper bound of sign * output, shape (batch,)."""
    row = np.broadcast_to(sign * mlp.weights[-1][0], (len(low), mlp.weights[-1].shape[1]))
    total = np.full(len(low), sign * mlp.biases[-1][0])
    magnitude = np.abs(total)
    terms = 8
    for k in range(len(layers) - 1, -1, -1):
        p, weight, bias = layers[k].before, mlp.weights[k], mlp.biases[k]
        (slope_low, shift_low), (slope_high, shift_high) = _lines(p, mlp.activation)
        slope = np.where(row > 0.0, slope_high, slope_low)
        shift = np.where(row > 0.0, shift_high, shift_low)
        before = row * slope
        total = total + (row * shift).sum(axis=1) + before @ bias
        # every rounding of this level is bounded by its magnitudes: the row's own is charged with the largest |a|
        below = activation(layers[k - 1].before, mlp.activation) if k else Interval(low, high)
        largest = np.maximum(np.abs(below.low), np.abs(below.high))
        magnitude = magnitude + (np.abs(row * shift)).sum(axis=1) + np.abs(before) @ np.abs(bias)
        magnitude = magnitude + ((np.abs(before) @ np.abs(weight)) * largest).sum(axis=1)
        terms += 4 * (weight.shape[0] + weight.shape[1])
        row = before @ weight
    best = (np.maximum(row, 0.0) * high + np.minimum(row, 0.0) * low).sum(axis=1)
    return total + best + _gamma(terms) * magnitude * GROW + TINY


def _lines(p: Interval, kind: str) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return slope and shift of a line below and of a line above the activation over [low, high]."""
    low, high = p
    width = np.maximum(high - low, 1e-300)
    if kind == "relu":
        chord = np.clip(np.where(low >= 0.0, 1.0, np.where(high <= 0.0, 0.0, high / width)), 0.0, 1.0)
        crossing = (low < 0.0) & (high > 0.0)
        above = np.where(crossing, _up(-chord * low), 0.0)
        # through rounding the chord may end below (high, high)
        above = np.where(crossing, np.maximum(above, high - chord * high + _rounding(high)), above)
        flat = np.where(crossing, (high > -low).astype(np.float64), chord)
        return (flat, np.zeros_like(low)), (chord, above)
    # A line of any slope encloses a function once its shift is the extreme of s(p) - slope * p over [low, high]; with
    # the smallest slope of s as slope that difference rises, so that its extremes lie at the ends.
    least = slopes(p, kind).low
    at_low, at_high = activation(Interval(low, low), kind), activation(Interval(high, high), kind)
    below = at_low.low - least * low - _rounding(least * low, at_low.low)
    above = at_high.high - least * high + _rounding(least * high, at_high.high)
    return (least, below), (least, above)


def _rounding(*terms: Array) -> Array:
    return 8.0 * UNIT * np.sum(np.abs(terms), axis=0) + TINY


def _centre_and_half(low: Array, high: Array) -> tuple[Array, Array]:
    centre = 0.5 * (low + high)
    half = np.maximum(_up(high - centre, 2.0), _up(centre - low, 2.0))
    return centre, np.maximum(half, 0.0)


def _meet(a: Interval, b: Interval) -> Interval:
    return Interval(np.maximum(a.low, b.low), np.minimum(a.high, b.high))


def _gamma(count: int) -> float:
    return 2.0 * count * UNIT


def _down(x: Array, ulps: float = ULPS) -> Array:
    return x - 2.0 * ulps * UNIT * np.abs(x) - TINY


def _up(x: Array, ulps: float = ULPS) -> Array:
    return x + 2.0 * ulps * UNIT * np.abs(x) + TINY


def _clip01(x: Array) -> Array:
    return np.clip(x, 0.0, 1.0)


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def _sigmoid(x: Array) -> Array:
    # exp(-x) overflows to infinity for x < -709: the quotient is then 0, a sound lower bound
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))
