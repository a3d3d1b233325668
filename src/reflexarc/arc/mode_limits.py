# SPDX-License-Identifier: Apache-2.0
"""Second stage: the speed that the supervisor's mode allows."""

import math

from reflexarc.arc.config import ModeLimitsConfig
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Mode, Status


class ModeLimitStage:
    """Scales forward and yaw velocity equally, which keeps the path's curvature; stop modes give zero."""

    name = "mode_limits"

    def __init__(self, config: ModeLimitsConfig):
        """Take the speed per mode from `config`."""
        self._limits = {
            Mode.NORMAL: config.normal_m_s,
            Mode.SPEED_SEPARATION: config.speed_separation_m_s,
            Mode.POWER_FORCE_LIMITED: config.power_force_limited_m_s,
        }

    def reset(self) -> None:
        """Nothing to forget: the supervisor latches modes, this stage obeys them."""

    def apply(self, tick: Tick) -> None:
        """Limit |v| to the mode's speed."""
        limit = self._limits.get(tick.mode)
        if limit is None:  # a stop mode, or a value that is no mode at all
            name = tick.mode.name if isinstance(tick.mode, Mode) else repr(tick.mode)
            tick.stop(self.name, Status.STOPPED, f"mode {name} forbids motion")
            return
        speed = abs(tick.command[0])
        if speed > limit:
            share = limit / speed
            forward = math.copysign(limit, tick.command[0])
            reason = f"speed {speed:.2f} m/s is above the {limit:.2f} m/s of mode {tick.mode.name}"
            tick.change(self.name, forward, share * tick.command[1], reason)
