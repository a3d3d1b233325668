# SPDX-License-Identifier: Apache-2.0
"""First stage of a quadruped's arc: the checks of `sanity`, and whether a state can be true."""

import math
from typing import Any

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.sanity import SanityStage, Surrounding
from reflexarc.arc.stage import Tick
from reflexarc.arc.walker_motion import WalkerMotion
from reflexarc.core.types import Array, JointProposal, Status, WalkerState
from reflexarc.robots.quadruped import JOINT_NAMES

_MOST = 100.0
"""A target beyond it is no angle of a joint. [rad]"""


class WalkerSanityStage(SanityStage):
    """Stops the robot on any input that cannot be trusted; a state that can is kept for whatever stops it later."""

    def __init__(self, config: ArcConfig, motion: WalkerMotion):
        """Take ages, frame and what a state may look like from `config`."""
        self._motion, self._may = motion, config.walker
        super().__init__(config, len(JOINT_NAMES))
        self._low = motion.low - config.walker.joint_beyond_rad
        self._high = motion.high + config.walker.joint_beyond_rad

    def reset(self) -> None:
        """Acknowledge a latched fault and forget the last stamps."""
        super().reset()
        self._motion.reset()

    def apply(self, tick: Tick) -> None:
        """Check clock, state and proposal, in this order."""
        self._motion.begin()
        if not (
            self._clock(tick) and self._state(tick) and self._surroundings(tick) and self._possible(tick)
        ):
            return
        self._motion.known = tick.state
        self._proposal(tick)

    def state_misfit(self, state: Any) -> str:
        """Say why a state is not one of a quadruped, or nothing."""
        return _misfit("state", state, WalkerState)

    def state_numbers(self, state: Any) -> tuple[Array, ...]:
        """Return the arrays of a state that must be finite."""
        return state.orientation, state.velocity, state.rate, state.position, state.joint_rate

    def surroundings(self, state: Any) -> tuple[Surrounding, ...]:
        """Nothing around it is judged at this level."""
        return ()

    def proposal_misfit(self, proposal: Any) -> str:
        """Say why a proposal is not one for a quadruped, or nothing."""
        return _misfit("proposal", proposal, JointProposal)

    def proposed(self, proposal: Any) -> Array:
        """Return the targets that a proposal asks for."""
        return proposal.target

    def _proposal(self, tick: Tick) -> None:
        proposal = tick.proposal
        if proposal is not None and not self.proposal_misfit(proposal):
            most = float(np.abs(proposal.target).max())
            if _MOST < most < math.inf:
                reason = f"a target of {most:.3g} rad, allowed {_MOST:g} rad"
                tick.stop(self.name, Status.NO_PROPOSAL, reason, "proposal_implausible")
                return
        super()._proposal(tick)

    def _possible(self, tick: Tick) -> bool:
        s, may = tick.state, self._may
        norm = math.hypot(*s.orientation.tolist())
        if abs(norm - 1.0) > may.norm_error:
            return self._impossible(
                tick, f"a quaternion of norm {norm:.4f}, allowed {may.norm_error:g} beside 1"
            )
        speed, rate = math.hypot(*s.velocity.tolist()), math.hypot(*s.rate.tolist())
        if speed > may.speed_m_s:
            return self._impossible(tick, f"the trunk at {speed:.1f} m/s, allowed {may.speed_m_s:g} m/s")
        if rate > may.rate_rad_s:
            return self._impossible(tick, f"the trunk at {rate:.1f} rad/s, allowed {may.rate_rad_s:g} rad/s")
        fast = np.abs(s.joint_rate)
        j = int(fast.argmax())
        if fast[j] > may.joint_rate_rad_s:
            text = f"{JOINT_NAMES[j]} at {fast[j]:.1f} rad/s, allowed {may.joint_rate_rad_s:g} rad/s"
            return self._impossible(tick, text)
        out = np.maximum(self._low - s.position, s.position - self._high)
        j = int(out.argmax())
        if out[j] > 0.0:
            text = f"{JOINT_NAMES[j]} at {s.position[j]:.2f} rad, allowed {self._low[j]:.2f} to {self._high[j]:.2f} rad"
            return self._impossible(tick, text)
        return True

    def _impossible(self, tick: Tick, what: str) -> bool:
        return self._stop(tick, "state_implausible", f"the state cannot be true: {what}")


def _misfit(what: str, item: Any, kind: type) -> str:
    if not isinstance(item, kind):
        return f"the {what} is not that of a quadruped"
    joints = item.joints  # pyright: ignore[reportAttributeAccessIssue]
    if joints is JOINT_NAMES or joints == JOINT_NAMES:
        return ""
    return f"the {what} is for joints {', '.join(joints)}; a quadruped has {', '.join(JOINT_NAMES)} in this order"
