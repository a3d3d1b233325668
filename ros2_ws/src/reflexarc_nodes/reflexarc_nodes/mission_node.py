# SPDX-License-Identifier: Apache-2.0
"""Missions as a node: publishes map, route and mission, judges outcomes, counts what happens and writes the
summary.

It also notices when a node has gone: a topic that stays silent ends the run with exit code 1 and a reason.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.errors import ReflexArcError
from reflexarc.core.plant import PlantEvent
from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Proposal, Walls
from reflexarc.mission import MissionEnded, MissionMonitor, MissionStarted, RunStatistics
from reflexarc_nodes.base_node import EXIT_FAILED, EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import mission_to, route_to, walls_to
from reflexarc_nodes.event_log import EventLog
from reflexarc_nodes.health import Health
from reflexarc_nodes.hearing import Hearing
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen

PROPOSALS_KEPT = 64
"""Proposals among which the one that a verdict was about is found."""
TRAILING_S = 0.5
"""Wall time after the last mission in which the plant's last events arrive. [s]"""
PERIOD_S = 0.05
"""Time between two looks at the watchdogs. [s]"""


@dataclass(frozen=True, slots=True)
class MissionParameters(CommonParameters):
    """Parameters of mission_node."""

    arc: bool = quantity(True, doc="whether arc_node is part of the graph, so that verdicts are expected")
    exit_when_done: bool = quantity(True, doc="end, with exit code 0, after the last mission")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every input"
    )
    silence_s: float = quantity(
        10.0, unit="s", low=0.5, high=600.0, doc="wall time of silence after which a node is lost"
    )


