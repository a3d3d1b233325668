# SPDX-License-Identifier: Apache-2.0
"""The reflex arc of a quadruped as a lifecycle node: joint states, odometry and proposal in, joint targets out.

The targets go to the command topic of ros2_control's position forward controller. What stops the robot is never zero;
before it is silent the arc brings the robot to rest. Before it has seen its robot it sends nothing, and the driver goes
on with what it did.
"""

import sys
import time
from typing import Any

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from reflexarc.arc import ArcConfig
from reflexarc.arc.walker_inputs import WalkerInputs
from reflexarc.core import joint_wire, walker_wire
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.paths import robot_kind
from reflexarc.core.types import Mode, Verdict
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc.core.wire import mode_from
from reflexarc_nodes.arc_parameters import QuadrupedArcParameters
from reflexarc_nodes.base_node import Stop, main_of
from reflexarc_nodes.joint_arc_base import JointArcBase
from reflexarc_nodes.joint_convert import joint_command_to
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import walker_verdict_to

LONGEST_STOP_S = 1.5
"""Wall time at most in which the robot is brought to rest before the node is silent. [s]"""


class QuadrupedArcNode(JointArcBase):
    """Ticks the arc of a quadruped at its rate while active."""

    Parameters = QuadrupedArcParameters

    def __init__(self) -> None:
        super().__init__("quadruped_arc_node")
        self.coming_to_rest = False

    def run(self, stop: Stop) -> int:
        """Tick while active, and bring the robot to rest before the end."""
        try:
            return super().run(stop)
        finally:
            self.rest()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go on from wherever the robot is."""
        self.coming_to_rest = False
        return super().on_activate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the arc and its topics, at rest or not."""
        self.coming_to_rest = False
        return super().on_cleanup(state)

    def idle(self) -> None:
        """After a deactivation bring the robot to rest, then wait."""
        self.rest()
        super().idle()

    def prepare(self, config: ArcConfig) -> None:
        """Make inputs, publishers and subscriptions.

        Raises:
            ConfigError: the arc is not one of a quadruped.
        """
        if robot_kind(config.robot) != "quadruped":
            raise ConfigError(f"quadruped_arc_node needs a quadruped, {config.robot!r} is none")
        self.inputs = inputs = WalkerInputs(config)
        self.every = max(1, round(config.rate_hz / interface("quadruped/verdict").rate_hz))
        self.positions, self.verdict = self.senders = [
            advertise(self, POSITIONS),
            advertise(self, "quadruped/verdict"),
        ]
        self.topics = [
            listen(self, "quadruped/joint_states", self.store(joint_wire.joints_from, inputs.add_joints)),
            listen(self, "quadruped/odometry", self.store(walker_wire.trunk_from, inputs.add_trunk)),
            listen(self, "quadruped/proposal", self.store(walker_wire.targets_from, inputs.add_proposal)),
            listen(self, "mode", self.store(mode_from, lambda mode: setattr(inputs, "mode", mode))),
        ]

    def send(self, verdict: Verdict, state: Any) -> None:
        """Publish the targets, once the robot has been seen."""
        if state is not None:
            self.positions.publish(joint_command_to(verdict.command))

    def verdict_to(self, verdict: Verdict, record: JointRecord) -> Any:
        """Return the message of a verdict."""
        return walker_verdict_to(verdict, record)

    def reflex(self, verdict: Verdict) -> str:
        """Return the reflex that is going on; empty if none."""
        return "" if verdict.walker is None else verdict.walker.reflex

    def publish_stop(self) -> None:
        """Begin to stop the robot; `rest` goes on with it, because within a transition no states arrive."""
        self.coming_to_rest = self.inputs.state() is not None
        self._stop_once()

    def rest(self) -> None:
        """Bring a robot that is to be stopped to rest; wait a moment until the last targets have arrived."""
        if not self.coming_to_rest:
            return
        self.coming_to_rest = False
        config = self.arc.config
        end = time.monotonic() + min(config.walker.brake_s / self.pace(), LONGEST_STOP_S)
        while not self.active and time.monotonic() < end:
            self.spin_for(config.period)
            self._stop_once()
        self.positions.wait_for_all_acked(Duration(nanoseconds=200_000_000))

    def _stop_once(self) -> None:
        state = self.inputs.state()
        if state is not None:
            self.send(self.arc.tick(state, None, Mode.PROTECTIVE_STOP, self.time.now()), state)


def main() -> int:
    """Run the node."""
    return main_of(QuadrupedArcNode)


if __name__ == "__main__":
    sys.exit(main())
