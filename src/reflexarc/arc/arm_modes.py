# SPDX-License-Identifier: Apache-2.0
r"""Second stage of an arm's arc: the speed that the supervisor's mode allows any point of the arm.

With J_i the Jacobian of the centre of sphere i or of the end effector at the measured position (the spheres cover the
arm), joint velocities u are scaled by min_i limit / |J_i u|. Joint torques cannot be scaled; for them the stage finds
the share s of the joint speed limits v within which no point can be faster, s sum_j |J_ij| v_j <= limit for all i, and
the barrier stage brakes every joint that is faster.
"""

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.barrier.arm.kinematics import build_tree, jacobians, new_pose, place
from reflexarc.core.types import Mode, Status
from reflexarc.robots.arm import Arm


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
        self._torque = config.arm.command == "torque"
        self._top = np.array(arm.max_velocity)
        self._tree, _ = build_tree(arm)
        moving = self._tree.point_joint >= 0
        self._moving = np.flatnonzero(moving)
        self._pose = new_pose(self._tree)
        self._jacobian = np.zeros((len(moving), 3, arm.n))
        self.speed_share = 1.0
        """Share of the joint speed limits that the mode of the newest tick allows torque commands."""

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
        place(self._tree, tick.state.position, self._pose)
        jacobians(self._tree, self._pose, self._jacobian)
        moving = self._jacobian[self._moving]  # (points, 3, n)
        if self._torque:
            fastest = float(np.linalg.norm(np.abs(moving) @ self._top, axis=1).max())
            self.speed_share = min(1.0, limit / fastest)
            return
        wanted = np.clip(tick.command, -self._top, self._top)
        speed = float(np.linalg.norm(moving @ wanted, axis=1).max())
        if speed > limit:
            reason = f"a point of the arm would move at {speed:.2f} m/s, mode {tick.mode.name} allows {limit:.2f} m/s"
            tick.change(self.name, (limit / speed * wanted).tolist(), reason)
