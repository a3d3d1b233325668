# SPDX-License-Identifier: Apache-2.0
"""The plan monitor as a node: takes each plan of the task policy, publishes its risk and, where needed, a safer one.

It sees what the arc sees (odometry, scan, map, tracked obstacles) and the covariance of the odometry. It answers every
plan, also one that it cannot judge: "unknown" is an answer, and the task policy brakes on it. When plans stop coming it
goes on saying "unknown" at its rate, so that a supervisor hears the difference between silence and no risk.
"""

import sys
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from reflexarc.arc.inputs import ArcInputs
from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import LIDAR_FRAME
from reflexarc.core.types import Array, Plan, PlanRisk
from reflexarc.policies.risk_aware import kind_of
from reflexarc.reach.monitor import PlanMonitor
from reflexarc.robots import load_robot
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import plan_risk_to, plan_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Histogram
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen


@dataclass(frozen=True, slots=True)
class ReachabilityParameters(CommonParameters):
    """Parameters of reachability_node; how plans are judged stands in the scenario under `reach`."""

    needs_map: bool = quantity(True, doc="answer unknown until the map's keep-outs have arrived")
    lidar_frame: str = quantity(LIDAR_FRAME, doc="frame in which scans must arrive")


class ReachabilityNode(NodeParts, Node):
    """Judges plans."""

    Parameters = ReachabilityParameters

    def __init__(self) -> None:
        super().__init__("reachability_node")
        self.set_up()
        p = self.params
        scenario = p.load_scenario()
        self.config = scenario.reach
        self.inputs = ArcInputs(scenario.arc_config, p.needs_map, p.lidar_frame)
        self.monitor = PlanMonitor(self.config, load_robot(scenario.robot), scenario.seed)
        self.plan: Plan | None = None
        self.covariance: Array | None = None
        self.last: PlanRisk | None = None
        self.counts = dict.fromkeys(("accepted", "changed", "refused", "unknown"), 0)
        self.times = Histogram(resolution=1e-4, bins=10_000)
        self.risk = advertise(self, "plan_risk")
        self.safer = advertise(self, "safer_plan")
        inputs = self.inputs
        listen(self, "odom", self._odometry)
        listen(self, "obstacles", lambda m: inputs.add_obstacles(wire.obstacles_from(m)))
        listen(self, "scan", lambda m: inputs.add_scan(wire.scan_from(m), m.header.frame_id))
        listen(self, "keepouts", lambda m: inputs.add_keepouts(wire.walls_from(m)))
        listen(self, "plan", lambda m: setattr(self, "plan", wire.plan_from(m)))

    def run(self, stop: Stop) -> int:
        """Answer every plan, and say "unknown" once a period while none comes."""
        period = 1.0 / self.config.rate_hz
        while not stop.requested:
            self.spin_for(0.1 * period)
            now, last = self.time.now(), self.last
            silent = last is None or now - last.stamp >= 2.0 * period
            if now > 0.0 and (self.plan is not None or silent):
                self.judge(now)
            self.report()
        return EXIT_OK

    def judge(self, now: float) -> None:
        """Judge the newest plan and publish what is found."""
        plan, self.plan = self.plan, None
        risk = self.monitor.judge(plan, self.inputs.state(), now, self.covariance)
        self.risk.publish(plan_risk_to(risk, self.inputs.frame_id))
        safer = self.monitor.safer
        if safer is not None:
            self.safer.publish(plan_to(safer))
        kind = kind_of(risk)
        self.counts[kind] += 1
        self.times.add(risk.seconds)
        if self.last is None or kind_of(self.last) != kind:
            text = f"plan {kind}: upper bound {risk.upper:.3g}, allowed {risk.limit:g} {risk.reason}".rstrip()
            if kind in ("unknown", "refused"):
                self.get_logger().warning(text)
            else:
                self.get_logger().info(text)
        self.last = risk

    def health(self) -> Health:
        """Return how plans are answered and how long it takes."""
        values: dict[str, Any] = {
            **self.counts,
            "p99_ms": 1e3 * self.times.quantile(0.99),
            "limit": self.config.limit,
        }
        last = self.last
        if last is None:
            return Health.judge([], values, warnings=["no plan was judged yet"])
        values["upper"] = last.upper
        problems = [f"risk_unknown: {last.reason}"] if not last.known else []
        return Health.judge(
            problems, values, warnings=[last.reason] if last.known and not last.accepted else []
        )

    def _odometry(self, message: Any) -> None:
        self.inputs.add_odometry(wire.odometry_from(message, self.inputs.components))
        self.covariance = wire.covariance_from(message)


def main() -> int:
    """Run the node."""
    return main_of(ReachabilityNode)


if __name__ == "__main__":
    sys.exit(main())
