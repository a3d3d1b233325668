# SPDX-License-Identifier: Apache-2.0
"""Ticks in made-up scenes, so that nothing is compiled or first touched later."""

import math
from typing import TYPE_CHECKING

import numpy as np

from reflexarc.arc.arc import Arc
from reflexarc.core.types import (
    Array,
    BaseState,
    ImpedanceProposal,
    JointProposal,
    JointState,
    Mode,
    Obstacles,
    Proposal,
    Spheres,
    WalkerState,
    Walls,
    Wrench,
)

if TYPE_CHECKING:
    from reflexarc.arc.contact_motion import ContactMotion
    from reflexarc.robots.arm import Arm

TICKS = 200


def warm_up_base(arc: Arc, components: int) -> None:
    """Tick a base's arc in a crowd between walls, then reset it.

    Args:
        arc: of a base.
        components: 2 for forward and yaw, 3 for forward, left and yaw velocity.
    """
    rng = np.random.default_rng(0)
    frame = arc.config.frame_id
    twist = np.zeros(components)
    twist[0] = 1.0
    for k in range(TICKS):
        now = k * arc.config.period
        n = int(rng.integers(0, 40))
        angle = rng.uniform(0.0, 2.0 * math.pi, n)
        distance = rng.uniform(0.6, 6.0, n)
        obstacles = Obstacles(
            now,
            frame,
            np.column_stack((np.cos(angle), np.sin(angle))) * distance[:, None],
            rng.normal(0.0, 1.0, (n, 2)),
            np.full(n, 0.3),
            np.full(n, 0.05),
            np.full(n, 0.1),
        )
        walls = Walls(now, frame, rng.uniform(-8.0, 8.0, (60, 4)))
        wanted = 1.5 * twist
        wanted[-1] = rng.uniform(-1.0, 1.0)
        state = BaseState(now, frame, np.zeros(3), twist, obstacles, walls)
        arc.tick(state, Proposal(now, wanted), Mode.NORMAL, now)
    arc.reset()


def warm_up_arm(arc: Arc, arm: "Arm") -> None:
    """Tick an arm's arc at its home with spheres around it, in every mode, then reset it."""
    rng = np.random.default_rng(0)
    frame, torque = arc.config.frame_id, arc.config.arm.command == "torque"
    scale = np.array(arm.max_torque if torque else arm.max_velocity)
    for k in range(TICKS):
        now = k * arc.config.period
        n = int(rng.integers(0, arc.config.arm.obstacles + 1))
        spheres = Spheres(
            now,
            frame,
            rng.uniform(-0.8, 0.8, (n, 3)),
            rng.normal(0.0, 0.3, (n, 3)),
            np.full(n, 0.05),
            np.full(n, 0.01),
            np.full(n, 0.05),
        )
        state = JointState(now, frame, arm.joints, arm.home, rng.uniform(-0.2, 0.2, arm.n), spheres)
        proposal = JointProposal(now, arm.joints, rng.uniform(-1.0, 1.0, arm.n) * scale)
        arc.tick(state, proposal, Mode(k % 4), now)
    arc.reset()


def warm_up_contact(arc: Arc, arm: "Arm", motion: "ContactMotion") -> None:
    """Tick the arc of an arm in contact at its home with forces on its tip, in every mode, then reset it."""
    rng = np.random.default_rng(0)
    frame, still = arc.config.frame_id, np.zeros(arm.n)
    motion.tip.update(arm.home, still)
    tip = motion.tip.position.copy()
    zeroing = math.ceil((arc.config.contact.tare_s or 0.0) * arc.config.rate_hz)
    for k in range(-zeroing, TICKS):
        now = (zeroing + k) * arc.config.period
        force, fast = (15.0, 0.1) if k >= 0 else (0.0, 0.0)
        wrench = Wrench(now, frame, rng.normal(0.0, force, 3), rng.normal(0.0, 0.1, 3))
        speed = rng.uniform(-fast, fast, arm.n)
        state = JointState(now, frame, arm.joints, arm.home, speed, Spheres.none(now, frame), wrench)
        goal = tip + rng.uniform(-0.04, 0.04, 3)
        proposal = ImpedanceProposal(now, frame, goal, np.diag(rng.uniform(100.0, 1500.0, 3)))
        arc.tick(state, proposal, Mode.PROTECTIVE_STOP if k % 20 == 0 else Mode(k % 3), now)
    arc.reset()


def warm_up_walker(arc: Arc, stance: Array) -> None:
    """Tick a quadruped's arc around its stance, shape (12,) [rad], in every mode, then reset it."""
    from reflexarc.robots.quadruped import JOINT_NAMES  # noqa: PLC0415

    rng = np.random.default_rng(0)
    frame, upright, still = arc.config.frame_id, np.array((1.0, 0.0, 0.0, 0.0)), np.zeros(3)
    for k in range(TICKS):
        now = k * arc.config.period
        joints = stance + rng.uniform(-0.1, 0.1, len(stance))
        state = WalkerState(now, frame, upright, still, still, JOINT_NAMES, joints, np.zeros(len(stance)))
        target = stance + rng.uniform(-0.1, 0.1, len(stance))
        arc.tick(state, JointProposal(now, JOINT_NAMES, target), Mode(k // 10 % 4), now)
    arc.reset()
