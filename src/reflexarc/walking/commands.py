# SPDX-License-Identifier: Apache-2.0
"""Velocities that a walker is told: the range and the pace that it learns with, and keeps to on a robot."""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array
from reflexarc.walking.observation import CONTROL_PERIOD


@dataclass(frozen=True)
class Commands:
    """Velocities that are asked for, drawn evenly and held for a while."""

    forward: float = quantity(1.0, unit="m/s", low=0.0, high=5.0, doc="largest forward and backward")
    sideways: float = quantity(0.5, unit="m/s", low=0.0, high=5.0, doc="largest to the sides")
    turn: float = quantity(1.0, unit="rad/s", low=0.0, high=5.0, doc="largest yaw rate")
    hold_s: float = quantity(5.0, unit="s", low=0.02, high=1e3, doc="time until a new one")
    standing: float = quantity(0.1, low=0.0, high=1.0, doc="share of commands to stand")
    slew: float = quantity(
        0.0,
        low=0.0,
        high=1e3,
        doc="largest change of a command per second (m/s, of the yaw rate rad/s), from rest at the start; 0: at once",
    )

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n commands, shape (n, 3): m/s, m/s, rad/s."""
        most = self._most
        return rng.uniform(-most, most, (n, 3)) * (rng.random((n, 1)) >= self.standing)

    def within(self, command: Array) -> Array:
        """Return commands cut to the largest, shape (..., 3)."""
        return np.clip(command, -self._most, self._most)

    def towards(self, command: Array, goal: Array) -> Array:
        """Return what is told one period later on the way from `command` to `goal`, shape (..., 3).

        Args:
            command: told now.
            goal: asked for.
        """
        most = self.slew * CONTROL_PERIOD
        return goal.copy() if self.slew == 0.0 else command + np.clip(goal - command, -most, most)

    @property
    def _most(self) -> Array:
        return np.array((self.forward, self.sideways, self.turn))
