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
from reflexarc.core import arm_wire
from reflexarc.core.arm_interfaces import EFFORT
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Mode, Verdict
from reflexarc.core.wire import mode_from
from reflexarc_nodes.arc_base import ArcBase
from reflexarc_nodes.arc_parameters import ArmArcParameters
from reflexarc_nodes.arm_convert import arm_verdict_to, effort_to
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.qos import advertise, listen

COMMAND = "impedance"
"""The only `arm.command` whose proposals and torques this node passes on."""
UNANSWERED = 5
"""Periods of simulated time without a joint state after which the arc ticks without a new one."""


class ArmArcNode(ArcBase):
    """Ticks the arc of an arm in contact at its rate while active."""

    Parameters = ArmArcParameters
    in_step = True

    def __init__(self) -> None:
        super().__init__("arm_arc_node")
        self.simulated = bool(self.get_parameter("use_sim_time").value)
        self.answered = 0

    def pace(self) -> float:
        """Return the parameter `pace`."""
        return self.params.pace

    def due(self, now: float) -> bool:
        """Whether a turn is a tick: on a robot always.

        Stages move by one period in each tick. In simulation a period is a step of the plant, however long it takes:
        every joint state is answered once, and their absence after `UNANSWERED` periods.
        """
        if not self.simulated:
            return True
        count, last = self.inputs.count, self.last
        if (
            count == self.answered
            and last is not None
            and now - last.now < UNANSWERED * self.arc.config.period
        ):
            return False
        self.answered = count
        return True

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
            listen(self, "arm/joint_states", self.store(arm_wire.joints_from, inputs.add_joints)),
            listen(self, "arm/wrench", self.store(arm_wire.wrench_from, inputs.add_wrench)),
            listen(self, "arm/proposal", self.store(arm_wire.impedance_from, inputs.add_proposal)),
            listen(self, "mode", self.store(mode_from, lambda mode: setattr(inputs, "mode", mode))),
        ]

    def publish(self, verdict: Verdict, lateness: float, state: Any) -> None:
        """Publish the torques of every tick, and its verdict where it is due or differs from the last."""
        self._send(verdict)
        last = self.last
        if last is None or self.seq % self.every == 0 or _said(verdict) != _said(last):
            record = self.inputs.record(self.seq, lateness, self.statistics.misses, state)
            self.verdict.publish(arm_verdict_to(verdict, record, self.inputs.frame_id))

    def publish_stop(self) -> None:
        """Send the torques of a protective stop and wait a moment until they have arrived."""
        stop = self.arc.tick(self.inputs.state(), None, Mode.PROTECTIVE_STOP, self.time.now())
        self._send(stop)
        self.effort.wait_for_all_acked(Duration(nanoseconds=200_000_000))

    def _send(self, verdict: Verdict) -> None:
        if verdict.command.any():
            self.effort.publish(effort_to(verdict.command))


def _said(verdict: Verdict) -> tuple[Any, ...]:
    """Return what nobody may miss of a verdict."""
    inside = verdict.contact
    return verdict.status, verdict.faults, "" if inside is None else inside.reflex


def main() -> int:
    """Run the node."""
    return main_of(ArmArcNode)


if __name__ == "__main__":
    sys.exit(main())
