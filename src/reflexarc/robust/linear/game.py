# SPDX-License-Identifier: Apache-2.0
r"""The least gain that any state feedback attains: bisection on the Riccati equation of the game

    min over u, max over d of  sum C - g sum |d|^2

With P[N] = Q and as long as g I - E' P E > 0 (else no feedback keeps the gain below g):

    M = P + P E (g I - E' P E)^-1 E' P
    K = (R + B' M B)^-1 B' M A,     P <- Q + A' M A - A' M B K

Başar & Bernhard, H-infinity Optimal Control and Related Minimax Design Problems, 1995, chapter 3. Over all time the
recursion is carried on until it stands still.
"""

from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robust.linear.systems import LinearSystem

_MOST = 20_000
"""Turns of the recursion that count as all time."""


class Saddle(NamedTuple):
    """Answer of the game."""

    gain: float
    """g: the bound on sum C / sum |d|^2."""
    feedback: Array
    """K of u = -K x at the first step, shape (k, n)."""
    value: Array
    """P at the first step, shape (n, n)."""


def saddle(system: LinearSystem, bound: float, steps: int | None = None) -> Saddle | None:
    """Return the saddle point of the game at g = `bound`; None if no feedback keeps the gain below it.

    Args:
        system: in which both act.
        bound: g.
        steps: N; None: all time.
    """
    p: Any = system.q
    m, feedback = system.e.shape[1], np.zeros((system.b.shape[1], len(p)))
    for _ in range(_MOST if steps is None else steps):
        room = bound * np.eye(m) - system.e.T @ p @ system.e
        if np.linalg.eigvalsh(room).min() <= 1e-12 * bound:
            return None
        pe = p @ system.e
        worst = p + pe @ np.linalg.solve(room, pe.T)
        feedback = np.linalg.solve(system.r + system.b.T @ worst @ system.b, system.b.T @ worst @ system.a)
        after = system.q + system.a.T @ worst @ (system.a - system.b @ feedback)
        after = 0.5 * (after + after.T)
        change = np.abs(after - p).max()
        p = after
        if steps is None and change <= 1e-11 * np.abs(p).max():
            return Saddle(bound, feedback, p)
    return Saddle(bound, feedback, p) if steps is not None else None


def least_gain(system: LinearSystem, steps: int | None = None, tolerance: float = 1e-6) -> Saddle:
    """Return the saddle point at the least attainable gain.

    Args:
        system: in which both act.
        steps: N; None: all time.
        tolerance: relative, of the gain.

    Raises:
        ConfigError: no gain up to 1e9 is attainable: the system cannot be stabilised.
    """
    low, high = 0.0, 1.0
    while (found := saddle(system, high, steps)) is None:
        low, high = high, 4.0 * high
        if high > 1e9:
            raise ConfigError(f"{system.name}: no feedback bounds the gain; can (A, B) be stabilised?")
    while high - low > tolerance * high:
        middle = 0.5 * (low + high)
        at = saddle(system, middle, steps)
        if at is None:
            low = middle
        else:
            high, found = middle, at
    return found
