# SPDX-License-Identifier: Apache-2.0
"""The simulated plant as a lifecycle node: steps at the pace of the wall clock, publishes what a robot's drivers would.

A command that is old, delayed or not finite becomes zero, whoever sent it.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from reflexarc_msgs.msg import MissionStatus
from std_msgs.msg import String

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.gate_interfaces import ACKNOWLEDGE
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.heart import HeartSender
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_base import PlantBase
from reflexarc_nodes.plant_messages import PlantMessages
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.watchdog import CommandWatchdog


@dataclass(frozen=True, slots=True)
class PlantParameters(CommonParameters):
    """Parameters of plant_node."""

    markers: bool = quantity(False, doc="publish pictures for a 3-D viewer")
    heartbeat: bool = quantity(False, doc="send heartbeats for a gate")
    operator: bool = quantity(
        False,
        doc="acknowledge stops that last for the scenario's supervisor.operator_s, as a person on site would",
    )
    recorded: bool = quantity(False, doc="let time run only once recorder_node listens")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for the first command before giving up"
    )


class PlantNode(PlantBase):
    """Runs one plant with one robot while active."""

    Parameters = PlantParameters
    params: PlantParameters

    def __init__(self) -> None:
        super().__init__("plant_node")
        self.watchdog = CommandWatchdog(interface("cmd_vel").max_age_s)
        self.heart = HeartSender(self, "plant") if self.params.heartbeat else None
        self.operator: Any = None
        self.applied = np.zeros(2)
        self.stale_steps = 0
        self.awaits_recorder = self.params.recorded

    def build(self, scenario: Any) -> list[Any]:
        """Build world, robot and crowd."""
        from reflexarc_sim import make_plant  # noqa: PLC0415 - loads a physics engine

        self.plant = make_plant(scenario)
        self.state = self.plant.reset(scenario.seed)
        period = 1.0 / scenario.sensors.lidar.rate_hz
        self.messages = PlantMessages(self, self.plant, period, self.params.markers)
        return [
            listen(self, "cmd_vel", lambda message: self.watchdog.take(wire.proposal_from(message))),
            listen(self, "mission", self._mission),
            *(self._watch(scenario.supervisor.operator_s) if self.params.operator else ()),
        ]

    def waiting_for(self) -> str:
        """Time starts with the first command, and where it is to be recorded once the recorder listens."""
        if not self.watchdog.received:
            return "the first command"
        if self.awaits_recorder:
            heard_by = {found.node_name for found in self.get_subscriptions_info_by_topic("odom")}
            self.awaits_recorder = "recorder_node" not in heard_by
        return "the recorder" if self.awaits_recorder else ""

    def show(self) -> None:
        """Publish the start."""
        self.messages.state(self.state, waiting=True)
        self._beat()

    def step(self) -> None:
        """Go on by one step and publish it."""
        self.applied = self.watchdog.command(self.plant.time)
        self.stale_steps += self.watchdog.stale
        self.state, events = self.plant.step(self.applied)
        self.messages.state(self.state)
        self.messages.events(events)
        self._beat()
        if self.operator is not None and self.operator.acknowledges(self.plant.time):
            self.acknowledge.publish(String(data="simulated operator"))

    def finish(self) -> None:
        """Publish the contacts that are still going on."""
        self.messages.events(self.plant.finish())

    def figures(self) -> tuple[dict[str, float], str]:
        """Return what the watchdog did, and what was applied."""
        values = {
            "cmd_vel_stale": int(self.watchdog.stale),
            "stale_steps": self.stale_steps,
            "refused_commands": self.watchdog.refused,
            "applied_forward_m_s": float(self.applied[0]),
            "applied_yaw_rad_s": float(self.applied[1]),
        }
        return values, " to the robot" if self.watchdog.stale else ""

    def _watch(self, patience: float) -> list[Any]:
        """Let a simulated operator watch the mode; return the subscription."""
        from reflexarc_sim.supervised import Operator  # noqa: PLC0415 - only where a simulator is wanted

        self.operator, self.acknowledge = Operator(patience), advertise(self, ACKNOWLEDGE)
        return [listen(self, "mode", lambda m: self.operator.see(wire.mode_from(m), self.plant.time))]

    def _beat(self) -> None:
        if self.heart is not None:
            self.heart.beat(self.plant.time)

    def _mission(self, message: MissionStatus) -> None:
        """At the end of a run, publish the contacts that are still going on."""
        if message.state == MissionStatus.ALL_DONE and self.plant is not None:
            self.finish()


def main() -> int:
    """Run the node."""
    return main_of(PlantNode)


if __name__ == "__main__":
    sys.exit(main())
