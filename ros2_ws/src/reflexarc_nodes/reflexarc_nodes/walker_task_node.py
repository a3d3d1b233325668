# SPDX-License-Identifier: Apache-2.0
"""The joystick and the judge of a simulated quadruped: says how fast to walk, watches, writes the summary.

It also notices when a node has gone: a topic that stays silent ends the run with exit code 1 and a reason.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.core import arm_wire, walker_wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import EXIT_FAILED, EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.event_log import EventLog
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import command_to

TRAILING_S = 0.3
"""Wall time after the run in which the last messages arrive. [s]"""
STATUS_S = 0.5
"""Time between two lines of status in the event log. [s]"""
INPUTS = ("quadruped/odometry", "quadruped/verdict", "quadruped/proposal")
"""Each published by another node."""


@dataclass(frozen=True, slots=True)
class WalkerTaskParameters(CommonParameters):
    """Parameters of walker_task_node."""

    exit_when_done: bool = quantity(True, doc="end, with exit code 0, after the run")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every input"
    )
    silence_s: float = quantity(
        10.0, unit="s", low=0.5, high=600.0, doc="wall time of silence after which a node is lost"
    )


class WalkerTaskNode(NodeParts, Node):
    """Watches one walk."""

    Parameters = WalkerTaskParameters
    in_step = True

    def __init__(self) -> None:
        super().__init__("walker_task_node")
        self.set_up()
        from reflexarc_sim.walker_live_figures import WalkerLiveFigures  # noqa: PLC0415 - of a simulated walk
        from reflexarc_sim.walker_lockstep import told_at  # noqa: PLC0415

        scenario = self.params.load_scenario()
        self.commands, self.told_at = scenario.walk.commands, told_at
        self.figures = WalkerLiveFigures(scenario, scenario.seed)
        self.folder = Path(self.params.out_dir) if self.params.out_dir else None
        self.log = EventLog(self.folder)
        self.problem, self.reflex = "", ""
        self.faults: tuple[str, ...] = ()
        self.over = False
        started = time.monotonic()
        self.heard, self.missing = dict.fromkeys(INPUTS, started), set(INPUTS)
        self.began = self.ended = started
        self.command = advertise(self, "quadruped/cmd_vel")
        listen(self, "quadruped/odometry", self._trunk, every=True)
        listen(self, "quadruped/joint_states", self._joints)
        listen(self, "quadruped/push", lambda m: self.figures.add_push(walker_wire.push_from(m)), every=True)
        listen(self, "quadruped/verdict", self._verdict, every=True)
        listen(self, "quadruped/proposal", lambda _: self._hear("quadruped/proposal"))
        listen(self, "quadruped/fallen", self._fallen)

    def run(self, stop: Stop) -> int:
        """Tell and watch until the run is over; afterwards stay, or end with the run's exit code."""
        pacer = Pacer(1.0 / interface("quadruped/cmd_vel").rate_hz)
        due = 0.0
        while not stop.requested and not self.over:
            self.spin_for(pacer.remaining())
            pacer.begin()
            now = self.time.now()
            self.command.publish(command_to(now, self.told_at(self.commands, now)))
            self.problem = self.silence(time.monotonic())
            self.over = bool(self.problem) or self.figures.over
            if self.figures.now >= due:
                due = self.figures.now + STATUS_S
                self._status()
            self.report()
        self._finish(self.problem or ("the run was stopped" if not self.over else ""))
        while not stop.requested and not self.params.exit_when_done:
            self.spin_for(0.05)
            self.report()
        return EXIT_FAILED if self.problem else EXIT_OK

    def silence(self, now: float) -> str:
        """Say which input has not come for too long at steady time `now` [s]; empty if none."""
        p = self.params
        for name, heard in self.heard.items():
            if name in self.missing and now - heard > p.start_timeout_s:
                return f"node_killed: nothing has ever arrived on {name} within {p.start_timeout_s:g} s"
            if name not in self.missing and now - heard > p.silence_s:
                return (
                    f"node_killed: {name} has been silent for {now - heard:.1f} s, allowed {p.silence_s:g} s"
                )
        return ""

    def health(self) -> Health:
        """Return the running figures."""
        waiting = [f"waiting for {', '.join(sorted(self.missing))}"] if self.missing else []
        return Health.judge([self.problem] if self.problem else [], self.figures.counters(), warnings=waiting)

    def close(self) -> None:
        """Close the event log."""
        self.log.close()

    def _hear(self, name: str) -> None:
        self.heard[name] = time.monotonic()
        self.missing.discard(name)

    def _trunk(self, message: Any) -> None:
        if self.figures.now == 0.0:
            self.began = time.monotonic()
        self._hear("quadruped/odometry")
        self.figures.add_trunk(walker_wire.trunk_from(message))
        if not self.figures.over:
            self.ended = time.monotonic()

    def _joints(self, message: Any) -> None:
        joints = arm_wire.joints_from(message)
        self.figures.add_joints(joints.position, joints.velocity, np.array(message.effort))

    def _fallen(self, message: Any) -> None:
        if message.data and not self.figures.fallen:
            self.figures.fallen = True
            self.log.write(self.figures.now, "fall", "the robot fell")

    def _verdict(self, message: Any) -> None:
        self._hear("quadruped/verdict")
        verdict, record = walker_wire.walker_verdict_from(message)
        if self.over:
            return
        self.figures.add_verdict(verdict, record)
        if verdict.faults != self.faults:
            self.faults = verdict.faults
            reason = verdict.interventions[-1].reason if verdict.interventions else ""
            self.log.write(verdict.now, "fault", ", ".join(verdict.faults) or "none", reason=reason)
        inside = verdict.walker
        if inside is not None and inside.reflex != self.reflex:
            self.reflex = inside.reflex
            text = f"{inside.reflex} acts" if inside.reflex else "the task policy goes on"
            self.log.write(verdict.now, "reflex", text, risk=verdict.risk, reflexes=inside.reflexes)

    def _status(self) -> None:
        self.log.write(self.figures.now, "status", "", **self.figures.counters())

    def _finish(self, reason: str) -> None:
        """Tell the robot to stand, wait for the last messages and write the summary."""
        self.over = True
        self.command.publish(command_to(self.time.now(), np.zeros(3)))
        self.spin_for(TRAILING_S)
        if reason:
            self.log.write(self.figures.now, "problem" if self.problem else "stopped", reason)
            self.get_logger().error(reason) if self.problem else self.get_logger().info(reason)
        self._status()
        if self.figures.now <= 0.0:
            return
        result = self.figures.result()
        summary = result.summary
        self.log.write(self.figures.now, "walk", summary.outcome, success=summary.success)
        self.get_logger().info(f"walk ended after {self.figures.now:.2f} s: {summary.outcome}")
        if self.folder is not None:
            wall = max(self.ended - self.began, 1e-9)
            data = summary.to_json() | {
                "clock": "live",
                "wall_s": round(wall, 2),
                "real_time_factor": round(self.figures.now / wall, 3),
                **self.figures.loop(),
            }
            (self.folder / "summary.json").write_text(json.dumps(data) + "\n", encoding="utf-8")
            result.save(self.folder / "log.npz")


def main() -> int:
    """Run the node."""
    return main_of(WalkerTaskNode)


if __name__ == "__main__":
    sys.exit(main())
