# SPDX-License-Identifier: Apache-2.0
"""An arm with a tool before a wall, by pinocchio's forward dynamics alone; inputs of its arc."""

import numpy as np
import pinocchio

from reflexarc.core.types import ImpedanceProposal, JointState, Spheres, Wrench
from reflexarc.reflex.impedance.tip import with_tool
from reflexarc.robots.arm import load_arm

FRAME = "panda_link0"
PERIOD = 0.001
ARM = with_tool(load_arm("panda"), 0.10, 0.05)
DOWN = np.array([0.0, 0.2343, 0.0, -2.4009, 0.0, 2.6353, 0.7854])
"""Tool upright, tip at (0.5, 0, 0.015)."""
CONFIG = {
    "robot": "panda",
    "rate_hz": 1000.0,
    "frame_id": FRAME,
    "arm": {"command": "impedance", "alpha_2": 40.0},
}
SOFT = np.diag([400.0, 400.0, 1000.0])


class Bench:
    """The plant. A wall at x >= `wall` pushes back with `stiffness`; the tip rubs on it."""

    def __init__(self, wall=10.0, stiffness=2e4, damping=20.0, friction=0.2, seed=0):
        self.q, self.dq = DOWN.copy(), np.zeros(7)
        self.wall, self.stiffness, self.damping, self.friction = wall, stiffness, damping, friction
        self.data = ARM.model.createData()
        self.frame = ARM.model.getFrameId(ARM.end_effector)
        self.rng = np.random.default_rng(seed)
        self.force = np.zeros(3)
        self.pushed = np.zeros(3)
        """By somebody, at the tip. [N]"""
        self.largest = 0.0

    def tip(self):
        """Place and velocity of the tip."""
        full = pinocchio.computeFrameJacobian(
            ARM.model, self.data, self.q, self.frame, pinocchio.LOCAL_WORLD_ALIGNED
        )
        pinocchio.framesForwardKinematics(ARM.model, self.data, self.q)
        return self.data.oMf[self.frame].translation.copy(), full[:3] @ self.dq, full[:3]

    def step(self, torque, seconds=PERIOD, steps=4):
        """Hold a torque."""
        for _ in range(steps):
            place, velocity, jacobian = self.tip()
            depth = place[0] - self.wall
            self.force = np.zeros(3)
            if depth > 0.0:
                normal = max(0.0, self.stiffness * depth + self.damping * velocity[0])
                slip = velocity[1:]
                drag = self.friction * normal * slip / max(0.01, float(np.linalg.norm(slip)))
                self.force = np.array([-normal, -drag[0], -drag[1]])
            self.largest = max(self.largest, float(np.linalg.norm(self.force)))
            outside = jacobian.T @ (self.force + self.pushed)
            acceleration = pinocchio.aba(ARM.model, self.data, self.q, self.dq, torque + outside)
            self.dq = self.dq + seconds / steps * acceleration
            self.q = self.q + seconds / steps * self.dq

    def state(self, now, **changed):
        """What the sensors say at `now`; keys: stamp, frame, joints, q, dq, wrench, obstacles."""
        felt = self.force + self.pushed + self.rng.normal(0.0, 0.2, 3)
        wrench = Wrench(now, FRAME, felt, self.rng.normal(0.0, 0.01, 3))
        return JointState(
            changed.get("stamp", now),
            changed.get("frame", FRAME),
            changed.get("joints", ARM.joints),
            changed.get("q", self.q),
            changed.get("dq", self.dq),
            changed.get("obstacles", Spheres.none(now, FRAME)),
            changed.get("wrench", wrench),
        )


def proposal(target, now=0.0, stiffness=SOFT, frame=FRAME):
    return ImpedanceProposal(now, frame, target, stiffness)
