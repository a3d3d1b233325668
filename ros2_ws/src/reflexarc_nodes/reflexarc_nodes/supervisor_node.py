# SPDX-License-Identifier: Apache-2.0
"""The verified supervisor as a process: sees what the arc sees and does, and publishes the mode that it obeys."""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.assurance.supervision import Directive, Supervision, SupervisionConfig, load_table
from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, heartbeat_topic
from reflexarc.core.types import BaseState, Mode, Obstacles, Walls
from reflexarc.robots import load_base
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import mode_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.heart import HeartSender
from reflexarc_nodes.pacer import Histogram, Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen


@dataclass(frozen=True, slots=True)
class SupervisorParameters(CommonParameters):
    """Parameters of supervisor_node; limits come from the scenario's `supervisor`, or are the defaults without one."""

    table: str = quantity("", doc="verified table, under models/ or a path; empty: the scenario's")
    robot: str = quantity("segway_e1", doc="robot when no scenario is given, a folder of models/")


class SupervisorNode(NodeParts, Node):
    """Runs the table."""

    Parameters = SupervisorParameters
    params: SupervisorParameters

    def __init__(self) -> None:
        super().__init__("supervisor_node")
        self.set_up()
        scenario = self.params.load_scenario() if self.params.scenario else None
        config = scenario.supervisor if scenario is not None else SupervisionConfig()
        robot = load_base(scenario.robot if scenario is not None else self.params.robot)
        self.table = load_table(self.params.table or config.table)
        self.supervision = Supervision(self.table, config, robot)
        self.components = robot.components
        self.odometry: wire.Odometry | None = None
        self.obstacles: Obstacles | None = None
        self.scanned: float | None = None
        self.acknowledged = ""
        self.last: Directive | None = None
        self.changes = 0
        self.pacer = Pacer(1.0 / config.rate_hz)
        self.turns = Histogram(resolution=2e-5)
        self.mode = advertise(self, "mode")
        self.heart = HeartSender(self, "supervisor")
        listen(self, "odom", lambda m: setattr(self, "odometry", wire.odometry_from(m, self.components)))
        listen(self, "obstacles", lambda m: setattr(self, "obstacles", wire.obstacles_from(m)))
        listen(self, "scan", lambda m: setattr(self, "scanned", wire.seconds(m.header.stamp)))
        listen(self, "verdict", self._verdict)
        listen(self, ACKNOWLEDGE, self._acknowledge)
        listen(self, heartbeat_topic("gate"), self._gate)

    def run(self, stop: Stop) -> int:
        """Decide at the supervisor's rate."""
        while not stop.requested:
            self.spin_for(self.pacer.remaining())
            self.pacer.begin()
            self.turn()
            self.heart.beat(self.time.now(), self.last is not None and self.last.motion)
            self.report()
        return EXIT_OK

    def turn(self) -> None:
        """Decide once and publish what has changed."""
        began, now = time.monotonic(), self.time.now()
        who, self.acknowledged = self.acknowledged, ""
        directive = self.supervision.turn(self._state(), now, began, bool(who))
        before = self.last
        if before is None or (directive.mode, directive.state) != (before.mode, before.state):
            self.mode.publish(mode_to(now, directive.mode, directive.reason))
            text = f"mode {directive.mode.name}, state {directive.state or 'start'}: {directive.reason}"
            if directive.mode >= Mode.PROTECTIVE_STOP:
                self.get_logger().warning(text)
            else:
                self.get_logger().info(text)
            self.changes += 1
        self.last = directive
        self.turns.add(time.monotonic() - began)

    def health(self) -> Health:
        """Return mode and reason, and how long turns and the loop took."""
        last = self.last
        values: dict[str, Any] = {
            "table": self.table.digest[:16],
            "mode": last.mode.name if last is not None else "",
            "state": last.state if last is not None else "",
            "changes": self.changes,
            "turn_p99_ms": 1e3 * self.turns.quantile(0.99),
            "longest_loop_s": self.supervision.guards.arc.longest_loop,
        }
        stopped = last is None or last.mode >= Mode.PROTECTIVE_STOP
        reason = last.reason if last is not None else "no turn yet"
        return Health.judge([], values, warnings=[reason] if stopped else [])

    def _state(self) -> BaseState | None:
        """Return the newest measurements, or None while a kind has never arrived; of walls only the stamp counts."""
        o, obstacles, scanned = self.odometry, self.obstacles, self.scanned
        if o is None or obstacles is None or scanned is None:
            return None
        walls = Walls(scanned, o.frame_id, np.zeros((0, 4)))
        return BaseState(o.stamp, o.frame_id, o.pose, o.twist, obstacles, walls)

    def _verdict(self, message: Any) -> None:
        verdict, record = wire.verdict_from(message, self.components)
        self.supervision.guards.arc.take(verdict, record.obstacles_stamp, time.monotonic())

    def _gate(self, message: Any) -> None:
        beat = wire.heartbeat_from(message)
        self.supervision.hear_gate(beat.seq, beat.steady, beat.motion, time.monotonic())

    def _acknowledge(self, message: Any) -> None:
        """Remember, for the next turn only, that somebody with a name acknowledges."""
        self.acknowledged = message.data.strip()
        self.get_logger().warning(f"acknowledged by {self.acknowledged!r}")


def main() -> int:
    """Run the node."""
    return main_of(SupervisorNode)


if __name__ == "__main__":
    sys.exit(main())
