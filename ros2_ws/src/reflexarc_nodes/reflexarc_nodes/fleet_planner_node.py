# SPDX-License-Identifier: Apache-2.0
"""The fleet planner as a node: goals in, plans and permissions out.

A robot's permission is its route: it ends where the robot may go, and grows as the others make way. So a planner that
falls silent stops the fleet by itself: every robot drives to the end of what it was permitted, at most one vertex
farther than `fleet.ahead_m`, and waits there. A robot whose odometry is old makes no progress, so nothing is permitted
to those who wait for it; after `lost_s` it is given up and the others go round it. Time in which the planner itself did
not run is nobody's silence. Odometry that cannot be right is not
taken (`reflexarc.fleet.execution.positions`).

Goals come from the scenario (`tasks`), or else by the action `fleet_goal`.
"""

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.core.types import FIXED_FRAME, Array, Walls
from reflexarc.fleet.execution.positions import Positions
from reflexarc_nodes.base_node import EXIT_FAILED, EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import route_to, walls_to
from reflexarc_nodes.event_log import EventLog
from reflexarc_nodes.fleet_figures import FleetFigures
from reflexarc_nodes.fleet_goals import FleetGoals
from reflexarc_nodes.fleet_messages import delays_to, plan_to, progress_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen

TRAILING_S = 0.5
"""Wall time after the last delivery in which the plant's last events arrive. [s]"""


@dataclass(frozen=True, slots=True)
class FleetPlannerParameters(CommonParameters):
    """Parameters of fleet_planner_node; radii, roadmap and deliveries come from the scenario."""

    tasks: bool = quantity(
        True, doc="give out the scenario's deliveries; false: goals come by the action only"
    )
    exit_when_done: bool = quantity(
        True, doc="end, with exit code 0, after the last delivery of the scenario"
    )
    start_timeout_s: float = quantity(
        240.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every robot's odometry"
    )
    stale_s: float = quantity(0.5, unit="s", low=0.05, high=10.0, doc="older odometry is no progress")
    lost_s: float = quantity(
        10.0, unit="s", low=0.5, high=3600.0, doc="after so long without any a robot is lost"
    )


