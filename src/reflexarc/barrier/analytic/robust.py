# SPDX-License-Identifier: Apache-2.0
r"""The robust term for a model that is wrong by a bounded amount.

With the true rate x' = f + g u + d and a bound on d, every d is covered when the row is tightened by

    rho = max_d -grad h . d = |grad h|_2 eps           for |d|_2 <= eps        (`ball_error`)
                            = sum_i |d h / d x_i| eps_i  for |d_i| <= eps_i     (`box_error`)

(Jankovic, Automatica 2018). Both are exact for their set of errors: the worst d is attained. A bound per coordinate
is the sharper one where only some coordinates have an error, as the accelerations of a mechanical system.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


def ball_error(eps: float) -> Callable[[Any], Any]:
    """Return rho(gradient) for |d| <= eps. [units of the state's rate]

    Raises:
        ConfigError: eps is negative or no number.
    """
    if not (np.isfinite(eps) and eps >= 0.0):
        raise ConfigError(f"model error {eps} must be a finite number >= 0; no robust term was made")

    def rho(gradient):
        square = jnp.sum(gradient * gradient, axis=-1)
        return eps * jnp.where(square > 0.0, jnp.sqrt(jnp.where(square > 0.0, square, 1.0)), 0.0)

    return rho


def box_error(eps: Array) -> Callable[[Any], Any]:
    """Return rho(gradient) for |d_i| <= eps_i, eps of shape (n,). [units of the state's rate]

    Raises:
        ConfigError: a bound is negative or no number.
    """
    bound = np.asarray(eps, dtype=np.float64)
    if bound.ndim != 1 or not (np.isfinite(bound).all() and (bound >= 0.0).all()):
        raise ConfigError(
            f"model error {eps} must be finite numbers >= 0, one per state; no robust term was made"
        )

    def rho(gradient):
        return jnp.abs(gradient) @ bound

    return rho
