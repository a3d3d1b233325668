# SPDX-License-Identifier: Apache-2.0
r"""Particles that carry their density with a step size each: for fields with kinks.

Where a controller is a ReLU network, a clipped law or a table, div f jumps whenever a trajectory crosses a kink. A
fixed step h then errs in g by about jump times h at every crossing, however high the order: 1e-3 to 1e-1 nat for the
published controllers at the usual steps. Here every particle takes steps of its own by Tsitouras' pair 5(4)
(Computers & Mathematics with Applications 62, 2011), which shrink at a kink until the error of [x, g] per step is
below the tolerance, relative to 1 + |x| and 1 + |g|. It takes a few times the work of the fixed steps.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from reflexarc.reach.liouville import TABLEAUS, Law, right_hand_side

PRECISION = 1e-12
"""Usual error per step, just above rounding: a backward run magnifies it by as much as the flow contracts."""
_ERROR = (
    0.00178001105222577714,
    0.0008164344596567469,
    -0.007880878010261995,
    0.1447110071732629,
    -0.5823571654525552,
    0.45808210592918697,
    -1.0 / 66.0,
)
"""Weights of the pair's difference."""
_SMALLEST = 1e-13
"""Step in parts of the horizon at which a particle is given up: it escapes to infinity."""
_MOST = 1_000_000
"""Steps."""


def integrate_adaptive(
    law: Law,
    x0: Any,
    horizon: Any,
    parameters: Any,
    start: Any,
    precision: float = PRECISION,
    tangent: bool = False,
    back: bool = False,
) -> tuple[Any, ...]:
    """Carry particles over a horizon, to be compiled by the caller in double precision.

    Args:
        law: of a flow.
        x0: states, shape (N, n).
        horizon: how long. [s]
        parameters: p of the field, as it is.
        start: time of x0, or with `back` of the result. [s]
        precision: largest error per step of x and g; the tangent follows the steps that these need.
        tangent: whether to carry the derivative of the flow map too.
        back: integrate from start + horizon back to start.

    Returns:
        Last states, shape (N, n); whole gain ln rho(x(end)) - ln rho(x(start)), shape (N,), and with `tangent` the
        derivative of the last state with respect to x0, shape (N, n, n). A particle that escapes is not a number.
    """
    count, n = x0.shape
    sign, begin = (-1.0, start + horizon) if back else (1.0, start)
    y = {"x": x0.T, "gain": jnp.zeros(count, x0.dtype)}
    if tangent:
        y["tangent"] = jnp.broadcast_to(jnp.eye(n, dtype=x0.dtype)[..., None], (n, n, count))
    forward = right_hand_side(law, y, parameters, clocks=-1)

    def rates(y: Any, done: Any) -> Any:
        return jax.tree.map(lambda r: sign * r, forward(y, begin + sign * done))

    def unfinished(state: Any) -> Any:
        _, _, done, _, number = state
        return jnp.any(done < horizon) & (number < _MOST)

    def step(state: Any) -> Any:
        y, first, done, h, number = state
        h = jnp.minimum(h, horizon - done)
        new, last, error = _tsit5(rates, y, first, done, h)
        size = _relative(error, y, new) / precision
        size = jnp.where(jnp.isfinite(size), size, jnp.inf)
        accepted = size <= 1.0
        lost = ~accepted & (h < _SMALLEST * horizon) & (done < horizon)
        y, first = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), (new, last), (y, first))
        y["gain"] = jnp.where(lost, jnp.nan, y["gain"])
        y["x"] = jnp.where(lost, jnp.nan, y["x"])
        done = jnp.where(accepted, jnp.where(h >= horizon - done, horizon, done + h), done)
        done = jnp.where(lost, horizon, done)
        h = h * jnp.clip(0.9 * jnp.maximum(size, 1e-10) ** -0.2, 0.2, 5.0)
        return y, first, done, jnp.where(done < horizon, h, 0.0), number + 1

    done = jnp.zeros(count, x0.dtype)
    h = jnp.full(count, 0.1 * law.dt, x0.dtype)
    y = lax.while_loop(unfinished, step, (y, rates(y, done), done, h, 0))[0]
    result = (y["x"].T, sign * y["gain"])
    return (*result, jnp.moveaxis(y["tangent"], 2, 0)) if tangent else result


def _tsit5(rates: Any, y: Any, first: Any, t: Any, h: Any) -> tuple[Any, Any, Any]:
    """Return y after steps h (N,) from times t (N,), its rates there, and the pair's difference."""
    rows, weights, nodes = TABLEAUS["tsit5"]
    stages = [first]

    def combine(base: Any, factors: tuple[float, ...]) -> Any:
        terms = [(a, s) for a, s in zip(factors, stages, strict=True) if a != 0.0]
        return jax.tree.map(
            lambda u, *v: u + h * sum(a * w for (a, _), w in zip(terms, v, strict=True)),
            base,
            *(s for _, s in terms),
        )

    for row, node in zip(rows, nodes[1:], strict=True):
        stages.append(rates(combine(y, row), t + node * h))
    new = combine(y, weights)
    stages.append(rates(new, t + h))
    return new, stages[-1], combine(jax.tree.map(jnp.zeros_like, y), _ERROR)


def _relative(error: Any, y: Any, new: Any) -> Any:
    """Return the largest error of x and g per particle, relative to 1 + their size."""

    def ratio(name: str) -> Any:
        return jnp.abs(error[name]) / (1.0 + jnp.maximum(jnp.abs(y[name]), jnp.abs(new[name])))

    return jnp.maximum(ratio("x").max(axis=0), ratio("gain"))
