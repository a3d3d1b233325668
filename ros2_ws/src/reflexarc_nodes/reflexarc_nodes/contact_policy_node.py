# SPDX-License-Identifier: Apache-2.0
"""The task policy of an arm in contact as a node: proposes where the tip is to be drawn to, and how stiffly.

Decisions lie on a grid of the simulated or the system's time. Without a path, or on joint states that are too old,
it is silent; the arc holds the arm then.
"""

import math
import sys
import time
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from reflexarc.arc.arm_inputs import ArmInputs
from reflexarc.core import arm_wire, joint_wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.policies.contact import make_contact_policy
from reflexarc.robots.arm import load_arm
from reflexarc_nodes.arm_convert import impedance_to
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.health import Health
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen

LOOK_S = 0.005
"""Wall time between two looks at the clock. [s]"""
STANDS_S = 0.005
"""Time that has gone on by less than this since a proposal stands still: more than the clock's lead. [s]"""


@dataclass(frozen=True, slots=True)
class ContactPolicyParameters(CommonParameters):
    """Parameters of contact_policy_node; the scenario names the arm, its frame, and the policy's own parameters."""

    policy: str = quantity("", doc="name or package.module:Class of the policy; empty: the scenario's")


class ContactPolicyNode(NodeParts, Node):
    """Proposes while it has a path and fresh joint states."""

    Parameters = ContactPolicyParameters
    in_step = True

    def __init__(self) -> None:
        super().__init__("contact_policy_node")
        self.set_up()
        scenario = self.params.load_scenario()
        chosen = scenario.policy
        self.name = self.params.policy or chosen.name
        self.policy = make_contact_policy(self.name, chosen.params if self.name == chosen.name else {})
        self.inputs = ArmInputs(scenario.arc_config)
        self.joints = load_arm(scenario.robot).joints
        self.points, self.silent = 0, 0
        self.period = 1.0 / interface("arm/proposal").rate_hz
        self.max_age = interface("arm/joint_states").max_age_s
        self.due, self.last, self.again = -math.inf, -math.inf, math.inf
        self.newest: Any = None
        self.proposal = advertise(self, "arm/proposal")
        listen(self, "arm/joint_states", lambda m: self.inputs.add_joints(joint_wire.joints_from(m)))
        listen(self, "arm/wrench", lambda m: self.inputs.add_wrench(arm_wire.wrench_from(m)))
        listen(self, "arm/path", self._take_path)

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
        if not self.points:
            return False
        if now < self.last + STANDS_S and time.monotonic() >= self.again:
            self._send()
        if now < self.due or now <= self.last:
            return False
        state = self.inputs.state()
        if state is None or state.joints != self.joints or not abs(now - state.stamp) <= self.max_age:
            self.silent += 1
            return False
        due = self.due + self.period
        self.due = due if due > now else now + self.period  # on a grid, unless it fell behind
        self.last = now
        self.newest = impedance_to(self.policy.propose(state, now))
        self._send()
        return True

    def _send(self) -> None:
        self.proposal.publish(self.newest)
        self.again = time.monotonic() + self.period

    def health(self) -> Health:
        """Return what the policy goes by."""
        values: dict[str, Any] = {"policy": self.name, "points": self.points, "silent": self.silent}
        if not self.points:
            return Health.judge([], values, warnings=["no path"])
        state = self.inputs.state()
        age = self.time.now() - state.stamp if state is not None else math.inf
        values["joints_age_s"] = age
        problem = (
            f"policy_joints_stale: joint states are {age:.3f} s old, allowed {self.max_age:g} s; "
            "no proposal is published"
        )
        problems = [problem] if not abs(age) <= self.max_age else []
        if state is not None and state.joints != self.joints:
            problems.append(
                "policy_joints_misfit: joint states of other names or another order; no proposal is published"
            )
        return Health.judge(problems, values)

    def _take_path(self, message: Any) -> None:
        path = arm_wire.path_from(message)
        self.points = 0
        if len(path) < 2:
            return
        try:
            self.policy.reset(path)
        except ValueError as error:
            self.get_logger().error(f"path refused: {error}; no proposal is published")
            return
        self.points, self.due = len(path), -math.inf


def main() -> int:
    """Run the node."""
    return main_of(ContactPolicyNode)


if __name__ == "__main__":
    sys.exit(main())
