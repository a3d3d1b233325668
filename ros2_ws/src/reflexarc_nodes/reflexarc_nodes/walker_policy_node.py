# SPDX-License-Identifier: Apache-2.0
"""The task policy of a quadruped as a node: proposes targets of the joints, 50 times a second, without JAX.

Decisions lie on a grid of the simulated or the system's time. On a state that is too old, or where a number is not
finite, it is silent; the arc brings the robot to rest then. Without a fresh command it is told to stand.
"""

import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.arc import ArcConfig
from reflexarc.arc.walker_inputs import WalkerInputs
from reflexarc.core import joint_wire, walker_wire
from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.paths import model_file
from reflexarc.core.types import Array, JointProposal
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc.robots.quadruped import JOINT_NAMES
from reflexarc.walking.observation import CONTROL_PERIOD
from reflexarc.walking.policy import load_walking_policy
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.health import Health
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import targets_to

LOOK_S = 0.001
"""Wall time between two looks at the clock. [s]"""
STANDS_S = 0.005
"""Time that has gone on by less than this since a proposal stands still: more than the clock's lead. [s]"""
_ROUNDING = 1e-6
"""[s]"""


@dataclass(frozen=True, slots=True)
class WalkerPolicyParameters(CommonParameters):
    """Parameters of walker_policy_node; robot and weights come from the scenario, or are given where there is none."""

    robot: str = quantity("go1", doc="quadruped when no scenario is given, a folder of models/")
    weights: str = quantity("", doc="file of the policy, under models/ or a path; empty: the scenario's")


class WalkerPolicyNode(NodeParts, Node):
    """Proposes while its state is fresh."""

    Parameters = WalkerPolicyParameters
    in_step = True

    def __init__(self) -> None:
        super().__init__("walker_policy_node")
        self.set_up()
        p = self.params
        scenario = p.load_scenario() if p.scenario else None
        robot = p.robot if scenario is None else scenario.robot
        weights = p.weights or ("" if scenario is None else scenario.walk.policy)
        if not weights:
            raise ConfigError("walker_policy_node needs `weights`, or a scenario that names them")
        self.policy = load_walking_policy(model_file(weights), robot)
        self.inputs = WalkerInputs(ArcConfig(robot=robot) if scenario is None else scenario.arc_config)
        self.command: walker_wire.Command | None = None
        self.sent: Array | None = None
        self.newest: JointProposal | None = None
        self.silent = self.stood = 0
        self.due, self.last, self.again = -math.inf, -math.inf, math.inf
        self.max_age = interface("quadruped/odometry").max_age_s
        self.command_age = interface("quadruped/cmd_vel").max_age_s
        self.proposal = advertise(self, "quadruped/proposal")
        listen(self, "quadruped/joint_states", lambda m: self.inputs.add_joints(joint_wire.joints_from(m)))
        listen(self, "quadruped/odometry", lambda m: self.inputs.add_trunk(walker_wire.trunk_from(m)))
        listen(self, "quadruped/cmd_vel", self._take_command)
        listen(self, POSITIONS, self._take_sent)

    def run(self, stop: Stop) -> int:
        """Propose whenever a decision is due."""
        while not stop.requested:
            self.spin_for(LOOK_S)
            self.turn(self.time.now())
            self.report()
        return EXIT_OK

    def turn(self, now: float) -> bool:
        """Propose if a decision is due at time `now` [s]; return whether it was made.

        While time stands still (the plant waits) nothing new is proposed, since a stamp names one proposal; the last is
        sent again, for those who come late.
        """
        if self.newest is not None and now < self.last + STANDS_S and time.monotonic() >= self.again:
            self._send(self.newest)
        if now < self.due - _ROUNDING or now <= self.last:
            return False
        state = self.inputs.state()
        if self._stale(now):
            self.silent += 1
            return False
        assert state is not None
        due = self.due + CONTROL_PERIOD
        self.due = due if due > now else now + CONTROL_PERIOD  # on a grid, unless it fell behind
        self.last = now
        if self.sent is not None and (
            self.newest is None or not np.array_equal(self.sent, self.newest.target)
        ):
            self.policy.follow(self.sent)  # its last action is what was carried out, not what it wanted
        proposal = self.policy.propose(state, self.told(now), now)
        if proposal is None:
            return False
        self.newest = proposal
        self._send(proposal)
        return True

    def told(self, now: float) -> Array:
        """Return how fast to walk at time `now` [s]: to stand where the command is old or not finite."""
        command = self.command
        if command is not None and abs(now - command.stamp) <= self.command_age:
            if np.isfinite(command.velocity).all():
                return command.velocity
        self.stood += 1
        return np.zeros(3)

    def health(self) -> Health:
        """Return what the policy goes by."""
        values = {"silent": self.silent, "stood": self.stood, "refused": self.policy.refused}
        problems, warnings = [], []
        now = self.time.now()
        if problem := self._stale(now):
            problems.append(f"walker_state_stale: {problem}; no proposal is published")
        if self.policy.refused:
            warnings.append(f"walker_output_not_finite: {self.policy.refused} decisions were not made")
        if self.command is None or not abs(now - self.command.stamp) <= self.command_age:
            warnings.append("walker_command_stale: told to stand")
        else:
            velocity = self.command.velocity
            if not np.array_equal(self.policy.commands.within(velocity), velocity, equal_nan=True):
                warnings.append("walker_command_beyond: cut to the largest velocities that it learned with")
        return Health.judge(problems, values, warnings=warnings)

    def _stale(self, now: float) -> str:
        """Say why the state cannot be gone by, or nothing."""
        state = self.inputs.state()
        if state is None:
            return "no state has arrived"
        if state.joints != JOINT_NAMES:
            return "joint states of other names or another order"
        age = now - state.stamp
        return "" if abs(age) <= self.max_age else f"the state is {age:.3f} s old, allowed {self.max_age:g} s"

    def _send(self, proposal: JointProposal) -> None:
        self.proposal.publish(targets_to(proposal))
        self.again = time.monotonic() + CONTROL_PERIOD

    def _take_command(self, message: Any) -> None:
        self.command = walker_wire.command_from(message)

    def _take_sent(self, message: Any) -> None:
        sent = joint_wire.joint_command_from(message, len(JOINT_NAMES))
        self.sent = sent if np.isfinite(sent).all() else None


def main() -> int:
    """Run the node."""
    return main_of(WalkerPolicyNode)


if __name__ == "__main__":
    sys.exit(main())
