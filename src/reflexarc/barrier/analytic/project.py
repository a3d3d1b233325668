# SPDX-License-Identifier: Apache-2.0
r"""The filter's quadratic programme for one row and a box, in closed form and traceable: for batches and searches.

    min |u - u_0|^2   s.t.   a u <= b,   lower <= u <= upper

has the solution u(lambda) = clip(u_0 - lambda a, lower, upper) with the smallest lambda >= 0 for which a u <= b; a u is
monotone in lambda, so lambda is one of the at most 2 m kinks or lies between two of them. When even the box's best
corner violates the row there is no solution; then that corner is returned and the problem called infeasible.
"""

import jax.numpy as jnp


def project(wanted, a, b, lower, upper):
    """Return the nearest input and whether there is one.

    Args:
        wanted: u_0, shape (m,).
        a: shape (m,).
        b: scalar.
        lower: shape (m,).
        upper: shape (m,).
    """
    start = jnp.clip(wanted, lower, upper)
    best = jnp.where(a > 0.0, lower, jnp.where(a < 0.0, upper, start))
    feasible = a @ best <= b
    used = jnp.abs(a) > 0.0
    slope = jnp.where(used, a, 1.0)
    kinks = jnp.concatenate([(wanted - lower) / slope, (wanted - upper) / slope])
    kinks = jnp.where(jnp.concatenate([used, used]), jnp.maximum(kinks, 0.0), 0.0)
    kinks = jnp.sort(jnp.concatenate([jnp.zeros(1, kinks.dtype), kinks]))
    inputs = jnp.clip(wanted[None] - kinks[:, None] * a[None], lower, upper)
    values = inputs @ a  # non-increasing
    first = jnp.argmax(values <= b)
    before = jnp.maximum(first - 1, 0)
    drop = values[before] - values[first]
    share = jnp.where(drop > 0.0, (values[before] - b) / jnp.where(drop > 0.0, drop, 1.0), 1.0)
    on_row = inputs[before] + jnp.clip(share, 0.0, 1.0) * (inputs[first] - inputs[before])
    answer = jnp.where(first == 0, inputs[0], on_row)
    return jnp.where(a @ start <= b, start, jnp.where(feasible, answer, best)), feasible
