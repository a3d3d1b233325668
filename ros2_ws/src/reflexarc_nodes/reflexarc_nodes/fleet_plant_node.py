# SPDX-License-Identifier: Apache-2.0
"""The simulated plant of a fleet as a lifecycle node: several robots in one world, each in a namespace, one clock.

As with one robot, a command that is old, delayed or not finite becomes zero for its robot, whoever sent it.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_base import PlantBase
from reflexarc_nodes.plant_messages import FleetMessages, PlantMessages
from reflexarc_nodes.qos import listen
from reflexarc_nodes.watchdog import CommandWatchdog


@dataclass(frozen=True, slots=True)
class FleetPlantParameters(CommonParameters):
    """Parameters of fleet_plant_node."""

    start_timeout_s: float = quantity(
        240.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every robot's first command"
    )


class FleetPlantNode(PlantBase):
    """Runs one plant of several robots while active."""

    Parameters = FleetPlantParameters

    def __init__(self) -> None:
        super().__init__("fleet_plant_node")
        self.steps = 0

    def build(self, scenario: Any) -> list[Any]:
        """Build world, robots and crowd."""
        from reflexarc_sim.fleet_tasks import FleetTasks  # noqa: PLC0415 - loads a physics engine
        from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant  # noqa: PLC0415

        self.plant = FleetPlant(scenario)
        poses = FleetTasks(scenario, scenario.seed).start_poses()
        self.states = self.plant.reset(scenario.seed, poses)
        names, period = self.plant.names, 1.0 / scenario.sensors.lidar.rate_hz
        self.shared = FleetMessages(self, self.plant)
        self.messages = [PlantMessages(self, unit, period, False, unit.name) for unit in self.plant.units]
        self.watchdogs = [CommandWatchdog(interface("cmd_vel").max_age_s) for _ in names]
        self.stale_steps = np.zeros(len(names), dtype=int)
        self.applied = np.zeros((len(names), 2))
        self.pace = scenario.fleet.pace
        return [
            listen(self, "cmd_vel", lambda m, w=dog: w.take(wire.proposal_from(m)), under=name)
            for name, dog in zip(names, self.watchdogs, strict=True)
        ]

    def waiting_for(self) -> str:
        """Time starts when every robot has been commanded."""
        missing = self._names(lambda dog: not dog.received)
        return f"the first command of {missing}" if missing else ""

    def show(self) -> None:
        """Publish the start."""
        self.shared.publish(0)
        for messages, state in zip(self.messages, self.states, strict=True):
            messages.state(state, waiting=True)

    def step(self) -> None:
        """Go on by one step and publish it."""
        now = self.plant.time
        for k, dog in enumerate(self.watchdogs):
            self.applied[k] = dog.command(now)
            self.stale_steps[k] += dog.stale
        self.states, events = self.plant.step(self.applied)
        self.steps += 1
        self.shared.publish(self.steps)
        for messages, state, happened in zip(self.messages, self.states, events, strict=True):
            messages.state(state)
            messages.events(happened)

    def finish(self) -> None:
        """Publish the contacts that are still going on."""
        for unit, messages in zip(self.plant.units, self.messages, strict=True):
            messages.events(unit.finish())

    def figures(self) -> tuple[dict[str, float], str]:
        """Return what the watchdogs did."""
        values = {
            "stale_steps": int(self.stale_steps.sum()),
            "refused_commands": sum(dog.refused for dog in self.watchdogs),
        }
        stale = self._names(lambda dog: dog.stale and dog.received)
        return values, f" to {stale}" if stale else ""

    def _names(self, which: Any) -> str:
        return ", ".join(n for n, dog in zip(self.plant.names, self.watchdogs, strict=True) if which(dog))


def main() -> int:
    """Run the node."""
    return main_of(FleetPlantNode)


if __name__ == "__main__":
    sys.exit(main())
