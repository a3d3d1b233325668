# SPDX-License-Identifier: Apache-2.0
"""A plain spring at the tip of an arm's tool, with which the plant is tested: no part of the arc."""

import numpy as np
import pinocchio as pin

from reflexarc.robots.tool import DOWN, with_tool

STIFFNESS = 800.0
"""Of the spring. [N/m]"""


class Spring:
    """Draws the tip to a goal with a spring, keeps the tool upright, carries the arm: no part of the arc."""

    def __init__(self, plant):
        self.plant, self.model = (
            plant,
            with_tool(plant.arm, plant.cell.tool_length_m, plant.cell.tool_mass_kg),
        )
        self.data = self.model.createData()
        self.frame = self.model.getFrameId("tool_tip")

    def torque(self, state, goal):
        q, v = state.position, state.velocity
        pin.computeJointJacobians(self.model, self.data, q)
        pin.updateFramePlacements(self.model, self.data)
        place = self.data.oMf[self.frame]
        jacobian = pin.getFrameJacobian(
            self.model, self.data, self.frame, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        speed = jacobian @ v
        force = STIFFNESS * (goal - place.translation) - 60.0 * speed[:3]
        turn = 50.0 * pin.log3(DOWN @ place.rotation.T) - 3.0 * speed[3:]
        carry = pin.nonLinearEffects(self.model, self.data, q, v)
        return jacobian.T @ np.concatenate([force, turn]) + carry - 0.5 * v


def gravity(plant):
    model = plant.tool.model
    return pin.computeGeneralizedGravity(model, model.createData(), plant.data.qpos[: plant.arm.n].copy())
