# SPDX-License-Identifier: Apache-2.0
"""The joystick and the judge of a simulated quadruped: says how fast to walk, watches, writes the summary."""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core import joint_wire, walker_wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import command_to
from reflexarc_nodes.task_base import TaskBase, TaskParameters


@dataclass(frozen=True, slots=True)
class WalkerTaskParameters(TaskParameters):
    """Parameters of walker_task_node."""

    exit_when_done: bool = quantity(True, doc="end, with exit code 0, after the run")


class WalkerTaskNode(TaskBase):
    """Watches one walk."""

    Parameters = WalkerTaskParameters
    in_step = True
    inputs = ("quadruped/odometry", "quadruped/verdict", "quadruped/proposal")
    period = 1.0 / interface("quadruped/cmd_vel").rate_hz
    trailing = 0.3

    def __init__(self) -> None:
        super().__init__("walker_task_node")

    def make_figures(self, scenario: Any) -> Any:
        """Take commands and length of the walk."""
        from reflexarc_sim.walker_live_figures import WalkerLiveFigures  # noqa: PLC0415 - of a simulated walk

        return WalkerLiveFigures(scenario, scenario.seed)

    def connect(self, scenario: Any) -> None:
        """Tell and listen."""
        from reflexarc_sim.walker_lockstep import told_at  # noqa: PLC0415 - of a simulated walk

        self.commands, self.told_at = scenario.walk.commands, told_at
        self.command = advertise(self, "quadruped/cmd_vel")
        listen(self, "quadruped/odometry", self._trunk, every=True)
        listen(self, "quadruped/joint_states", self._joints)
        listen(self, "quadruped/push", lambda m: self.figures.add_push(walker_wire.push_from(m)), every=True)
        listen(self, "quadruped/verdict", self._verdict, every=True)
        listen(self, "quadruped/proposal", lambda _: self.hearing.hear("quadruped/proposal"))
        listen(self, "quadruped/fallen", self._fallen)

    def tell(self) -> None:
        """Say how fast to walk."""
        now = self.time.now()
        self.command.publish(command_to(now, self.told_at(self.commands, now)))

    def dismiss(self) -> None:
        """Tell the robot to stand."""
        self.command.publish(command_to(self.time.now(), np.zeros(3)))

    def result(self) -> Any | None:
        """Return what the walk left, or None where time has not begun."""
        return self.figures.result() if self.figures.now > 0.0 else None

    def conclude(self, summary: Any) -> str:
        """Say how the walk ended."""
        self.log.write(self.figures.now, "walk", summary.outcome, success=summary.success)
        return f"walk ended after {self.figures.now:.2f} s: {summary.outcome}"

    def _trunk(self, message: Any) -> None:
        if self.figures.now == 0.0:
            self.began = time.monotonic()
        self.hearing.hear("quadruped/odometry")
        self.figures.add_trunk(walker_wire.trunk_from(message))
        if not self.figures.over:
            self.ended = time.monotonic()

    def _joints(self, message: Any) -> None:
        joints = joint_wire.joints_from(message)
        self.figures.add_joints(joints.position, joints.velocity, np.array(message.effort))

    def _fallen(self, message: Any) -> None:
        if message.data and not self.figures.fallen:
            self.figures.fallen = True
            self.log.write(self.figures.now, "fall", "the robot fell")

    def _verdict(self, message: Any) -> None:
        self.hearing.hear("quadruped/verdict")
        verdict, record = walker_wire.walker_verdict_from(message)
        if self.over:
            return
        self.count(verdict, record)
        inside = verdict.walker
        if inside is not None and inside.reflex != self.reflex:
            self.reflex = inside.reflex
            text = f"{inside.reflex} acts" if inside.reflex else "the task policy goes on"
            self.log.write(verdict.now, "reflex", text, risk=verdict.risk, reflexes=inside.reflexes)


def main() -> int:
    """Run the node."""
    return main_of(WalkerTaskNode)


if __name__ == "__main__":
    sys.exit(main())
