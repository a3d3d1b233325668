# SPDX-License-Identifier: Apache-2.0
"""The simulated quadruped as a lifecycle node: steps at the pace of the wall clock, publishes what drivers would.

Targets that are old or not finite become a crouch.
"""

import sys
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Bool

from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.convert import clock_to
from reflexarc_nodes.joint_convert import joints_to
from reflexarc_nodes.joint_plant_base import JointPlantBase
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import push_to, trunk_to
from reflexarc_nodes.watchdog import PositionsWatchdog


@dataclass(frozen=True, slots=True)
class QuadrupedPlantParameters(CommonParameters):
    """Parameters of quadruped_plant_node."""

    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine, at most"
    )
    patience_s: float = quantity(
        0.1,
        unit="s",
        low=0.0,
        high=1.0,
        doc="wall time that a step waits for targets newer than the last step",
    )
    await_proposal: bool = quantity(
        True, doc="let time begin only after the first proposal of the task policy"
    )
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for the first targets before giving up"
    )


class QuadrupedPlantNode(JointPlantBase):
    """Runs one quadruped while active."""

    Parameters = QuadrupedPlantParameters
    commands = "targets"
    stale_fault = "positions_stale: the robot crouches"

    def __init__(self) -> None:
        super().__init__("quadruped_plant_node")
        self.steps = 0
        self.fell = False

    def make_plant(self, scenario: Any) -> Any:
        """Build the robot."""
        from reflexarc_sim.plants import make_walker_plant  # noqa: PLC0415 - loads a physics engine

        return make_walker_plant(scenario)

    def connect(self, scenario: Any) -> list[Any]:
        """Advertise everything and listen."""
        plant = self.plant
        self.watchdog = PositionsWatchdog(interface(POSITIONS).max_age_s, plant.crouch)
        self.joints = len(plant.crouch)
        self.clock, self.joint_states = advertise(self, "clock"), advertise(self, "quadruped/joint_states")
        self.odometry, self.push = advertise(self, "quadruped/odometry"), advertise(self, "quadruped/push")
        self.fallen = advertise(self, "quadruped/fallen")
        self.fallen.publish(Bool(data=False))
        self.fell = False
        self.every = max(1, round(1.0 / (interface("quadruped/push").rate_hz * plant.step_period)))
        return [
            listen(self, POSITIONS, self._take),
            listen(self, "quadruped/proposal", self._heard_proposal),
        ]

    def show_state(self) -> None:
        """Publish clock, odometry and joints."""
        self.clock.publish(clock_to(self.state.stamp))
        self.odometry.publish(trunk_to(self.state, self.plant.position()))
        self.joint_states.publish(joints_to(self.state, self.state.joint_rate, self.plant.torque()))

    def advance(self) -> None:
        """Draw the joints to the targets, or to the crouch."""
        self.state = self.plant.step(self.watchdog.targets(self.plant.time))
        self.steps += 1
        if self.plant.fallen and not self.fell:
            self.fell = True
            self.fallen.publish(Bool(data=True))
        if self.steps % self.every == 0:
            self.push.publish(push_to(self.plant.time, self.plant.force()))
        self.show_state()

    def finish(self) -> None:
        """Nothing goes on."""

    def more_figures(self) -> dict[str, float]:
        """Return whether the robot has fallen."""
        return {"fallen": int(self.fell)}


def main() -> int:
    """Run the node."""
    return main_of(QuadrupedPlantNode)


if __name__ == "__main__":
    sys.exit(main())
