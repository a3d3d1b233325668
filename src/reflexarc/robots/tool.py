# SPDX-License-Identifier: Apache-2.0
r"""A straight tool in the closed hand of an arm: where its tip is, how joints move it, and the model that carries it.

The tool stands along the z axis of the arm's end effector. Its tip is the end effector moved by the tool's length. The
mass is spread evenly over a rod from the end effector to the tip.
"""

import math
from typing import Any

import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, require_pinocchio

DOWN = np.diag([1.0, -1.0, -1.0])
"""Orientation of a tool that points straight down, x forward."""
_ROD_RADIUS = 0.008
"""Of the rod whose inertia the model carries. [m]"""
_DAMPING, _REACHED = 1e-6, 1e-9
_POSTURE_STEPS, _STEPS = 60, 100
"""So many steps of the inverse kinematics also go towards the home posture; so many there are at most."""
_POSTURE = 0.1
"""Share of the way to the home posture that such a step takes in the null space."""


def with_tool(arm: Arm, length: float, mass: float) -> Any:
    """Return a copy of the arm's `pinocchio.Model` that carries the tool and has its tip as the frame `tool_tip`.

    Args:
        arm: the arm.
        length: from the end effector to the tip. [m]
        mass: of the tool; 0 leaves the dynamics as they are. [kg]

    Raises:
        ModelError: length or mass is negative or not finite.
    """
    if not (math.isfinite(length) and math.isfinite(mass) and length >= 0.0 and mass >= 0.0):
        raise ModelError(f"a tool of {length} m and {mass} kg: both must be finite and not negative")
    pin = require_pinocchio()
    model = arm.model.copy()
    hand = model.frames[model.getFrameId(arm.end_effector)]
    if mass > 0.0:
        middle = hand.placement * pin.SE3(np.eye(3), np.array([0.0, 0.0, length / 2.0]))
        model.appendBodyToJoint(hand.parentJoint, rod_inertia(length, mass), middle)
    tip = hand.placement * pin.SE3(np.eye(3), np.array([0.0, 0.0, length]))
    model.addFrame(pin.Frame("tool_tip", hand.parentJoint, tip, pin.FrameType.OP_FRAME))
    return model


def rod_inertia(length: float, mass: float) -> Any:
    """Return the `pinocchio.Inertia` of the tool about its middle, z along it. [m, kg]"""
    return require_pinocchio().Inertia.FromCylinder(mass, _ROD_RADIUS, length)


class ToolKinematics:
    """Position, orientation and Jacobian of a tool's tip, in the axes of the arm's base."""

    def __init__(self, arm: Arm, length: float, mass: float = 0.0):
        """Prepare the model, see `with_tool`.

        Raises:
            ModelError: length or mass is negative or not finite.
        """
        self.arm = arm
        self.model = with_tool(arm, length, mass)
        self._pin = require_pinocchio()
        self._data = self.model.createData()
        self._frame = self.model.getFrameId("tool_tip")

    def pose(self, position: Array) -> tuple[Array, Array]:
        """Return where the tip is [m], shape (3,), and how it is turned, shape (3, 3), at joint positions [rad]."""
        self._pin.framesForwardKinematics(self.model, self._data, np.asarray(position))
        place = self._data.oMf[self._frame]
        return np.array(place.translation), np.array(place.rotation)

    def jacobian(self, position: Array) -> Array:
        """Return the Jacobian of the tip's and the tool's angular velocity at joint positions, shape (6, n)."""
        aligned = self._pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        return self._pin.computeFrameJacobian(
            self.model, self._data, np.asarray(position), self._frame, aligned
        )

    def inverse(self, tip: Array, rotation: Array | None = None, start: Array | None = None) -> Array:
        """Return joint positions that put the tip somewhere, near the home posture, shape (n,). [rad]

        Args:
            tip: wanted place, shape (3,). [m]
            rotation: wanted orientation, shape (3, 3); pointing down by default.
            start: joint positions to begin from; home by default. [rad]

        Raises:
            ModelError: the place is out of reach within the joint limits.
        """
        wanted = DOWN if rotation is None else rotation
        home = np.array(self.arm.home)
        q = home.copy() if start is None else np.array(start, float)
        margin = 0.01 * (self.arm.upper - self.arm.lower)
        for k in range(_STEPS):
            place, turned = self.pose(q)
            error = np.concatenate([tip - place, self._pin.log3(wanted @ turned.T)])
            if k >= _POSTURE_STEPS and float(np.abs(error).max()) < _REACHED:
                return q
            jacobian = self.jacobian(q)
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING * np.eye(6))
            posture = (_POSTURE if k < _POSTURE_STEPS else 0.0) * (home - q)
            step = inverse @ error + posture - inverse @ (jacobian @ posture)
            q = np.clip(q + step, self.arm.lower + margin, self.arm.upper - margin)
        raise ModelError(
            f"{self.arm.name}: no joint positions put the tool's tip at {np.round(tip, 4).tolist()} m"
        )
