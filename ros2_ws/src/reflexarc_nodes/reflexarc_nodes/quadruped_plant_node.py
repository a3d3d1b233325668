# SPDX-License-Identifier: Apache-2.0
"""The simulated quadruped as a lifecycle node: steps at the pace of the wall clock, publishes what drivers would.

Every step waits a moment for the targets that answer the one before, see `arm_plant_node`. Targets that are old or not
finite become a crouch.
"""

import sys
import time
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Bool

from reflexarc.core import arm_wire
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.convert import clock_to
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_base import PlantBase
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.quadruped_convert import push_to, trunk_to, walker_joints_to
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


class QuadrupedPlantNode(PlantBase):
    """Runs one quadruped while active."""

    Parameters = QuadrupedPlantParameters
    make_up = 0.0  # simulated time falls behind instead: in a hurry the arc could not answer every step
    stale_fault = "positions_stale: the robot crouches"

    def __init__(self) -> None:
        super().__init__("quadruped_plant_node")
        self.pace = self.params.pace
        self.stale_steps = self.waited_steps = self.steps = 0
        self.proposed = self.shown = self.fell = False

    def build(self, scenario: Any) -> list[Any]:
        """Build the robot."""
        from reflexarc_sim.plants import make_walker_plant  # noqa: PLC0415 - loads a physics engine

        self.plant = plant = make_walker_plant(scenario)
        self.state = plant.reset(scenario.seed)
        self.watchdog = PositionsWatchdog(interface(POSITIONS).max_age_s, plant.crouch)
        self.clock, self.joints = advertise(self, "clock"), advertise(self, "quadruped/joint_states")
        self.odometry, self.push = advertise(self, "quadruped/odometry"), advertise(self, "quadruped/push")
        self.fallen = advertise(self, "quadruped/fallen")
        self.fallen.publish(Bool(data=False))
        self.every = max(1, round(1.0 / (interface("quadruped/push").rate_hz * plant.step_period)))
        self.proposed = self.shown = self.fell = False
        return [
            listen(self, POSITIONS, self._take),
            listen(self, "quadruped/proposal", self._heard_proposal),
        ]

    def waiting_for(self) -> str:
        """Time starts when an arc that sees the robot, and so sends targets, has been proposed something."""
        if not self.watchdog.received:
            return "the first targets"
        if self.params.await_proposal and not self.shown:
            return "the first proposal"
        return ""

    def show(self) -> None:
        """Publish the start; once the policy has proposed to an arc that sees it, the arc has all that it needs."""
        self.shown = self.proposed
        self._publish()

    def step(self) -> None:
        """Wait for an answer to the last state, go on by one step and publish it."""
        watchdog = self.watchdog
        if not watchdog.fresh and not watchdog.stale:
            self._await_answer()
        targets = watchdog.targets(self.plant.time)
        self.stale_steps += watchdog.stale
        self.state = self.plant.step(targets)
        self.steps += 1
        if self.plant.fallen and not self.fell:
            self.fell = True
            self.fallen.publish(Bool(data=True))
        if self.steps % self.every == 0:
            self.push.publish(push_to(self.plant.time, self.plant.force()))
        self._publish()

    def finish(self) -> None:
        """Nothing goes on."""

    def figures(self) -> tuple[dict[str, float], str]:
        """Return what the watchdog did."""
        values = {
            "positions_stale": int(self.watchdog.stale),
            "stale_steps": self.stale_steps,
            "waited_steps": self.waited_steps,
            "refused_commands": self.watchdog.refused,
            "fallen": int(self.fell),
        }
        return values, " until targets arrive" if self.watchdog.stale else ""

    def _publish(self) -> None:
        self.clock.publish(clock_to(self.state.stamp))
        self.odometry.publish(trunk_to(self.state, self.plant.position()))
        self.joints.publish(walker_joints_to(self.state, self.plant.torque()))

    def _await_answer(self) -> None:
        """Wait for newer targets, at most `patience_s` of wall time."""
        self.waited_steps += 1
        end = time.monotonic() + self.params.patience_s
        while not self.watchdog.fresh and (left := end - time.monotonic()) > 0.0:
            self.executor_.spin_once(timeout_sec=left)

    def _take(self, message: Any) -> None:
        joints = len(self.plant.stance)
        self.watchdog.take(arm_wire.effort_from(message, joints), self.plant.time)

    def _heard_proposal(self, message: Any) -> None:
        self.proposed = self.proposed or self.watchdog.received


def main() -> int:
    """Run the node."""
    return main_of(QuadrupedPlantNode)


if __name__ == "__main__":
    sys.exit(main())
