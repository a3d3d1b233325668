# SPDX-License-Identifier: Apache-2.0
r"""Driving plans with the true robot, and judging contacts: shares no code with the planner.

The plant in the fixed frame, with its tracking controller (FACTEST, Fan et al. 2020) and the drift that the planner
only knows a distribution of:

    p' = v [cos theta, sin theta] - a (p_ref - p),   theta' = w,   z' = v_z - a_z (z_ref - z)
    v = v_ref cos(theta_e) + k1 x_e,  w = w_ref + v_ref (k2 y_e + k3 sin(theta_e)),  v_z = v_z,ref + k_p (z_ref - z)

Reference and plant are integrated together by the classical Runge-Kutta method at 10 ms, many missions at once. A
contact is a distance below zero at any of these steps, or past the edge of the workspace.
"""

from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array

STEP = 0.01
"""[s]"""
_PER_HALF = 50
_GAINS = {2: (0.5, 0.5, 1.0, 0.0), 3: (2.0, 2.0, 1.0, 1.0)}
"""k1 [1/s], k2 [rad/m^2], k3 [rad/m], k_p [1/s] by dimension."""


class Drive(NamedTuple):
    """A driven mission."""

    path: Array
    """Positions of the robot every 10 ms, shape (T, 3). [m]"""
    clearance: float
    """Least distance of the hull to anything. [m]"""
    arrived: bool
    """Whether it ends within the goal's radius."""

    @property
    def contact(self) -> bool:
        """Whether anything was touched."""
        return not self.clearance > 0.0

    @property
    def success(self) -> bool:
        """Whether the goal was reached without contact."""
        return self.arrived and not self.contact


def drive(
    dimension: int,
    starts: Array,
    controls: list[Array],
    truths: Array,
    missions: list[dict[str, Any]],
) -> list[Drive]:
    """Drive several missions.

    Args:
        dimension: 2 or 3.
        starts: poses of the references (x, y, z, theta), shape (B, 4).
        controls: of each plan, shape (S_b, 2, 3).
        truths: initial errors and drift gains, shape (B, 4): x_e, y_e, theta_e, a; in the air (B, 6): x_e, y_e,
            theta_e, z_e, a, a_z.
        missions: of each, `centre` (m, 3), `radius` (m,), `size` (dimension,), `robot`, `goal` (3,), `goal_radius`.
    """
    longest = max(len(c) for c in controls)
    table = np.zeros((len(controls), 2 * longest, 3))
    for row, c in zip(table, controls, strict=True):
        row[: 2 * len(c)] = c.reshape(-1, 3)
    state, drift = _initial(dimension, starts, truths)
    paths = [state[4:7].copy()]
    for half in range(2 * longest):
        for _ in range(_PER_HALF):
            state = _step(dimension, state, table[:, half].T, drift)
            paths.append(state[4:7].copy())
    everything = np.stack(paths)  # (T, 3, B)
    result = []
    for b, (plan, mission) in enumerate(zip(controls, missions, strict=True)):
        path = everything[: 2 * _PER_HALF * len(plan) + 1, :, b]
        result.append(_judge(dimension, path, mission))
    return result


def _initial(dimension: int, starts: Array, truths: Array) -> tuple[Array, Array]:
    """State (8, B): reference x, y, z, theta, then the robot's; drift gains (2, B)."""
    reference = starts.T
    theta = reference[3] - truths[:, 2]
    x = reference[0] - (np.cos(theta) * truths[:, 0] - np.sin(theta) * truths[:, 1])
    y = reference[1] - (np.sin(theta) * truths[:, 0] + np.cos(theta) * truths[:, 1])
    z = reference[2] - (truths[:, 3] if dimension == 3 else 0.0)
    drift = truths[:, 4:6].T if dimension == 3 else np.stack([truths[:, 3], 0.0 * truths[:, 3]])
    return np.concatenate([reference, [x, y, z, theta]]), drift


def _rates(dimension: int, state: Array, inputs: Array, drift: Array) -> Array:
    k1, k2, k3, kp = _GAINS[dimension]
    xr, yr, zr, tr, x, y, z, th = state
    v_ref, w_ref, climb = inputs
    dx, dy = xr - x, yr - y
    along = np.cos(th) * dx + np.sin(th) * dy
    across = -np.sin(th) * dx + np.cos(th) * dy
    v = v_ref * np.cos(tr - th) + k1 * along
    w = w_ref + v_ref * (k2 * across + k3 * np.sin(tr - th))
    reference = [v_ref * np.cos(tr), v_ref * np.sin(tr), climb, w_ref]
    robot = [
        v * np.cos(th) - drift[0] * dx,
        v * np.sin(th) - drift[0] * dy,
        climb + kp * (zr - z) - drift[1] * (zr - z),
        w,
    ]
    return np.stack(reference + robot)


def _step(dimension: int, state: Array, inputs: Array, drift: Array) -> Array:
    a = _rates(dimension, state, inputs, drift)
    b = _rates(dimension, state + 0.5 * STEP * a, inputs, drift)
    c = _rates(dimension, state + 0.5 * STEP * b, inputs, drift)
    d = _rates(dimension, state + STEP * c, inputs, drift)
    return state + STEP / 6.0 * (a + 2.0 * b + 2.0 * c + d)


def _judge(dimension: int, path: Array, mission: dict[str, Any]) -> Drive:
    robot, size = mission["robot"], np.asarray(mission["size"])
    inner = path[:, :dimension]
    least = float(min(inner.min(), (size - inner).min())) - robot
    for centre, radius in zip(np.asarray(mission["centre"]), np.asarray(mission["radius"]), strict=True):
        least = min(least, float(np.sqrt(((path - centre) ** 2).sum(axis=1)).min() - radius - robot))
    arrived = float(np.sqrt(((path[-1] - mission["goal"]) ** 2).sum())) <= mission["goal_radius"]
    return Drive(path, least, bool(arrived))
