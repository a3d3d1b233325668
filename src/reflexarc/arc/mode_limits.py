# SPDX-License-Identifier: Apache-2.0
"""Second stage: the speed that the supervisor's mode allows."""

import math

from reflexarc.arc.config import ModeLimitsConfig
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Mode, Status


class ModeLimitStage:
    """Scales all components of a base's velocity equally, which keeps the path's curvature; stop modes stop."""

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
        """Limit the speed over ground to the mode's."""
        limit = self._limits.get(tick.mode)
        if limit is None:  # a stop mode, or a value that is no mode at all
            name = tick.mode.name if isinstance(tick.mode, Mode) else repr(tick.mode)
            tick.stop(self.name, Status.STOPPED, f"mode {name} forbids motion")
            return
        *along, yaw = tick.command.tolist()
        speed = math.hypot(*along)
        if speed > limit:
            share = limit / speed
            reason = f"speed {speed:.2f} m/s is above the {limit:.2f} m/s of mode {tick.mode.name}"
            # One component is set to the limit itself: scaled, it could come out a rounding above it.
            kept = [math.copysign(limit, along[0])] if len(along) == 1 else [share * v for v in along]
            tick.change(self.name, (*kept, share * yaw), reason)
