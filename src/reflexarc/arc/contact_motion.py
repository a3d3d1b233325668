# SPDX-License-Identifier: Apache-2.0
"""What the stages of an arm in contact share: the tip as it is measured, and the action that is going on."""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.core.types import Array, ImpedanceProposal, JointState
from reflexarc.reflex.contact.glance import entries, glance
from reflexarc.reflex.contact.view import VIEW
from reflexarc.reflex.impedance.law import ImpedanceLaw
from reflexarc.reflex.impedance.spring import Spring
from reflexarc.reflex.impedance.tank import EnergyTank
from reflexarc.reflex.impedance.tip import TipModel
from reflexarc.robots.arm import Arm

NONE, TASK, RECOVERY = 0, 1, 2
_MOVING = 0.01
"""Slower than this the direction of motion is not remembered. [m/s]"""


class ContactMotion:
    """Tip, spring, tank, law, and the action; one stage after the other reads and changes it."""

    def __init__(self, config: ArcConfig, arm: Arm):
        """Build everything for an arm from `with_tool`."""
        c = config.contact
        self.period = config.period
        self.touching = c.touching_n
        self.tip = TipModel(arm)
        self.tank = EnergyTank(c.tank_j, c.tank_least_j, c.tank_most_j, c.tank_share, c.tank_refill_w)
        self.spring = Spring(c.least_stiffness_n_m * np.eye(3), self.tank)
        self.law = ImpedanceLaw(self.tip, c.tilt_n_m_rad, c.damping_ratio, c.posture_rad_s)
        self.force = np.zeros(3)
        """Measured on the tip, the sensor's offset taken out. [N]"""
        self.offset = np.zeros(3)
        """Of the sensor. [N]"""
        self.came = np.zeros(2)
        """Direction in which the tip moved last without contact, a unit vector; zero where it never did."""
        self.goal = np.zeros(3)
        """Of the action. [m]"""
        self.stiffness = np.zeros((3, 3))
        """Of the action. [N/m]"""
        self.k = np.zeros(2)
        """Its entries along and across the displacement when it was decided, in [-1, 1]."""
        self.left = np.zeros(2)
        """Goal less tip. [m]"""
        self.view = np.zeros(VIEW)
        """The action as critic and recovery see it."""
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.tank.reset()
        self.live = False
        """Whether the tick before sent an impedance's torques; else the next one restarts at the measured tip."""
        self.credit = False
        """Whether these torques left the arc unchanged, so that their work can be settled."""
        self.reflexes = 0
        """Actions of the task policy that were refused."""
        self.braking, self.peak, self.push = 0.0, math.nan, 0.0
        self.came[:] = 0.0
        self._forget()

    def _forget(self) -> None:
        self.kind = NONE
        self.began = self.looked = self.answered = -math.inf
        self.new = self.trip = False
        self.risk = math.nan
        self.who = self.reason = ""

    def observe(self, state: JointState) -> None:
        """Take in a state that the sanity stage has passed; settle the energy of the period that it ends."""
        tip, spring = self.tip, self.spring
        tip.update(state.position, state.velocity)
        assert state.wrench is not None
        np.subtract(state.wrench.force, self.offset, out=self.force)
        if not self.live:
            spring.restart(tip.position)
            self._forget()
        else:
            spring.measure(tip.position)
            if self.credit:
                self.law.settle(spring, self.period, self.tank)
        self.live = self.credit = False
        x, y, _ = self.force.tolist()
        if math.hypot(x, y) < self.touching:
            x, y, _ = tip.velocity.tolist()
            speed = math.hypot(x, y)
            if speed > _MOVING:
                self.came[0], self.came[1] = x / speed, y / speed

    def take(self, proposal: ImpedanceProposal, now: float) -> None:
        """Make the task policy's proposal the action."""
        self.goal[:] = proposal.target
        self.stiffness[:] = proposal.stiffness
        self.look_ahead()
        x, y = self.left.tolist()
        length = math.hypot(x, y)
        x, y = (x / length, y / length) if length > 1e-6 else (1.0, 0.0)
        self.k[:] = entries(self.stiffness, x, y)
        self.kind, self.began, self.answered = TASK, now, proposal.stamp
        self.new = True
        self.who = self.reason = ""

    def look_ahead(self) -> None:
        """Compute what is left of the action."""
        place = self.tip.position
        self.left[0] = self.goal[0] - place[0]
        self.left[1] = self.goal[1] - place[1]

    def see(self) -> Array:
        """Return the action as critic and recovery see it, shape (9,)."""
        self.look_ahead()
        glance(self.force, self.tip.velocity, self.spring.stretch, self.left, self.k, self.view)
        return self.view
