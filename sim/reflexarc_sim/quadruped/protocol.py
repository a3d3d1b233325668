# SPDX-License-Identifier: Apache-2.0
"""Who pushes while a frozen policy is judged, all in base_link and newton.

- `Nobody`;
- `Continuous`: another force every 0.16 s, even in the ball of a largest magnitude;
- `Sudden`: every 4 s a level force in one of eight directions, for 0.2 to 1.0 s;
- `Learned`: a disturber, within its limits.
"""

from typing import Protocol

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robust.intensity import Budget, Limits
from reflexarc_sim.quadruped.task import CONTROL_PERIOD

REDRAWN_S = 0.16
EVERY_S = 4.0
LASTS_S = (0.2, 1.0)
DIRECTIONS = 8


class Pusher(Protocol):
    """One way to push n robots."""

    def __call__(self, step: int, seen: Array, rng: np.random.Generator, /) -> Array:
        """Return the forces of step number `step`, shape (n, 3), where `seen` is observed, shape (n, o). [N]"""
        ...


class Nobody:
    """No push."""

    def __call__(self, step: int, seen: Array, rng: np.random.Generator) -> Array:
        """See `Pusher`."""
        return np.zeros((len(seen), 3))


class Continuous:
    """Forces by chance, one after the other."""

    def __init__(self, most: float):
        """Take the largest magnitude. [N]"""
        self._most, self._now = most, np.zeros((0, 3))

    def __call__(self, step: int, seen: Array, rng: np.random.Generator) -> Array:
        """See `Pusher`."""
        if step % round(REDRAWN_S / CONTROL_PERIOD) == 0:
            n = len(seen)
            direction = rng.normal(size=(n, 3))
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            self._now = self._most * direction * np.cbrt(rng.random((n, 1)))
        return self._now


class Sudden:
    """One level force after a time without."""

    def __init__(self, magnitude: float):
        """Take the magnitude. [N]"""
        self._magnitude = magnitude
        self._force, self._ends = np.zeros((0, 3)), np.zeros(0)

    def __call__(self, step: int, seen: Array, rng: np.random.Generator) -> Array:
        """See `Pusher`."""
        n, every = len(seen), round(EVERY_S / CONTROL_PERIOD)
        if step == 0:
            self._force, self._ends = np.zeros((n, 3)), np.zeros(n)
        elif step % every == 0:
            angle = 2.0 * np.pi * rng.integers(0, DIRECTIONS, n) / DIRECTIONS
            self._force = self._magnitude * np.stack((np.cos(angle), np.sin(angle), np.zeros(n)), axis=1)
            self._ends = step + np.rint(rng.uniform(*LASTS_S, n) / CONTROL_PERIOD)
        return self._force * (step < self._ends)[:, None]


class Learned:
    """A disturber's policy within its limits."""

    def __init__(self, policy: "Policy", limits: Limits, unit: float | None = None):
        """Take both.

        Args:
            policy: of the disturber.
            limits: what it is held within here.
            unit: what its output of 1 means, the largest push that it learned with [N]; default: that of `limits`.
        """
        self._policy, self._limits = policy, limits
        self._unit = limits.most if unit is None else unit
        self._budget: Budget | None = None

    def __call__(self, step: int, seen: Array, rng: np.random.Generator) -> Array:
        """See `Pusher`."""
        if step == 0 or self._budget is None:
            self._budget = Budget(self._limits, len(seen))
        return self._budget.applied(self._unit * self._policy(seen))[0]


class Policy(Protocol):
    """Rows of observations to rows of actions."""

    def __call__(self, seen: Array, /) -> Array:
        """Shape (n, o) to (n, k)."""
        ...