class MissionNode(NodeParts, Node):
    """Runs the missions of a scenario."""

    Parameters = MissionParameters

    def __init__(self) -> None:
        super().__init__("mission_node")
        self.set_up()
        from reflexarc_sim.missions import scenario_missions  # noqa: PLC0415 - the map of a simulated world

        p = self.params
        self.scenario = p.load_scenario()
        self.world, missions = scenario_missions(self.scenario, self.scenario.seed)
        self.monitor = MissionMonitor(missions, self.world.route, self.scenario.missions.goal_tolerance_m)
        self.statistics = RunStatistics(self.scenario.seed, p.arc, digest=False)
        self.period = self.scenario.arc_config.period
        self.folder = Path(p.out_dir) if p.out_dir else None
        self.log = EventLog(self.folder)
        self.pending: list[PlantEvent] = []
        self.proposals: dict[float, Proposal] = {}
        self.now, self.problem, self.broken, self.over = 0.0, "", "", False
        self.publishers_ = {name: advertise(self, name) for name in ("mission", "route", "keepouts")}
        self.publishers_["keepouts"].publish(
            walls_to(Walls(np.inf, FIXED_FRAME, self.world.keepouts), self.time.now())
        )
        wanted = "proposal" if p.arc else "cmd_vel"  # without the arc the proposal is the command
        needed = ("odom", wanted, *(["verdict"] if p.arc else []))
        self.hearing = Hearing(needed, p.start_timeout_s, p.silence_s)
        for name, take in (
            ("odom", self._odometry),
            ("verdict", self._verdict),
            (wanted, self._proposal),
        ):
            listen(self, name, take, every=True)
        listen(self, "clearance", lambda message: self.statistics.add_distance(message.range), every=True)
        for name, decode in (
            ("contact_events", wire.contact_from),
            ("cargo_events", wire.cargo_from),
            ("rollover_events", wire.rollover_from),
        ):
            listen(self, name, lambda message, decode=decode: self._event(decode(message)), every=True)

    def run(self, stop: Stop) -> int:
        """Watch until the missions are over; afterwards stay, or end with the run's exit code."""
        pacer = Pacer(PERIOD_S)
        while not stop.requested and not self.over:
            self.spin_for(pacer.remaining())
            pacer.begin()
            self.problem = self.broken or self.hearing.silent()
            self.over = bool(self.problem) or self.monitor.done or self.now >= self.scenario.duration_s
            if self.report():
                self.log.write(self.now, "status", "", **self.counters())
        self._finish(self.problem or ("the run was stopped" if stop.requested and not self.over else ""))
        while not stop.requested and not self.params.exit_when_done:
            self.spin_for(PERIOD_S)
            self.report()
        return EXIT_FAILED if self.problem else EXIT_OK

    def counters(self) -> dict[str, Any]:
        """Return the running figures."""
        s = self.statistics
        return {
            "missions": len(self.monitor.missions),
            "missions_done": len(self.monitor.outcomes),
            "successes": sum(m.outcome == "success" for m in self.monitor.outcomes),
            "contacts": len(s.contacts),
            "pedestrian_contacts": len(s.pedestrian_contacts),
            "interventions": int(s.interventions),
            "min_distance_m": float(s.min_distance),
        }

    def health(self) -> Health:
        """Return the running figures."""
        problems = [self.problem] if self.problem else []
        return Health.judge(problems, self.counters(), warnings=self.hearing.waiting())

    def close(self) -> None:
        """Close the event log."""
        self.log.close()

    def _odometry(self, message: Any) -> None:
        self.hearing.hear("odom")
        if self.over:
            return
        o = wire.odometry_from(message)
        self.now = max(self.now, o.stamp)
        state = BaseState(
            o.stamp, o.frame_id, o.pose, o.twist, Obstacles.none(o.stamp, o.frame_id), Walls.none(o.frame_id)
        )
        self.statistics.add_state(o.stamp, o.pose, o.twist)
        events, self.pending = self.pending, []
        try:
            self._missions(self.monitor.update(o.stamp, state, events))
        except ReflexArcError as error:  # no route from where the robot ended up
            self.broken = str(error)

    def _verdict(self, message: Any) -> None:
        self.hearing.hear("verdict")
        if self.over:
            return
        verdict, record = wire.verdict_from(message)
        proposal = self.proposals.get(record.proposal_stamp)
        wanted = proposal.twist if proposal is not None else None
        self.statistics.add_verdict(verdict, wanted, record.lateness, self.period)

    def _proposal(self, message: Any) -> None:
        self.hearing.hear("proposal" if self.params.arc else "cmd_vel")
        proposal = wire.proposal_from(message)
        self.proposals[proposal.stamp] = proposal
        if len(self.proposals) > PROPOSALS_KEPT:
            del self.proposals[next(iter(self.proposals))]

    def _event(self, event: PlantEvent) -> None:
        self.pending.append(event)
        self.statistics.add_events((event,))
        self.log.plant_event(event)

    def _missions(self, events: Iterable[MissionStarted | MissionEnded]) -> None:
        for event in events:
            mission = self.monitor.missions[event.number]
            if isinstance(event, MissionStarted):
                self.publishers_["route"].publish(route_to(event.stamp, event.route))
            else:
                self.statistics.add_mission(event)
            text = self.log.mission(event, self.statistics.distance)
            self.publishers_["mission"].publish(mission_to(event, mission, self.counters(), text))
            self.get_logger().info(text)

    def _finish(self, reason: str) -> None:
        """Take away the route, wait for the plant's last events and write the summary."""
        self._missions(self.monitor.finish(self.now))
        self.over = True
        self.publishers_["route"].publish(route_to(self.now, np.zeros((0, 2))))
        self.publishers_["mission"].publish(mission_to(None, None, self.counters(), reason, self.now))
        self.spin_for(TRAILING_S)
        if reason:
            self.log.write(self.now, "problem" if self.problem else "stopped", reason)
            self.get_logger().error(reason) if self.problem else self.get_logger().info(reason)
        self.log.write(self.now, "status", "", **self.counters())
        if self.folder is not None:
            summary = json.dumps(self.statistics.summary().to_json())
            (self.folder / "summary.json").write_text(summary + "\n", encoding="utf-8")


def main() -> int:
    """Run the node."""
    return main_of(MissionNode)


if __name__ == "__main__":
    sys.exit(main())
