# SPDX-License-Identifier: Apache-2.0
r"""Barriers of higher relative degree: high-order CBF with a chain of class-K functions, and exponential CBF.

    psi_0 = h,    psi_i = L_f psi_{i-1} + alpha_i(psi_{i-1}),   i = 1 .. r - 1
    -L_g psi_{r-1} u <= L_f psi_{r-1} + alpha_r(psi_{r-1})

keeps the intersection of {psi_i >= 0}, i = 0 .. r - 1, invariant (Xiao, Belta, TAC 2022). With linear alpha_i = p_i
this is the exponential CBF with the real poles -p_i (Nguyen, Sreenath, ACC 2016):

    h^(r) + sum_i K_i h^(i) >= 0    with    s^r + K_{r-1} s^{r-1} + .. + K_0 = (s + p_1) .. (s + p_r).

It says nothing about the bounds of the input: gains that the bounds cannot honour break it, see `gains.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.analytic.cbf import cbf
from reflexarc.barrier.analytic.rows import Barrier, ClassK, RowFunction, apply_class_k, lie_derivatives
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

_SAMPLES = 256
_ABSENT = 1e-9
"""Largest L_g psi, relative to the gradient, that counts as zero."""


def chain(system: System, h: Barrier, gains: Sequence[ClassK]) -> list[Barrier]:
    """Return psi_0 .. psi_{r-1} for r = len(gains), traceable."""
    functions = [h]
    for alpha in gains[:-1]:
        functions.append(_next(system, functions[-1], alpha))
    return functions


def _next(system: System, psi: Barrier, alpha: ClassK) -> Barrier:
    def following(x):
        value, rate = jax.jvp(psi, (x,), (system.f(x),))
        return rate + apply_class_k(alpha, value)

    return following


def hocbf(
    system: System,
    h: Barrier,
    gains: Sequence[ClassK],
    nu: float = 0.0,
    rho: Callable[[Any], Any] | None = None,
) -> RowFunction:
    """Return the row function of a high-order CBF; `Row.h` is psi_{r-1}, see `chain` for the others.

    Args:
        system: the dynamics.
        h: the barrier, scalar or (k,), of relative degree r.
        gains: alpha_1 .. alpha_r.
        nu: margin for sampling, on the last member of the chain.
        rho: margin for the model's error, on the last member of the chain.

    Raises:
        ConfigError: no gains, or a linear gain that is not positive.
        ModelError: the input appears before the r-th derivative: the relative degree is lower than r.
    """
    _check_gains(gains)
    check_relative_degree(system, h, len(gains))
    return cbf(system, chain(system, h, gains)[-1], gains[-1], nu, rho)


def exponential_cbf(system: System, h: Barrier, poles: Sequence[float]) -> RowFunction:
    """Return the row function of an exponential CBF with real poles -p_i, `poles` = (p_1 .. p_r) > 0. [1/s]"""
    return hocbf(system, h, tuple(poles))


def exponential_gains(poles: Sequence[float]) -> Array:
    """Return K_0 .. K_{r-1} of the exponential CBF's characteristic polynomial."""
    return np.asarray(np.poly(-np.asarray(poles, dtype=np.float64))[:0:-1], dtype=np.float64)


def check_relative_degree(system: System, h: Barrier, degree: int, seed: int = 0) -> None:
    """Check at random states of the system's box that the input enters the degree-th derivative of h, not sooner.

    Raises:
        ModelError: it enters sooner, or nowhere in the box.
    """
    rng = np.random.default_rng(seed)
    states = rng.uniform(system.low, system.high, (_SAMPLES, system.n))
    psi = h
    for order in range(1, degree + 1):
        with jax.enable_x64(True):
            share = np.asarray(jax.jit(jax.vmap(_actuation_share(system, psi)))(states))
        largest = int(np.argmax(share))
        if order < degree and share[largest] > _ABSENT:
            raise ModelError(
                f"{system.name}: the input enters derivative {order} of the barrier at {states[largest].tolist()}; "
                f"its relative degree there is {order}, not {degree}: give {order} gains"
            )
        if order == degree and share[largest] <= _ABSENT:
            raise ModelError(
                f"{system.name}: the input does not enter derivative {degree} of the barrier at any of "
                f"{_SAMPLES} states; its relative degree is higher: give more gains"
            )
        psi = _next(system, psi, 0.0)


def _actuation_share(system: System, psi: Barrier):
    def share(x):
        _, _, actuation, gradient = lie_derivatives(system, psi, x)
        return jnp.max(jnp.abs(actuation)) / (1.0 + jnp.max(jnp.abs(gradient)))

    return share


def _check_gains(gains: Sequence[ClassK]) -> None:
    wrong = [g for g in gains if not callable(g) and not (np.isfinite(g) and g > 0.0)]
    if not gains or wrong:
        raise ConfigError(f"gains {list(gains)}: at least one, each a positive number; no barrier was made")
