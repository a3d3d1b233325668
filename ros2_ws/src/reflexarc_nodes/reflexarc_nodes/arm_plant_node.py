# SPDX-License-Identifier: Apache-2.0
"""The simulated arm in contact as a lifecycle node: steps at the pace of the wall clock, publishes what drivers would.

Every step waits a moment for the torques that answer the one before: a machine that is too slow for the pace then slows
simulated time, and the control loop stays closed at every step. Torques that are old or not finite become rest.
"""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core import arm_wire
from reflexarc.core.arm_interfaces import EFFORT
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.robots.resting import RestingArm
from reflexarc_nodes.arm_plant_messages import ArmPlantMessages
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_base import PlantBase
from reflexarc_nodes.qos import listen
from reflexarc_nodes.watchdog import EffortWatchdog


@dataclass(frozen=True, slots=True)
class ArmPlantParameters(CommonParameters):
    """Parameters of arm_plant_node."""

    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine, at most"
    )
    patience_s: float = quantity(
        0.1,
        unit="s",
        low=0.0,
        high=1.0,
        doc="wall time that a step waits for torques newer than the last step",
    )
    await_proposal: bool = quantity(
        True, doc="let time begin only after the first proposal of the task policy"
    )
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for the first torques before giving up"
    )


class ArmPlantNode(PlantBase):
    """Runs one arm in front of a scene while active."""

    Parameters = ArmPlantParameters
    make_up = 0.0  # simulated time falls behind instead: in a hurry the arc could not answer every step
    stale_fault = "effort_stale: the arm rests"

    def __init__(self) -> None:
        super().__init__("arm_plant_node")
        self.pace = self.params.pace
        self.stale_steps = self.waited_steps = 0
        self.proposed = self.shown = False

    def build(self, scenario: Any) -> list[Any]:
        """Build arm and scene."""
        from reflexarc_sim.plants import make_arm_plant  # noqa: PLC0415 - loads a physics engine

        self.plant = plant = make_arm_plant(scenario)
        self.state = plant.reset(scenario.seed)
        resting = RestingArm(plant.arm, scenario.cell.tool_length_m, scenario.cell.tool_mass_kg)
        self.watchdog = EffortWatchdog(interface(EFFORT).max_age_s, resting)
        self.applied = resting.torque(self.state.position, self.state.velocity)
        self.messages = ArmPlantMessages(self, plant)
        self.proposed = self.shown = False
        return [
            listen(self, EFFORT, self._take),
            listen(self, "arm/proposal", self._heard_proposal),
        ]

    def waiting_for(self) -> str:
        """Time starts when an arc that sees the arm, and so sends torques, has been proposed something."""
        if not self.watchdog.received:
            return "the first torques"
        if self.params.await_proposal and not self.shown:
            return "the first proposal"
        return ""

    def show(self) -> None:
        """Publish the start; once the policy has proposed to an arc that sees it, the arc has all that it needs."""
        self.shown = self.proposed
        self.messages.state(self.state, self.applied)

    def step(self) -> None:
        """Wait for an answer to the last state, go on by one step and publish it."""
        watchdog = self.watchdog
        if not watchdog.fresh and not watchdog.stale:
            self._await_answer()
        now = self.plant.time
        self.applied = watchdog.torque(self.state, now)
        self.stale_steps += watchdog.stale
        self.state, events = self.plant.step(self.applied)
        self.messages.state(self.state, self.applied)
        self.messages.truth(self.state, self.applied)
        self.messages.events(events)

    def finish(self) -> None:
        """Publish the contacts that are still going on."""
        self.messages.events(self.plant.finish())

    def figures(self) -> tuple[dict[str, float], str]:
        """Return what the watchdog did, and what was applied."""
        values = {
            "effort_stale": int(self.watchdog.stale),
            "stale_steps": self.stale_steps,
            "waited_steps": self.waited_steps,
            "refused_commands": self.watchdog.refused,
            "applied_n_m": float(np.abs(self.applied).max()),
        }
        return values, " until torques arrive" if self.watchdog.stale else ""

    def _await_answer(self) -> None:
        """Wait for newer torques, at most `patience_s` of wall time."""
        self.waited_steps += 1
        end = time.monotonic() + self.params.patience_s
        while not self.watchdog.fresh and (left := end - time.monotonic()) > 0.0:
            self.executor_.spin_once(timeout_sec=left)

    def _take(self, message: Any) -> None:
        self.watchdog.take(arm_wire.effort_from(message, self.plant.arm.n), self.plant.time)

    def _heard_proposal(self, message: Any) -> None:
        self.proposed = self.proposed or self.watchdog.received


def main() -> int:
    """Run the node."""
    return main_of(ArmPlantNode)


if __name__ == "__main__":
    sys.exit(main())
