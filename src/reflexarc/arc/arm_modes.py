# SPDX-License-Identifier: Apache-2.0
r"""Second stage of an arm's arc: the speed that the supervisor's mode allows any point of the arm.

With J_i the Jacobian of the centre of sphere i or of the end effector at the measured position (the spheres cover the
arm), joint velocities u are scaled by min_i limit / |J_i u|. Joint torques cannot be scaled; for them the stage finds
the share s of the joint speed limits v within which no point can be faster, s sum_j |J_ij| v_j <= limit for all i, and
the barrier stage brakes every joint that is faster.
"""

import math

import numba
import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.barrier.arm.kinematics import build_tree, jacobians, new_pose, place
from reflexarc.core.types import Mode, Status
from reflexarc.robots.arm import Arm


@numba.njit(cache=True)
def _fastest(jacobian, moving, top):
    """Return the speed that no point can exceed while no joint is faster than `top`. [m/s]"""
    most = 0.0
    for p in moving:
        square = 0.0
        for k in range(3):
            total = 0.0
            for j in range(top.shape[0]):
                total += abs(jacobian[p, k, j]) * top[j]
            square += total * total
        most = max(most, square)
    return math.sqrt(most)


class ArmModeStage:
    """Limits the speed of the arm's fastest point; stop modes brake."""

    name = "mode_limits"

    def __init__(self, config: ArcConfig, arm: Arm):
        """Take the speed per mode from `config` and the points from the arm."""
        modes = config.mode_limits
        self._limits = {
            Mode.NORMAL: modes.normal_m_s,
            Mode.SPEED_SEPARATION: modes.speed_separation_m_s,
            Mode.POWER_FORCE_LIMITED: modes.power_force_limited_m_s,
        }
        self._torque = config.arm.command != "velocity"
        self._top = np.array(arm.max_velocity)
        self._tree, _ = build_tree(arm)
        moving = self._tree.point_joint >= 0
        self._moving = np.flatnonzero(moving)
        self._pose = new_pose(self._tree)
        self._jacobian = np.zeros((len(moving), 3, arm.n))
        self.speed_share = 1.0
        """Share of the joint speed limits that the mode of the newest tick allows torque commands."""
        self.speed_limit = np.inf
        """Of every point of the arm in the newest tick. [m/s]"""

    def reset(self) -> None:
        """Nothing to forget: the supervisor latches modes, this stage obeys them."""
        self.speed_share = 1.0

    def apply(self, tick: Tick) -> None:
        """Limit the speed of every point to the mode's."""
        limit = self._limits.get(tick.mode)
        if limit is None:  # a stop mode, or a value that is no mode at all
            name = tick.mode.name if isinstance(tick.mode, Mode) else repr(tick.mode)
            tick.stop(self.name, Status.STOPPED, f"mode {name} forbids motion")
            return
        self.speed_limit = limit
        place(self._tree, tick.state.position, self._pose)
        jacobians(self._tree, self._pose, self._jacobian)
        if self._torque:
            self.speed_share = min(1.0, limit / _fastest(self._jacobian, self._moving, self._top))
            return
        moving = self._jacobian[self._moving]  # (points, 3, n)
        wanted = np.clip(tick.command, -self._top, self._top)
        speed = float(np.linalg.norm(moving @ wanted, axis=1).max())
        if speed > limit:
            reason = f"a point of the arm would move at {speed:.2f} m/s, mode {tick.mode.name} allows {limit:.2f} m/s"
            tick.change(self.name, (limit / speed * wanted).tolist(), reason)
