# SPDX-License-Identifier: Apache-2.0
"""The task policy as a node: follows the route of the current mission and proposes a velocity at its rate.

Without a route, or on odometry that is too old, it is silent; the arc holds the robot then.
"""

import math
import sys
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Array, BaseState, Obstacles, Walls
from reflexarc.policies import make_policy
from reflexarc.policies.risk_aware import RiskAware
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import plan_to, twist_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen


@dataclass(frozen=True, slots=True)
class PolicyParameters(CommonParameters):
    """Parameters of task_policy_node; policy and its parameters come from the scenario, or from `policy`."""

    policy: str = quantity(
        "", doc="name or package.module:Class of the policy; empty: the scenario's, with its parameters"
    )


class TaskPolicyNode(NodeParts, Node):
    """Proposes while it has a route and fresh odometry."""

    Parameters = PolicyParameters

    def __init__(self) -> None:
        super().__init__("task_policy_node")
        self.set_up()
        p = self.params
        scenario = p.load_scenario() if p.scenario or not p.policy else None
        chosen = None if p.policy or scenario is None else scenario.policy
        self.name = p.policy or chosen.name
        self.policy = make_policy(self.name, chosen.params if chosen else {})
        self.judged: RiskAware | None = None
        if scenario is not None and scenario.reach.enabled:
            self.plan_s = scenario.reach.plan_s
            self.policy = self.judged = RiskAware(self.policy, scenario.reach.risk_max_age_s)
            self.plan = advertise(self, "plan")
            self.plan_period, self.plan_due = 1.0 / scenario.reach.rate_hz, -math.inf
            self.plan_slack = 0.5 / interface("proposal").rate_hz  # the turn nearest to when a plan is due
            listen(self, "plan_risk", lambda m: self.judged.take(wire.plan_risk_from(m)))
        self.odometry: wire.Odometry | None = None
        self.obstacles: Obstacles | None = None
        self.route: Array | None = None
        self.silent = 0
        self.last = -math.inf
        self.proposal = advertise(self, "proposal")
        self.max_age = interface("odom").max_age_s
        listen(self, "odom", self._take_odometry)
        listen(self, "obstacles", self._take_obstacles)
        listen(self, "route", self._take_route)

    def run(self, stop: Stop) -> int:
        """Propose at the table's rate."""
        pacer = Pacer(1.0 / interface("proposal").rate_hz)
        while not stop.requested:
            self.spin_for(pacer.remaining())
            pacer.begin()
            self.propose(self.time.now())
            self.report()
        return EXIT_OK

    def propose(self, now: float) -> bool:
        """Publish a proposal for time `now` [s]; return whether there was anything to go by.

        While time stands still (the plant waits or catches up) nothing new is proposed: a stamp names one
        proposal.
        """
        odometry = self.odometry
        if now <= self.last:
            return False
        if self.route is None or odometry is None or not abs(now - odometry.stamp) <= self.max_age:
            self.silent += self.route is not None
            return False
        obstacles = self.obstacles or Obstacles.none(odometry.stamp, odometry.frame_id)
        walls = Walls.none(odometry.frame_id)
        state = BaseState(odometry.stamp, odometry.frame_id, odometry.pose, odometry.twist, obstacles, walls)
        self.last = now
        if self.judged is not None and now >= self.plan_due - self.plan_slack:
            due = self.plan_due + self.plan_period
            self.plan_due = due if due > now else now + self.plan_period  # on a grid, unless it fell behind
            self.plan.publish(plan_to(self.judged.plan(state, now, self.plan_s)))
        proposal = self.policy.propose(state, now)
        self.proposal.publish(twist_to(proposal.stamp, proposal.twist))
        return True

    def health(self) -> Health:
        """Return what the policy goes by."""
        values = {
            "policy": self.name,
            "way_points": 0 if self.route is None else len(self.route),
            "silent": self.silent,
        }
        if self.judged is not None:
            values |= self.judged.answers
        if self.route is None:
            return Health.judge([], values, warnings=["no route"])
        age = self.time.now() - self.odometry.stamp if self.odometry is not None else float("inf")
        values["odom_age_s"] = age
        problem = f"policy_state_stale: odom is {age:.3f} s old, allowed {self.max_age:g} s; no proposal is published"
        return Health.judge([problem] if not abs(age) <= self.max_age else [], values)

    def _take_odometry(self, message: Any) -> None:
        self.odometry = wire.odometry_from(message)

    def _take_obstacles(self, message: Any) -> None:
        self.obstacles = wire.obstacles_from(message)

    def _take_route(self, message: Any) -> None:
        route = wire.route_from(message)
        if len(route) < 2:
            self.route = None
            return
        try:
            self.policy.reset(route)
            self.route = route
        except ValueError as error:
            self.route = None
            self.get_logger().error(f"route refused: {error}; no proposal is published")


def main() -> int:
    """Run the node."""
    return main_of(TaskPolicyNode)


if __name__ == "__main__":
    sys.exit(main())