class FleetPlannerNode(NodeParts, Node):
    """Plans a fleet and gives out permissions."""

    Parameters = FleetPlannerParameters

    def __init__(self) -> None:
        super().__init__("fleet_planner_node")
        self.set_up()
        from reflexarc.robots import load_robot  # noqa: PLC0415
        from reflexarc_sim.fleet_tasks import FleetTasks  # noqa: PLC0415 - the map of a simulated world
        from reflexarc_sim.world import make_world  # noqa: PLC0415

        p = self.params
        self.scenario = p.load_scenario()
        self.tasks = FleetTasks(self.scenario, self.scenario.seed)
        # kernels are compiled, for up to a minute, on a fleet that nobody waits for
        rehearsal = FleetTasks(self.scenario, self.scenario.seed)
        rehearsal.update(0.0, dict(zip(rehearsal.names, rehearsal.start_poses()[:, :2], strict=True)))
        if not p.tasks:
            self.tasks.left = dict.fromkeys(self.tasks.names, 0)
        self.fleet, self.names = self.tasks.fleet, self.tasks.names
        self.figures = FleetFigures(self.tasks, sum(self.tasks.left.values()))
        self.goals = FleetGoals(
            self, self.fleet, "the scenario gives out the goals, see the parameter `tasks`" if p.tasks else ""
        )
        self.folder = Path(p.out_dir) if p.out_dir else None
        self.log = EventLog(self.folder)
        self.now, self.problem, self.said = 0.0, "", 0
        self.routes: dict[str, Array] = {}
        self.plan = advertise(self, "/fleet_plan")
        self.progress, self.delays = advertise(self, "/fleet_progress"), advertise(self, "/fleet_delays")
        robot = load_robot(self.scenario.robot)
        self.positions = Positions(self.names, robot.max_speed, p.stale_s, p.lost_s)
        world = make_world(self.scenario.world, self.scenario.seed, robot)
        self.route_topics, keepouts = {}, walls_to(Walls(np.inf, FIXED_FRAME, world.keepouts), 0.0)
        self.keepouts = []
        for name in self.names:
            self.route_topics[name] = advertise(self, "route", name)
            self.keepouts.append(advertise(self, "keepouts", name))
            self.keepouts[-1].publish(keepouts)
            listen(self, "odom", lambda m, n=name: self._odometry(n, m), under=name)
            listen(self, "contact_events", lambda m, n=name: self._contact(n, m), every=True, under=name)
        self.shown, self.looked = -math.inf, math.inf
        self.started = time.monotonic()

    def run(self, stop: Stop) -> int:
        """Plan at the scenario's rate until the deliveries are made."""
        pacer = Pacer(1.0 / self.scenario.fleet.rate_hz)
        over = False
        while not stop.requested and not over:
            self.spin_for(pacer.remaining())
            pacer.begin()
            self.look()
            if self.report():
                self.log.write(self.now, "status", "", **self.figures.counters())
            over = bool(self.problem) or (
                self.params.tasks and (self.tasks.done or self.now >= self.scenario.duration_s)
            )
            over = over and (self.params.exit_when_done or bool(self.problem))
        self._finish(stop)
        return EXIT_FAILED if self.problem else EXIT_OK

    def look(self) -> None:
        """Take where the robots are, let the fleet go on and publish what changed."""
        missing = self.positions.missing()
        if missing:
            if time.monotonic() - self.started > self.params.start_timeout_s:
                self.problem = f"node_killed: no odometry of {', '.join(missing)} has ever arrived"
            return
        now, steady = self.time.now(), time.monotonic()
        if (
            steady - self.looked > 0.5 * self.params.lost_s
        ):  # this process stood still, perhaps with the whole machine
            self.positions.listen_anew(now)
        self.looked = steady
        if now <= self.now:
            return  # time stands still
        self.now = now
        lost = self.positions.lost(now)
        for name in lost:
            if not self.fleet.lost(name):
                self.fleet.lose(name, now)
        if len(lost) == len(self.names):
            self.problem = "node_killed: the odometry of every robot is silent"
            return
        fresh = self.positions.fresh(now)
        self.tasks.update(now, fresh)
        self.figures.places(fresh)
        self.goals.answer(now)
        self._say()
        for name in self.names:
            way = self.fleet.permission(name)
            if name not in self.routes or not np.array_equal(way, self.routes[name]):
                self.routes[name] = way
                self.route_topics[name].publish(route_to(now, way))
        if now - self.shown >= 1.0 / interface("/fleet_progress").rate_hz:
            self.shown = now
            self.progress.publish(progress_to(self.fleet, set(self.positions.stale(now)), now))
            self.delays.publish(delays_to(self.fleet, now))

    def health(self) -> Health:
        """Return the running figures."""
        waiting = self.positions.missing()
        lost = [n for n in self.names if self.fleet.lost(n)]
        stale = [n for n in self.positions.stale(self.now) if n not in lost]
        refused = [f"{n} ({why})" for n, why in self.positions.refused.items() if n not in lost]
        warnings = [f"waiting for the odometry of {', '.join(waiting)}"] if waiting else []
        warnings += [f"robot_lost: {', '.join(lost)}"] if lost else []
        warnings += [f"progress_stale: {', '.join(stale)}"] if stale else []
        warnings += [f"progress_refused: {', '.join(refused)}"] if refused else []
        warnings += [f"goal_refused: {'; '.join(self.tasks.refused.values())}"] if self.tasks.refused else []
        return Health.judge(
            [self.problem] if self.problem else [], self.figures.counters(), warnings=warnings
        )

    def close(self) -> None:
        """Close the event log."""
        self.log.close()

    def _odometry(self, name: str, message: Any) -> None:
        odometry = wire.odometry_from(message)
        if odometry.frame_id != FIXED_FRAME:
            self.positions.refused[name] = f"in frame {odometry.frame_id!r}, expected {FIXED_FRAME!r}"
            return
        self.positions.take(name, odometry.stamp, odometry.pose[:2], self.time.now())

    def _contact(self, name: str, message: Any) -> None:
        event = wire.contact_from(message)
        self.figures.contact(name, event)
        self.log.write(event.end, "contact", f"{name} with {event.partner}", robot=name)

    def _say(self) -> None:
        """Log what happened in the fleet, and publish a new plan."""
        for event in self.fleet.events[self.said :]:
            self.log.write(event.time, f"fleet_{event.kind}", event.text, robot=event.robot)
            if event.kind in ("partial", "lost", "off_track", "blocked", "joined"):
                self.get_logger().info(f"{event.kind} {event.robot}: {event.text}")
            if event.kind == "plan":
                self.plan.publish(plan_to(self.fleet, event))
        self.said = len(self.fleet.events)

    def _finish(self, stop: Stop) -> None:
        """Leave the routes as they are, so that everybody stops where it may; write the summary."""
        self.tasks.finish()
        self.goals.finish()
        self.spin_for(TRAILING_S)
        if self.problem:
            self.log.write(self.now, "problem", self.problem)
            self.get_logger().error(self.problem)
        elif stop.requested:
            self.log.write(self.now, "stopped", "the run was stopped")
        self.log.write(self.now, "status", "", **self.figures.counters())
        if self.folder is not None:
            summary = json.dumps(self.figures.summary(self.scenario.seed, self.now))
            (self.folder / "summary.json").write_text(summary + "\n", encoding="utf-8")


def main() -> int:
    """Run the node."""
    return main_of(FleetPlannerNode)


if __name__ == "__main__":
    sys.exit(main())
