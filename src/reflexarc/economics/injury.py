# SPDX-License-Identifier: Apache-2.0
r"""What a contact with a pedestrian costs.

Published model: with dv the robot's change of velocity J / m_robot and x = dv in mph, the probability of an
injury of at least MAIS level k is

    P(MAIS >= k) = 1 / (1 + exp(-(a_k + b_k x)))

(J.-S. Wang, MAIS(05/08) injury probability curves as functions of delta V, NHTSA, May 2022, all crash modes;
the coefficients as in CostNav's injury.py). The ladder is made monotone with min(), differences give the
probability of exactly each level, and the expected cost is multiplied by an adjustment. For dv <= 0 nobody
is hurt: all of the probability is on MAIS 0.

The curves come from occupants of cars and do not go to zero with dv: 20 % of all touches would cause an
injury. The model `reflexarc` therefore (1) takes the pedestrian's change of velocity, (2) counts nothing
below the contact limits of ISO/TS 15066, and (3) rebases the curves so that they begin at zero there:

    P'(MAIS >= k) = max(0, (P_k(dv) - P_k(dv_0)) / (1 - P_k(dv_0)))

with dv_0 the largest change of velocity that keeps within the limit. In the two-body model of Annex A a
blunt contact of force F against stiffness k and reduced mass mu transfers F^2 / (2 k), so the relative speed
at the limit is F / sqrt(mu k) and the pedestrian's change of velocity is at most dv_0 = mu F / (sqrt(mu k)
m_H) = F sqrt(mu / k) / m_H.
"""

import math

import numpy as np
import numpy.typing as npt

from reflexarc.core.types import Array

MPH_PER_M_S = 2.23694
"""CostNav injury.py."""
CURVES = np.array(
    (
        (-1.3925, 0.0815),  # MAIS >= 1
        (-5.1331, 0.1479),  # MAIS >= 2
        (-6.9540, 0.1637),  # MAIS >= 3
        (-8.2070, 0.1564),  # MAIS >= 4
        (-8.7927, 0.1598),  # MAIS >= 5
        (-8.9819, 0.1603),  # fatal
    )
)
"""a_k and b_k [1/mph] of the six curves, shape (6, 2)."""


def cumulative_probabilities(delta_v: npt.ArrayLike) -> Array:
    """Return P(MAIS >= k) for k = 1..5 and fatal, monotone, shape (..., 6); zero for delta_v <= 0 [m/s]."""
    dv = np.asarray(delta_v, dtype=np.float64)[..., None]
    x = dv * MPH_PER_M_S
    p = 1.0 / (1.0 + np.exp(-(CURVES[:, 0] + CURVES[:, 1] * x)))
    return np.where(dv > 0.0, np.minimum.accumulate(p, axis=-1), 0.0)


def level_probabilities(cumulative: Array) -> Array:
    """Return the probability of exactly MAIS 0..5 and fatal, shape (..., 7), from `cumulative` (..., 6)."""
    one = np.ones((*cumulative.shape[:-1], 1))
    ladder = np.concatenate((one, cumulative), axis=-1)
    return ladder - np.concatenate((cumulative, np.zeros_like(one)), axis=-1)


def injury_cost(delta_v: npt.ArrayLike, level_costs: npt.ArrayLike, adjustment: float) -> Array:
    """Return the expected cost of each contact as published, shape (...). [usd]

    Args:
        delta_v: change of velocity of the robot, J / m_robot, shape (...). [m/s]
        level_costs: cost of exactly MAIS 0..5 and fatal, shape (7,). [usd]
        adjustment: factor on the expected cost.
    """
    return adjustment * (
        level_probabilities(cumulative_probabilities(delta_v)) @ np.asarray(level_costs, dtype=np.float64)
    )


def limit_delta_v(force_limit: float, stiffness: float, robot_mass: float, pedestrian_mass: float) -> float:
    """Return the pedestrian's change of velocity at the contact limit. [m/s]

    Args:
        force_limit: transient force limit of the exposed body region. [N]
        stiffness: spring constant of the region. [N/m]
        robot_mass: mass that moves; the robot is free, so all of it. [kg]
        pedestrian_mass: effective mass of the region. [kg]
    """
    reduced = robot_mass * pedestrian_mass / (robot_mass + pedestrian_mass)
    return force_limit * math.sqrt(reduced / stiffness) / pedestrian_mass


def severity_cost(
    delta_v: npt.ArrayLike,
    peak_force: npt.ArrayLike,
    level_costs: npt.ArrayLike,
    adjustment: float,
    force_limit: float,
    limit_dv: float,
) -> Array:
    """Return the expected cost of each contact in the model `reflexarc`, shape (...). [usd]

    A contact is harmless if its measured peak force is within the limit; where the force is not known (NaN),
    if its change of velocity is. Otherwise the rebased curves apply; MAIS 0 costs nothing.

    Args:
        delta_v: change of velocity of the pedestrian, shape (...). [m/s]
        peak_force: largest normal force, NaN where unknown, shape (...). [N]
        level_costs: cost of exactly MAIS 0..5 and fatal, shape (7,); the first is not charged. [usd]
        adjustment: factor on the expected cost.
        force_limit: transient force limit. [N]
        limit_dv: change of velocity at the limit, see `limit_delta_v`. [m/s]
    """
    dv = np.asarray(delta_v, dtype=np.float64)
    base = cumulative_probabilities(limit_dv)
    rebased = np.maximum(0.0, (cumulative_probabilities(dv) - base) / (1.0 - base))
    costs = np.array(level_costs, dtype=np.float64)
    costs[0] = 0.0
    raw = adjustment * (level_probabilities(rebased) @ costs)
    force = np.asarray(peak_force, dtype=np.float64)
    return np.where(np.isnan(force) | (force > force_limit), raw, 0.0)
