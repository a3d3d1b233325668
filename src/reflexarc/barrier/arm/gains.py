# SPDX-License-Identifier: Apache-2.0
r"""Gains that the torques can honour: how hard each joint can brake, and up to which speed a gain asks for no more.

On the boundary psi = q' + alpha (q - q_min) = 0 of a joint's position row the joint brakes at alpha |q'|. At the gain
alpha the row can therefore be kept from speeds up to a / alpha, with a the deceleration that the joint's torque (and
those that hold the other joints meanwhile) leaves beside gravity. Gains that ask for more are not refused but paid for
with speed: the torque filter lowers its speed limits to that.

a is the smallest one over sampled configurations at standstill with one joint braking at a time: a search, not a proof.
"""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, require_pinocchio


def braking_reserve(arm: Arm, samples: int = 1000, seed: int = 0) -> Array:
    """Return the acceleration that each joint can always have in either direction, shape (n,). [rad/s^2]

    Args:
        arm: the robot.
        samples: random configurations within the joint limits, and as many with every joint at one of its limits.
        seed: of the generator.
    """
    pin = require_pinocchio()
    data, rng = arm.model.createData(), np.random.default_rng(seed)
    worst = np.full(arm.n, np.inf)
    drawn = rng.uniform(arm.lower, arm.upper, (samples, arm.n))
    extreme = np.where(rng.random((samples, arm.n)) < 0.5, arm.lower, arm.upper)
    for q in np.concatenate([drawn, extreme]):
        mass = np.triu(pin.crba(arm.model, data, q))
        mass = mass + np.triu(mass, 1).T
        gravity = pin.computeGeneralizedGravity(arm.model, data, q)
        with np.errstate(divide="ignore"):
            for sign in (1.0, -1.0):
                # tau = sign a M e_j + g within +-tau_max for every entry
                room = arm.max_torque[:, None] - np.sign(sign * mass) * gravity[:, None]
                worst = np.minimum(worst, (room / np.abs(mass)).min(axis=0))
    return np.maximum(worst, 0.0)


def honoured_speed(arm: Arm, alpha: float) -> Array:
    """Return the speeds up to which the gain alpha [1/s] asks no more of a joint than it has, shape (n,). [rad/s]"""
    return np.minimum(arm.max_velocity, braking_reserve(arm) / alpha)
