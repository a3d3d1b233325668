# SPDX-License-Identifier: Apache-2.0
r"""Sine and cosine for many particles in single precision: polynomials that the compiler turns into vector code.

    sin x = (-1)^k p(r),   r = x - k pi,   |r| <= pi / 2,      cos x = sin(x + pi / 2)

p has degree 9 (minimax in relative error, 8e-9 at most) and pi is subtracted in two parts (Cody and Waite), so that the
result is right to about 2e-7 for |x| <= 1000 rad. XLA's own functions are scalar on CPUs and take most of the time
of a rollout of vehicles. Other precisions get XLA's functions.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

_COEFFICIENTS = (-1.66666605e-01, 8.33308816e-03, -1.98111121e-04, 2.60893145e-06)
_HIGH = 3.140625
"""pi to ten bits: k times it is exact in single precision for k < 2^14."""
_LOW = float(np.pi - _HIGH)


def sin(x: Any) -> Any:
    """Return the sine of x [rad]."""
    x = jnp.asarray(x)
    return _sine(x, jnp.round(x * (1.0 / np.pi)), 0.0) if x.dtype == jnp.float32 else jnp.sin(x)


def cos(x: Any) -> Any:
    """Return the cosine of x [rad]."""
    x = jnp.asarray(x)
    return _sine(x, jnp.round(x * (1.0 / np.pi) + 0.5), 0.5) if x.dtype == jnp.float32 else jnp.cos(x)


def _sine(x: Any, k: Any, shift: float) -> Any:
    """Return (-1)^k p(x - (k - shift) pi)."""
    turns = k - shift
    r = (x - turns * _HIGH) - turns * _LOW
    square = r * r
    tail = jnp.zeros_like(r)
    for coefficient in reversed(_COEFFICIENTS):
        tail = square * (coefficient + tail)
    odd = k - 2.0 * jnp.floor(0.5 * k)
    return (1.0 - 2.0 * odd) * (r + r * tail)
