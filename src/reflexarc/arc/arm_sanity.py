# SPDX-License-Identifier: Apache-2.0
"""First stage of an arm's arc: the checks of `sanity` on joint states, spheres and joint proposals."""

from typing import Any

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.sanity import SanityStage, Surrounding
from reflexarc.core.types import Array, JointProposal, JointState
from reflexarc.robots.arm import Arm


class ArmSanityStage(SanityStage):
    """Stops the arm on any input that cannot be trusted, joints of another arm or in another order included."""

    def __init__(self, config: ArcConfig, arm: Arm):
        """Take ages, frame and number of obstacles from `config`, the joints from the arm."""
        super().__init__(config, arm.n)
        self._joints = arm.joints
        self._most = config.arm.obstacles

    def state_misfit(self, state: Any) -> str:
        """Say why a state is not one of this arm, or nothing."""
        return self._misfit("state", state, JointState)

    def state_numbers(self, state: Any) -> tuple[Array, ...]:
        """Return the arrays of a state that must be finite."""
        return state.position, state.velocity

    def surroundings(self, state: Any) -> tuple[Surrounding, ...]:
        """Return what is around the arm and how it is checked."""
        return (Surrounding("obstacles", state.obstacles, self.judge_obstacles, self._fresh.obstacles_s),)

    def judge_obstacles(self, obstacles: Any) -> tuple[str, str]:
        """Return the fault of the spheres and why, or `SOUND`."""
        if len(obstacles) > self._most:
            return "obstacles_too_many", f"{len(obstacles)} obstacles, the arc was built for {self._most}"
        return super().judge_obstacles(obstacles)

    def proposal_misfit(self, proposal: Any) -> str:
        """Say why a proposal is not one for this arm, or nothing."""
        return self._misfit("proposal", proposal, JointProposal)

    def proposed(self, proposal: Any) -> Array:
        """Return the command that a proposal asks for."""
        return proposal.target

    def _misfit(self, what: str, item: Any, kind: type) -> str:
        if not isinstance(item, kind):
            return f"the {what} is not that of an arm"
        joints = item.joints  # pyright: ignore[reportAttributeAccessIssue]
        if joints is self._joints or joints == self._joints:
            return ""
        return f"the {what} is for joints {', '.join(joints)}, this arm has {', '.join(self._joints)} in this order"
