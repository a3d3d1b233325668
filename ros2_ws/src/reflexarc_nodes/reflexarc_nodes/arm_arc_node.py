# SPDX-License-Identifier: Apache-2.0
"""The reflex arc of an arm in contact as a lifecycle node: joint states, wrench and proposal in, joint torques out.

The torques go to the command topic of ros2_control's effort forward controller. They hold the arm's weight; what stops
the arm is never zero. Before the arc has seen its arm it knows no torques that would hold it: it sends none, and the
driver goes on holding. The full verdict is published at the rate of its topic and whenever something changes.
"""

import sys
from typing import Any

from rclpy.duration import Duration

from reflexarc.arc import ArcConfig
from reflexarc.arc.arm_inputs import ArmInputs
from reflexarc.core import arm_wire, joint_wire
from reflexarc.core.arm_interfaces import EFFORT
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Mode, Verdict
from reflexarc.core.wire import mode_from
from reflexarc_nodes.arc_parameters import ArmArcParameters
from reflexarc_nodes.arm_convert import arm_verdict_to
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.joint_arc_base import JointArcBase
from reflexarc_nodes.joint_convert import joint_command_to
from reflexarc_nodes.qos import advertise, listen

COMMAND = "impedance"
"""The only `arm.command` whose proposals and torques this node passes on."""


class ArmArcNode(JointArcBase):
    """Ticks the arc of an arm in contact at its rate while active."""

    Parameters = ArmArcParameters

    def __init__(self) -> None:
        super().__init__("arm_arc_node")

    def prepare(self, config: ArcConfig) -> None:
        """Make inputs, publishers and subscriptions.

        Raises:
            ConfigError: the arc is not one of an arm in contact.
        """
        if config.arm.command != COMMAND:
            raise ConfigError(
                f"arm_arc_node needs arm.command {COMMAND!r}, robot {config.robot!r} has {config.arm.command!r}"
            )
        self.inputs = inputs = ArmInputs(config)
        self.every = max(1, round(config.rate_hz / interface("arm/verdict").rate_hz))
        self.effort, self.verdict = self.senders = [advertise(self, EFFORT), advertise(self, "arm/verdict")]
        self.topics = [
            listen(self, "arm/joint_states", self.store(joint_wire.joints_from, inputs.add_joints)),
            listen(self, "arm/wrench", self.store(arm_wire.wrench_from, inputs.add_wrench)),
            listen(self, "arm/proposal", self.store(arm_wire.impedance_from, inputs.add_proposal)),
            listen(self, "mode", self.store(mode_from, lambda mode: setattr(inputs, "mode", mode))),
        ]

    def send(self, verdict: Verdict, state: Any) -> None:
        """Publish the torques, once there are any."""
        if verdict.command.any():
            self.effort.publish(joint_command_to(verdict.command))

    def verdict_to(self, verdict: Verdict, record: JointRecord) -> Any:
        """Return the message of a verdict."""
        return arm_verdict_to(verdict, record, self.inputs.frame_id)

    def reflex(self, verdict: Verdict) -> str:
        """Return the reflex that is going on; empty if none."""
        return "" if verdict.contact is None else verdict.contact.reflex

    def publish_stop(self) -> None:
        """Send the torques of a protective stop and wait a moment until they have arrived."""
        state = self.inputs.state()
        self.send(self.arc.tick(state, None, Mode.PROTECTIVE_STOP, self.time.now()), state)
        self.effort.wait_for_all_acked(Duration(nanoseconds=200_000_000))


def main() -> int:
    """Run the node."""
    return main_of(ArmArcNode)


if __name__ == "__main__":
    sys.exit(main())
