# SPDX-License-Identifier: Apache-2.0
r"""Rows A u <= b of the quadratic programme, from barriers by automatic differentiation.

A row function takes one state (n,) and returns `Row(a, b, h)`, traceable by JAX. Several are stacked and compiled
once into a function from numpy to numpy (`compile_rows`).

A row whose part along the input vanishes, a = 0, restrains nothing or everything: with b >= 0 every input satisfies
it, with b < 0 none does. Neither is left to a solver's tolerance: `Rows.vanishing` marks it, and `decided` drops
the satisfied rows and names the others.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

VANISHING = 1e-9
"""A row vanishes when no admissible input changes a u by more than this. [units of h per second]"""


class Row(NamedTuple):
    """k rows a u <= b at one state, and their barriers' values; traced."""

    a: Any
    """Shape (k, m)."""
    b: Any
    """Shape (k,)."""
    h: Any
    """Shape (k,)."""


RowFunction = Callable[[Any], Row]
Barrier = Callable[[Any], Any]
"""h(x), (n,) -> scalar or (k,); the safe set is {h >= 0}."""
ClassK = float | Callable[[Any], Any]
"""A class-K function alpha(h); a number stands for the linear one. [1/s]"""


class Rows(NamedTuple):
    """Rows A u <= b at one state."""

    a: Array
    """Shape (k, m)."""
    b: Array
    """Shape (k,)."""
    h: Array
    """Values of the barriers, shape (k,)."""
    vanishing: np.ndarray
    """True where the input does not enter the row, shape (k,)."""

    def decided(self) -> tuple["Rows", np.ndarray]:
        """Return the rows in which the input enters, and the indices of vanishing rows that nothing satisfies."""
        keep = ~self.vanishing
        violated = np.flatnonzero(self.vanishing & (self.b < 0.0))
        return Rows(self.a[keep], self.b[keep], self.h[keep], self.vanishing[keep]), violated


def apply_class_k(alpha: ClassK, h):
    """Return alpha(h)."""
    return alpha(h) if callable(alpha) else alpha * h


def lie_derivatives(system: System, h: Barrier, x):
    """Return h, L_f h and L_g h at x: shapes (k,), (k,), (k, m), and the gradient (k, n)."""

    def vector(state):
        return jnp.atleast_1d(h(state))

    gradient = jax.jacfwd(vector)(x)
    return vector(x), gradient @ system.f(x), gradient @ system.g(x), gradient


def stack(functions: Sequence[RowFunction]) -> RowFunction:
    """Return one row function with the rows of all."""

    def stacked(x):
        rows = [function(x) for function in functions]
        return Row(*(jnp.concatenate(parts) for parts in zip(*rows, strict=True)))

    return stacked


def compile_rows(system: System, *functions: RowFunction) -> Callable[[Array], Rows]:
    """Compile row functions into one from a numpy state (n,) to `Rows`, in double precision.

    The returned function raises `ModelError` when a row is not finite: a barrier whose gradient is not defined at
    the state, or a state that is no state.
    """
    compiled = jax.jit(stack(functions))
    reach = _input_reach(system)

    def rows(x: Array) -> Rows:
        with jax.enable_x64(True):
            a, b, h = (np.asarray(part) for part in compiled(np.asarray(x, dtype=np.float64)))
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            bad = np.flatnonzero(~(np.isfinite(a).all(axis=1) & np.isfinite(b)))
            raise ModelError(
                f"{system.name}: rows {bad.tolist()} are not finite at the state {np.asarray(x).tolist()}; "
                "no command was computed from them"
            )
        return Rows(a, b, h, np.abs(a) @ reach <= VANISHING)

    return rows


def _input_reach(system: System) -> Array:
    """Largest |u_i| that is admissible, shape (m,)."""
    if system.inputs.kind == "ball":
        return np.full(system.m, system.inputs.radius)
    return np.maximum(np.abs(system.inputs.lower), np.abs(system.inputs.upper))
