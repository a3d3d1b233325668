# SPDX-License-Identifier: Apache-2.0
r"""Where an arm's tool tip is, how it moves and what mass it shows there.

The task has five coordinates: the tip's place and the tilt of the tool's axis z. Turning about that axis is left to the
posture. With J of shape (5, 7) and mobility A = J M^-1 J^T, the tip's Cartesian inertia is Lambda = A^-1.
"""

import dataclasses
import math

import numba
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.reflex.impedance.algebra import inverse
from reflexarc.robots import tool
from reflexarc.robots.arm import Arm, require_pinocchio

TIP = "tool_tip"
"""Frame of the tip in the arm that `with_tool` returns; its z is the tool's axis."""
TASK = 5
_SINGULAR = 1e-4
"""Added to the mobility, so that the inertia stays bounded at a singularity. [1/kg]"""


def with_tool(arm: Arm, length: float, mass: float) -> Arm:
    """Return the arm with a tool in its hand; the tool's tip is the new end effector.

    Args:
        arm: the robot.
        length: of the tool. [m]
        mass: of the tool. [kg]

    Raises:
        ModelError: length or mass is negative or not finite.
    """
    return dataclasses.replace(arm, model=tool.with_tool(arm, length, mass), end_effector=TIP)


@numba.njit(cache=True)
def _observe(full, mass, dq, axis, wanted, jacobian, speeds, tilt, inertia, mobility, spread, scratch):
    """Fill everything of a TipModel but what pinocchio gives. `mass` has its upper triangle only."""
    n = dq.shape[0]
    for i in range(n):
        for j in range(i):
            mass[i, j] = mass[j, i]
    inverse(mass, scratch[0, :n, :n], scratch[1, :n, :n])
    # Two directions across the axis, along which it is tilted.
    k = 0
    for i in range(3):
        if abs(axis[i]) < abs(axis[k]):
            k = i
    first, second = scratch[2, 0, :3], scratch[2, 1, :3]
    size = 0.0
    for i in range(3):
        first[i] = (1.0 if i == k else 0.0) - axis[k] * axis[i]
        size += first[i] * first[i]
    for i in range(3):
        first[i] /= math.sqrt(size)
    for i in range(3):
        a, b = (i + 1) % 3, (i + 2) % 3
        second[i] = axis[a] * first[b] - axis[b] * first[a]
    for j in range(n):
        for i in range(3):
            jacobian[i, j] = full[i, j]
        jacobian[3, j] = jacobian[4, j] = 0.0
        for i in range(3):
            jacobian[3, j] += first[i] * full[3 + i, j]
            jacobian[4, j] += second[i] * full[3 + i, j]
    for i in range(5):
        speeds[i] = 0.0
        for j in range(n):
            speeds[i] += jacobian[i, j] * dq[j]
    # Rotation vector from the axis to the wanted one, in the two directions.
    cosine, sine = 0.0, 0.0
    turn = scratch[2, 2, :3]
    for i in range(3):
        a, b = (i + 1) % 3, (i + 2) % 3
        turn[i] = axis[a] * wanted[b] - axis[b] * wanted[a]
        sine += turn[i] * turn[i]
        cosine += axis[i] * wanted[i]
    sine = math.sqrt(sine)
    share = math.atan2(sine, cosine) / sine if sine > 1e-12 else 1.0
    tilt[0] = tilt[1] = 0.0
    for i in range(3):
        tilt[0] += share * turn[i] * first[i]
        tilt[1] += share * turn[i] * second[i]
    for i in range(5):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += jacobian[i, k] * scratch[1, k, j]
            scratch[0, i, j] = total
    for i in range(5):
        for j in range(5):
            total = 0.0
            for k in range(n):
                total += scratch[0, i, k] * jacobian[j, k]
            spread[i, j] = total + (_SINGULAR if i == j else 0.0)
    inverse(spread, scratch[2, :5, :5], inertia)
    for i in range(3):
        for j in range(3):
            scratch[2, i, j] = mobility[1, i, j] = spread[i, j]
    inverse(mobility[1], scratch[3, :3, :3], mobility[0])


class TipModel:
    """State of the tip; arrays are overwritten by `update`."""

    def __init__(self, arm: Arm, wanted_axis: Array | None = None):
        """Take an arm from `with_tool`.

        Args:
            arm: its end effector is the tip.
            wanted_axis: unit vector that z of the tip shall have, shape (3,); None for straight down.

        Raises:
            ModelError: the axis is no unit vector.
        """
        self._pin = require_pinocchio()
        self.arm = arm
        self._data = arm.model.createData()
        self._frame = arm.model.getFrameId(arm.end_effector)
        self.wanted_axis = np.array([0.0, 0.0, -1.0]) if wanted_axis is None else np.array(wanted_axis, float)
        if self.wanted_axis.shape != (3,) or not abs(np.linalg.norm(self.wanted_axis) - 1.0) < 1e-6:
            raise ModelError(f"the wanted axis must be a unit vector, got {self.wanted_axis.tolist()}")
        n = arm.n
        self.position = np.zeros(3)
        """[m]"""
        self.axis = np.zeros(3)
        """z of the tool, a unit vector."""
        self.jacobian = np.zeros((TASK, n))
        """Of place and tilt, (5, n)."""
        self.speeds = np.zeros(TASK)
        """Of the tip [m/s] and of its tilt [rad/s], (5,)."""
        self.velocity = self.speeds[:3]
        """[m/s]"""
        self.tilt = np.zeros(2)
        """Rotation vector from the axis to the wanted one, in the coordinates of the tilt. [rad]"""
        self.inertia = np.zeros((TASK, TASK))
        """Lambda."""
        self.mass = np.zeros((n, n))
        self.coriolis = np.zeros(n)
        """C(q, q') q'. [N m]"""
        self.gravity = np.zeros(n)
        """[N m]"""
        self.height_energy = 0.0
        """Potential of gravity. [J]"""
        self.q, self.dq = np.zeros(n), np.zeros(n)
        self._mobility = np.zeros((2, 3, 3))
        self.translation = self._mobility[0]
        """Inertia that the tip shows to a force without torque, (3, 3). [kg]"""
        self.mobility = self._mobility[1]
        """Its inverse. [1/kg]"""
        self._spread = np.zeros((TASK, TASK))
        self._full = np.zeros((6, n))
        self._scratch = np.zeros((4, max(n, TASK), max(n, TASK)))
        self.update(np.array(arm.home), np.zeros(n))

    def update(self, q: Array, dq: Array) -> None:
        """Compute everything at joint positions [rad] and velocities [rad/s], shape (n,) each."""
        pin, model, data = self._pin, self.arm.model, self._data
        self.q[:], self.dq[:] = q, dq
        pin.computeAllTerms(model, data, self.q, self.dq)
        place = pin.updateFramePlacement(model, data, self._frame)
        self.position[:] = place.translation
        self.axis[:] = place.rotation[:, 2]
        self._full[:] = pin.getFrameJacobian(model, data, self._frame, pin.LOCAL_WORLD_ALIGNED)
        self.mass[:] = data.M
        self.gravity[:] = data.g
        self.height_energy = float(data.potential_energy)
        np.subtract(data.nle, self.gravity, out=self.coriolis)
        _observe(
            self._full, self.mass, self.dq, self.axis, self.wanted_axis, self.jacobian, self.speeds, self.tilt,
            self.inertia, self._mobility, self._spread, self._scratch,
        )  # fmt: skip
