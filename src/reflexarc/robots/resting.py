# SPDX-License-Identifier: Apache-2.0
r"""What an arm's driver does by itself while nobody commands it: it carries its weight and gives way, but not quickly.

    tau = nle(q, q') - r M(q) q',   cut to the motors' limits,

with M and nle (gravity, Coriolis, centrifugal) of the arm with its tool. Without contact the velocity decays as
exp(-r t); a person can push the arm away. A state that is not finite gets the torques that held the last good one.
"""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, require_pinocchio
from reflexarc.robots.tool import with_tool

RATE = 10.0
"""r: how fast motion decays. [1/s]"""


class RestingArm:
    """Gravity compensation with damping."""

    def __init__(self, arm: Arm, tool_length: float, tool_mass: float):
        """Prepare the model of the arm with its tool [m, kg].

        Raises:
            ModelError: length or mass is negative or not finite.
        """
        self._pin = require_pinocchio()
        self._model = with_tool(arm, tool_length, tool_mass)
        self._data = self._model.createData()
        self._limit = np.array(arm.max_torque)
        self._held = self._gravity(np.array(arm.home))

    def torque(self, position: Array, velocity: Array) -> Array:
        """Return the torques at joint positions [rad] and velocities [rad/s], shape (n,). [N m]"""
        q, dq = np.array(position, float), np.array(velocity, float)
        if not np.isfinite(q + dq).all():
            return self._held.copy()
        self._held = self._gravity(q)
        mass = self._pin.crba(self._model, self._data, q)
        full = np.triu(mass) + np.triu(mass, 1).T
        nle = self._pin.nonLinearEffects(self._model, self._data, q, dq)
        return np.clip(nle - RATE * (full @ dq), -self._limit, self._limit)

    def _gravity(self, q: Array) -> Array:
        held = self._pin.computeGeneralizedGravity(self._model, self._data, q)
        return np.clip(held, -self._limit, self._limit)
